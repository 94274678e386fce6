"""Peewee and SQL live here, and nothing else knows them."""
