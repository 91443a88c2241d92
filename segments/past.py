"""Who was in a segment at a past moment, and who entered or left between two: from the log.

The log has each entering and leaving of a contact, one after the other. So from a moment the
present is reached by adding up what came after it, and the moment from the beginning by adding up
what came before; whichever is less is read, in one pass. Who was erased is in no past.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from django.db.models import F, Sum
from django.db.models.functions import Coalesce
from django.utils.translation import gettext as _

from segments.criteria import Query
from segments.errors import PastForgotten, PastNotYet
from segments.members import Member
from segments.models import Calculation, MembershipChange, Segment, SegmentVersion
from segments.versions import version_at
from workspace import partitions, sql

Kind = Literal["entered", "left"]

_STEP = "CASE kind WHEN 'entered' THEN 1 ELSE -1 END"
_FROM_BEGINNING = f"""
SELECT contact_id FROM segments_membershipchange
WHERE segment_id = %s AND at <= %s AND contact_id > %s
GROUP BY contact_id HAVING sum({_STEP}) > 0
"""  # noqa: S608
_FROM_PRESENT = f"""
SELECT contact_id FROM (
  SELECT contact_id, 1 AS step FROM segments_membership WHERE segment_id = %s AND contact_id > %s
  UNION ALL
  SELECT contact_id, -({_STEP}) FROM segments_membershipchange
  WHERE segment_id = %s AND at > %s AND contact_id > %s) s
GROUP BY contact_id HAVING sum(step) > 0
"""  # noqa: S608
_BETWEEN = f"""
SELECT contact_id, sum({_STEP}) AS step FROM segments_membershipchange
WHERE segment_id = %s AND at > %s AND at <= %s GROUP BY contact_id HAVING sum({_STEP}) <> 0
"""  # noqa: S608
_BALANCE = """
SELECT count(*) FILTER (WHERE step > 0) AS entered, count(*) FILTER (WHERE step < 0) AS left_
FROM ({between}) b
"""
_DESCRIBED = """
SELECT p.contact_id, c.email, l.at AS entered_at, (
    SELECT i.value FROM contacts_identity i
    WHERE i.contact_id = p.contact_id AND i.namespace = 'user_id'
    ORDER BY i.created_at, i.value LIMIT 1) AS external_id
FROM unnest(%s::bigint[]) AS p (contact_id)
JOIN contacts_contact c ON c.id = p.contact_id
CROSS JOIN LATERAL (
  SELECT max(l.at) AS at FROM segments_membershipchange l
  WHERE l.contact_id = p.contact_id AND l.segment_id = %s AND l.at <= %s AND l.kind = %s) l
ORDER BY p.contact_id
"""
# Groups are counted in memory rather than sorted.
_SETTINGS = {"work_mem": "128MB"}


@dataclass(frozen=True, slots=True)
class Moment:
    """A segment at a past moment: how many were in, by which calculation and which version.

    Without a calculation nobody was in: it was not calculated yet.
    """

    at: datetime
    count: int
    calculation: Calculation | None
    version: SegmentVersion | None


@dataclass(frozen=True, slots=True)
class Flow:
    """How many were in at the end of a span and not at its beginning, and the other way round."""

    since: datetime | None
    until: datetime
    entered: int
    left: int

    @property
    def net(self) -> int:
        """By how many the segment grew."""
        return self.entered - self.left


def look_back(segment: Segment, *, at: datetime, now: datetime) -> Moment:
    """How a segment was at a moment. Raises PastNotYet after `now`, PastForgotten before the log.

    The version is the one that the members then were calculated by.
    """
    check_moment(segment, at=at, now=now)
    calculation = _calculations(segment).filter(logged__lte=at).order_by("-logged", "-pk").first()
    if calculation is None:
        return Moment(at, 0, None, version_at(segment, at=at))
    number = calculation.version_number
    version = segment.versions.select_related("contact_list").filter(number=number).first()
    return Moment(at, count_at(segment, at=at), calculation, version)


def count_at(segment: Segment, *, at: datetime) -> int:
    """How many were in a segment at a moment."""
    return _count(members_query(segment, at=at))


def check_moment(segment: Segment, *, at: datetime, now: datetime) -> None:
    """Raise where nothing can be said of a moment."""
    if at > now:
        raise PastNotYet(_("Choose a moment that is over."))
    months = partitions.months(MembershipChange._meta.db_table)
    begins_at = months[0].begins_at if months else None
    if begins_at is None or at >= begins_at:
        return
    if _calculations(segment).filter(logged__lt=begins_at, entered_count__gt=0).exists():
        message = _("What was before %(at)s is not in the log any more.")
        raise PastForgotten(message % {"at": begins_at.date()})


def members_query(segment: Segment, *, at: datetime, after: int = 0) -> Query:
    """SELECT `contact_id` of those who were in a segment at a moment, ids above `after`."""
    total = Coalesce(Sum(F("entered_count") + F("left_count")), 0)
    before = _calculations(segment).filter(logged__lte=at).aggregate(n=total)["n"]
    later = _calculations(segment).filter(logged__gt=at).aggregate(n=total)["n"]
    if before <= later + segment.member_count:
        return Query(_FROM_BEGINNING, (segment.pk, at, after), _SETTINGS)
    return Query(_FROM_PRESENT, (segment.pk, after, segment.pk, at, after), _SETTINGS)


def members_at(segment: Segment, *, at: datetime, after: int = 0, limit: int) -> list[int]:
    """Up to `limit` ids, ascending, of the contacts that were in the segment at a past moment."""
    query = members_query(segment, at=at, after=after)
    return _ids(
        Query(f"{query.text} ORDER BY contact_id LIMIT %s", (*query.params, limit), _SETTINGS)
    )


def members_page_at(segment: Segment, *, at: datetime, after: int = 0, limit: int) -> list[Member]:
    """The same with what is known of them today, and since when they were in."""
    ids = members_at(segment, at=at, after=after, limit=limit)
    return _described(segment, ids, at, "entered")


def last_before(segment: Segment, *, at: datetime, before: int, limit: int) -> list[Member]:
    """The last `limit` who were in then with ids below `before`: a page turned back."""
    query = members_query(segment, at=at)
    text = (
        f"SELECT contact_id FROM ({query.text}) q"  # noqa: S608
        " WHERE contact_id < %s ORDER BY contact_id DESC LIMIT %s"
    )
    ids = _ids(Query(text, (*query.params, before, limit), _SETTINGS))
    return _described(segment, ids, at, "entered")


def flow_between(segment: Segment, *, since: datetime | None, until: datetime) -> Flow:
    """Who came and went after `since` (from the beginning without it) up to `until`, on balance.

    Who entered and left again within the span counts for nothing.
    """
    query = _between(segment, since, until)
    text = _BALANCE.format(between=query.text)
    with sql.local_settings(_SETTINGS):
        row = sql.rows(text, query.params)[0]
    return Flow(since, until, row["entered"], row["left_"])


def flow_query(segment: Segment, kind: Kind, *, since: datetime | None, until: datetime) -> Query:
    """SELECT `contact_id` of those who entered, or left, on balance."""
    query = _between(segment, since, until)
    sign = ">" if kind == "entered" else "<"
    text = f"SELECT contact_id FROM ({query.text}) b WHERE step {sign} 0"  # noqa: S608
    return Query(text, query.params, _SETTINGS)


def flow_page(
    segment: Segment,
    kind: Kind,
    *,
    since: datetime | None,
    until: datetime,
    after: int = 0,
    limit: int,
) -> list[Member]:
    """Up to `limit` of them by ascending id; `entered_at` is when they last entered, or left."""
    query = flow_query(segment, kind, since=since, until=until)
    text = f"{query.text} AND contact_id > %s ORDER BY contact_id LIMIT %s"
    ids = _ids(Query(text, (*query.params, after, limit), _SETTINGS))
    return _described(segment, ids, until, kind)


def logged_at(calculation: Calculation) -> datetime:
    """The instant from which the log shows what a calculation did."""
    return calculation.logged_at or calculation.at


def _calculations(segment: Segment) -> Any:
    found = Calculation.objects.filter(segment_id=segment.pk)
    return found.annotate(logged=Coalesce("logged_at", "at"))


def _between(segment: Segment, since: datetime | None, until: datetime) -> Query:
    begins = since if since is not None else "-infinity"
    return Query(_BETWEEN, (segment.pk, begins, until), _SETTINGS)


def _count(query: Query) -> int:
    with sql.local_settings(query.settings):
        return int(sql.one(f"SELECT count(*) FROM ({query.text}) q", query.params))  # noqa: S608


def _ids(query: Query) -> list[int]:
    with sql.local_settings(query.settings):
        return [row["contact_id"] for row in sql.rows(query.text, query.params)]


def _described(segment: Segment, ids: Sequence[int], at: datetime, kind: Kind) -> list[Member]:
    rows = sql.rows(_DESCRIBED, [list(ids), segment.pk, at, kind])
    return [Member(**row) for row in rows]
