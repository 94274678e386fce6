"""Frozen values, messages, events and errors. Imports nothing of ours."""
