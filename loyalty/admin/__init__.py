"""The screens of this room, one file for each; importing them registers them."""

from loyalty.admin import mechanisms, mechanisms_on_contacts, on_contacts

__all__ = ["mechanisms", "mechanisms_on_contacts", "on_contacts"]
