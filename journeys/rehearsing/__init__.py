"""Rehearsing a draft on what happened: who would stand where, what would be sent, what it costs."""
