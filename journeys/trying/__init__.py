"""Trying a journey out before it counts: test profiles, and tests of drafts with them."""
