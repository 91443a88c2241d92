"""The screens about people we know: contacts, their profile, definitions, import."""

from contacts.admin import (  # noqa: F401  # They register screens.
    contacts,
    definitions,
    events,
    identity_rules,
)
from contacts.admin.registry import (
    Link,
    Panel,
    register_event_link,
    register_filter,
    register_link,
    register_panel,
)

__all__ = [
    "Link",
    "Panel",
    "register_event_link",
    "register_filter",
    "register_link",
    "register_panel",
]
