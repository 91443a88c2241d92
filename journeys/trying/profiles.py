"""Test profiles: the contacts with whom journeys may be tested, marked by people."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from django.db import transaction
from django.db.models import QuerySet
from django.utils.translation import gettext as _

from contacts.errors import ContactUnknown
from contacts.extensions import Moved, Pair
from contacts.models import Contact
from contacts.survivors import survivors_of
from journeys.errors import TooManyProfiles
from journeys.models import TestProfile
from segments.membership import take_turn_to_read
from segments.models import Membership, Segment
from segments.usability import require_usable
from workspace import access, audit, sql
from workspace.access import Actor

# A segment of more is no handful of colleagues: whoever marks it by mistake would write to it.
SEGMENT_LIMIT = 1000
ADD, REMOVE = "journeys.add_testprofile", "journeys.delete_testprofile"

_MERGE = """
WITH pair AS (
  SELECT * FROM unnest(%s::bigint[], %s::bigint[]) AS p (loser_id, survivor_id)),
gone AS (
  DELETE FROM journeys_testprofile t USING pair WHERE t.contact_id = pair.loser_id
  RETURNING t.contact_id, pair.survivor_id, t.added_at),
kept AS (
  INSERT INTO journeys_testprofile (contact_id, added_at)
  SELECT survivor_id, min(added_at) FROM gone GROUP BY survivor_id
  ON CONFLICT (contact_id) DO NOTHING)
SELECT contact_id FROM gone
"""


def known_profiles() -> "QuerySet[TestProfile]":
    """All test profiles, with their contacts."""
    return TestProfile.objects.select_related("contact").filter(contact__erased_at=None)


def are_profiles(contact_ids: Collection[int]) -> set[int]:
    """Those of the contacts who are test profiles."""
    found = TestProfile.objects.filter(contact_id__in=contact_ids)
    return set(found.values_list("contact_id", flat=True))


@transaction.atomic
def mark(contact_ids: Sequence[int], *, actor: Actor, at: datetime) -> list[int]:
    """Make contacts test profiles; who is one stays one. The ids of those who are new.

    Ids of merged contacts stand for their survivors. Raises ContactUnknown, and then nobody is
    marked.
    """
    access.require(actor, ADD)
    merged = survivors_of(contact_ids)
    wanted = sorted({merged.get(one, one) for one in contact_ids})
    people = Contact.objects.filter(pk__in=wanted, erased_at=None).order_by("pk")
    # Held, so that nobody is merged or erased in the same moment.
    found = set(people.select_for_update(of=("self",), no_key=True).values_list("pk", flat=True))
    if missing := [one for one in wanted if one not in found]:
        raise ContactUnknown(_("There is no contact %(id)d.") % {"id": missing[0]})
    return _mark(wanted, actor=actor, at=at)


@transaction.atomic
def mark_members(segment: Segment, *, actor: Actor, at: datetime) -> list[int]:
    """Make all who are in a segment now test profiles; the ids of those who are new.

    Who comes into it later is none. Raises TooManyProfiles where more than `SEGMENT_LIMIT` are in
    it, and what `require_usable` raises.
    """
    access.require(actor, ADD)
    take_turn_to_read(segment.pk)
    segment = require_usable(segment, actor=actor)
    members = Membership.objects.filter(segment=segment).order_by("contact_id")
    ids = list(members.values_list("contact_id", flat=True)[: SEGMENT_LIMIT + 1])
    if len(ids) > SEGMENT_LIMIT:
        message = _("More than %(limit)d contacts are in “%(name)s”: choose a smaller segment.")
        raise TooManyProfiles(message % {"limit": SEGMENT_LIMIT, "name": segment.name})
    return _mark(ids, actor=actor, at=at)


@transaction.atomic
def unmark(contact_ids: Sequence[int], *, actor: Actor, at: datetime) -> list[int]:
    """Make contacts test profiles no more; the ids of those who were. Tests that run go on."""
    access.require(actor, REMOVE)
    rows = sql.rows(
        "DELETE FROM journeys_testprofile WHERE contact_id = ANY(%s) RETURNING contact_id",
        [list(contact_ids)],
    )
    gone = sorted(row["contact_id"] for row in rows)
    _tell("test_profile.removed", gone, [True, False], actor=actor, at=at)
    return gone


def forget(contact_ids: list[int]) -> int:
    """Forget that contacts were test profiles: for the erasure."""
    return TestProfile.objects.filter(contact_id__in=contact_ids).delete()[0]


def merge(pairs: Sequence[Pair], at: datetime) -> Mapping[int, Moved]:
    """Whoever stands for a test profile is one."""
    losers, survivors = [one.loser_id for one in pairs], [one.survivor_id for one in pairs]
    return {row["contact_id"]: Moved(1) for row in sql.rows(_MERGE, [losers, survivors])}


def _mark(contact_ids: Sequence[int], *, actor: Actor, at: datetime) -> list[int]:
    rows = sql.rows(
        "INSERT INTO journeys_testprofile (contact_id, added_at)"
        " SELECT id, %s FROM unnest(%s::bigint[]) AS c (id) ORDER BY id"
        " ON CONFLICT (contact_id) DO NOTHING RETURNING contact_id",
        [at, list(contact_ids)],
    )
    new = sorted(row["contact_id"] for row in rows)
    _tell("test_profile.added", new, [False, True], actor=actor, at=at)
    return new


def _tell(
    action: str, contact_ids: Sequence[int], change: list[bool], *, actor: Actor, at: datetime
) -> None:
    audit.record_many(
        actor=actor,
        action=action,
        object_type=Contact._meta.label_lower,
        changes={str(one): {"is_test_profile": change} for one in contact_ids},
        at=at,
    )
