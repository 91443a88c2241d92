"""Audiences: segments mirrored as lists at vendors. README.md."""
