"""Tests at a fixed `now`: windows of time become spans with both ends."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from .syntax import (
    AnniversaryInNext,
    Between,
    Compare,
    EachOf,
    InLast,
    InNext,
    Matches,
    OneOf,
    Present,
    Test,
)
from .times import (
    FIRST_INSTANT,
    LAST_INSTANT,
    anniversaries,
    step_date,
    step_instant,
    to_date,
    to_instant,
)

TICK = timedelta(microseconds=1)
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Span:
    """`low <= time <= high`, instants (UTC) or dates; None is no end. Time is counted in ticks.

    PostgreSQL and Python both count instants in microseconds, so that `< t` is `<= t - 1 µs`.
    """

    low: datetime | date | None = None
    high: datetime | date | None = None


@dataclass(frozen=True, slots=True)
class Anniversaries:
    """The month and day (`MM-DD`) is one of these."""

    days: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Moving:
    """A window that is not resolved: what it is at an instant is filled in when it is asked."""

    test: InLast | InNext | AnniversaryInNext
    is_date: bool
    zone: ZoneInfo

    def at(self, now: datetime) -> Span | Anniversaries:
        """The window as it is at `now`."""
        return _window(self.test, now=now, zone=self.zone, is_date=self.is_date)


Resolved = Compare | OneOf | EachOf | Between | Matches | Present | Span | Anniversaries | Moving


def resolve(test: Test, *, now: datetime | None, zone: ZoneInfo, is_date: bool) -> Resolved:
    """`test` with every time in it as a span; `is_date` where the value is a date.

    Windows stay as they are where `now` is None.
    """
    match test:
        case InLast() | InNext() | AnniversaryInNext():
            if now is None:
                return Moving(test, is_date, zone)
            return _window(test, now=now, zone=zone, is_date=is_date)
        case Compare(operator, datetime() | date() as at):
            return _compared(operator, at)
        case Between(datetime() | date() as low, datetime() | date() as high):
            return Span(low, high)
        case _:
            return test


def complement(span: Span) -> tuple[Span, ...]:
    """The instants outside `span`, as spans."""
    found: list[Span] = []
    if _is_empty(span):
        return (Span(),)
    if span.low is not None and span.low > FIRST_INSTANT:
        found.append(Span(None, span.low - TICK))
    if span.high is not None and span.high < LAST_INSTANT:
        found.append(Span(span.high + TICK, None))
    return tuple(found)


def intersection(one: Span, other: Span) -> Span | None:
    """The instants in both; None where there is none."""
    lows = [low for low in (one.low, other.low) if low is not None]
    highs = [high for high in (one.high, other.high) if high is not None]
    both = Span(max(lows, default=None), min(highs, default=None))
    return None if _is_empty(both) else both


def _is_empty(span: Span) -> bool:
    return span.low is not None and span.high is not None and span.low > span.high


def _window(
    test: InLast | InNext | AnniversaryInNext, *, now: datetime, zone: ZoneInfo, is_date: bool
) -> Span | Anniversaries:
    today = to_date(now, zone)
    match test:
        case AnniversaryInNext(days):
            return Anniversaries(tuple(anniversaries(today, days)))
        case InLast(duration) if is_date:
            before = step_date(today, duration, back=True)
            return Span(before and before + _DAY, today)
        case InNext(duration) if is_date:
            after = step_date(today, duration, back=False)
            return Span(today, after and after - _DAY)
        case InLast(duration):
            start = step_instant(now, duration, zone, back=True)
            return Span(start and start + TICK, to_instant(now, zone))
        case InNext(duration):
            end = step_instant(now, duration, zone, back=False)
            return Span(to_instant(now, zone) + TICK, end)


def _compared(operator: str, at: datetime | date) -> Span:
    step = TICK if isinstance(at, datetime) else _DAY
    try:
        match operator:
            case "=":
                return Span(at, at)
            case "<":
                return Span(None, at - step)
            case "<=":
                return Span(None, at)
            case ">":
                return Span(at + step, None)
            case _:
                return Span(at, None)
    except OverflowError:
        # Before the first moment of the calendar, or after its last: nothing.
        return Span(at, at - step) if operator == ">" else Span(at + step, at)
