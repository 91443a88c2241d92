"""Rules, cards and orders, with what a test is about. Plain functions."""

from dataclasses import dataclass, field
from datetime import datetime
from itertools import count
from typing import Any

from django.db import transaction

from loyalty.models import (
    Campaign,
    CardPosting,
    CodeBatch,
    Redemption,
    ValidationRule,
    Voucher,
)
from loyalty.validation_rules import rules
from tests.factories import NOW
from workspace.access import SYSTEM, Actor

_numbers = count(1)


@dataclass(frozen=True)
class AnOrder:
    """An order as a rule reads it."""

    amount_minor: int | None = None
    items: tuple[dict[str, Any], ...] = ()
    metadata: dict[str, Any] = field(default_factory=dict)


def leaf(name: str, operator: str, value: Any, message: str = "") -> dict[str, Any]:
    """A rule of a document."""
    found = {"field": name, "operator": operator, "value": value}
    return found | ({"message": message} if message else {})


def every(*nodes: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A group all of which must hold."""
    return {"combinator": "and", "rules": list(nodes), **more}


def any_of(*nodes: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A group one of which must hold."""
    return {"combinator": "or", "rules": list(nodes), **more}


def items(*conditions: dict[str, Any], operator: str = ">=", value: Any = 1, **more: Any) -> Any:
    """A rule about the items for which the conditions hold."""
    where = {"where": every(*conditions)} if conditions else {}
    return {"field": "order.items", "operator": operator, "value": value, **where, **more}


def make_rule(*nodes: dict[str, Any], actor: Actor = SYSTEM, **given: Any) -> ValidationRule:
    """A rule all of whose parts must hold; or one with the `document` that is given."""
    document = given.pop("document", None)
    return rules.create_rule(
        actor=actor,
        at=given.pop("at", NOW),
        name=given.pop("name", "Rule"),
        document=every(*nodes) if document is None else document,
        **given,
    )


def make_campaign(name: str = "", **given: Any) -> Campaign:
    """An active campaign of 25.00 USD."""
    number = next(_numbers)
    fields = {"amount_minor": 2500, "key": f"campaign-{number}", **given}
    return Campaign.objects.create(name=name or f"Campaign {number}", **fields)


@transaction.atomic
def make_voucher(campaign: Campaign | None = None, **given: Any) -> Voucher:
    """A card of a campaign, with its posting in the ledger."""
    campaign = campaign or make_campaign()
    amount = given.pop("initial_minor", campaign.amount_minor)
    batch = CodeBatch.objects.create(
        campaign=campaign, kind="single", code_count=1, amount_minor=amount, created_at=NOW
    )
    if given.get("holder") or given.get("holder_id"):
        given.setdefault("published_at", NOW)
    voucher = Voucher.objects.create(
        campaign=campaign,
        batch=batch,
        code=given.pop("code", f"CARD-{next(_numbers):05d}"),
        initial_minor=amount,
        balance_minor=amount,
        **given,
    )
    CardPosting.objects.create(
        campaign=campaign,
        batch=batch,
        kind="issue",
        debit="issued",
        credit="cards",
        amount_minor=amount,
        currency=campaign.currency,
        cause=f"batch:{batch.pk}",
        at=NOW,
    )
    return voucher


def make_redemption(voucher: Voucher, *, at: datetime = NOW, **given: Any) -> Redemption:
    """A use of a card, without what it does to the ledger."""
    fields = {"amount_minor": 1000, "state": "succeeded", "currency": "USD", **given}
    return Redemption.objects.create(voucher=voucher, at=at, **fields)
