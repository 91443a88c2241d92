"""The statement of account of a card: its postings in the words of Voucherify's ledger.

*Source:* Voucherify, "List voucher transactions": four types, of which the last two are also what
happens by itself when a card expires and when it is valid again.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import QuerySet

from loyalty.models import CardPosting, Voucher

TYPES = {
    "redemption": "CREDITS_REDEMPTION",
    "rollback": "CREDITS_REFUND",
    "addition": "CREDITS_ADDITION",
    "reinstatement": "CREDITS_ADDITION",
    "removal": "CREDITS_REMOVAL",
    "expiry": "CREDITS_REMOVAL",
}
# Nobody's doing: time passed, or a redemption did it.
_BY_HAND = frozenset({"addition", "removal"})


@dataclass(frozen=True, slots=True)
class Transaction:
    """A movement on a card; `amount_minor` is negative where money went off it.

    `label` says in words what it was.
    """

    id: int
    type: str
    label: str
    source_id: str
    reason: str
    amount_minor: int
    balance_minor: int
    currency: str
    is_manual: bool
    related_id: int | None
    redemption_id: int | None
    actor_label: str
    at: datetime


def postings(voucher: Voucher) -> "QuerySet[CardPosting]":
    """The postings of a card, the newest first: each is one transaction."""
    return CardPosting.objects.filter(voucher=voucher).order_by("-id")


def describe(posting: CardPosting) -> Transaction:
    """A posting as a transaction."""
    is_given = posting.credit == CardPosting.Account.CARDS
    return Transaction(
        id=posting.pk,
        type=TYPES[posting.kind],
        label=posting.get_kind_display(),
        source_id=posting.source_id,
        reason=posting.reason,
        amount_minor=posting.amount_minor if is_given else -posting.amount_minor,
        balance_minor=posting.balance_minor or 0,
        currency=posting.currency,
        is_manual=posting.kind in _BY_HAND,
        related_id=posting.reverses_id,
        redemption_id=posting.redemption_id,
        actor_label=posting.actor_label,
        at=posting.at,
    )


def as_json(transaction: Transaction) -> dict[str, Any]:
    """A transaction for programs."""
    return {
        "id": transaction.id,
        "type": transaction.type,
        "source_id": transaction.source_id or None,
        "reason": transaction.reason or None,
        "amount": transaction.amount_minor,
        "balance": transaction.balance_minor,
        "currency": transaction.currency,
        "operation_type": "MANUAL" if transaction.is_manual else "AUTOMATIC",
        "related_transaction_id": transaction.related_id,
        "redemption_id": transaction.redemption_id,
        "created_at": transaction.at,
    }
