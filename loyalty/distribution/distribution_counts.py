"""What distributions did: how many of which, day by day, and what stood against it."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from django.conf import settings

from loyalty.models import Distribution, DistributionTask
from workspace import sql

DAYS = 30
_COUNTS = """
SELECT distribution_id, state, count(*) FROM loyalty_distributiontask
WHERE distribution_id = ANY(%s) GROUP BY 1, 2
"""
_BY_DAY = """
SELECT (finished_at AT TIME ZONE %s)::date AS day, state, count(*)
FROM loyalty_distributiontask
WHERE distribution_id = %s AND state <> 'pending' AND finished_at >= %s GROUP BY 1, 2
"""
_PROBLEMS = """
SELECT state, problem, count(*) AS count, max(finished_at) AS last_at
FROM loyalty_distributiontask
WHERE distribution_id = %s AND problem <> '' GROUP BY 1, 2 ORDER BY count DESC, problem LIMIT %s
"""


@dataclass(frozen=True, slots=True)
class Trouble:
    """What stood against tasks, and how many it was."""

    state: str
    problem: str
    count: int
    last_at: datetime | None


def counts_of(distribution_ids: Collection[int]) -> dict[int, dict[str, int]]:
    """For each distribution how many tasks are in which state; one query."""
    found = {pk: dict.fromkeys(DistributionTask.State.values, 0) for pk in distribution_ids}
    for pk, state, count in sql.lists(_COUNTS, [list(distribution_ids)]):
        found[pk][state] = count
    return found


def course_of(
    distribution: Distribution, *, until: datetime, days: int = DAYS
) -> tuple[list[date], dict[str, list[int]]]:
    """What was finished on each of the last days in the workspace's time zone, by state."""
    zone = ZoneInfo(settings.TIME_ZONE)
    last = until.astimezone(zone).date()
    every = [last - timedelta(days=days - 1 - number) for number in range(days)]
    begin = datetime.combine(every[0], datetime.min.time(), zone)
    by_state: dict[str, list[int]] = {}
    for day, state, count in sql.lists(_BY_DAY, [settings.TIME_ZONE, distribution.pk, begin]):
        if every[0] <= day <= last:
            by_state.setdefault(state, [0] * days)[(day - every[0]).days] = count
    return every, by_state


def troubles_of(distribution: Distribution, *, limit: int = 20) -> Sequence[Trouble]:
    """What stood against its tasks, the most frequent first."""
    return [Trouble(**row) for row in sql.rows(_PROBLEMS, [distribution.pk, limit])]
