"""Goals: that somebody did what the journey is for, within the time that it may take.

It counts for everyone who entered, also for those who are done, and for the control group.
"""

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timedelta

from journeys.engine import exits, standings
from journeys.engine.course import Course
from journeys.engine.portions import PORTION, portion
from journeys.engine.signals import PARTICIPANT
from journeys.models import JourneyVersion, Lane
from segments.errors import CriteriaRefused
from workspace import sql

EVERY = timedelta(minutes=10)

_NOTED = "p.contact_id, p.journey_id, p.lane, p.entered_at, p.goal_at"
_VERSIONS = f"""
SELECT DISTINCT p.version_id
FROM journeys_signal s CROSS JOIN LATERAL {PARTICIPANT}
WHERE s.id = ANY(%s::bigint[]) AND s.kind = 'goal'
"""  # noqa: S608  made of our own words only
_NOTE = f"""
WITH noted AS (UPDATE journeys_participant p SET goal_at = s.at
FROM (
  SELECT s.participant_id, min(s.at) AS at FROM journeys_signal s
  WHERE s.id = ANY(%s::bigint[]) AND s.kind = 'goal' GROUP BY 1) s
WHERE p.id = s.participant_id AND (p.version_id = %s) IS TRUE AND s.at > p.entered_at
  AND s.at < p.entered_at + %s AND (p.goal_at IS NULL OR p.goal_at > s.at)
RETURNING {_NOTED}),
stood AS ({standings.REACHED})
SELECT count(*) FROM noted
"""  # noqa: S608  made of our own words only
_WITHOUT = """
SELECT id, contact_id FROM journeys_participant
WHERE version_id = %s AND id < %s AND goal_at IS NULL AND entered_at + %s > %s
ORDER BY version_id, id DESC LIMIT %s
"""
_MEET = f"""
WITH noted AS (UPDATE journeys_participant p SET goal_at = %s
WHERE version_id = %s AND id = ANY(%s::bigint[]) AND contact_id = ANY(%s::bigint[])
  AND goal_at IS NULL
RETURNING {_NOTED}),
stood AS ({standings.REACHED})
SELECT count(*) FROM noted
"""  # noqa: S608  made of our own words only
_FIRST = 2**63 - 1


def note(signal_ids: Sequence[int]) -> int:
    """Note the goals of which these signals tell, each the first time; how many were new."""
    ids = list(signal_ids)
    versions = [version_id for (version_id,) in sql.lists(_VERSIONS, [ids])]
    # One statement for each version: what it may take is said in its settings.
    return sum(
        int(sql.one(_NOTE, [ids, course.version.pk, course.terms.timeout]))
        for course in map(Course.of, JourneyVersion.objects.filter(pk__in=versions))
    )


def ask_all(at: datetime) -> bool:
    """Ask for those goals that are criteria, of all who have not met theirs; for a round."""
    versions = JourneyVersion.objects.select_related("journey").filter(
        lane__in=[Lane.LIVE, Lane.TEST], settings__goal__criteria__isnull=False
    )
    for course in map(Course.of, versions):
        last_ended = course.version.ended_at
        if last_ended is None or last_ended + course.terms.timeout > at:
            # Of one whose criteria became wrong it is not known who meets them; others are asked.
            with suppress(CriteriaRefused):
                ask(course, as_of=at)
    return False


def ask(course: Course, *, as_of: datetime) -> int:
    """Note who of the version meets the criteria of its goal now; how many were new.

    Raises CriteriaRefused where they became wrong.
    """
    goal = course.terms.goal
    if goal is None or goal.criteria is None:
        return 0
    count, before = 0, _FIRST
    while True:
        params = [course.version.pk, before, course.terms.timeout, as_of, PORTION]
        with portion(course.version.journey_id):
            rows = sql.lists(_WITHOUT, params)
            if not rows:
                return count
            ids, contacts = ([row[column] for row in rows] for column in (0, 1))
            met = exits.meeting(course, goal.criteria, contacts, as_of=as_of)
            if met:
                count += int(sql.one(_MEET, [as_of, course.version.pk, ids, met]))
        before = ids[-1]
