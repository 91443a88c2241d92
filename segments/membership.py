"""Who is in which segment: computed, compared with what was, written as the difference.

A refresh is one transaction. It writes memberships, the log of who entered and left, and a line
of history, all as of one instant; a refresh that fails leaves yesterday's members. Only one runs
for a segment at a time, and while it does nobody else writes the segment's members: the rounds
that follow contacts (segments.realtime) ask later about those whom it may not have seen.
"""

import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from time import monotonic

from django.db import DatabaseError, OperationalError, transaction
from django.utils.translation import gettext as _
from psycopg.errors import LockNotAvailable, QueryCanceled

from contacts import touches
from segments import contact_lists, history, moves
from segments.criteria import Catalog, compile_members
from segments.documents import dependencies_first, with_dependencies
from segments.errors import (
    RefreshTimedOut,
    SegmentArchived,
    SegmentBusy,
    SegmentInactive,
    SegmentNotCalculated,
    SegmentUnknown,
)
from segments.facts import catalog_for, criteria_of, references
from segments.models import Membership, Segment
from segments.realtime import heartbeat, state
from workspace import access, jobs, locks, partitions, rounds, sql
from workspace.access import SYSTEM, Actor
from workspace.errors import DomainError
from workspace.jobs import Cancelled, Work
from workspace.models import Job

logger = logging.getLogger(__name__)

REFRESH_JOB = "segments.refresh"
REFRESH_LIMIT_SECONDS = 900
# After so many changes the server looks anew how the memberships are distributed.
_ANALYZE_FROM = 50_000
_LOST_AFTER = timedelta(minutes=1)
_PATIENCE = "5s"
_ERASURE = "segments erased contacts"
CHANGES = "segments_membershipchange"

# The instant of the log is that of the evaluation, or right after the last one logged: so the
# log is in the order of what happened, also where somebody evaluates as of an earlier moment.
# Who fits comes in the order of the memberships' key, and the server merges the two: for half a
# million that is twice as quick as the hash table that it would build otherwise.
_DIFFERENCE = """
WITH fitting AS MATERIALIZED (SELECT contact_id FROM ({members}) n ORDER BY contact_id),
moment AS MATERIALIZED (
  SELECT greatest(%s, (
    SELECT max(l.at) + interval '1 microsecond' FROM segments_membershipchange l
    WHERE l.segment_id = %s AND l.at >= %s)) AS at),
difference AS MATERIALIZED (
  SELECT coalesce(f.contact_id, m.contact_id) AS contact_id, m.contact_id IS NULL AS is_new
  FROM fitting f
  FULL JOIN (SELECT contact_id FROM segments_membership WHERE segment_id = %s) m
    ON m.contact_id = f.contact_id
  WHERE f.contact_id IS NULL OR m.contact_id IS NULL),
gone AS (
  DELETE FROM segments_membership m USING difference d
  WHERE m.segment_id = %s AND m.contact_id = d.contact_id AND NOT d.is_new
  RETURNING m.contact_id),
come AS (
  INSERT INTO segments_membership (segment_id, contact_id, entered_at)
  SELECT %s, d.contact_id, t.at FROM difference d CROSS JOIN moment t
  WHERE d.is_new ORDER BY d.contact_id
  RETURNING contact_id),
logged AS (
  INSERT INTO segments_membershipchange (segment_id, at, contact_id, kind, cause)
  SELECT %s, t.at, c.contact_id, c.kind, %s
  FROM (SELECT contact_id, 'entered' AS kind FROM come
        UNION ALL SELECT contact_id, 'left' FROM gone) c CROSS JOIN moment t)
SELECT (SELECT count(*) FROM fitting) AS fitting, (SELECT count(*) FROM come) AS entered,
  (SELECT count(*) FROM gone) AS left_, (SELECT at FROM moment) AS moment
"""

# Who was erased while the difference was computed came in by an older view of the contacts.
_FORGET_ERASED = """
WITH gone AS (
  DELETE FROM segments_membership m USING contacts_contact c
  WHERE m.segment_id = %s AND m.entered_at = %s AND c.id = m.contact_id
    AND c.erased_at IS NOT NULL
  RETURNING m.contact_id),
unlogged AS (
  DELETE FROM segments_membershipchange l USING gone g
  WHERE l.segment_id = %s AND l.at = %s AND l.contact_id = g.contact_id)
SELECT count(*) FROM gone
"""

_REMOVE_ALL = """
WITH gone AS (
  DELETE FROM segments_membership WHERE segment_id = %s RETURNING contact_id),
moment AS (
  SELECT greatest(%s, (
    SELECT max(l.at) + interval '1 microsecond' FROM segments_membershipchange l
    WHERE l.segment_id = %s AND l.at >= %s)) AS at),
logged AS (
  INSERT INTO segments_membershipchange (segment_id, at, contact_id, kind, cause)
  SELECT %s, t.at, g.contact_id, 'left', %s FROM gone g CROSS JOIN moment t)
SELECT (SELECT count(*) FROM gone) AS gone, (SELECT at FROM moment) AS moment
"""

_FORGET_MEMBERS = """
WITH gone AS (
  DELETE FROM segments_membership WHERE contact_id = ANY(%s) RETURNING segment_id),
counted AS (
  UPDATE segments_segment s SET member_count = s.member_count - g.gone_count
  FROM (SELECT segment_id, count(*) AS gone_count FROM gone GROUP BY segment_id) g
  WHERE s.id = g.segment_id)
SELECT count(*) FROM gone
"""
# Who cancelled it did not mean that the clock should begin it again at once.
_WITHDRAW_LOST = """
UPDATE segments_segment s SET refresh_requested_at = NULL, failed_at = CASE
    WHEN (SELECT j.state FROM workspace_job j WHERE j.subject = 'segment:' || s.id AND j.kind = %s
          ORDER BY j.id DESC LIMIT 1) = 'cancelled' THEN %s ELSE s.failed_at END
WHERE s.refresh_requested_at < %s AND NOT EXISTS (
  SELECT FROM workspace_job j WHERE j.subject = 'segment:' || s.id AND j.kind = %s
  AND j.state IN ('queued', 'running'))
"""
_FORGET_CHANGES = "DELETE FROM segments_membershipchange WHERE contact_id = ANY(%s)"
_FORGET_OWED = "DELETE FROM segments_owed WHERE contact_id = ANY(%s)"
# Those whose criteria name the segment follow this up; of very many one row says so.
_TOUCH_DEPENDENTS = """
INSERT INTO contacts_touch (contact_id, topic)
SELECT contact_id, %s FROM segments_membershipchange
WHERE %s <= %s AND segment_id = %s AND at = %s
UNION ALL SELECT %s, %s WHERE %s > %s
"""


@dataclass(frozen=True, slots=True)
class Refreshed:
    """What a refresh did. `is_new` is false where a refresh that ran meanwhile served it too."""

    segment_key: str
    as_of: datetime
    version_number: int
    member_count: int
    entered_count: int
    left_count: int
    milliseconds: float
    is_new: bool = True


@dataclass(frozen=True, slots=True)
class RefreshFailed:
    """Why the refresh of one segment among many failed."""

    segment_key: str
    error: DomainError | DatabaseError


def refresh(
    segment_id: int,
    *,
    as_of: datetime,
    cause: str,
    work: Work | None = None,
    wait: bool = False,
    if_requested: bool = False,
    catalog: Catalog | None = None,
) -> Refreshed:
    """Compute the members of an active segment as of an instant, and write the difference.

    `cause` is one word for the log. While another refresh of the segment runs, it raises
    SegmentBusy, or waits for its end with `wait`. With `if_requested` it does nothing where no
    request is pending. `catalog` may be given to read it once for many segments.

    Raises SegmentInactive, SegmentArchived or SegmentNotCalculated (its list is not read yet) for
    one that is not calculated; CriteriaRefused or RefreshTimedOut leave yesterday's members and
    are written into the segment.
    """
    requested_at = None
    begun = monotonic()
    partitions.ensure_months(CHANGES, [as_of])
    try:
        with sql.local_settings({"statement_timeout": f"{REFRESH_LIMIT_SECONDS}s"}):
            _take_turn(segment_id, wait=wait)
            state.lock_writing(segment_id)
            segment = _calculable(segment_id)
            requested_at = segment.refresh_requested_at
            if if_requested and requested_at is None:
                return _last(segment)
            return _write(segment, as_of, cause, begun, catalog, work)
    except Cancelled:
        _record_cancel(segment_id, as_of, requested_at)
        raise
    except (SegmentBusy, SegmentUnknown, SegmentInactive, SegmentArchived, SegmentNotCalculated):
        raise
    except (DomainError, DatabaseError) as error:
        if work is not None and work.is_cancelled.is_set():
            _record_cancel(segment_id, as_of, requested_at)
            raise Cancelled from error
        told = _told(error, monotonic() - begun)
        _record_failure(segment_id, str(told), as_of, requested_at)
        if told is error:
            raise
        raise told from error


def refresh_many(
    segment_ids: Iterable[int],
    *,
    as_of: datetime,
    cause: str,
    work: Work | None = None,
    wait: bool = False,
    if_requested: bool = False,
) -> Iterator[Refreshed | RefreshFailed]:
    """Refresh segments one after the other, each after those that its criteria name.

    One that fails is told of and does not keep the others from going on.
    """
    ids = dict(Segment.objects.filter(pk__in=list(segment_ids)).values_list("key", "pk"))
    for key in dependencies_first(ids, references()):
        try:
            # Its own catalog each: what was refreshed before it has members now.
            yield refresh(
                ids[key],
                as_of=as_of,
                cause=cause,
                work=work,
                wait=wait,
                if_requested=if_requested,
            )
        except (DomainError, DatabaseError) as error:
            if not isinstance(error, DomainError):
                logger.exception("The refresh of segment %s failed.", key)
            yield RefreshFailed(key, error)


def refresh_requested(segment_id: int, *, as_of: datetime, cause: str, work: Work) -> Refreshed:
    """Serve the request for a segment, after those for the segments that its criteria name.

    Where another worker has served it meanwhile, nothing is computed again.
    """
    own_key = Segment.objects.values_list("key", flat=True).get(pk=segment_id)
    named = with_dependencies([own_key], references()) - {own_key}
    waiting = Segment.objects.filter(
        key__in=named, status=Segment.Status.ACTIVE, refresh_requested_at__isnull=False
    )
    pending = list(waiting.values_list("pk", flat=True))
    options = {"as_of": as_of, "work": work, "wait": True, "if_requested": True}
    for outcome in refresh_many(pending, cause="requested", **options):  # type: ignore[arg-type]
        work.check()
        if isinstance(outcome, RefreshFailed):
            logger.warning("%s goes on without %s.", own_key, outcome.segment_key)
    return refresh(segment_id, cause=cause, **options)  # type: ignore[arg-type]


def request_refresh(segment: Segment, *, actor: Actor, at: datetime) -> Job:
    """Have a worker refresh an active segment; while a request waits, that one is answered.

    Raises SegmentInactive, SegmentArchived or SegmentNotCalculated.
    """
    access.require(actor, "segments.refresh_segment")
    if not access.is_visible(segment, actor):
        raise SegmentUnknown(segment.key)
    return queue_refresh(segment, actor=actor, cause="requested", at=at)


@transaction.atomic
def queue_refresh(segment: Segment, *, actor: Actor, cause: str, at: datetime) -> Job:
    """Have a worker refresh an active segment, for a reason of the product's own."""
    held = Segment.objects.select_for_update().get(pk=segment.pk)
    _refuse_uncalculated(held)
    waiting = Job.objects.filter(
        subject=_subject(held), kind=REFRESH_JOB, state=Job.State.QUEUED, cancel_requested=False
    )
    job = waiting.order_by("pk").first() or jobs.start(
        REFRESH_JOB,
        title=_("Refresh segment “%(name)s”") % {"name": held.name},
        actor=actor,
        arguments={"segment_id": held.pk, "cause": cause},
        subject=_subject(held),
    )
    # Never the same instant twice: a refresh that runs clears the request that it has read.
    before = held.refresh_requested_at
    if before is not None:
        at = max(at, before + timedelta(microseconds=1))
    Segment.objects.filter(pk=held.pk).update(refresh_requested_at=at)
    return job


def cancel_refresh(segment: Segment, *, actor: Actor, at: datetime) -> None:
    """Cancel the refreshes of a segment that wait or run."""
    unfinished = Job.objects.filter(
        subject=_subject(segment),
        kind=REFRESH_JOB,
        state__in=[Job.State.QUEUED, Job.State.RUNNING],
    )
    for job in unfinished:
        try:
            jobs.cancel(job, actor=actor, at=at)
        except jobs.NotCancellable:
            # It ended this moment.
            continue


def unfinished_refreshes(segment_ids: Iterable[int], *, actor: Actor) -> dict[int, Job]:
    """The newest refresh that waits or runs of each segment, of jobs that the actor may look at.

    One query; segments without one are missing.
    """
    subjects = {f"segment:{pk}": pk for pk in segment_ids}
    jobs_of = access.visible_jobs(actor).filter(
        subject__in=subjects,
        kind=REFRESH_JOB,
        state__in=[Job.State.QUEUED, Job.State.RUNNING],
    )
    return {subjects[job.subject]: job for job in jobs_of.order_by("pk")}


def is_running(segment: Segment) -> bool:
    """Whether a worker computes its members, also where it was told to stop."""
    running = Job.objects.filter(
        subject=_subject(segment), kind=REFRESH_JOB, state=Job.State.RUNNING
    )
    return running.exists()


def withdraw_lost_requests(*, at: datetime) -> int:
    """Forget requests of a minute ago or more whose job is over: cancelled while it waited."""
    # In one statement, and never a fresh one: its job may not be seen yet.
    return sql.execute(_WITHDRAW_LOST, [REFRESH_JOB, at, at - _LOST_AFTER, REFRESH_JOB])


def take_turn_to_read(segment_id: int) -> None:
    """Keep the members of a segment as they are until the transaction ends: no refresh writes.

    Waits for a refresh that runs. The rounds that follow contacts ask later.
    """
    locks.lock(_turn(segment_id))
    state.lock_writing(segment_id)


def take_turn_to_remove(segment: Segment) -> None:
    """Keep refreshes and erasures off a segment until the transaction ends.

    Before its row is locked: a refresh locks the row last. Waits a few seconds for a refresh
    that is just ending, then raises SegmentBusy.
    """
    hold_off_erasures()
    try:
        with sql.local_settings({"lock_timeout": _PATIENCE}):
            locks.lock(_turn(segment.pk))
            state.lock_writing(segment.pk)
    except OperationalError as error:
        if not isinstance(error.__cause__, LockNotAvailable):
            raise
        raise _busy(segment.key) from error
    sql.one("SELECT set_config('lock_timeout', '0', true)")


def remove_all(segment: Segment, *, at: datetime, cause: str) -> int:
    """Take all members out of a segment, each with a line in the log, and one in the history.

    For a transaction that has the segment's turn.
    """
    begun = monotonic()
    pk = segment.pk
    heartbeat.record_pending(segment, at=at)
    count, moment = sql.rows(_REMOVE_ALL, [pk, at, pk, at, pk, cause])[0].values()
    if count:
        moves.announce([(pk, moment)])
    history.add_line(segment, at, 0, 0, count, monotonic() - begun, cause, logged_at=moment)
    return int(count)


def forget_contacts(contact_ids: list[int]) -> int:
    """Take erased contacts out of all segments and out of the log; returns how many rows went.

    For the transaction that erases them.
    """
    # Until this transaction ends no refresh writes: it will see who is erased.
    sql.one("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [_ERASURE])
    memberships = int(sql.one(_FORGET_MEMBERS, [contact_ids]))
    sql.execute(_FORGET_OWED, [contact_ids])
    return memberships + sql.execute(_FORGET_CHANGES, [contact_ids])


def hold_off_erasures() -> None:
    """Let no contact be erased until the transaction ends; waits for one that is being erased."""
    sql.one("SELECT pg_advisory_xact_lock_shared(hashtextextended(%s, 0))", [_ERASURE])


def _turn(segment_id: int) -> str:
    return f"segments refresh {segment_id}"


def _subject(segment: Segment) -> str:
    return f"segment:{segment.pk}"


def _take_turn(segment_id: int, *, wait: bool) -> None:
    if wait:
        locks.lock(_turn(segment_id))
    elif not locks.try_lock(_turn(segment_id)):
        key = Segment.objects.values_list("key", flat=True).filter(pk=segment_id).first()
        raise _busy(key or str(segment_id))


def _busy(key: str) -> SegmentBusy:
    message = _("A refresh of segment “%(key)s” is running. Try again when it has ended.")
    return SegmentBusy(message % {"key": key}, key=key)


def _calculable(segment_id: int) -> Segment:
    segment = Segment.objects.filter(pk=segment_id).first()
    if segment is None:
        raise SegmentUnknown(str(segment_id))
    _refuse_uncalculated(segment)
    return segment


def _refuse_uncalculated(segment: Segment) -> None:
    words = {"name": segment.name}
    if segment.status == Segment.Status.ARCHIVED:
        raise SegmentArchived(_("Segment “%(name)s” is archived, and stays so.") % words)
    if segment.status == Segment.Status.INACTIVE:
        raise SegmentInactive(_("Segment “%(name)s” is inactive. Activate it first.") % words)
    if not segment.is_calculable:
        message = _(
            "The members of segment “%(name)s” do not come from criteria, and no list of them is"
            " read yet."
        )
        raise SegmentNotCalculated(message % words)


def _last(segment: Segment) -> Refreshed:
    """What the last calculation of the segment said."""
    last = segment.calculations.order_by("-pk").first()
    if last is None:
        return Refreshed(
            segment.key, segment.created_at, segment.version_number, 0, 0, 0, 0.0, is_new=False
        )
    return Refreshed(
        segment.key,
        last.at,
        last.version_number,
        last.member_count,
        last.entered_count,
        last.left_count,
        float(last.milliseconds),
        is_new=False,
    )


def _write(
    segment: Segment,
    as_of: datetime,
    cause: str,
    begun: float,
    catalog: Catalog | None,
    work: Work | None,
) -> Refreshed:
    """The difference, the counts and the history, in the transaction that holds the turn."""
    tree = criteria_of(segment, catalog=catalog or catalog_for(SYSTEM))
    query = compile_members(tree, now=as_of)
    if segment.source != Segment.Source.CRITERIA:
        query = contact_lists.restricted(query, segment)
    pk = segment.pk
    params = [*query.params, as_of, pk, as_of, pk, pk, pk, pk, cause]
    state.forget_owed(pk)
    with sql.local_settings({"work_mem": "64MB", **query.settings}):
        found = sql.rows(_DIFFERENCE.format(members=query.text), params)
    fitting, entered, left, moment = found[0].values()
    if work is not None:
        work.check()
    # From here to the end no contact is erased; who was meanwhile is known now.
    hold_off_erasures()
    if entered:
        entered -= int(sql.one(_FORGET_ERASED, [pk, moment, pk, moment]))
    held = Segment.objects.select_for_update().get(pk=pk)
    _refuse_uncalculated(held)
    count = held.member_count + entered - left
    if count != fitting:
        count = Membership.objects.filter(segment_id=pk).count()
    is_served = held.refresh_requested_at == segment.refresh_requested_at
    heartbeat.record_pending(held, at=as_of)
    Segment.objects.filter(pk=pk).update(
        member_count=count,
        calculated_at=as_of,
        failure="",
        failed_at=None,
        refresh_requested_at=None if is_served else held.refresh_requested_at,
    )
    if entered + left >= _ANALYZE_FROM:
        sql.execute("ANALYZE segments_membership")
    is_as_read = (held.criteria, held.members_only) == (segment.criteria, segment.members_only)
    wants_to = is_as_read and state.may_follow(held) and state.may_follow(segment)
    if wants_to and state.can_follow(tree):
        state.start(pk, tree, as_of=as_of, stays_stale=not is_served)
    else:
        state.stop([pk])
    if entered + left:
        _touch_dependents(segment, moment, entered + left)
        moves.announce([(pk, moment)])
    seconds = monotonic() - begun
    history.add_line(segment, as_of, count, entered, left, seconds, cause, logged_at=moment)
    return Refreshed(
        segment.key,
        as_of,
        segment.version_number,
        count,
        entered,
        left,
        round(seconds * 1000, 3),
    )


def _touch_dependents(segment: Segment, moment: datetime, count: int) -> None:
    """Have segments whose criteria name this one ask about who has just moved."""
    if not any(segment.key in named for named in references().values()):
        return
    topic, many = f"segment:{segment.pk}", touches.LISTED
    params = [topic, count, many, segment.pk, moment, touches.EVERYONE, topic, count, many]
    sql.execute(_TOUCH_DEPENDENTS, params)
    rounds.wake(touches.CHANNEL)


def _told(error: DomainError | DatabaseError, seconds: float) -> DomainError | DatabaseError:
    """The error as people are to read it."""
    if isinstance(error.__cause__, QueryCanceled):
        message = _("Calculating was stopped after %(seconds)d seconds; %(limit)d are the most.")
        words = {"seconds": seconds, "limit": REFRESH_LIMIT_SECONDS}
        return RefreshTimedOut(message % words)
    return error


def _record_failure(
    segment_id: int, failure: str, as_of: datetime, requested_at: datetime | None
) -> None:
    Segment.objects.filter(pk=segment_id).update(failure=failure[:2000], failed_at=as_of)
    _withdraw_request(segment_id, requested_at)


def _record_cancel(segment_id: int, as_of: datetime, requested_at: datetime | None) -> None:
    """Note that it was tried: who cancels it does not want the clock to begin it again at once."""
    Segment.objects.filter(pk=segment_id).update(failed_at=as_of)
    _withdraw_request(segment_id, requested_at)


def _withdraw_request(segment_id: int, requested_at: datetime | None) -> None:
    """Forget a request for a refresh, unless a newer one came."""
    asked = Segment.objects.filter(pk=segment_id, refresh_requested_at=requested_at)
    asked.update(refresh_requested_at=None)
