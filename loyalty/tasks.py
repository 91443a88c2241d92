"""What the worker does for this room."""

from datetime import datetime

from celery import shared_task
from django.utils import timezone

from loyalty.gift_cards import card_expiry
from loyalty.guarding import suspicions, visits
from loyalty.models import Suspicion
from loyalty.programme import points_expiry, tiers


@shared_task
def note_unknown_codes(subject: str, count: int, at: str, locked_until: str | None) -> None:
    """Note that somebody tried many codes that do not exist."""
    suspicions.note(
        Suspicion.Kind.UNKNOWN_CODES,
        subject,
        at=datetime.fromisoformat(at),
        count=count,
        details={} if locked_until is None else {"locked_until": locked_until},
    )


@shared_task
def close_points_day() -> dict[str, int]:
    """Have points expire whose time is over, and give all members the tier that they have now."""
    at = timezone.now()
    expired = points_expiry.expire_points(as_of=at)
    changes = tiers.recalculate(None, at=at)
    return {
        "members": expired.member_count,
        "points": expired.points,
        "tier_changes": len(changes),
    }


@shared_task
def expire_cards() -> int:
    """Book what is left of cards whose time is over; of how many something was left."""
    return card_expiry.expire_cards(at=timezone.now())


@shared_task
def note_visits(subject: str, what: str, count: int, at: str) -> None:
    """Note that an address validated or redeemed many times by a publishable key."""
    suspicions.note(
        Suspicion.Kind.VELOCITY,
        subject,
        at=datetime.fromisoformat(at),
        count=count,
        details={"sign": f"{what}s", "minutes": int(visits.WINDOW.total_seconds() // 60)},
    )
