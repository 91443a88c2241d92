"""A month with vendors that fail, in parts: who we are, and what each vendor has of us."""
