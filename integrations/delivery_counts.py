"""How many deliveries came to an end on each of the last days, by connection, kind and how.

They are counted in the transaction that says how a delivery ended, so that a page has the figures
of months without looking at a delivery, and after these were purged.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from django.conf import settings

from integrations.models import Delivery, DeliveryCount
from integrations.outbox import Finished
from workspace import sql

DAYS = 14
KEPT = timedelta(days=400)
State = Delivery.State

# In an order that all follow, so that two who settle never wait for each other.
_NOTE = """
INSERT INTO integrations_deliverycount (connection_id, day, kind, state, delivery_count)
SELECT n.connection_id, n.day, n.kind, n.state, n.delivery_count
FROM unnest(%s::integer[], %s::date[], %s::text[], %s::text[], %s::bigint[])
  AS n (connection_id, day, kind, state, delivery_count)
ORDER BY n.connection_id, n.kind, n.state
ON CONFLICT (connection_id, day, kind, state)
DO UPDATE SET delivery_count = integrations_deliverycount.delivery_count + excluded.delivery_count
"""


@dataclass(slots=True)
class Course:
    """The days of a connection, the oldest first: how many deliveries ended how, and of which kind.

    `by_state` has a column for each state, `by_kind` what was delivered of each kind in all days.
    """

    days: list[date]
    by_state: dict[str, list[int]] = field(default_factory=dict)
    by_kind: dict[str, int] = field(default_factory=dict)

    def on(self, place: int, state: str) -> int:
        """How many ended so on a day, which is named by its place among `days`."""
        column = self.by_state.get(state)
        return column[place] if column else 0

    def today(self, state: str) -> int:
        """How many ended so on the last day."""
        return self.on(-1, state)

    def total(self, state: str) -> int:
        """How many ended so on all the days."""
        return sum(self.by_state.get(state, ()))


def note(finished: Sequence[Finished], at: datetime) -> None:
    """Count how deliveries ended; for the outbox, in its transaction. One statement."""
    counts = Counter((one.connection_id, one.kind, str(one.state)) for one in finished)
    day = day_of(at)
    rows = [(pk, day, kind, state, count) for (pk, kind, state), count in counts.items()]
    sql.execute(_NOTE, [list(column) for column in zip(*rows, strict=True)])


def course_of(connection_id: int, *, until: datetime, days: int = DAYS) -> Course:
    """The course of a connection up to the day of `until`, days without anything included."""
    last = day_of(until)
    course = Course([last - timedelta(days=back) for back in range(days - 1, -1, -1)])
    counted = DeliveryCount.objects.filter(
        connection_id=connection_id, day__gte=course.days[0], day__lte=last
    ).values_list("day", "kind", "state", "delivery_count")
    for day, kind, state, count in counted:
        column = course.by_state.setdefault(state, [0] * days)
        column[(day - course.days[0]).days] += count
        if state == State.DELIVERED:
            course.by_kind[kind] = course.by_kind.get(kind, 0) + count
    return course


def day_of(at: datetime) -> date:
    """The day of an instant in the workspace's time zone."""
    return at.astimezone(ZoneInfo(settings.TIME_ZONE)).date()


def purge(as_of: datetime) -> Mapping[str, int]:
    """Delete the counts of days that are longer past than `KEPT`."""
    count, _each = DeliveryCount.objects.filter(day__lt=day_of(as_of - KEPT)).delete()
    return {"counts of deliveries": count}
