"""Reading memberships: pages of members and of changes, past moments, the segments of a contact.

Every page is keyset: it costs the same, however far one has turned.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from segments.models import Membership, MembershipChange, Segment
from workspace import access, sql
from workspace.access import Actor


@dataclass(frozen=True, slots=True)
class Member:
    """A contact in a segment, since when."""

    contact_id: int
    external_id: str | None
    email: str
    entered_at: datetime


@dataclass(frozen=True, slots=True)
class Change:
    """A contact entered or left."""

    contact_id: int
    kind: str
    at: datetime
    cause: str


# Where a page of changes ended.
Place = tuple[datetime, int, str]


_MEMBERS = """
SELECT m.contact_id, c.email, m.entered_at, (
    SELECT i.value FROM contacts_identity i
    WHERE i.contact_id = m.contact_id AND i.namespace = 'user_id'
    ORDER BY i.created_at, i.value LIMIT 1) AS external_id
FROM (
  SELECT contact_id, entered_at FROM segments_membership
  WHERE segment_id = %s AND contact_id {beyond} %s ORDER BY contact_id {direction} LIMIT %s) m
JOIN contacts_contact c ON c.id = m.contact_id
ORDER BY m.contact_id
"""


def members_page(
    segment: Segment, *, after: int | None = None, before: int | None = None, limit: int
) -> list[Member]:
    """Up to `limit` members by ascending contact id: the first after, or the last before an id."""
    if before is None:
        statement = _MEMBERS.format(beyond=">", direction="ASC")
    else:
        statement = _MEMBERS.format(beyond="<", direction="DESC")
    place = before if before is not None else after or 0
    return [Member(**row) for row in sql.rows(statement, [segment.pk, place, limit])]


def count_members(segment: Segment) -> int:
    """How many are in it now, counted one by one: some tenths of a second for a million."""
    return Membership.objects.filter(segment_id=segment.pk).order_by().values("contact_id").count()


def changes_page(
    segment: Segment,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    kind: Literal["entered", "left"] | None = None,
    after: Place | None = None,
    newest_first: bool = False,
    limit: int,
) -> list[Change]:
    """Up to `limit` changes with `since <= at < until`, in the order of their times.

    `after` is where the page before ended: the time, contact id and kind of its last change.
    """
    beyond, direction = ("<", "DESC") if newest_first else (">", "ASC")
    where, params = ["segment_id = %s"], list[Any]([segment.pk])
    for condition, value in (("at >= %s", since), ("at < %s", until), ("kind = %s", kind)):
        if value is not None:
            where.append(condition)
            params.append(value)
    if after is not None:
        # Said twice, so that the server leaves out the months that are turned over.
        where.append(f"at {beyond}= %s AND (at, contact_id, kind) {beyond} (%s, %s, %s)")
        params += [after[0], *after]
    statement = (
        f"SELECT contact_id, kind, at, cause FROM segments_membershipchange"  # noqa: S608
        f" WHERE {' AND '.join(where)}"
        f" ORDER BY at {direction}, contact_id {direction}, kind {direction} LIMIT %s"
    )
    return [Change(**row) for row in sql.rows(statement, [*params, limit])]


def shared_counts(segment: Segment, keys: Sequence[str]) -> dict[str, int]:
    """How many members of a segment are in each of these others too; one statement."""
    if not keys:
        return {}
    statement = """
        SELECT s.key, count(*) AS shared FROM segments_membership m
        JOIN segments_membership o ON o.contact_id = m.contact_id
        JOIN segments_segment s ON s.id = o.segment_id
        WHERE m.segment_id = %s AND s.key = ANY(%s) GROUP BY s.key
    """
    return {row["key"]: row["shared"] for row in sql.rows(statement, [segment.pk, list(keys)])}


def segments_of_contact(contact_id: int, *, actor: Actor) -> list[tuple[Segment, datetime]]:
    """The segments that a contact is in, and since when; those that the actor may know of."""
    mine = dict(
        Membership.objects.filter(contact_id=contact_id).values_list("segment_id", "entered_at")
    )
    segments = access.visible(Segment.objects.filter(pk__in=mine), actor).order_by("name", "pk")
    return [(segment, mine[segment.pk]) for segment in segments]


def changes_of_contact(
    contact_id: int, *, actor: Actor, limit: int
) -> Sequence[tuple[Segment, Change]]:
    """The newest changes of one contact in segments that the actor may know of."""
    seen = access.visible(Segment.objects.all(), actor)
    segments = {segment.pk: segment for segment in seen}
    found = MembershipChange.objects.filter(contact_id=contact_id, segment_id__in=segments)
    rows = found.order_by("-at").values_list("segment_id", "contact_id", "kind", "at", "cause")
    return [(segments[row[0]], Change(*row[1:])) for row in rows[:limit]]
