"""Admissions: who may enter becomes a participant, who may not is refused, with the reason.

Asked as of the instant of what brings a contact in, not of when that is noticed. Somebody counts as
inside at an instant when he had entered and not left by then; he is inside a journey once at most,
whatever its versions.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import count
from typing import Any

from journeys.engine import arrivals, exits, standings
from journeys.engine.course import Course
from journeys.engine.portions import portion
from journeys.engine.waits import alarms_of
from journeys.models import JourneyVersion, Lane
from workspace import sql

# One of each contact at a time: whether the next one may enter depends on where this one gets.
_WAITING = """
SELECT DISTINCT ON (contact_id) id, contact_id FROM journeys_entrance
WHERE journey_id = %s AND lane = %s AND at <= %s AND contact_id > %s
ORDER BY contact_id, at, id LIMIT %s
"""
_WAITING_OF = """
SELECT DISTINCT ON (contact_id) id, contact_id FROM journeys_entrance
WHERE journey_id = %s AND lane = %s AND at <= %s AND contact_id = ANY(%s::bigint[])
ORDER BY contact_id, at, id
"""
_ENTRANCES = """
SELECT contact_id, cause, at, context FROM journeys_entrance WHERE id = ANY(%(entrances)s::bigint[])
"""
_SEGMENT = """
SELECT given.contact_id, %(cause)s::text AS cause, %(entered_at)s::timestamptz AS at,
  '{{}}'::jsonb AS context FROM ({given}) given
"""
# Nothing is joined whose size statistics tell: those from before anybody came would have the server
# read all that came since, once for each.
_ADMIT = """
WITH asked AS MATERIALIZED (
  SELECT a.* FROM ({asked}) a JOIN contacts_contact c ON c.id = a.contact_id
  WHERE c.erased_at IS NULL),
decided AS MATERIALIZED (
  SELECT a.contact_id, a.cause, a.at, a.context, CASE
    WHEN k.is_repeated THEN 'repeated'
    WHEN NOT %(is_open)s THEN 'closed'
    WHEN %(is_tested)s AND NOT EXISTS (
      SELECT FROM journeys_testprofile t WHERE t.contact_id = a.contact_id) THEN 'no_test_profile'
    WHEN a.at < %(starts_at)s THEN 'not_begun'
    WHEN a.at >= %(ends_at)s THEN 'over'
    WHEN k.is_inside THEN 'inside'
    WHEN k.left_at IS NOT NULL AND %(again_after)s::float8 IS NULL THEN 'was_inside'
    WHEN k.left_at + %(again_after)s::float8 * interval '1 second' > a.at THEN 'too_soon'
    WHEN a.contact_id = ANY(%(leaving)s::bigint[]) THEN 'exit'
    ELSE '' END AS reason
  FROM asked a CROSS JOIN LATERAL (
    SELECT bool_or(p.finished_at IS NULL OR p.finished_at > a.at) AS is_inside,
      max(p.finished_at) AS left_at, bool_or(p.entrance = a.cause) AS is_repeated
    FROM journeys_participant p
    WHERE p.contact_id = a.contact_id AND p.journey_id = %(journey)s AND p.lane = %(lane)s) k),
come AS (
  INSERT INTO journeys_participant AS p (journey_id, version_id, lane, contact_id, place, state,
    steps, arrived_at, wake_at, entered_at, entrance, context, finished_at, outcome)
  SELECT %(journey)s, %(version)s, %(lane)s, d.contact_id, coalesce(%(first)s::smallint, 0),
    %(state)s, 1, d.at,
    CASE WHEN %(state)s = 'waiting'
      THEN least({due}, d.at + %(timeout)s::float8 * interval '1 second') END,
    d.at, d.cause, d.context,
    CASE WHEN %(state)s = 'done' THEN d.at END,
    CASE WHEN %(state)s = 'done' THEN 'ended' ELSE '' END
  FROM decided d{contacts} WHERE d.reason = ''
  ORDER BY d.contact_id
  ON CONFLICT DO NOTHING
  RETURNING p.id, p.contact_id, p.entered_at, p.finished_at),
logged AS (
  INSERT INTO journeys_transition (participant_id, step, outcome, to_place, cause, at, noticed_at)
  SELECT id, 1, 'entered', %(first)s::smallint, 'entered', entered_at, %(as_of)s FROM come),
refused AS (
  INSERT INTO journeys_refusal (journey_id, lane, contact_id, cause, reason, at)
  SELECT %(journey)s, %(lane)s, contact_id, cause, reason, at FROM decided
  WHERE reason NOT IN ('', 'repeated')
  ORDER BY contact_id RETURNING reason, at),
told AS (
  SELECT 'entered' AS outcome, coalesce(%(first)s::smallint, -1) AS to_place, entered_at AS at
  FROM come
  UNION ALL SELECT 'refused:' || reason, -1, at FROM refused),
counted AS (
  INSERT INTO journeys_passage AS known (version_id, hour, node, outcome, to_place, count)
  SELECT %(version)s, date_trunc('hour', at, 'UTC'), '', outcome, to_place, count(*)
  FROM told WHERE %(version)s IS NOT NULL
  GROUP BY 2, 4, 5 ORDER BY 2, 4, 5
  ON CONFLICT (version_id, hour, node, outcome, to_place)
    DO UPDATE SET count = known.count + excluded.count){stood}
SELECT (SELECT count(*) FROM asked), (SELECT count(*) FROM come),
  (SELECT count(*) FROM refused), CASE WHEN %(is_followed)s THEN ARRAY(SELECT id FROM come) END
"""


@dataclass(slots=True)
class Admitted:
    """How many came, how many of them entered, how many were refused; others came before."""

    asked_count: int = 0
    entered_count: int = 0
    refused_count: int = 0

    def __add__(self, other: "Admitted") -> "Admitted":
        return Admitted(
            self.asked_count + other.asked_count,
            self.entered_count + other.entered_count,
            self.refused_count + other.refused_count,
        )


def admit(
    version: JourneyVersion,
    contact_ids: str,
    params: Sequence[Any] | Mapping[str, Any],
    *,
    at: datetime,
    cause: str,
) -> Admitted:
    """Let those contacts in whom a SELECT of `contact_id` gives, each once, as of `at`.

    `cause` says what brought them ("reading:12"); again, for who came by it before, it does
    nothing. A portion of some thousands at a time, in a transaction with the journey's lock.
    """
    course = Course.of(version)
    text, values = _named(contact_ids, params)
    with portion(version.journey_id, holding_those=(text, values)):
        leaving: list[int] = []
        if course.asks_exit_criteria:
            given = [contact_id for (contact_id,) in sql.lists(text, values)]
            leaving = exits.meeting_exit(course, given, as_of=at)
        asked = _SEGMENT.format(given=text)
        values |= {"cause": cause, "entered_at": at, "leaving": leaving}
        return _admit(course, version.journey_id, version.lane, asked, values, as_of=at)


def admit_waiting(
    journey_id: int,
    lane: Lane,
    course: Course | None,
    *,
    as_of: datetime,
    limit: int,
    after: int = 0,
) -> tuple[Admitted, int | None]:
    """Let a portion of those in who wait to enter (`Entrance`), or refuse them; one of each.

    `course` is that of the open version; without one all are refused. `after` is the contact up to
    whom all were seen, and the second value the last one of this portion, None after the last
    portion.
    """
    params = [journey_id, lane, as_of, after, limit]
    found = [row[1] for row in sql.lists(_WAITING, params)]
    if not found:
        return Admitted(), None
    with portion(journey_id, found):
        # Nobody else, who would not be held; those who were merged meanwhile are not there.
        waiting = sql.lists(_WAITING_OF, [*params[:3], found])
        ids, contacts = ([row[column] for row in waiting] for column in (0, 1))
        leaving = [] if course is None else exits.meeting_exit(course, contacts, as_of=as_of)
        values = {"entrances": ids, "leaving": leaving}
        admitted = _admit(course, journey_id, lane, _ENTRANCES, values, as_of=as_of)
        sql.execute("DELETE FROM journeys_entrance WHERE id = ANY(%s::bigint[])", [ids])
        admitted.asked_count = len(ids)
    return admitted, found[-1] if len(found) == limit else None


def _admit(
    course: Course | None,
    journey_id: int,
    lane: int,
    asked: str,
    values: Mapping[str, Any],
    *,
    as_of: datetime,
) -> Admitted:
    due, state = "NULL::timestamptz", "done"
    place_params: dict[str, Any] = {}
    first = None if course is None else course.plan.first
    if course is not None and first is not None:
        place = course.plan.places[first]
        state = "waiting" if place.waits else "ready"
        if alarms := alarms_of(course, place):
            due = f"least({', '.join(alarm.at('d.at') for alarm in alarms)})"
        for alarm in alarms:
            place_params |= alarm.params
    terms = None if course is None else course.terms
    again_after = None if terms is None else terms.again_after
    text = _ADMIT.format(
        asked=asked,
        due=due,
        contacts=" JOIN contacts_contact c ON c.id = d.contact_id",
        stood=standings.ENTERED if lane == Lane.LIVE else "",
    )
    found = sql.lists(
        text,
        {
            "journey": journey_id,
            "version": course and course.version.pk,
            "lane": lane,
            "is_open": course is not None,
            "is_tested": lane == Lane.TEST,
            "starts_at": terms and terms.starts_at,
            "ends_at": terms and terms.ends_at,
            "again_after": None if again_after is None else again_after.total_seconds(),
            "timeout": terms and terms.timeout.total_seconds(),
            "first": first,
            "state": state,
            "as_of": as_of,
            "is_followed": course is not None and arrivals.follows_entering(course),
            **place_params,
            **values,
        },
    )
    asked_count, entered_count, refused_count, ids = found[0]
    if ids and course is not None:
        arrivals.enter(course, ids, as_of=as_of)
    return Admitted(asked_count, entered_count, refused_count)


def _named(text: str, params: Sequence[Any] | Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """A statement with named placeholders, whichever it has."""
    if isinstance(params, Mapping):
        return text, dict(params)
    numbers = count()
    named = re.sub("%s", lambda _found: f"%(given{next(numbers)})s", text)
    return named, {f"given{number}": value for number, value in enumerate(params)}
