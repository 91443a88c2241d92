"""Campaigns with codes, for tests. Plain functions."""

from datetime import UTC, datetime
from typing import Any

from loyalty.gift_cards import campaigns, codes
from loyalty.models import Campaign, CodeBatch
from workspace.access import SYSTEM

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


def make_campaign(name: str = "Review gift cards", *, count: int = 0, **given: Any) -> Campaign:
    """A campaign of 25-dollar cards, with so many codes."""
    at = given.pop("at", NOW)
    given.setdefault("amount_minor", 2500)
    campaign = campaigns.create_campaign(actor=SYSTEM, at=at, name=name, **given)
    if count:
        codes.make_codes(campaign, count, kind=CodeBatch.Kind.GENERATED, actor=SYSTEM, at=at)
        campaign.refresh_from_db()
    return campaign
