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
]
__all__ = ["mechanisms", "mechanisms_on_contacts", "on_contacts"]

__all__ = ["client_keys", "on_contacts", "suspicions"]

__all__ = ["distributions", "on_contacts"]
__all__ = ["distributions", "mechanisms", "mechanisms_on_contacts", "on_contacts"]
from loyalty.admin import earn_rules, mechanisms, mechanisms_on_contacts, members, on_contacts

__all__ = ["mechanisms", "mechanisms_on_contacts", "on_contacts"]
from loyalty.admin import client_keys, suspicions

__all__ = ["client_keys", "on_contacts", "suspicions"]
__all__ = ["earn_rules", "mechanisms", "mechanisms_on_contacts", "members", "on_contacts"]
