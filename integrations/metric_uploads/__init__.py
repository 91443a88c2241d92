"""Metrics of contacts, appended to what vendors know of them: README.md."""
