"""How a version went from day to day: who came and finished, what was sent and what came of it.

Over a short time by the hour, over a long one by weeks or months; the clocks are those of the
journey's time zone. What nothing happened in stands there with zeros.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from journeys.engine.terms import Terms
from journeys.models import JourneyVersion
from workspace import sql

ENTRANCES = ("entered", "finished")
MESSAGES = ("sent", "opened", "clicked", "bounced")
# The longest span that is told by this step.
_STEPS = (
    ("hour", timedelta(hours=49)),
    ("day", timedelta(days=62)),
    ("week", timedelta(weeks=62)),
    ("month", timedelta.max),
)

# Whoever is done at once, because nothing follows the entry, is one who entered.
_ENTRANCES = """
SELECT date_trunc(%(step)s, hour AT TIME ZONE %(zone)s) AS begins_at,
  coalesce(sum(count) FILTER (WHERE node = '' AND outcome = 'entered'), 0)::bigint AS entered,
  coalesce(sum(count) FILTER (
    WHERE to_place = -1 AND outcome NOT IN ('entered', 'failed') AND outcome NOT LIKE 'refused:%%'),
    0)::bigint AS finished
FROM journeys_passage WHERE version_id = %(version)s AND hour >= %(since)s
GROUP BY 1
"""
_MESSAGES = """
SELECT date_trunc(%(step)s, h.at AT TIME ZONE %(zone)s) AS begins_at,
  count(*) FILTER (WHERE h.kind = 'sent') AS sent,
  count(*) FILTER (WHERE h.kind = 'opened') AS opened,
  count(*) FILTER (WHERE h.kind = 'clicked') AS clicked,
  count(*) FILTER (WHERE h.kind = 'bounced') AS bounced
FROM journeys_message m CROSS JOIN LATERAL (VALUES ('sent', m.sent_at), ('opened', m.opened_at),
  ('clicked', m.clicked_at), ('bounced', m.bounced_at)) AS h (kind, at)
WHERE m.version_id = %(version)s AND h.at >= %(since)s
GROUP BY 1
"""


@dataclass(frozen=True, slots=True)
class Trend:
    """Counts by the hour, day, week or month: `begins` are their local begins, without a zone."""

    step: str
    begins: tuple[datetime, ...]
    counts: dict[str, tuple[int, ...]]

    @property
    def is_empty(self) -> bool:
        """Whether nothing happened in all the time."""
        return not any(any(values) for values in self.counts.values())

    def as_json(self) -> dict[str, Any]:
        """As the API tells it."""
        begins = [at.isoformat() for at in self.begins]
        return {"step": self.step, "begins": begins, "counts": self.counts}


def entrance_trend(
    version: JourneyVersion, *, as_of: datetime, since: datetime | None = None
) -> Trend:
    """Who entered and who finished, up to an instant; from the beginning without `since`.

    With it from the beginning of its hour on. One statement.
    """
    return _trend(version, _ENTRANCES, ENTRANCES, as_of=as_of, since=since)


def message_trend(
    version: JourneyVersion, *, as_of: datetime, since: datetime | None = None
) -> Trend:
    """Messages sent, opened, clicked and bounced, each when that happened. One statement."""
    return _trend(version, _MESSAGES, MESSAGES, as_of=as_of, since=since)


def _trend(
    version: JourneyVersion,
    statement: str,
    names: tuple[str, ...],
    *,
    as_of: datetime,
    since: datetime | None,
) -> Trend:
    zone = Terms.read(version.settings).zone
    begin = since or version.published_at
    begin = begin.replace(minute=0, second=0, microsecond=0)
    step = next(name for name, longest in _STEPS if as_of - begin <= longest)
    params = {"step": step, "zone": zone.key, "version": version.pk, "since": begin}
    rows = {row["begins_at"]: row for row in sql.rows(statement, params)}
    first, last = (at.astimezone(zone).replace(tzinfo=None) for at in (begin, as_of))
    begins = sorted({*_begins(step, first, last), *rows})
    none: dict[str, Any] = dict.fromkeys(names, 0)
    counts = {name: tuple(rows.get(at, none)[name] for at in begins) for name in names}
    return Trend(step, tuple(begins), counts)


def _begins(step: str, first: datetime, last: datetime) -> Iterator[datetime]:
    """Of each hour, day, week or month from one local time to another."""
    at = first.replace(minute=0, second=0, microsecond=0)
    if step != "hour":
        at = at.replace(hour=0)
    if step == "week":
        at -= timedelta(days=at.weekday())
    if step == "month":
        at = at.replace(day=1)
    while at <= last:
        yield at
        if step == "month":
            at = (at + timedelta(days=32)).replace(day=1)
        else:
            at += {"hour": timedelta(hours=1), "day": timedelta(days=1)}.get(
                step, timedelta(weeks=1)
            )
