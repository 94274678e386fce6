"""Passwords, tokens, secrets, and the guard on outgoing calls."""
