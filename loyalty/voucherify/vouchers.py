"""Vouchers: made, found, listed, switched on and off, given more money; what moved it."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.http import HttpResponse
from django.utils.translation import gettext as _

from integrations.voucherify.answers import answer, answer_list, instant, nothing
from integrations.voucherify.customers import find_customer, id_of
from integrations.voucherify.entry import Call, Way, invalid, view
from loyalty.gift_cards import balances, campaigns, codes, states
from loyalty.models import Campaign, RuleAssignment, Voucher
from loyalty.redeeming import sessions
from loyalty.validation_rules.rules import assign_rule
from loyalty.voucherify import said
from loyalty.voucherify.assigned import assignments_list, assignments_of
from loyalty.voucherify.finding import (
    STANDALONE,
    find_campaign,
    find_rule,
    find_voucher,
    known_vouchers,
)
from workspace import access, sql
from workspace.models import UserGroup

VIEW, GENERATE = "loyalty.view_voucher", "loyalty.generate_codes_campaign"
_CHANGE = "loyalty.change_voucher"
_QUANTITY_LIMIT = 1_000_000
_TAKEN = """
SELECT voucher_id, sum(CASE WHEN debit = 'cards' THEN amount_minor ELSE -amount_minor END)::bigint
FROM loyalty_cardposting
WHERE voucher_id = ANY(%s) AND kind IN ('removal', 'expiry', 'reinstatement') GROUP BY voucher_id
"""


def describe(voucher: Voucher) -> dict[str, Any]:
    """A gift voucher as they know it."""
    return describe_many([voucher])[0]


def describe_many(vouchers: Sequence[Voucher]) -> list[dict[str, Any]]:
    """Gift vouchers, whose campaigns are loaded, in a constant number of queries."""
    ids = [voucher.pk for voucher in vouchers]
    taken = {row[0]: row[1] for row in sql.lists(_TAKEN, [ids])}
    rules = assignments_of(RuleAssignment.objects.filter(voucher__in=ids), "voucher_id")
    return [_describe(one, taken.get(one.pk, 0), rules.get(one.pk, [])) for one in vouchers]


def _describe(voucher: Voucher, taken: int, rules: Sequence[dict[str, Any]]) -> dict[str, Any]:
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
        "gift": {
            # All that ever came onto the card, and what was taken from it but by redemptions.
            "amount": voucher.balance_minor + voucher.redeemed_minor + taken,
            "subtracted_amount": taken,
            "balance": voucher.balance_minor,
            "effect": "APPLY_TO_ORDER",
        },
        "discount": None,
        "loyalty_card": None,
        "start_date": instant(voucher.starts_at or campaign.starts_at),
        "expiration_date": instant(states.expires_at(voucher)),
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
        "validation_rules_assignments": assignments_list(rules),
    }


def timeframe_of(campaign: Campaign) -> dict[str, Any] | None:
    """At which times, that come again, cards of a campaign are valid."""
    if not campaign.validity_interval:
        return None
    return {"interval": campaign.validity_interval, "duration": campaign.validity_duration}


def weekdays_of(campaign: Campaign) -> list[int] | None:
    """The days of the week; Sunday is 0 there."""
    return sorted(day % 7 for day in campaign.weekdays) or None


def create(call: Call) -> HttpResponse:
    """Make one voucher, of a campaign or by itself."""
    body = call.body
    reference = said.text(body, "campaign_id") or said.text(body, "campaign")
    campaign = find_campaign(reference, call) if reference else _standalone(call)
    return make_voucher(call, campaign, call.parts.get("code", ""))


def make_voucher(call: Call, campaign: Campaign, code: str) -> HttpResponse:
    """One more code of a campaign."""
    body, actor = call.body, call.caller.actor
    if said.text(body, "type") not in {"", "GIFT_VOUCHER"}:
        raise invalid(_("“type” has to be GIFT_VOUCHER: other kinds are not made here."))
    gift = said.mapping(body, "gift")
    amount = said.integer(gift, "amount", "gift.amount")
    if amount is None and campaign.key.startswith(STANDALONE):
        raise invalid(_("“gift.amount” is missing: what the card is worth, in cents."))
    redemption = said.mapping(body, "redemption")
    rules = [find_rule(str(one)) for one in said.listed(body, "validation_rules")]
    voucher = codes.create_voucher(
        campaign,
        code=code or said.text(body, "code"),
        amount_minor=amount,
        starts_at=said.instant(body, "start_date"),
        expires_at=said.instant(body, "expiration_date"),
        redemption_limit=_limit(redemption),
        metadata=said.mapping(body, "metadata"),
        actor=actor,
        at=call.at,
    )
    for rule in rules:
        assign_rule(rule, voucher=voucher, actor=actor, at=call.at)
    if said.flag(body, "active") is False:
        voucher = balances.disable(voucher, actor=actor, at=call.at)
    return answer(describe(voucher))


def change(call: Call) -> HttpResponse:
    """Change what is named of a voucher: its dates, its limit, its metadata."""
    body, actor = call.body, call.caller.actor
    voucher = find_voucher(call.parts["code"], call)
    redemption = said.mapping(body, "redemption")
    changes: dict[str, Any] = {}
    for name, ours in (("start_date", "starts_at"), ("expiration_date", "expires_at")):
        if name in body:
            changes[ours] = said.instant(body, name)
    if "metadata" in body:
        changes["metadata"] = said.mapping(body, "metadata")
    if "quantity" in redemption:
        changes["redemption_limit"] = _limit(redemption)
    if changes:
        voucher = balances.update_voucher(voucher, changes=changes, actor=actor, at=call.at)
    wanted = said.flag(body, "active")
    if wanted is not None and wanted != voucher.is_enabled:
        switch = balances.enable if wanted else balances.disable
        voucher = switch(voucher, actor=actor, at=call.at)
    return answer(describe(voucher))


def enable(call: Call) -> HttpResponse:
    """Let a voucher pay again."""
    voucher = find_voucher(call.parts["code"], call)
    return answer(describe(balances.enable(voucher, actor=call.caller.actor, at=call.at)))


def disable(call: Call) -> HttpResponse:
    """Let a voucher pay no more; its money stays."""
    voucher = find_voucher(call.parts["code"], call)
    return answer(describe(balances.disable(voucher, actor=call.caller.actor, at=call.at)))


def move_balance(call: Call) -> HttpResponse:
    """Give a voucher money, or take some of it away, once for each source id."""
    body = call.body
    amount = said.integer(body, "amount")
    if amount is None:
        raise invalid(_("“amount” is missing: how much is added, in cents; less than 0 removes."))
    moved = balances.add_balance(
        find_voucher(call.parts["code"], call),
        amount,
        source_id=said.text(body, "source_id"),
        reason=said.text(body, "reason"),
        actor=call.caller.actor,
        at=call.at,
    )
    voucher = moved.voucher
    return answer(
        {
            "amount": moved.amount_minor,
            "total": voucher.balance_minor + voucher.redeemed_minor,
            "balance": voucher.balance_minor,
            "type": "gift_voucher",
            "operation_type": "MANUAL",
            "object": "balance",
            "related_object": {"type": "voucher", "id": f"v_{voucher.pk}"},
        }
    )


def release(call: Call) -> HttpResponse:
    """Let go what a session holds of a voucher."""
    voucher = find_voucher(call.parts["code"], call)
    sessions.release(call.parts["key"], voucher=voucher, actor=call.caller.actor, at=call.at)
    return nothing()


def show(call: Call) -> HttpResponse:
    """One voucher."""
    return answer(describe(find_voucher(call.parts["code"], call)))


def show_list(call: Call) -> HttpResponse:
    """Vouchers, the newest first; those of a campaign, of a customer, or of a code."""
    found = known_vouchers(call)
    query = call.query
    if code := query.get("code", ""):
        found = found.filter(code=codes.normal_code(code.replace("\0", "")))
    if name := query.get("campaign", "") or query.get("campaign_id", ""):
        found = found.filter(campaign=find_campaign(name, call))
    if customer := query.get("customer", ""):
        contact_id = find_customer(customer)
        found = found.none() if contact_id is None else found.filter(holder_id=contact_id)
    start, limit = call.page()
    page = list(found.order_by("-pk")[start : start + limit])
    return answer_list("vouchers", describe_many(page), found.count())


def _limit(redemption: Mapping[str, Any]) -> int | None:
    """How often a voucher may be used; none for any number."""
    quantity = said.integer(redemption, "quantity", "redemption.quantity")
    if quantity is not None and not 1 <= quantity <= _QUANTITY_LIMIT:
        message = _("“redemption.quantity” has to be from 1 to %(limit)d, or null for any number.")
        raise invalid(message % {"limit": _QUANTITY_LIMIT})
    return quantity


def groups_of(call: Call) -> list[str]:
    """The program's own user groups, where a campaign has to have some."""
    if not access.group_required(UserGroup.Entity.CAMPAIGN):
        return []
    return list(call.caller.api_user.groups.values_list("name", flat=True))


def _standalone(call: Call) -> Campaign:
    """The campaign with the codes that belong to none; made when the first one is."""
    known = campaigns.known_campaigns(call.caller.actor)
    found = known.filter(key__startswith=STANDALONE).order_by("pk").first()
    if found is not None:
        return found
    number = Campaign.objects.filter(key__startswith=STANDALONE).count()
    suffix = f" {number + 1}" if number else ""
    return campaigns.create_campaign(
        key=f"{STANDALONE}-{number + 1}" if number else STANDALONE,
        name=_("Standalone vouchers") + suffix,
        description=_("Codes that programs made without a campaign."),
        amount_minor=1,
        join_once=False,
        groups=groups_of(call),
        actor=call.caller.actor,
        at=call.at,
    )


VOUCHERS = view(
    "vouchers",
    {"POST": Way(create, GENERATE), "GET": Way(show_list, VIEW)},
)
VOUCHER = view(
    "vouchers",
    {
        "POST": Way(create, GENERATE),
        "GET": Way(show, VIEW),
        "PUT": Way(change, _CHANGE),
    },
)
ENABLE = view("vouchers/enable", {"POST": Way(enable, _CHANGE)})
DISABLE = view("vouchers/disable", {"POST": Way(disable, _CHANGE)})
BALANCE = view("vouchers/balance", {"POST": Way(move_balance, "loyalty.change_balance_voucher")})
SESSION = view("vouchers/sessions", {"DELETE": Way(release, "loyalty.add_redemption")})
