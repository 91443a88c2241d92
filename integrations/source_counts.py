"""How many events sources sent on each of the last days, and what became of them. Days are UTC."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

from integrations.models import HeldEvent, Outcome, SourceCount
from workspace import sql

DAYS = 30
_UNUSED = (Outcome.REFUSED, Outcome.FAILED)
# Beyond that a number says only that there is much to do.
COUNT_LIMIT = 1000


@dataclass(slots=True)
class Course:
    """The days of a source, the oldest first: how many events had each outcome."""

    days: list[date]
    by_outcome: dict[str, list[int]] = field(default_factory=dict)

    @property
    def totals(self) -> list[int]:
        """Events of each day, whatever became of them."""
        counts = self.by_outcome.values()
        return [sum(column) for column in zip(*counts, strict=True)] or [0] * len(self.days)

    @property
    def total(self) -> int:
        """Events of all the days."""
        return sum(self.totals)

    @property
    def unused(self) -> int:
        """Events of all the days that could not be used."""
        return sum(sum(self.by_outcome.get(outcome, ())) for outcome in _UNUSED)

    @property
    def share_unused(self) -> float:
        """The part of all events that could not be used, from 0 to 1."""
        return self.unused / self.total if self.total else 0.0

    def count(self, outcome: str) -> int:
        """Events of all the days with an outcome."""
        return sum(self.by_outcome.get(outcome, ()))


def daily_courses(
    source_ids: Iterable[int], *, until: datetime, days: int = DAYS
) -> dict[int, Course]:
    """The course of each source, days without events included; one query."""
    wanted = list(source_ids)
    last = until.astimezone(UTC).date()
    listed = [last - timedelta(days=back) for back in range(days - 1, -1, -1)]
    places = {day: place for place, day in enumerate(listed)}
    courses = {source_id: Course(listed) for source_id in wanted}
    counted = SourceCount.objects.filter(
        source_id__in=wanted, day__gte=listed[0], day__lte=last
    ).values_list("source_id", "day", "outcome", "event_count")
    for source_id, day, outcome, count in counted:
        column = courses[source_id].by_outcome.setdefault(outcome, [0] * days)
        column[places[day]] = count
    return courses


def events_since(since: datetime) -> int:
    """How many events came in through all sources since an instant, as the log still knows."""
    return int(
        sql.one(
            "SELECT count(*) FROM (SELECT FROM integrations_receivedevent"
            " WHERE received_at >= %s LIMIT 100000) newest",
            [since],
        )
    )


def open_held_counts(source_ids: Iterable[int]) -> dict[int, int]:
    """How many held events wait for somebody, by source; counted no further than COUNT_LIMIT."""
    found = sql.lists(
        "SELECT s.id, count(h.id) FROM unnest(%s::int[]) AS s (id) CROSS JOIN LATERAL"
        " (SELECT id FROM integrations_heldevent WHERE source_id = s.id AND state = %s LIMIT %s) h"
        " GROUP BY s.id",
        [list(source_ids), HeldEvent.State.OPEN, COUNT_LIMIT],
    )
    return dict(found)


def open_held_count() -> int:
    """How many held events of all sources wait for somebody; no more than COUNT_LIMIT a source."""
    return int(
        sql.one(
            "SELECT count(h.id) FROM integrations_source s CROSS JOIN LATERAL"
            " (SELECT id FROM integrations_heldevent WHERE source_id = s.id AND state = %s"
            " LIMIT %s) h",
            [HeldEvent.State.OPEN, COUNT_LIMIT],
        )
    )
