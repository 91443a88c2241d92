"""The screens of this room, one file for each; importing them registers them."""

from loyalty.admin import (
    campaigns,
    campaigns_on_contacts,
    client_keys,
    distributions,
    mechanisms,
    mechanisms_on_contacts,
    on_contacts,
    rules,
    suspicions,
    wallet_on_contacts,
)

__all__ = [
    "campaigns",
    "campaigns_on_contacts",
    "client_keys",
    "distributions",
    "mechanisms",
    "mechanisms_on_contacts",
    "on_contacts",
    "rules",
    "suspicions",
    "wallet_on_contacts",
    campaigns,
    campaigns_on_contacts,
    mechanisms,
    mechanisms_on_contacts,
    on_contacts,
)

__all__ = ["mechanisms", "mechanisms_on_contacts", "on_contacts"]
from loyalty.admin import client_keys, suspicions

__all__ = ["client_keys", "on_contacts", "suspicions"]
__all__ = [
    "campaigns",
    "campaigns_on_contacts",
    "mechanisms",
    "mechanisms_on_contacts",
    "on_contacts",
]
