"""Vouchers: made, found, listed, switched on and off, given more money; what moved it."""

from typing import Any

from django.db.models import QuerySet

from integrations.voucherify.answers import instant
from integrations.voucherify.customers import id_of
from integrations.voucherify.entry import Call
from loyalty.models import Campaign, Voucher
from workspace import access

# The campaigns in which codes are that were made without one: the clients know of no campaign then.
STANDALONE = "standalone-vouchers"


def known(call: Call) -> "QuerySet[Voucher]":
    """The vouchers that the caller may know of: those of his campaigns."""
    campaigns = access.visible(Campaign.objects.all(), call.caller.actor)
    return Voucher.objects.filter(campaign__in=campaigns).select_related("campaign")


def describe(voucher: Voucher) -> dict[str, Any]:
    """A gift voucher as they know it. `amount` is all that was ever on the card."""
    campaign = voucher.campaign
    is_alone = campaign.key.startswith(STANDALONE)
    limit = voucher.redemption_limit
    path = f"/v1/vouchers/{voucher.code}"
    return {
        "id": f"v_{voucher.pk}",
        "code": voucher.code,
        "campaign": None if is_alone else campaign.name,
        "campaign_id": None if is_alone else f"camp_{campaign.pk}",
        "category": None,
        "category_id": None,
        "categories": [],
        "type": "GIFT_VOUCHER",
        "gift": gift_of(voucher),
        "discount": None,
        "loyalty_card": None,
        "start_date": instant(voucher.starts_at or campaign.starts_at),
        "expiration_date": instant(_end_of(voucher)),
        "validity_timeframe": timeframe_of(campaign),
        "validity_day_of_week": weekdays_of(campaign),
        "validity_hours": None,
        "active": voucher.is_enabled and campaign.status == Campaign.Status.ACTIVE,
        "additional_info": None,
        "metadata": voucher.metadata or {},
        "is_referral_code": False,
        "holder_id": None if voucher.holder_id is None else id_of(voucher.holder_id),
        "referrer_id": None,
        "created_at": instant(voucher.created_at),
        "updated_at": instant(voucher.published_at or voucher.created_at),
        "object": "voucher",
        "publish": {
            "object": "list",
            "count": int(voucher.published_at is not None),
            "url": f"{path}/publications?page=1&limit=10",
        },
        "redemption": {
            "quantity": campaign.redemption_limit if limit is None else limit,
            "redeemed_quantity": voucher.redeemed_count,
            "redeemed_amount": voucher.redeemed_minor,
            "object": "list",
            "url": f"{path}/redemptions?page=1&limit=10",
        },
        "validation_rules_assignments": {
            "object": "list",
            "data_ref": "data",
            "data": [],
            "total": 0,
        },
    }


def gift_of(voucher: Voucher) -> dict[str, Any]:
    """The money of a card in minor units."""
    return {
        "amount": voucher.balance_minor + voucher.redeemed_minor,
        "subtracted_amount": 0,
        "balance": voucher.balance_minor,
        "effect": "APPLY_TO_ORDER",
    }


def timeframe_of(campaign: Campaign) -> dict[str, Any] | None:
    """At which times, that come again, cards of a campaign are valid."""
    if not campaign.validity_interval:
        return None
    return {"interval": campaign.validity_interval, "duration": campaign.validity_duration}


def weekdays_of(campaign: Campaign) -> list[int] | None:
    """The days of the week; Sunday is 0 there."""
    return sorted(day % 7 for day in campaign.weekdays) or None


def _end_of(voucher: Voucher) -> Any:
    ends = [one for one in (voucher.expires_at, voucher.campaign.ends_at) if one is not None]
    return min(ends, default=None)
