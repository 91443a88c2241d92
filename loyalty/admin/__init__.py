"""The screens of this room, one file for each; importing them registers them."""

from loyalty.admin import mechanisms, mechanisms_on_contacts, on_contacts

__all__ = ["mechanisms", "mechanisms_on_contacts", "on_contacts"]
from loyalty.admin import client_keys, suspicions

__all__ = ["client_keys", "on_contacts", "suspicions"]
