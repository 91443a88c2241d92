"""Gift-card campaigns: made with their codes, shown, listed, switched on and off."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.http import HttpResponse
from django.utils.translation import gettext as _

from integrations.voucherify.answers import answer, answer_list, instant
from integrations.voucherify.entry import Call, Way, invalid, view
from loyalty.gift_cards import campaigns, codes
from loyalty.models import Campaign, CodeBatch, RuleAssignment
from loyalty.validation_rules.rules import assign_rule
from loyalty.voucherify import said
from loyalty.voucherify.assigned import assignments_list, assignments_of
from loyalty.voucherify.finding import STANDALONE, find_campaign, find_rule
from loyalty.voucherify.vouchers import (
    GENERATE,
    groups_of,
    make_voucher,
    timeframe_of,
    weekdays_of,
)

# So many codes are made while the client waits, so that it finds them; more by a worker.
AT_ONCE = 1_000
_VIEW, _ADD, _CHANGE = (
    "loyalty.view_campaign",
    "loyalty.add_campaign",
    "loyalty.change_campaign",
)
_CODE_CONFIG = ("length", "charset", "prefix", "postfix", "pattern")
_TYPES = {"AUTO_UPDATE", "STATIC"}
_CREATION = {
    Campaign.Creation.NONE: "DONE",
    Campaign.Creation.DONE: "DONE",
    Campaign.Creation.IN_PROGRESS: "IN_PROGRESS",
    Campaign.Creation.FAILED: "FAILED",
}


def create(call: Call) -> HttpResponse:
    """Make a gift-card campaign; a few codes at once, many by a worker."""
    body = call.body
    if said.text(body, "campaign_type") not in {"", "GIFT_VOUCHERS"}:
        raise invalid(_("Only campaigns of the “campaign_type” GIFT_VOUCHERS are made here."))
    count = said.integer(body, "vouchers_count") or 0
    is_small = count <= AT_ONCE
    rules = [find_rule(str(one)) for one in said.listed(body, "validation_rules")]
    campaign = campaigns.create_campaign(
        actor=call.caller.actor,
        at=call.at,
        vouchers_count=0 if is_small else count,
        groups=groups_of(call),
        status=_status(body),
        **_settings(body),
    )
    if is_small and count > 0:
        kind = CodeBatch.Kind.GENERATED
        codes.make_codes(campaign, count, kind=kind, actor=call.caller.actor, at=call.at)
        codes.note_end(campaign.pk)
    for rule in rules:
        assign_rule(rule, campaign=campaign, actor=call.caller.actor, at=call.at)
    campaign.refresh_from_db()
    return answer(describe(campaign))


def show(call: Call) -> HttpResponse:
    """One campaign."""
    return answer(describe(find_campaign(call.parts["reference"], call)))


def show_list(call: Call) -> HttpResponse:
    """Campaigns, the newest first."""
    found = campaigns.known_campaigns(call.caller.actor).exclude(key__startswith=STANDALONE)
    start, limit = call.page()
    page = list(found.order_by("-pk")[start : start + limit])
    return answer_list("campaigns", describe_many(page), found.count())


def enable(call: Call) -> HttpResponse:
    """Let a campaign give codes, and its cards pay."""
    campaign = find_campaign(call.parts["reference"], call)
    campaigns.activate_campaign(campaign, actor=call.caller.actor, at=call.at)
    return answer({})


def disable(call: Call) -> HttpResponse:
    """Let a campaign give no codes, and none of its cards pay."""
    campaign = find_campaign(call.parts["reference"], call)
    campaigns.disable_campaign(campaign, actor=call.caller.actor, at=call.at)
    return answer({})


def add_voucher(call: Call) -> HttpResponse:
    """One more code of a campaign, the one that is named or a random one."""
    campaign = find_campaign(call.parts["reference"], call)
    return make_voucher(call, campaign, call.parts.get("code", ""))


def describe(campaign: Campaign) -> dict[str, Any]:
    """A campaign as they know it."""
    return describe_many([campaign])[0]


def describe_many(found: Sequence[Campaign]) -> list[dict[str, Any]]:
    """Campaigns with their rules, in a constant number of queries."""
    rules = assignments_of(RuleAssignment.objects.filter(campaign__in=found), "campaign_id")
    return [_describe(one, rules.get(one.pk, [])) for one in found]


def _describe(campaign: Campaign, rules: list[dict[str, Any]]) -> dict[str, Any]:
    creation = _CREATION[codes.creation_of(campaign)]
    config = {name: campaign.code_config.get(name) for name in _CODE_CONFIG}
    return {
        "id": f"camp_{campaign.pk}",
        "name": campaign.name,
        "description": campaign.description or None,
        "campaign_type": "GIFT_VOUCHERS",
        "type": "STATIC" if campaign.is_static else "AUTO_UPDATE",
        "voucher": {
            "type": "GIFT_VOUCHER",
            "gift": {
                "amount": campaign.amount_minor,
                "balance": campaign.amount_minor,
                "effect": "APPLY_TO_ORDER",
            },
            "redemption": {"quantity": campaign.redemption_limit},
            "code_config": config,
        },
        "auto_join": False,
        "join_once": campaign.join_once,
        "start_date": instant(campaign.starts_at),
        "expiration_date": instant(campaign.ends_at),
        "validity_timeframe": timeframe_of(campaign),
        "validity_day_of_week": weekdays_of(campaign),
        "activity_duration_after_publishing": campaign.valid_after_publication or None,
        "vouchers_count": campaign.voucher_count,
        "active": campaign.status == Campaign.Status.ACTIVE,
        "metadata": campaign.metadata,
        "creation_status": creation,
        "vouchers_generation_status": creation,
        "protected": False,
        "category": None,
        "category_id": None,
        "categories": [],
        "created_at": instant(campaign.created_at),
        "updated_at": instant(campaign.updated_at),
        "validation_rules_assignments": assignments_list(rules),
        "object": "campaign",
    }


def _settings(body: Mapping[str, Any]) -> dict[str, Any]:
    """What their body says of a campaign, in our words."""
    voucher = said.mapping(body, "voucher")
    if said.text(voucher, "type", "voucher.type") not in {"", "GIFT_VOUCHER"}:
        raise invalid(_("“voucher.type” has to be GIFT_VOUCHER: other kinds are not made here."))
    gift = said.mapping(voucher, "gift", "voucher.gift")
    amount = said.integer(gift, "amount", "voucher.gift.amount")
    if amount is None:
        message = _("“voucher.gift.amount” is missing: what a card is worth, in cents.")
        raise invalid(message)
    redemption = said.mapping(voucher, "redemption", "voucher.redemption")
    timeframe = said.mapping(body, "validity_timeframe")
    metadata = said.mapping(body, "metadata")
    currency = metadata.get("currency")
    settings: dict[str, Any] = {
        "name": said.text(body, "name"),
        "description": said.text(body, "description"),
        "amount_minor": amount,
        "code_config": _code_config(voucher),
        "is_static": said.text(body, "type") == "STATIC",
        "join_once": bool(said.flag(body, "join_once")),
        "starts_at": said.instant(body, "start_date"),
        "ends_at": said.instant(body, "expiration_date"),
        "valid_after_publication": said.text(body, "activity_duration_after_publishing"),
        "validity_interval": said.text(timeframe, "interval"),
        "validity_duration": said.text(timeframe, "duration"),
        "weekdays": _weekdays(body),
        "redemption_limit": said.integer(redemption, "quantity", "voucher.redemption.quantity"),
        "metadata": metadata,
    }
    if said.text(body, "type") not in {"", *_TYPES}:
        raise invalid(_("“type” has to be AUTO_UPDATE or STATIC."))
    # They have one currency for all; ours is told by the metadata, as a till would have it.
    return settings | ({"currency": currency} if isinstance(currency, str) else {})


def _code_config(voucher: Mapping[str, Any]) -> dict[str, Any]:
    config = said.mapping(voucher, "code_config", "voucher.code_config")
    found: dict[str, Any] = {
        name: said.text(config, name, f"voucher.code_config.{name}")
        for name in _CODE_CONFIG
        if name != "length"
    }
    found["length"] = said.integer(config, "length", "voucher.code_config.length")
    return {name: value for name, value in found.items() if value not in (None, "")}


def _weekdays(body: Mapping[str, Any]) -> list[Any]:
    """Theirs begin with Sunday, which is 0."""
    return [7 if day == 0 and day is not False else day for day in _days(body)]


def _days(body: Mapping[str, Any]) -> list[Any]:
    return said.listed(body, "validity_day_of_week")


def _status(body: Mapping[str, Any]) -> str:
    is_off = said.flag(body, "active") is False
    return Campaign.Status.DISABLED if is_off else Campaign.Status.ACTIVE


CAMPAIGNS = view("campaigns", {"POST": Way(create, _ADD), "GET": Way(show_list, _VIEW)})
CAMPAIGN = view("campaigns", {"GET": Way(show, _VIEW)})
ENABLE = view("campaigns/enable", {"POST": Way(enable, _CHANGE)})
DISABLE = view("campaigns/disable", {"POST": Way(disable, _CHANGE)})
VOUCHERS = view("campaigns/vouchers", {"POST": Way(add_voucher, GENERATE)})
