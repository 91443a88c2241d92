"""The round that follows time: whom time alone may have turned since the last look is asked anew.

Nothing is kept for it beside the instant up to which each segment was looked at: whose events or
dates have passed an edge since then is found by their indexes. Too many are asked rather than one
too few. Where no index tells, the segment is refreshed in full: windows of whole days when the
date changes. After a downtime the same look catches up, or gives way to a full refresh.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta

from django.db import transaction

from segments import membership
from segments.models import Following
from segments.realtime import documents, following, heartbeat, state
from segments.realtime.documents import Documents
from segments.realtime.moving import Asked, Changed, Ours, ask
from workspace import locks, sql

CHANNEL = "regulars_clock"
EVERY = timedelta(seconds=1)
CAUSE = "time"
# Above so many a full refresh of their segments is cheaper.
LIMIT = 50_000
# Where nobody was found, how often it is written down how far time was looked at.
_NOTE_EVERY = timedelta(seconds=30)


def tick(at: datetime) -> bool:
    """Ask whom time has turned up to `at`; true only where it has to be done again at once."""
    found = Following.objects.filter(followed_until__lt=at, stale_since=None)
    # A few instants at most: that of the last look, and those of full refreshes since.
    behind = found.order_by("followed_until").values_list("followed_until", flat=True).distinct()
    try:
        for since in list(behind):
            with transaction.atomic():
                if not locks.try_lock(state.LOCK):
                    return False
                membership.hold_off_erasures()
                known = documents.load()
                if following.restart_changed(known, at=at):
                    return True
                _look(known, since=since, at=at)
    except Changed:
        return True
    heartbeat.beat(at)
    return False


def _look(known: Documents, *, since: datetime, at: datetime) -> None:
    """What time did after `since` in the segments that were looked at up to then."""
    seen = Following.objects.filter(followed_until=since, stale_since=None).order_by("pk")
    segment_ids = tuple(seen.values_list("pk", flat=True))
    turned = known.clock(segment_ids).between(since, at)
    due = {one for one, needs in turned.needs_full.items() if needs.next_at <= at}
    pairs: list[tuple[int, int]] = []
    if turned.query is not None:
        with sql.local_settings(turned.query.settings):
            text = f"{turned.query.text} LIMIT %s"
            pairs = sql.lists(text, [*turned.query.params, LIMIT + 1])
    if len(pairs) > LIMIT:
        due, pairs = set(segment_ids), []
    asked = Asked()
    for segment_id, contact_id in pairs:
        if segment_id not in due:
            asked.pairs[segment_id][contact_id] = CAUSE
    wanted = asked.segments(known)
    if wanted:
        ours = Ours.of(wanted | known.dependents(wanted))
        if documents.is_changed(known):
            raise Changed
        ask(asked, known, ours=ours, at=at)
    if due:
        following.refresh_in_full(due, cause=CAUSE, at=at)
    if pairs or at - since >= _NOTE_EVERY:
        # Also of those that are being refreshed: whom time turned is owed.
        _note(set(segment_ids) - due, since=since, at=at)


def _note(segment_ids: Iterable[int], *, since: datetime, at: datetime) -> None:
    """Write down how far time was looked at, unless a full refresh began anew meanwhile."""
    seen = Following.objects.filter(segment__in=list(segment_ids), followed_until=since)
    held = list(
        seen.order_by("pk").select_for_update(skip_locked=True).values_list("pk", flat=True)
    )
    Following.objects.filter(segment__in=held).update(followed_until=at)
