"""What did not happen: those whose waiting is over go on, or have been on the journey too long."""

from datetime import datetime
from typing import Any

from journeys.drawing.kinds import NEXT, TIMEOUT
from journeys.drawing.plan import Place
from journeys.engine import exits
from journeys.engine.course import Course
from journeys.engine.moves import Cause, Moved, Outcome, Source, Way, move
from journeys.engine.waits import Alarm, alarms_of
from journeys.engine.zones import UNKNOWN
from workspace import sql

TIMED_OUT = Way("", TIMEOUT, None, Cause.TIMEOUT, Outcome.TIMED_OUT)
# The first ones; whoever is due later waits until their turn has come.
_DUE = """
SELECT p.id, p.place AS from_place, p.wake_at AS at,
  CASE WHEN p.wake_at >= p.entered_at + %(timeout)s::float8 * interval '1 second' THEN 0
  {alarms} ELSE {last} END AS way{data}
FROM journeys_participant p{contacts}
WHERE p.version_id = %(version)s AND p.place = %(place)s AND p.state = 'waiting'
  AND p.wake_at <= %(as_of)s
ORDER BY p.wake_at LIMIT %(limit)s
"""
# What a step tells of a clock that nobody knows, by its way; one of few.
_REMARK = """,
  CASE WHEN p.wake_at >= p.entered_at + %(timeout)s::float8 * interval '1 second' THEN NULL
  {remarks} END AS data"""
_STANDING = """
SELECT id, contact_id FROM journeys_participant
WHERE version_id = %s AND place = %s AND state = 'waiting' AND wake_at <= %s
ORDER BY wake_at LIMIT %s
"""
_ANY = """
SELECT EXISTS (SELECT FROM journeys_participant
  WHERE version_id = %s AND place = %s AND state = 'waiting' AND wake_at <= %s)
"""


def is_due(course: Course, place: Place, *, as_of: datetime) -> bool:
    """Whether time moves anybody at the place."""
    return bool(sql.one(_ANY, [course.version.pk, place.number, as_of]))


def let_go(course: Course, place: Place, *, as_of: datetime, limit: int) -> Moved:
    """Move those at a place whose time is over, as of when it was, the earliest first."""
    left = Moved()
    if course.asks_exit_criteria:
        standing = sql.lists(_STANDING, [course.version.pk, place.number, as_of, limit])
        left = exits.let_out(course, standing, as_of=as_of)
        # Nobody is let go who was not asked.
        limit = len(standing) - left.count
        if not limit:
            return left
    source, ways = _going(course, place, limit)
    return left + move(course, source, ways, as_of=as_of)


def _going(course: Course, place: Place, limit: int) -> tuple[Source, list[Way]]:
    ways = [TIMED_OUT]
    if not place.waits:
        # It waited for its result in vain.
        node_id = place.ids[0]
        has_way = bool(course.plan.drawing.targets(node_id, TIMEOUT))
        outcome = TIMEOUT if has_way else NEXT
        ways.append(Way(node_id, outcome, course.target(node_id, outcome), Cause.TIMEOUT))
    cases: list[str] = []
    remarks: list[str] = []
    params: dict[str, Any] = {}
    # What takes the same time for all comes first: it can be told without a look at the contact.
    alarms = sorted(alarms_of(course, place), key=lambda alarm: alarm.seconds is None)
    for alarm in alarms:
        target = course.target(alarm.node.id, alarm.outcome)
        when = f"WHEN p.wake_at >= {alarm.at('p.arrived_at')} THEN"
        cases.append(f"{when} {len(ways)}")
        remarks.append(f"{when} {_remark(alarm)}")
        params.update(alarm.params)
        ways.append(Way(alarm.node.id, alarm.outcome, target, Cause.TIMEOUT))
    asks_contact = any(alarm.seconds is None for alarm in alarms)
    params |= {"place": place.number, "limit": limit}
    text = _DUE.format(
        alarms=" ".join(cases),
        last=len(ways) - 1,
        data=_REMARK.format(remarks=" ".join(remarks)) if asks_contact else "",
        contacts=" JOIN contacts_contact c ON c.id = p.contact_id" if asks_contact else "",
    )
    return Source(text, params, has={"at", "data"} if asks_contact else {"at"}), ways


def _remark(alarm: Alarm) -> str:
    """The expression for what is noted of an alarm: the zone that it wanted and nobody knows."""
    unknown = alarm.unknown_zone
    if not unknown:
        return "NULL::jsonb"
    noted = f"jsonb_build_object('{UNKNOWN}', {unknown})"
    return f"CASE WHEN {unknown} IS NOT NULL THEN {noted} END"
