"""Redemptions: cards pay an order; found, listed, undone."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.db.models import QuerySet
from django.http import HttpResponse

from integrations.voucherify import ids
from integrations.voucherify.answers import answer, answer_list, instant, refusal_of
from integrations.voucherify.customers import find_customer
from integrations.voucherify.entry import Call, Way, not_found, view
from loyalty.errors import (
    AlreadyRolledBack,
    InvalidRedemptionParent,
    RedemptionFailed,
    RedemptionRefused,
    RedemptionUnknown,
    RollbackTooLate,
    SessionUsed,
)
from loyalty.gift_cards import codes
from loyalty.models import Redemption, Rollback
from loyalty.redeeming import rollbacks
from loyalty.redeeming.redeemables import Redeemable
from loyalty.redeeming.redemptions import Redeemed, find_redemption, known_redemptions, redeem
from loyalty.redeeming.rollbacks import RolledBack
from loyalty.voucherify import said
from loyalty.voucherify.finding import find_campaign, find_voucher
from loyalty.voucherify.guard import note_unknown_codes, require_trusted
from loyalty.voucherify.orders import (
    describe_order,
    read_order,
    read_redeemables,
    session_key,
    tracking_of,
)
from loyalty.voucherify.people import customer_of, describe_people, simple
from loyalty.voucherify.vouchers import describe_many as describe_vouchers

PERMISSION, _VIEW = "loyalty.add_redemption", "loyalty.view_redemption"
_ROLL_BACK = "loyalty.rollback_redemption"
_NOT_UNDONE = (AlreadyRolledBack, InvalidRedemptionParent, RedemptionFailed, RollbackTooLate)
# What a rollback says of the redemption that it undid.
_OF_REDEMPTION = (
    *("customer_id", "customer", "metadata", "channel", "order", "voucher"),
    *("related_object_type", "related_object_id"),
)
_STATUSES = {
    Redemption.State.SUCCEEDED: "SUCCEEDED",
    Redemption.State.FAILED: "FAILED",
    Redemption.State.ROLLED_BACK: "ROLLED_BACK",
}


def take(call: Call) -> HttpResponse:
    """Let the cards of the body pay, all of them or none."""
    done = _redeem(call, read_redeemables(call.body))
    if isinstance(done, HttpResponse):
        return done
    order = describe_order(done.order, discount=done.discount_minor, status="PAID")
    skipped = [{"id": code, "object": "voucher", "status": "SKIPPED"} for code in done.skipped]
    found: dict[str, Any] = {
        "redemptions": describe_redemptions([one.redemption for one in done.parts], call),
        "order": order,
        "inapplicable_redeemables": [],
        "skipped_redeemables": skipped,
    }
    if done.parent is not None:
        [parent] = describe_redemptions([done.parent], call)
        found["parent_redemption"] = {**parent, "order": order}
    return answer(found)


def take_one(call: Call) -> HttpResponse:
    """Let one card pay, in the form of older libraries: the redemption itself."""
    gift = said.mapping(call.body, "gift")
    wanted = said.integer(gift, "credits", "gift.credits")
    done = _redeem(call, [Redeemable(call.parts["code"], wanted)])
    if isinstance(done, HttpResponse):
        return done
    return answer(describe_redemptions([done.parts[0].redemption], call)[0])


def show(call: Call) -> HttpResponse:
    """One redemption, by its `r_…` id."""
    return answer(describe_redemptions([_find(call)], call)[0])


def show_list(call: Call) -> HttpResponse:
    """Redemptions, the newest first; those of a customer, a campaign or a result."""
    found = redemptions_of(call).filter(voucher__isnull=False)
    query = call.query
    if result := query.get("result", ""):
        states = {"SUCCESS": ["succeeded", "rolled_back"], "FAILURE": ["failed"]}
        found = found.filter(state__in=states.get(result.upper(), [result.lower()]))
    if customer := query.get("customer", ""):
        contact_id = find_customer(customer)
        found = found.none() if contact_id is None else found.filter(contact_id=contact_id)
    if name := query.get("campaign", ""):
        found = found.filter(voucher__campaign=find_campaign(name, call))
    if code := query.get("voucher", ""):
        found = found.filter(voucher__code=codes.normal_code(code.replace("\0", "")))
    start, limit = call.page()
    page = list(found.order_by("-pk")[start : start + limit])
    return answer_list("redemptions", describe_redemptions(page, call), found.count())


def show_of_voucher(call: Call) -> HttpResponse:
    """How often a card was used, and each time."""
    voucher = find_voucher(call.parts["code"], call)
    found = Redemption.objects.filter(voucher=voucher).exclude(state=Redemption.State.FAILED)
    start, limit = call.page()
    rows = describe_redemptions(list(found.order_by("-pk")[start : start + limit]), call)
    return answer_list(
        "redemption_entries",
        rows,
        found.count(),
        quantity=voucher.redemption_limit,
        redeemed_quantity=voucher.redeemed_count,
        redeemed_amount=voucher.redeemed_minor,
        url=f"/v1/vouchers/{voucher.code}/redemptions?page=1&limit=10",
    )


def describe_redemptions(found: Sequence[Redemption], call: Call) -> list[dict[str, Any]]:
    """Redemptions as they know them, in a constant number of queries."""
    people: dict[int, dict[str, Any]] = {}
    shapes: dict[int | None, dict[str, Any]] = {}
    if not call.caller.is_client_side:
        people = describe_people([one.contact_id for one in found])
        cards = {one.voucher_id: one.voucher for one in found if one.voucher is not None}
        shapes = dict(zip(cards, describe_vouchers(list(cards.values())), strict=True))
    undone: dict[int, list[Rollback]] = {}
    for one in Rollback.objects.filter(redemption__in=[row.pk for row in found], state="succeeded"):
        undone.setdefault(one.redemption_id, []).append(one)
    return [
        _describe(one, people, shapes.get(one.voucher_id), undone.get(one.pk, []), call)
        for one in found
    ]


def redemptions_of(call: Call) -> "QuerySet[Redemption]":
    """Those that the caller may know of, with their cards."""
    return known_redemptions(call.caller.actor).select_related("voucher__campaign")


def roll_back(call: Call) -> HttpResponse:
    """Undo the redemption of one card."""
    done = _roll_back(call)
    if isinstance(done, HttpResponse):
        return done
    if done.parent is not None:
        [parent] = _describe_rollbacks([done.parent], call)
        return answer(parent)
    return answer(_describe_rollbacks(done.parts, call)[0])


def roll_back_all(call: Call) -> HttpResponse:
    """Undo the redemption of several cards, by their parent."""
    done = _roll_back(call)
    if isinstance(done, HttpResponse):
        return done
    parts = _describe_rollbacks(done.parts, call)
    found: dict[str, Any] = {"rollbacks": parts, "order": parts[0]["order"]}
    if done.parent is not None:
        [found["parent_rollback"]] = _describe_rollbacks([done.parent], call)
    return answer(found)


def _roll_back(call: Call) -> RolledBack | HttpResponse:
    """What was undone, or the answer why not: with it the record of the failure stays."""
    redemption = _find(call)
    try:
        return rollbacks.roll_back(
            redemption.pk,
            reason=said.text(call.body, "reason") or call.query.get("reason", ""),
            tracking_id=tracking_of(call),
            actor=call.caller.actor,
            at=call.at,
        )
    except _NOT_UNDONE as refused:
        refused.context |= {"resource_id": f"r_{redemption.pk}", "resource_type": "redemption"}
        return refusal_of(refused, request_id=call.request_id)


def _describe_rollbacks(found: Sequence[Rollback], call: Call) -> list[dict[str, Any]]:
    """Rollbacks with what they undid, in a constant number of queries."""
    undone = [one.redemption for one in found]
    shapes = describe_redemptions(undone, call)
    return [
        {
            **{name: shape[name] for name in _OF_REDEMPTION},
            "id": f"rr_{one.pk}",
            "object": "redemption_rollback",
            "date": instant(one.at),
            "tracking_id": one.tracking_id or None,
            "amount": -one.amount_minor,
            "redemption": f"r_{one.redemption_id}",
            "reason": one.reason or None,
            "result": "SUCCESS",
            "status": "SUCCEEDED",
            "gift": {"amount": -one.amount_minor},
        }
        for one, shape in zip(found, shapes, strict=True)
    ]


def _describe(
    redemption: Redemption,
    people: Mapping[int, Mapping[str, Any]],
    voucher: Mapping[str, Any] | None,
    undone: Sequence[Rollback],
    call: Call,
) -> dict[str, Any]:
    is_failed = redemption.state == Redemption.State.FAILED
    order = describe_order(
        redemption.order,
        discount=redemption.amount_minor,
        amount=redemption.order_minor,
        customer_id=redemption.contact_id,
        status=_order_status(redemption),
    )
    found: dict[str, Any] = {
        "id": f"r_{redemption.pk}",
        "object": "redemption",
        "date": instant(redemption.at),
        "tracking_id": redemption.tracking_id or None,
        "amount": redemption.amount_minor,
        "redemption": ids.written("r", redemption.parent_id),
        "result": "FAILURE" if is_failed else "SUCCESS",
        "status": _STATUSES[Redemption.State(redemption.state)],
        "order": order,
        "related_object_type": "voucher",
        "related_object_id": ids.written("v", redemption.voucher_id),
        "gift": {"amount": redemption.amount_minor},
    }
    if is_failed:
        found |= {
            "failure_code": redemption.failure_code,
            "failure_message": redemption.failure_message,
        }
    if call.caller.is_client_side:
        # Whoever opens the page may read it: nothing of the holder, nothing that the shop noted.
        order.pop("customer_id")
        order["metadata"] = {}
        code = redemption.voucher.code if redemption.voucher is not None else None
        return {**found, "voucher": {"code": code, "object": "voucher", "type": "GIFT_VOUCHER"}}
    person = people.get(redemption.contact_id or 0)
    related = [
        {"id": f"rr_{one.pk}", "date": instant(one.at), "amount": -one.amount_minor}
        for one in undone
    ]
    return {
        **found,
        "customer_id": ids.written("cust", redemption.contact_id),
        "metadata": redemption.metadata,
        "channel": {"channel_id": redemption.actor_label or None, "channel_type": "API"},
        "customer": simple(person),
        "voucher": voucher,
        "related_redemptions": {"rollbacks": related} if related else {},
    }


def _redeem(call: Call, redeemables: Sequence[Redeemable]) -> Redeemed | HttpResponse:
    """What was redeemed, or the answer why not: with it the record of the failure stays."""
    contact_id = customer_of(call, makes=True)
    require_trusted(call, contact_id)
    try:
        return redeem(
            redeemables=redeemables,
            order=read_order(call.body),
            contact_id=contact_id,
            session_key=session_key(call.body),
            tracking_id=tracking_of(call),
            metadata={} if call.caller.is_client_side else said.mapping(call.body, "metadata"),
            actor=call.caller.actor,
            at=call.at,
            is_client_side=call.caller.is_client_side,
        )
    except SessionUsed as refused:
        return refusal_of(refused, request_id=call.request_id)
    except RedemptionRefused as refused:
        unknown = len(refused.context.get("unknown_codes", ()))
        note_unknown_codes(call, contact_id, unknown)
        refused.context.setdefault("resource_type", "voucher")
        return refusal_of(refused, request_id=call.request_id)


def _find(call: Call) -> Redemption:
    reference = call.parts["reference"]
    number = ids.read("r", reference)
    if number is None:
        raise not_found("redemption", reference)
    try:
        return find_redemption(number, actor=call.caller.actor)
    except RedemptionUnknown as unknown:
        raise not_found("redemption", reference) from unknown


def _order_status(redemption: Redemption) -> str:
    return {
        Redemption.State.SUCCEEDED: "PAID",
        Redemption.State.ROLLED_BACK: "CANCELED",
    }.get(Redemption.State(redemption.state), "")


REDEMPTIONS = view("redemptions", {"POST": Way(take, PERMISSION), "GET": Way(show_list, _VIEW)})
REDEMPTION = view("redemptions", {"GET": Way(show, _VIEW)})
ROLLBACK = view("redemptions/rollback", {"POST": Way(roll_back, _ROLL_BACK)})
ROLLBACKS = view("redemptions/rollbacks", {"POST": Way(roll_back_all, _ROLL_BACK)})
OF_VOUCHER = view(
    "vouchers/redemption",
    {"POST": Way(take_one, PERMISSION), "GET": Way(show_of_voucher, _VIEW)},
)
