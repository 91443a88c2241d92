"""Whom a call is about: found, made or told of, and described with what the cards brought."""

from collections.abc import Collection, Mapping
from typing import Any

from django.utils.translation import gettext as _

from contacts.profiles import get_contact
from integrations.ingestion.refusals import RequestRefused
from integrations.models import Outcome
from integrations.voucherify import sending
from integrations.voucherify.customers import (
    describe_customers,
    find_customer,
    text_of,
    traits_of,
)
from integrations.voucherify.entry import Call, invalid, not_found
from loyalty.guarding import suspicions
from workspace import sql

_CHANGE = "contacts.change_contact"
_REDEEMED = """
SELECT contact_id, state, count(*) AS count, sum(amount_minor)::bigint AS amount
FROM loyalty_redemption
WHERE contact_id = ANY(%(ids)s) AND voucher_id IS NOT NULL GROUP BY contact_id, state
"""
_UNDONE = """
SELECT r.contact_id, b.state, count(*) AS count FROM loyalty_rollback b
JOIN loyalty_redemption r ON r.id = b.redemption_id AND r.voucher_id IS NOT NULL
WHERE r.contact_id = ANY(%(ids)s) GROUP BY r.contact_id, b.state
"""
_LEFT = """
SELECT holder_id AS contact_id, sum(balance_minor)::bigint AS amount FROM loyalty_voucher
WHERE holder_id = ANY(%(ids)s) GROUP BY holder_id
"""


def customer_of(call: Call, *, makes: bool) -> int | None:
    """The contact that the body's `customer` means; none where it names none.

    With `makes` one of an unknown source_id is made, and what is said of one is kept; without it
    an unknown one is none. A publishable key tells nothing of anybody.
    """
    given = call.body.get("customer")
    if given is None or given == {}:
        return None
    if isinstance(given, str):
        given = {"id": given}
    if not isinstance(given, Mapping):
        raise invalid(_("“customer” has to be an object, as {“source_id”: “u1”}."))
    reference, source_id = text_of(given.get("id")), text_of(given.get("source_id"))
    contact_id = find_customer(reference) if reference else None
    if reference and contact_id is None:
        raise not_found("customer", reference)
    if contact_id is None and source_id:
        contact_id = find_customer(source_id)
    if makes and source_id and not call.caller.is_client_side:
        contact_id = _told(call, source_id, traits_of(given), contact_id)
    return contact_id


def subjects_of(call: Call, contact_id: int | None) -> list[str]:
    """Who takes part, for what watches cheats.

    A contact that a page names counts not: anybody could have another one locked out.
    """
    subjects = list(call.caller.subjects)
    if contact_id is not None and not call.caller.is_client_side:
        subjects.append(suspicions.subject_of_contact(contact_id))
    return subjects


def describe_people(contact_ids: Collection[int | None]) -> dict[int, dict[str, Any]]:
    """Customer objects with their summaries, by id, in a constant number of queries."""
    ids = sorted({one for one in contact_ids if one is not None})
    summaries = _summaries(ids)
    return {
        contact_id: {**found, "summary": summaries[contact_id]}
        for contact_id, found in describe_customers(ids).items()
    }


def describe_person(contact_id: int) -> dict[str, Any]:
    """One customer object with its summary. Raises ContactUnknown."""
    survivor = get_contact(contact_id).pk
    return describe_people([survivor])[survivor]


def simple(person: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """The few fields of a customer that stand in redemptions and events."""
    if person is None:
        return None
    names = ("id", "name", "email", "source_id", "metadata", "object")
    return {name: person[name] for name in names}


def _told(call: Call, source_id: str, traits: Mapping[str, Any], known: int | None) -> int:
    """The contact, after what is said of it was kept."""
    if known is not None and not traits:
        return known
    if not call.caller.actor.may(_CHANGE):
        if known is not None:
            return known
        message = _("This key may not make customers: it lacks the scope contacts:write.")
        raise RequestRefused(403, "not_allowed", message)
    sent = call.send(sending.Said(source_id, traits))
    if sent.outcome in {Outcome.REFUSED, Outcome.FAILED}:
        raise invalid(sent.reason)
    return sent.contact_id


def _summaries(ids: list[int]) -> dict[int, dict[str, Any]]:
    """What is known of redemptions. Of orders nothing is: they are events here."""
    found = {one: _no_summary() for one in ids}
    for row in sql.rows(_REDEEMED, {"ids": ids}):
        _count_redemptions(found[row["contact_id"]]["redemptions"], row)
    for row in sql.rows(_UNDONE, {"ids": ids}):
        redemptions = found[row["contact_id"]]["redemptions"]
        redemptions[f"total_rollback_{row['state']}"] += row["count"]
    for row in sql.rows(_LEFT, {"ids": ids}):
        found[row["contact_id"]]["redemptions"]["gift"]["amount_to_go"] = row["amount"]
    return found


def _count_redemptions(redemptions: dict[str, Any], row: Mapping[str, Any]) -> None:
    state, count = row["state"], row["count"]
    if state == "failed":
        redemptions["total_failed"] += count
        return
    # One that was rolled back succeeded before.
    redemptions["total_redeemed"] += count
    redemptions["total_succeeded"] += count
    if state == "rolled_back":
        redemptions["total_rolled_back"] += count
    else:
        redemptions["gift"]["redeemed_amount"] += row["amount"]


def _no_summary() -> dict[str, Any]:
    counts = (
        *("total_redeemed", "total_failed", "total_succeeded", "total_rolled_back"),
        *("total_rollback_failed", "total_rollback_succeeded"),
    )
    gift = {"redeemed_amount": 0, "amount_to_go": 0}
    orders = ("total_amount", "total_count", "average_amount", "last_order_amount")
    return {
        "redemptions": {**dict.fromkeys(counts, 0), "gift": gift},
        "orders": dict.fromkeys(orders),
    }
