"""Trying a journey out before it counts: test profiles, and tests of drafts with them."""

from journeys.trying.running import is_testing

__all__ = ["is_testing"]
