"""The round that follows contacts: whoever was touched is asked anew, at once.

The touches are deleted in the transaction that writes what came of them, so a process that is
killed leaves all as it was before, and the next round begins again. Only one follows at a time.
"""

import logging
from collections.abc import Collection
from datetime import datetime, timedelta

from django.db import transaction

from contacts import touches
from segments import membership
from segments.models import Following, Segment
from segments.realtime import documents, heartbeat, state
from segments.realtime.documents import Documents
from segments.realtime.moving import Asked, Changed, Ours, ask
from workspace import locks, sql
from workspace.access import SYSTEM

logger = logging.getLogger(__name__)

BATCH = 5_000
# Where so many touches wait, a full refresh of what they concern is cheaper.
OVERFLOW_SHARE = 0.07
OVERFLOW_LEAST = 20_000
_OWED_BATCH = 5_000
# Many statements about everyone, such as those of one import, ask for one refresh.
_QUIET = timedelta(seconds=2)
_PATIENCE = timedelta(minutes=1)
BULK_CAUSE = "import"
CRITERIA_CAUSE = "criteria"
_IS_WAITING = """
SELECT EXISTS (SELECT FROM contacts_touch) OR EXISTS (SELECT FROM segments_owed)
"""


def follow(at: datetime) -> bool:
    """Follow up what waits, as of `at`; true where there may be more to do at once."""
    if not sql.one(_IS_WAITING):
        heartbeat.beat(at)
        return False
    try:
        with transaction.atomic():
            if not locks.try_lock(state.LOCK):
                return False
            # Nobody is erased from here on, and who was is known.
            membership.hold_off_erasures()
            is_more = _follow(at)
    except Changed:
        return True
    if not is_more:
        heartbeat.beat(at)
    return is_more


def _follow(at: datetime) -> bool:
    known = documents.load()
    if restart_changed(known, at=at):
        return True
    everyone = touches.take_everyone(quiet_since=at - _QUIET, waiting_since=at - _PATIENCE)
    taken = touches.take(BATCH)
    is_more = len(taken) == BATCH
    if is_more and is_overflowing():
        everyone = sorted({*everyone, *touches.take_all(), *(one.topic for one in taken)})
        taken = []
    asked = Asked(topics=_by_contact(taken))
    owing = state.owing_segments()
    wanted = asked.segments(known) | owing
    ours = Ours.of(wanted | known.dependents(wanted))
    if documents.is_changed(known):
        raise Changed
    for segment_id in owing - ours.busy:
        if segment_id in ours.writable and segment_id in known.trees:
            continue
        # It follows no more: its next full refresh sees whom it owes.
        state.forget_owed(segment_id)
    owed = state.take_owed(owing & ours.writable, limit=_OWED_BATCH) if owing else []
    for segment_id, contact_id, cause in owed:
        asked.pairs[segment_id][contact_id] = cause
    ask(asked, known, ours=ours, at=at)
    # Also those that are refreshed already: what came meanwhile may be too late for that.
    concerned = {one for topic in everyone for one in known.concerned(topic)}
    refresh_in_full(concerned, cause=BULK_CAUSE, at=at)
    return is_more or len(owed) == _OWED_BATCH


def restart_changed(known: Documents, *, at: datetime) -> bool:
    """Have what means something else than when it began to follow refreshed in full; if any."""
    following = Following.objects.values_list("segment_id", "digest")
    astray = [one for one, digest in following if known.digests.get(one) != digest]
    if not astray:
        return False
    held = list(Segment.objects.filter(pk__in=astray).order_by("pk").select_for_update())
    state.stop(segment.pk for segment in held)
    for segment in held:
        if state.may_follow(segment):
            membership.queue_refresh(segment, actor=SYSTEM, cause=CRITERIA_CAUSE, at=at)
    return bool(held)


def refresh_in_full(segment_ids: Collection[int], *, cause: str, at: datetime) -> None:
    """Have segments refreshed in full; until then they are stale."""
    held = list(Segment.objects.filter(pk__in=segment_ids).order_by("pk").select_for_update())
    state.mark_stale([segment.pk for segment in held], cause=cause, at=at)
    for segment in held:
        # A few, each with a job of its own.
        membership.queue_refresh(segment, actor=SYSTEM, cause=cause, at=at)


def is_overflowing() -> bool:
    """Whether so much waits that full refreshes are cheaper."""
    people = sql.one("SELECT reltuples FROM pg_class WHERE oid = 'contacts_contact'::regclass")
    limit = max(OVERFLOW_LEAST, int(OVERFLOW_SHARE * max(people, 0)))
    return touches.waiting_count(limit=limit) >= limit


def _by_contact(taken: Collection[touches.Touch]) -> dict[int, list[str]]:
    found: dict[int, list[str]] = {}
    for touch in taken:
        topics = found.setdefault(touch.contact_id, [])
        if touch.topic not in topics:
            topics.append(touch.topic)
    return found
