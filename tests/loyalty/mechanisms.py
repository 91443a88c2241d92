"""Members, segments with members, and mechanisms, with what a test is about. Plain functions."""

from collections.abc import Iterable
from typing import Any

from contacts.models import Contact
from loyalty.models import Mechanism, Member, PointsPosting
from loyalty.programme.points import earn_points
from loyalty.rewards.mechanisms import create_mechanism
from segments.models import Membership, Segment
from tests.segments.factories import DAY, NOW, make_segment
from workspace.access import SYSTEM, Actor


def make_members(count: int = 1) -> list[int]:
    """So many contacts who are members; their ids."""
    made = Contact.objects.bulk_create(Contact(first_name=f"M{n}") for n in range(count))
    Member.objects.bulk_create(Member(contact=one, joined_at=NOW - 30 * DAY) for one in made)
    return [one.pk for one in made]


def give_points(contact_id: int, points: int) -> None:
    """Let a member have so many points more."""
    cause = f"test:{PointsPosting.objects.count()}"
    earn_points(
        contact_id=contact_id, points=points, cause=cause, reason="test", actor=SYSTEM, at=NOW - DAY
    )


def filled_segment(key: str, contact_ids: Iterable[int], **given: Any) -> Segment:
    """An active segment that was calculated now, with these members, whatever its criteria say."""
    segment = make_segment(key, **given)
    Segment.objects.filter(pk=segment.pk).update(calculated_at=NOW, refresh_requested_at=None)
    Membership.objects.bulk_create(
        Membership(segment=segment, contact_id=contact_id, entered_at=NOW)
        for contact_id in contact_ids
    )
    segment.refresh_from_db()
    return segment


def make_mechanism(
    key: str = "mug", kind: str = "reward", *, actor: Actor = SYSTEM, **given: Any
) -> Mechanism:
    """An active mechanism; a reward where nothing else is said."""
    given.setdefault("name", key.title())
    return create_mechanism(actor=actor, at=given.pop("at", NOW - DAY), key=key, kind=kind, **given)


def make_challenge(key: str = "buyer", **settings: Any) -> Mechanism:
    """An active challenge: three purchases, where nothing else is said."""
    given = {"event": "purchase", "threshold": 3, **settings}
    return make_mechanism(key, "challenge", settings=given)
