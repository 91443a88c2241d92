"""Sets of contacts by what they did: each a SELECT of `contact_id` over events or statistics."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import assert_never
from zoneinfo import ZoneInfo

from .comparisons import (
    complemented,
    event_test,
    json_of,
    number_of,
    number_test,
    text_test,
    time_test,
)
from .fragments import Fragment, all_of, any_of, joined, select, sql, value
from .moving import AMONG, NOW
from .plan import (
    Behaviour,
    Condition,
    Conditions,
    Constant,
    EventScan,
    EventTest,
    Followed,
    Happened,
    Lifetime,
    Measured,
    PlannedStep,
)
from .spans import Resolved, Span
from .syntax import Between, Compare, Duration, Function, Matches, Measure, OneOf, Present, Property
from .times import LAST_INSTANT, months_of, seconds_of, to_instant

_MEASURES = {
    Function.SUM: "coalesce(sum({}){}, 0)",
    Function.AVERAGE: "avg({}){}",
    Function.MINIMUM: "min({}){}",
    Function.MAXIMUM: "max({}){}",
    Function.DISTINCT: "count(DISTINCT {}){}",
}


@dataclass(frozen=True, slots=True)
class Scope:
    """For when and for whom a statement is compiled; `among` None is for everyone."""

    now: datetime
    zone: ZoneInfo
    among: tuple[int, ...] | None = None

    def of(self, column: str) -> tuple[Fragment, ...]:
        """The condition that restricts a scan to the contacts asked about."""
        if self.among is None:
            return ()
        return (sql("{} = ANY({})", Fragment(column), value(list(self.among), "bigint[]")),)

    def instant(self) -> Fragment:
        """The instant as a value."""
        return value(to_instant(self.now, self.zone), "timestamptz")

    def until(self, row: str) -> tuple[Fragment, ...]:
        """The condition that leaves out events later than now, where their span does not."""
        return ()


@dataclass(frozen=True, slots=True)
class MovingScope(Scope):
    """For a statement that is asked again and again; `now` and `among` are filled in each time."""

    @classmethod
    def in_zone(cls, zone: ZoneInfo) -> "MovingScope":
        """The scope of a statement in the workspace's time zone."""
        return cls(LAST_INSTANT, zone)

    def of(self, column: str) -> tuple[Fragment, ...]:
        return (sql("{} = ANY({})", Fragment(column), value(AMONG, "bigint[]")),)

    def instant(self) -> Fragment:
        return value(NOW, "timestamptz")

    def until(self, row: str) -> tuple[Fragment, ...]:
        return (sql("{} <= {}", Fragment(f"{row}.occurred_at"), self.instant()),)


def behaviour_set(found: Behaviour, scope: Scope) -> Fragment:
    """SELECT the contacts who did it; `is_unique` says whether each comes once."""
    match found:
        case Happened(events):
            return _united(_scans(events, (Fragment("e.contact_id"),), scope))
        case Lifetime():
            return _lifetime(found, scope)
        case Measured():
            return _measured(found, scope)
        case Followed():
            return _followed(found, scope)
        case _:
            assert_never(found)


def is_unique(found: Behaviour) -> bool:
    """Whether `behaviour_set` gives each contact once."""
    return isinstance(found, Lifetime | Measured)


def event_condition(
    condition: Condition,
    *,
    row: str,
    zone: ZoneInfo,
    urls: str | None = None,
    reads_addresses: bool = True,
) -> Fragment:
    """The condition on the event `row`; perhaps NULL where it does not hold.

    `urls` is the row of the dictionary of addresses, where that is joined to the event. Where
    addresses that are not in it shall not be read, their test may be true wrongly.
    """
    match condition:
        case Constant(holds):
            return Fragment("true" if holds else "false")
        case EventTest(Property(("url",)) as field, test, negated) if _is_of_text(test):
            # The dictionary answers without reading properties, where the text is in it.
            listed = sql("{}.url_id IN ({})", Fragment(row), _listed_urls(test))
            if urls is not None:
                listed = text_test(Fragment(f"{urls}.url"), test)
            read = event_test(EventTest(field, test), row=row, zone=zone.key)
            if not reads_addresses:
                read = Fragment("false" if negated else "true")
            template = "CASE WHEN {}.url_id IS NOT NULL THEN {} ELSE {} END"
            return complemented(sql(template, Fragment(row), listed, read), negated=negated)
        case EventTest():
            return event_test(condition, row=row, zone=zone.key)
        case Conditions(combinator, children):
            parts = [
                event_condition(
                    child, row=row, zone=zone, urls=urls, reads_addresses=reads_addresses
                )
                for child in children
            ]
            return all_of(parts) if combinator == "and" else any_of(parts)


_MEASURED, _ALL = Fragment("e.measured"), Fragment("")


def measure_of(
    measure: Measure, *, measured: Fragment = _MEASURED, only: Fragment = _ALL
) -> Fragment:
    """The aggregate over events `e`, which have a column `measured` where a property is needed.

    Another expression may be measured, and a FILTER leave events out.
    """
    match measure.function:
        case Function.COUNT:
            return sql("count(*){}", only)
        case Function.FIRST:
            return sql("min(e.occurred_at){}", only)
        case Function.LAST:
            return sql("max(e.occurred_at){}", only)
        case function:
            return sql(_MEASURES[function], measured, only)


def measured_property(measure: Measure) -> Fragment:
    """What is measured of an event `e`; NULL where it is missing or no measure reads it."""
    if measure.property is None:
        return Fragment("NULL")
    if measure.function is Function.DISTINCT:
        # JSON null and the empty text are missing, and NULL is not counted.
        return sql("nullif(nullif({}, 'null'), '\"\"')", json_of(measure.property, row="e"))
    return number_of(measure.property, row="e")


def measured_events(events: EventScan, measure: Measure, scope: Scope) -> Fragment:
    """FROM item: the events as rows `e` with what `measure_of` needs."""
    columns = [Fragment("e.contact_id")]
    if measure.function in (Function.FIRST, Function.LAST):
        columns.append(Fragment("e.occurred_at"))
    if measure.property is not None:
        columns.append(sql("{} AS measured", measured_property(measure)))
    return sql("({}) e", _united(_scans(events, columns, scope)))


def _measured(found: Measured, scope: Scope) -> Fragment:
    having = complemented(measure_passes(found.measure, found.test), negated=found.negated)
    events = measured_events(found.events, found.measure, scope)
    return sql("SELECT e.contact_id FROM {} GROUP BY e.contact_id HAVING {}", events, having)


def measure_passes(
    measure: Measure, test: Resolved, *, measured: Fragment = _MEASURED, only: Fragment = _ALL
) -> Fragment:
    """The test of the aggregate `measure_of`; perhaps NULL where it is missing."""
    found = measure_of(measure, measured=measured, only=only)
    if isinstance(test, Present):
        return sql("{} IS NOT NULL", found)
    if measure.function in (Function.FIRST, Function.LAST):
        return time_test(found, test)
    if measure.function is Function.AVERAGE:
        return _average_passes(test, measured, only)
    return number_test(found, test)


def _average_passes(test: Resolved, measured: Fragment, only: Fragment) -> Fragment:
    """The test of an average, without dividing: a third has no exact decimal."""
    total, count = (sql(f"{name}({{}}){{}}", measured, only) for name in ("sum", "count"))

    def times(number: object) -> Fragment:
        return sql("{} * {}", count, value(number, "numeric"))  # type: ignore[arg-type]

    match test:
        case Compare(operator, number):
            return sql("{} " + operator + " {}", total, times(number))
        case Between(low, high):
            return sql("{} BETWEEN {} AND {}", total, times(low), times(high))
        case OneOf(values):
            return any_of(sql("{} = {}", total, times(number)) for number in values)
    raise ValueError(f"No test of an average: {test!r}")


def _lifetime(found: Lifetime, scope: Scope) -> Fragment:
    """From the statistics, which know all events; contacts with later ones are counted anew."""
    kind, at = value(found.event_id, "integer"), to_instant(scope.now, scope.zone)
    now = value(at, "timestamptz")

    def statistics(*conditions: Fragment) -> Fragment:
        where = (sql("s.definition_id = {}", kind), *scope.of("s.contact_id"), *conditions)
        return select((Fragment("s.contact_id"),), "contacts_eventstatistic s", where)

    if found.function is Function.FIRST:
        # The first of all events is the first up to now, if it is not later.
        test = lifetime_test(found, Fragment("s.first_at"))
        match found.test:
            case Span(_, datetime() as high) if high <= at:
                return statistics(test)
        return statistics(sql("s.first_at <= {}", now), test)
    is_count = found.function is Function.COUNT
    test = lifetime_test(found, Fragment("s.event_count" if is_count else "s.last_at"))
    counted = Fragment("count(*)" if is_count else "max(e.occurred_at)")
    again = select(
        (Fragment("e.contact_id"),),
        "contacts_event e",
        (
            sql("e.definition_id = {}", kind),
            sql("e.occurred_at <= {}", now),
            sql("e.contact_id IN ({})", statistics(sql("s.last_at > {}", now))),
        ),
    )
    having = lifetime_test(found, counted)
    return _united(
        (
            statistics(sql("s.last_at <= {}", now), test),
            sql("{} GROUP BY e.contact_id HAVING {}", again, having),
        )
    )


def lifetime_test(found: Lifetime, of: Fragment) -> Fragment:
    """The test of a statistic, which is never missing."""
    if isinstance(found.test, Present):
        positive = Fragment("true")
    elif found.function is Function.COUNT:
        positive = number_test(of, found.test)
    else:
        positive = time_test(of, found.test)
    return sql("NOT ({})", positive) if found.negated else positive


def _followed(found: Followed, scope: Scope) -> Fragment:
    first, *others = found.steps
    where = [*_step_events(first, "e1", scope), *scope.of("e1.contact_id")]
    where += _followers(others, found.absent, 2, scope)
    return select((Fragment("e1.contact_id"),), "contacts_event e1", where)


def _followers(
    steps: Sequence[PlannedStep], absent: PlannedStep | None, number: int, scope: Scope
) -> list[Fragment]:
    """What must come after event number - 1: the other steps, and in the end nothing."""
    row, before = f"e{number}", f"e{number - 1}"
    if steps:
        where = _after(steps[0], row, before, scope)
        where += _followers(steps[1:], absent, number + 1, scope)
        return [sql("EXISTS ({})", select((), f"contacts_event {row}", where))]
    if absent is None or absent.within is None:
        return []
    end = later(f"{before}.occurred_at", absent.within, scope.zone)
    found = [sql("{} < {}", end, scope.instant())]
    if absent.events is not None:
        where = _after(absent, row, before, scope)
        found.append(sql("NOT EXISTS ({})", select((), f"contacts_event {row}", where)))
    return found


def _after(step: PlannedStep, row: str, before: str, scope: Scope) -> list[Fragment]:
    """The events of `step` as `row`, later than `before` and within its time."""
    where = [
        *_step_events(step, row, scope),
        Fragment(f"{row}.contact_id = {before}.contact_id"),
        Fragment(f"{row}.occurred_at > {before}.occurred_at"),
        *scope.of(f"{row}.contact_id"),
    ]
    if step.within is not None:
        end = later(f"{before}.occurred_at", step.within, scope.zone)
        where.append(sql("{} <= {}", Fragment(f"{row}.occurred_at"), end))
    return where


def _step_events(step: PlannedStep, row: str, scope: Scope) -> list[Fragment]:
    if step.events is None:
        return [Fragment("false")]
    condition = event_condition(step.events.rest, row=row, zone=scope.zone)
    return [*_bounds(step.events, row), *scope.until(row), condition]


def later(time: str, duration: Duration, zone: ZoneInfo) -> Fragment:
    """`time` moved on by `duration`; months as steps of the wall time in `zone`."""
    months = months_of(duration)
    if months is None:
        seconds = value(seconds_of(duration), "double precision")
        return sql("{} + make_interval(secs => {})", Fragment(time), seconds)
    wall = "(({} AT TIME ZONE {}) + make_interval(months => {})) AT TIME ZONE {}"
    name = value(zone.key, "text")
    return sql(wall, Fragment(time), name, value(months, "integer"), name)


def _scans(events: EventScan, columns: Sequence[Fragment], scope: Scope) -> tuple[Fragment, ...]:
    """SELECTs of the events; together they give each event once."""
    rest = events.rest
    is_all = isinstance(rest, Conditions) and rest.combinator == "and"
    parts = rest.children if is_all and isinstance(rest, Conditions) else (rest,)
    urls = [part for part in parts if isinstance(part, EventTest) and _is_url_test(part)][:1]
    others = [event_condition(part, row="e", zone=scope.zone) for part in parts if part not in urls]
    bounds = (*_bounds(events, "e"), *scope.until("e"), *scope.of("e.contact_id"))
    table = "contacts_event e"
    if not urls:
        return (select(columns, table, [*bounds, *others]),)
    # Two scans, so that an index alone answers for the addresses in the dictionary.
    known = sql("e.url_id IN ({})", _listed_urls(urls[0].test))
    read = event_test(urls[0], row="e", zone=scope.zone.key)
    return (
        select(columns, table, [*bounds, known, *others]),
        select(columns, table, [*bounds, Fragment("e.url_id IS NULL"), read, *others]),
    )


def asks_address(condition: Condition) -> bool:
    """Whether a condition is answered by the dictionary of addresses."""
    match condition:
        case EventTest(Property(("url",)), test):
            return _is_of_text(test)
        case Conditions(_, children):
            return any(map(asks_address, children))
    return False


def _is_url_test(condition: EventTest) -> bool:
    """Whether this is a test of `properties.url` as a text."""
    test = condition.test
    if condition.negated or condition.field != Property(("url",)):
        return False
    return _is_of_text(test)


def _is_of_text(test: Resolved) -> bool:
    match test:
        case Matches() | Compare("=", str()):
            return True
        case OneOf(values):
            return all(isinstance(one, str) for one in values)
    return False


def _listed_urls(test: Resolved) -> Fragment:
    """The numbers of the addresses in the dictionary that pass."""
    passes = text_test(Fragment("u.url"), test)
    return select((Fragment("u.id"),), "contacts_url u", (passes,))


def _bounds(events: EventScan, row: str) -> tuple[Fragment, Fragment]:
    """Kind and time, as constants: whole months are left out, and the indexes begin with them."""
    kind = sql("{} = {}", Fragment(f"{row}.definition_id"), value(events.event_id, "integer"))
    return kind, time_test(Fragment(f"{row}.occurred_at"), events.span)


def _united(parts: Sequence[Fragment]) -> Fragment:
    return joined(" UNION ALL ", parts)
