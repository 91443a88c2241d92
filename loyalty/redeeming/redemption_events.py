"""What others are told of a redemption: an event on the contact, and the announcement of it.

In the transaction of the fact, so that there is none without the other. The names are
Voucherify's, which the profile of the contact shows and which journeys may wait for.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils.translation import gettext_lazy as _

from contacts.events import IncomingEvent, record_events
from integrations.announcements import Fact, announce, register_type
from loyalty.models import Redemption, Voucher

NAMES = {
    "redeemed": "redemption.succeeded",
    "failed": "redemption.failed",
    "rolled_back": "redemption.rollback.succeeded",
    "not_rolled_back": "redemption.rollback.failed",
}


@dataclass(frozen=True, slots=True)
class Happening:
    """A use of a card, its failure or its undoing: `kind` is one of NAMES.

    `number` is the rollback's where it is about one; `reason` why somebody undid it.
    """

    kind: str
    redemption: Redemption
    voucher: Voucher
    amount_minor: int
    number: int | None = None
    reason: str = ""
    failure_code: str = ""
    failure_message: str = ""

    @property
    def key(self) -> str:
        """What makes it count once."""
        if self.number is not None:
            return f"rollback:{self.number}"
        return f"redemption:{self.redemption.pk}"

    def facts(self) -> dict[str, Any]:
        """What is told of it."""
        redemption, voucher = self.redemption, self.voucher
        told: dict[str, Any] = {
            "redemption_id": redemption.pk,
            "code": voucher.code,
            "campaign": voucher.campaign.key,
            "campaign_name": voucher.campaign.name,
            "amount_minor": self.amount_minor,
            "currency": voucher.campaign.currency,
            "balance_minor": voucher.balance_minor,
        }
        optional = {
            "parent_redemption_id": redemption.parent_id,
            "rollback_id": self.number,
            "order": redemption.order_reference,
            "order_minor": redemption.order_minor,
            "tracking_id": redemption.tracking_id,
            "reason": self.reason,
            "failure_code": self.failure_code or redemption.failure_code,
            "failure_message": self.failure_message or redemption.failure_message,
            "metadata": dict(redemption.metadata),
        }
        return told | {
            name: value for name, value in optional.items() if value not in ("", None, {})
        }


def tell(happenings: Sequence[Happening], *, at: datetime) -> None:
    """Record them on their contacts and announce them."""
    events = [
        IncomingEvent(
            contact_id=one.redemption.contact_id,
            name=NAMES[one.kind],
            occurred_at=at,
            properties=one.facts(),
            message_id=one.key,
        )
        for one in happenings
        if one.redemption.contact_id is not None
    ]
    if events:
        record_events(events, received_at=at)
    for kind in sorted({one.kind for one in happenings}):
        told = [
            Fact(
                key=one.key,
                data=one.facts() | {"contact_id": one.redemption.contact_id},
                contact_id=one.redemption.contact_id,
                subject=f"campaign:{one.voucher.campaign_id}",
            )
            for one in happenings
            if one.kind == kind
        ]
        announce(NAMES[kind], told, at=at)


def register() -> None:
    """Let webhooks ask for these. May be called again."""
    register_type(NAMES["redeemed"], _("A card paid"))
    register_type(NAMES["failed"], _("A card was refused"))
    register_type(NAMES["rolled_back"], _("A redemption was rolled back"))
    register_type(NAMES["not_rolled_back"], _("A redemption could not be rolled back"))
