"""Adapters that do an agent's work, behind one port."""
