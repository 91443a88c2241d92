"""The screens of this room, one file for each; importing them registers them."""

from loyalty.admin import (
    client_keys,
    distributions,
    mechanisms,
    mechanisms_on_contacts,
    on_contacts,
    rules,
    suspicions,
)

__all__ = [
    "client_keys",
    "mechanisms",
    "mechanisms_on_contacts",
    "on_contacts",
    "rules",
    "suspicions",
]
__all__ = ["mechanisms", "mechanisms_on_contacts", "on_contacts"]

__all__ = ["client_keys", "on_contacts", "suspicions"]

__all__ = ["distributions", "on_contacts"]
__all__ = ["distributions", "mechanisms", "mechanisms_on_contacts", "on_contacts"]
from loyalty.admin import client_keys as client_keys
from loyalty.admin import distributions as distributions
from loyalty.admin import mechanisms as mechanisms
from loyalty.admin import mechanisms_on_contacts as mechanisms_on_contacts
from loyalty.admin import on_contacts as on_contacts
from loyalty.admin import suspicions as suspicions
