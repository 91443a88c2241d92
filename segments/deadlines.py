"""When time alone changes whether a rule holds, as far as that follows from the value compared."""

from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from segments.criteria.syntax import (
    Duration,
    EventRule,
    FieldRule,
    Function,
    InLast,
    InNext,
    Rule,
    Type,
    Unit,
)

_FIXED = {
    Unit.MINUTE: timedelta(minutes=1),
    Unit.HOUR: timedelta(hours=1),
    Unit.DAY: timedelta(days=1),
    Unit.WEEK: timedelta(weeks=1),
}


def until(rule: Rule, value: Any, *, now: datetime, zone: ZoneInfo) -> datetime | None:
    """The first moment after `now` at which a rule that compares `value` turns around by itself.

    None where it never does, or where that cannot be told: steps of months and years, and
    measures that count or add.
    """
    found = _window(rule)
    if found is None or not isinstance(value, str):
        return None
    test, is_date = found
    length = _length(test.duration)
    if length is None:
        return None
    try:
        moments = (
            _of_date(date.fromisoformat(value[:10]), test, length, zone)
            if is_date
            else _of_instant(datetime.fromisoformat(value), test, length)
        )
    except (ValueError, OverflowError):
        # Beyond the calendar.
        return None
    return min((moment for moment in moments if moment > now), default=None)


def _window(rule: Rule) -> tuple[InLast | InNext, bool] | None:
    match rule:
        case FieldRule(_, field, InLast() | InNext() as test):
            return test, getattr(field, "type", None) is Type.DATE
        case EventRule(measure=measure, where=where, test=InLast() | InNext() as test):
            is_moment = measure.function in (Function.FIRST, Function.LAST)
            return (test, False) if is_moment and not where.children else None
        case _:
            return None


def _length(duration: Duration) -> timedelta | None:
    unit = _FIXED.get(duration.unit)
    return None if unit is None else unit * duration.amount


def _of_instant(
    at: datetime, test: InLast | InNext, length: timedelta
) -> tuple[datetime, datetime]:
    """The two moments at which the window reaches and leaves the instant."""
    return (at, at + length) if isinstance(test, InLast) else (at - length, at)


def _of_date(
    day: date, test: InLast | InNext, length: timedelta, zone: ZoneInfo
) -> tuple[datetime, datetime]:
    one = timedelta(days=1)
    days = (day, day + length) if isinstance(test, InLast) else (day - length + one, day + one)
    begin, end = (datetime.combine(found, time.min, zone) for found in days)
    return begin, end
