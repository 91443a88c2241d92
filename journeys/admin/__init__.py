"""The screens of this room, one file for each; importing them registers them."""

from journeys.admin import (
    journeys,
    journeys_on_contacts,
    messages,
    test_profiles,
)

__all__ = ["journeys", "journeys_on_contacts", "messages", "test_profiles"]
