"""The screens of this room, one file for each; importing them registers them."""

from loyalty.admin import (
    campaigns,
    campaigns_on_contacts,
    client_keys,
    distributions,
    earn_rules,
    mechanisms,
    mechanisms_on_contacts,
    members,
    on_contacts,
    redemptions,
    reports,
    rules,
    suspicions,
    vouchers,
    wallet_on_contacts,
)

__all__ = [
    "campaigns",
    "campaigns_on_contacts",
    "client_keys",
    "distributions",
    "earn_rules",
    "mechanisms",
    "mechanisms_on_contacts",
    "members",
    "on_contacts",
    "redemptions",
    "reports",
    "rules",
    "suspicions",
    "vouchers",
    "wallet_on_contacts",
]
