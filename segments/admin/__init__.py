"""The screens about segments, and what segments add to the screens about contacts."""

from segments.admin import exporting, on_contacts, segments  # noqa: F401  # They register screens.
