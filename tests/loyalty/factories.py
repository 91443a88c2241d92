"""Members and what they have, as tests of loyalty need them. Plain functions."""

from datetime import timedelta
from typing import Any

from loyalty.models import Mechanism, Member
from tests.factories import NOW, make_contact


def make_member(points: int = 0, **given: Any) -> int:
    """A contact who has been a member for a year; his id."""
    contact_id: int = make_contact().pk
    joined = {"joined_at": NOW - timedelta(days=365), **given}
    Member.objects.create(contact_id=contact_id, points=points, **joined)
    return contact_id


def make_tier(key: str, threshold: int, **given: Any) -> Mechanism:
    """A level that is in force."""
    made: Mechanism = Mechanism.objects.create(
        key=key,
        kind=Mechanism.Kind.TIER,
        name=key.capitalize(),
        status=given.pop("status", Mechanism.Status.ACTIVE),
        settings={"threshold": threshold},
        **given,
    )
    return made
