"""Paths of a condition that let so many through, and no more: exact, however many ticks there are.

How many went is kept in a row for each path and day (`CapCount`), which is written in the
transaction of the decision, under the lock of the journey: nobody counts the log anew.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any
from zoneinfo import ZoneInfo

from journeys.drawing.forms import CAP, JOURNEY
from journeys.engine.cohort import Cohort
from workspace import sql

# The day of what counts for the whole journey.
ALWAYS = date.min

# Who came first goes first. Of contacts that came at the same instant the one that we know longest.
_TAKE = """
WITH asked AS MATERIALIZED (
  SELECT g.place, g.day,
    row_number() OVER (PARTITION BY g.day ORDER BY g.at, g.contact_id, g.place) AS number
  FROM (
    SELECT u.place, u.contact_id, u.at, CASE WHEN %(is_always)s THEN %(always)s::date
      ELSE (u.at AT TIME ZONE %(zone)s::text)::date END AS day
    FROM unnest(%(places)s::integer[], %(contacts)s::bigint[], %(arrived)s::timestamptz[])
      AS u (place, contact_id, at)) g),
taken AS MATERIALIZED (
  SELECT a.place, a.day, coalesce(c.count, 0) + a.number AS number
  FROM asked a LEFT JOIN journeys_capcount c
    ON c.journey_id = %(journey)s AND c.lane = %(lane)s AND c.node = %(node)s
      AND c.path = %(path)s AND c.day = a.day
  WHERE coalesce(c.count, 0) + a.number <= %(limit)s),
counted AS (
  INSERT INTO journeys_capcount AS known (journey_id, lane, node, path, day, count)
  SELECT %(journey)s, %(lane)s, %(node)s, %(path)s, day, count(*) FROM taken
  GROUP BY day ORDER BY day
  ON CONFLICT (journey_id, lane, node, path, day)
    DO UPDATE SET count = known.count + excluded.count)
SELECT place, number FROM taken
"""


def take(
    cohort: Cohort,
    path: Mapping[str, Any],
    positions: Sequence[int],
    limit: int,
    *,
    zone: ZoneInfo,
) -> dict[int, int]:
    """Let those of a cohort through a capped path for whom there is room; the how many-th each is.

    The caller holds the lock of the journey. A day is that of `zone`.
    """
    if not positions:
        return {}
    version = cohort.version
    params = {
        "journey": version.journey_id,
        "lane": version.lane,
        "node": cohort.node.id,
        "path": path["name"],
        "limit": limit,
        "is_always": (path[CAP].get("per") or JOURNEY) == JOURNEY,
        "always": ALWAYS,
        "zone": zone.key,
        "places": list(positions),
        "contacts": [cohort.contact_ids[position] for position in positions],
        "arrived": [cohort.arrived[position] for position in positions],
    }
    return dict(sql.lists(_TAKE, params))
