"""The schema's history, oldest first; forward only."""
