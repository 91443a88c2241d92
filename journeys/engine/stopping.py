"""Ending: everyone is taken out of a journey that was stopped; what nobody is in any more is over.

`publishing` says that a journey is stopped, in one row; here a million are taken out of it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from journeys import following
from journeys.engine.course import Course
from journeys.engine.moves import Cause, Moved, Outcome, Source, Way, move
from journeys.engine.portions import portion
from journeys.models import Journey, JourneyVersion, Lane
from workspace import locks, sql

_ENDING = "journeys ending"
STOPPED = Way("", "stopped", None, Cause.STOPPED, Outcome.STOPPED)

_INSIDE = """
SELECT id FROM journeys_participant
WHERE version_id = %s AND place = %s AND state = %s LIMIT %s
"""
_OUT = """
SELECT p.id, p.place AS from_place, 0 AS way, greatest(p.arrived_at, %(stopped_at)s) AS at
FROM journeys_participant p WHERE p.id = ANY(%(ids)s::bigint[])
"""
_LEAVE_OUT = """
UPDATE journeys_message SET state = 'left_out', reason = %s
WHERE participant_id = ANY(%s::bigint[]) AND state = 'planned'
"""
# Nobody stands in a version any more, and nobody will come.
_ENDED = """
UPDATE journeys_journeyversion v SET ended_at = %(at)s
FROM journeys_journey j
WHERE j.id = v.journey_id AND v.lane = 0 AND NOT v.is_open AND v.ended_at IS NULL
  AND NOT EXISTS (SELECT FROM journeys_participant p
    WHERE p.version_id = v.id AND p.state = 'waiting')
  AND NOT EXISTS (SELECT FROM journeys_participant p
    WHERE p.version_id = v.id AND p.state = 'ready')
RETURNING v.id
"""
# It read its segment for the last time, and all who came are through.
_READ_OUT = """
UPDATE journeys_journeyversion v SET is_open = false, closed_at = %(at)s
FROM journeys_journey j
WHERE j.id = v.journey_id AND j.state = 'live' AND v.lane = 0 AND v.is_open AND v.read_at IS NULL
  AND EXISTS (SELECT FROM jsonb_array_elements(v.drawing -> 'nodes') node
    WHERE node ->> 'kind' = 'read_segment')
  AND EXISTS (SELECT FROM journeys_reading r WHERE r.version_id = v.id AND r.state = 'done')
  AND NOT EXISTS (SELECT FROM journeys_reading r WHERE r.version_id = v.id AND r.state = 'running')
  AND NOT EXISTS (SELECT FROM journeys_entrance e WHERE e.journey_id = j.id AND e.lane = 0)
  AND NOT EXISTS (SELECT FROM journeys_participant p
    WHERE p.version_id = v.id AND p.state = 'waiting')
  AND NOT EXISTS (SELECT FROM journeys_participant p
    WHERE p.version_id = v.id AND p.state = 'ready')
RETURNING v.id
"""
_FINISHED = """
UPDATE journeys_journey j SET state = 'finished', state_changed_at = %(at)s
WHERE j.state IN ('live', 'closed')
  AND EXISTS (SELECT FROM journeys_journeyversion v WHERE v.journey_id = j.id AND v.lane = 0)
  AND NOT EXISTS (SELECT FROM journeys_journeyversion v
    WHERE v.journey_id = j.id AND v.lane = 0 AND (v.is_open OR v.ended_at IS NULL))
RETURNING j.id
"""


@dataclass(slots=True)
class TakenOut(Moved):
    """How many were taken out, and whether more are to be."""

    has_more: bool = False


def take_out(journey: Journey, *, as_of: datetime, turns: int, limit: int) -> TakenOut:
    """Take so many portions out of a stopped journey, as of when it was.

    What was planned to be sent to them is left out.
    """
    taken = TakenOut()
    versions = JourneyVersion.objects.filter(journey=journey, lane=Lane.LIVE, ended_at=None)
    standing = [
        (course, place.number, state)
        for course in map(Course.of, versions)
        for place in course.plan.places
        for state in ("waiting", "ready")
    ]
    for course, place, state in standing:
        while True:
            if not turns:
                taken.has_more = True
                return taken
            with portion(journey.pk):
                found = sql.lists(_INSIDE, [course.version.pk, place, state, limit])
                ids = [participant_id for (participant_id,) in found]
                stopped_at = journey.state_changed_at or as_of
                taken.count += _stop(course, ids, stopped_at, as_of)
            if len(ids) < limit:
                break
            turns -= 1
    taken.ended_count = taken.count
    return taken


def _stop(course: Course, ids: Sequence[int], stopped_at: datetime, as_of: datetime) -> int:
    if not ids:
        return 0
    source = Source(_OUT, {"ids": list(ids), "stopped_at": stopped_at}, {"at"})
    sql.execute(_LEAVE_OUT, ["stopped", list(ids)])
    return move(course, source, [STOPPED], as_of=as_of).count


def hold_endings() -> None:
    """Have no version noted as over until the transaction ends.

    For who lets somebody stand in one again. After the lock of the journey, before its row.
    """
    locks.lock(_ENDING)


@transaction.atomic
def finish_ended(*, as_of: datetime) -> int:
    """Note which versions and journeys are over; how many versions. Cheap where none is."""
    hold_endings()
    closed_count = sql.execute(_READ_OUT, {"at": as_of})
    ended_count = sql.execute(_ENDED, {"at": as_of})
    if closed_count or ended_count:
        sql.execute(_FINISHED, {"at": as_of})
        # They wait for no more events.
        following.rewatch(at=as_of)
    return ended_count
