"""Expiry of cards: what is left of them is booked away at night, and comes back with more time.

A card does not wait for the night to be refused: when its time is over it pays no more at once.
"""

from datetime import datetime

from django.db import transaction

from loyalty.gift_cards import ledger
from loyalty.redeeming import sessions

PORTION = 5000
_ACTOR = "Regulars"


def expire_cards(*, at: datetime) -> int:
    """Book what is left of cards whose time is over as expired; of how many something was left.

    In portions, each a transaction: whatever kills it, the next night goes on. Holds of sessions
    that are over are deleted, too. Cards whose campaign got more time get back what was booked.
    """
    sessions.purge(at=at)
    while _reinstate_portion(at):
        pass
    booked = 0
    while True:
        with transaction.atomic():
            seen, count = ledger.expire_due(limit=PORTION, actor_label=_ACTOR, at=at)
        booked += count
        if not seen:
            return booked


@transaction.atomic
def reinstate_cards(campaign_id: int, *, actor_label: str, at: datetime) -> int:
    """Give the expired cards of a campaign that has more time now what was booked as expired."""
    ids = ledger.reinstatable(at=at, campaign_id=campaign_id)
    ledger.reinstate(ids, actor_label=actor_label, at=at)
    return len(ids)


@transaction.atomic
def _reinstate_portion(at: datetime) -> bool:
    ids = ledger.reinstatable(at=at, limit=PORTION)
    ledger.reinstate(ids, actor_label=_ACTOR, at=at)
    return bool(ids)
