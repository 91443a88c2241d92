"""What time alone moves over: the edges of windows, and whom a time on an edge may turn.

A contact's answer to a document changes with time only where a time of the contact (of an event, or
in a field) comes to lie on the other side of an edge that moves with now. An `Edge` names the times
that one such edge may pass, and `towards` says what passing it may do: turn the document to true
(+1), to false (-1), or either (0).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Literal, assert_never
from zoneinfo import ZoneInfo

from .plan import (
    EVERYONE,
    ColumnTest,
    Condition,
    Conditions,
    Constant,
    EventScan,
    EventTest,
    Followed,
    Groups,
    Happened,
    InSet,
    Known,
    Lifetime,
    Measured,
    Plan,
    at_least,
    conditions,
)
from .spans import TICK, Moving, Resolved, Span
from .syntax import (
    AttributeField,
    ContactField,
    Duration,
    Fact,
    Function,
    InLast,
    InNext,
    OccurredAt,
)
from .times import (
    FIRST_INSTANT,
    LAST_INSTANT,
    months_of,
    step_instant,
    to_date,
    to_instant,
)

# Steps of months forth and back miss a day of the month by no more than this.
_SLACK = timedelta(days=4)
_DAY = timedelta(days=1)
_STEP = timedelta(minutes=15)
# With a day on either side, in the calendar of every zone.
_FIRST, _LAST = FIRST_INSTANT + 3 * _DAY, LAST_INSTANT - 3 * _DAY

Towards = Literal[-1, 0, 1]
Range = tuple[datetime, datetime]
"""Instants from the first to the last, both included."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """Now itself: what lay in the future has come."""

    def passed(self, since: datetime, until: datetime) -> Range | None:
        return since + TICK, until


@dataclass(frozen=True, slots=True)
class FarEnd:
    """The end of a window that is not now: where its last d begin, or its next d end."""

    window: Moving

    def passed(self, since: datetime, until: datetime) -> Range | None:
        """Every time that is on another side of the end at two instants of the stretch."""
        ends = []
        instants = _instants(self.window, since, until)
        for at in instants:
            span = self.window.at(at)
            assert isinstance(span, Span)
            ends.append(span.low if self._is_low else span.high)
        known = [end for end in ends if isinstance(end, datetime)]
        if not known:
            return None
        slack = timedelta()
        if self.is_calendar:
            slack = _jumps(instants, self.window.zone) + _jumps(known, self.window.zone)
        low = FIRST_INSTANT if self._is_low and len(known) < len(ends) else min(known)
        high = LAST_INSTANT if not self._is_low and len(known) < len(ends) else max(known)
        # Before its low end a window ends, after its high end it does.
        low, high = (low, high - TICK) if self._is_low else (_moved(low, TICK), high)
        return _moved(low, -slack), _moved(high, slack)

    @property
    def _is_low(self) -> bool:
        return isinstance(self.window.test, InLast)

    @property
    def is_calendar(self) -> bool:
        """Whether it moves by steps of months, which may go back for a moment."""
        test = self.window.test
        return isinstance(test, InLast | InNext) and months_of(test.duration) is not None


@dataclass(frozen=True, slots=True)
class Patience:
    """An event's time and so much more is over."""

    within: Duration
    zone: ZoneInfo

    def passed(self, since: datetime, until: datetime) -> Range | None:
        low, high = (step_instant(at, self.within, self.zone, back=True) for at in (since, until))
        if high is None:
            return None
        slack = timedelta() if months_of(self.within) is None else _SLACK
        return _moved(low or FIRST_INSTANT, -slack), _moved(high, slack)


Line = Arrival | FarEnd | Patience


@dataclass(frozen=True, slots=True)
class EventEdge:
    """Events of a kind on a line; `rest` has to hold, what moves with time in it left out."""

    event_id: int
    line: Line
    span: Span
    rest: Condition
    towards: Towards


@dataclass(frozen=True, slots=True)
class FieldEdge:
    """Contacts whose time in a field lies on a line."""

    field: ContactField | AttributeField | Fact
    line: Line
    towards: Towards


@dataclass(frozen=True, slots=True)
class Unindexed:
    """Something that moves, and that no index finds: dates at midnight, properties at any time."""

    reason: Literal["date", "property"]


Moved = EventEdge | FieldEdge | Unindexed


def edges_of(plan: Plan, zone: ZoneInfo) -> Iterator[Moved]:
    """What may turn the plan of `plan_moving`, leaf by leaf."""
    match plan:
        case Constant():
            return
        case Groups(_, children):
            for child in children:
                yield from edges_of(child, zone)
        case ColumnTest(field, Moving() as window, negated):
            yield from _of_field(field, window, _sign(negated))
        case ColumnTest():
            return
        case InSet(Known(field, Moving() as window), negated):
            if window.is_date:
                yield Unindexed("date")
            elif isinstance(field, ContactField | Fact):
                yield from _of_field(field, window, _sign(negated))
        case InSet(Happened(events), negated):
            yield from _of_events(events, _sign(negated))
        case InSet(Lifetime() as found, negated):
            yield from _of_lifetime(found, _sign(negated))
        case InSet(Measured() as found, negated):
            yield from _of_measure(found, _sign(negated))
        case InSet(Followed() as found, negated):
            yield from _of_sequence(found, _sign(negated), zone)
        case InSet():
            return
        case _:
            assert_never(plan)


def _sign(negated: bool) -> Towards:
    return -1 if negated else 1


def _times(one: Towards, other: Towards) -> Towards:
    product = one * other
    return 1 if product > 0 else -1 if product < 0 else 0


def _of_field(
    field: ContactField | AttributeField | Fact, window: Moving, sign: Towards
) -> Iterator[Moved]:
    if window.is_date:
        yield Unindexed("date")
        return
    far = FarEnd(window)
    # The time comes into its window on one side, and leaves it on the other.
    enters: Towards = sign
    leaves = _times(sign, -1)
    at_now, at_far = (enters, leaves) if isinstance(window.test, InLast) else (leaves, enters)
    yield FieldEdge(field, Arrival(), at_now)
    yield FieldEdge(field, far, 0 if far.is_calendar else at_far)


def _of_events(events: EventScan, effect: Towards) -> Iterator[Moved]:
    """The edges of a set of events; `effect` is what it does that an event comes into it."""
    rest = _at_rest(events.rest)
    if rest == Constant(False):
        return
    yield EventEdge(events.event_id, Arrival(), events.span, rest, effect)
    for test in _moving(events.rest):
        assert isinstance(test.test, Moving)
        if not isinstance(test.field, OccurredAt):
            yield Unindexed("property")
        elif isinstance(test.test.test, InLast):
            # None that counts is later than now: a window of the next days has none in it.
            far = FarEnd(test.test)
            towards = 0 if far.is_calendar else _times(effect, 1 if test.negated else -1)
            yield EventEdge(events.event_id, far, events.span, rest, towards)


def _of_lifetime(found: Lifetime, sign: Towards) -> Iterator[Moved]:
    every = EventScan(found.event_id, Span(None, LAST_INSTANT), EVERYONE)
    effect = _effect(found.function, found.test, negated=found.negated)
    yield from _of_events(every, _times(sign, effect))
    yield from _of_value(found.test, every, _times(sign, _sign(found.negated)))


def _of_measure(found: Measured, sign: Towards) -> Iterator[Moved]:
    effect = _effect(found.measure.function, found.test, negated=found.negated)
    yield from _of_events(found.events, _times(sign, effect))
    yield from _of_value(found.test, found.events, _times(sign, _sign(found.negated)))


def _of_value(test: Resolved, events: EventScan, sign: Towards) -> Iterator[Moved]:
    """The edges of a window in which the first or the last of the events has to lie."""
    match test:
        case Moving(InLast()) as window:
            far = FarEnd(window)
            towards = 0 if far.is_calendar else _times(sign, -1)
            yield EventEdge(events.event_id, far, events.span, _at_rest(events.rest), towards)


def _of_sequence(found: Followed, sign: Towards, zone: ZoneInfo) -> Iterator[Moved]:
    for step in found.steps:
        if step.events is not None:
            yield from _of_events(step.events, sign)
    if found.absent is None:
        return
    if found.absent.events is not None:
        yield from _of_events(found.absent.events, _times(sign, -1))
    last = found.steps[-1].events
    if last is not None and found.absent.within is not None:
        line = Patience(found.absent.within, zone)
        yield EventEdge(last.event_id, line, last.span, _at_rest(last.rest), sign)


def _effect(function: Function, test: Resolved, *, negated: bool) -> Towards:
    """What one more event does to a measure that passes (negated: fails) a test."""
    effect: Towards = 0
    match function, test:
        case ((Function.COUNT | Function.DISTINCT), _):
            if at_least(test, negated=False) is not None:
                effect = 1
            elif at_least(test, negated=True) is not None:
                effect = -1
        case (Function.FIRST, Span(None, _)) | (Function.LAST, Span(_, None)):
            effect = 1
    return _times(effect, _sign(negated))


# --- Conditions ----------------------------------------------------------------------------------


def _moving(condition: Condition) -> Iterator[EventTest]:
    """The tests in a condition that move with now."""
    match condition:
        case EventTest(_, Moving()):
            yield condition
        case Conditions(_, children):
            for child in children:
                yield from _moving(child)


def _at_rest(condition: Condition) -> Condition:
    """What has to hold whatever the moving tests in a condition say."""
    match condition:
        case EventTest(_, Moving()):
            return Constant(True)
        case Conditions(combinator, children):
            return conditions(combinator, [_at_rest(child) for child in children])
        case _:
            return condition


# --- Times ---------------------------------------------------------------------------------------


def next_date(after: datetime, zone: ZoneInfo) -> datetime:
    """The first instant later than `after` at which it is another date in `zone`."""
    today = to_date(after, zone)
    if today == date.max:
        return LAST_INSTANT
    tomorrow = to_instant(today + _DAY, zone)
    if after < tomorrow and not _jumps([after, tomorrow], zone):
        return tomorrow
    # Where the clocks go back over midnight, a date may come back, and end twice.
    before, later = after, after + _STEP
    while to_date(later, zone) == today:
        before, later = later, later + _STEP
    while later - before > TICK:
        between = before + (later - before) / 2
        if to_date(between, zone) == today:
            before = between
        else:
            later = between
    return later


def _instants(window: Moving, since: datetime, until: datetime) -> list[datetime]:
    """Between two of these an end of the window moves as the clock does."""
    found = [since, until]
    if isinstance(window.test, InLast | InNext) and months_of(window.test.duration) is not None:
        # With the date, the length of the month may change.
        midnight = next_date(since, window.zone)
        while midnight <= until:
            found += [midnight - TICK, midnight]
            midnight = next_date(midnight, window.zone)
    return found


def _jumps(times: Sequence[datetime], zone: ZoneInfo) -> timedelta:
    """By how much the clocks change near any of `times`; too much, where they are far apart."""
    inside = (min(max(at, _FIRST), _LAST) for at in times)
    near = (at + days * _DAY for at in inside for days in (-1, 0, 1))
    offsets = [at.astimezone(zone).utcoffset() or timedelta() for at in near]
    return max(offsets) - min(offsets)


def _moved(at: datetime, by: timedelta) -> datetime:
    """`at` moved, but not out of the calendar."""
    try:
        return at + by
    except OverflowError:
        return FIRST_INSTANT if by < timedelta() else LAST_INSTANT
