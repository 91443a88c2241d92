"""The moments at which time alone may turn a rule around, for one contact.

A rule compares times with windows that move with `now`: an event falls out of its last 30 days, a
birthday comes near. Between two of these moments nothing changes, so whoever asks the rule at each
of them knows when it turns. More moments than needed do no harm; one that is missing would.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from .behaviour import Scope
from .comparisons import json_of
from .compile import Query, members, refuse_naive
from .fragments import Fragment, joined, sql, value
from .plan import plan_rule
from .references import rules_of
from .spans import TICK
from .syntax import (
    AnniversaryInNext,
    Criteria,
    Duration,
    Event,
    EventRule,
    FieldRule,
    Group,
    InLast,
    InNext,
    Node,
    OccurredAt,
    Property,
    Rule,
    SequenceRule,
    Step,
    Test,
    Type,
    Unit,
)
from .times import (
    FIRST_INSTANT,
    LAST_INSTANT,
    months_of,
    read_iso,
    seconds_of,
    step_date,
    step_instant,
    to_date,
    to_instant,
)

# So many events of a kind are looked at; of a contact with more it is not told when rules turn.
EVENT_LIMIT = 10_000
_DAY = timedelta(days=1)
# Months are of different lengths: a step back and forth misses a day by no more than this.
_SLACK_DAYS = 4
# Around a change of the clocks.
_NEAR = timedelta(days=6)


@dataclass(frozen=True, slots=True)
class Happening:
    """An event of the contact, with the texts of the properties that its rule compares to `now`."""

    occurred_at: datetime
    texts: tuple[str | None, ...] = ()


@dataclass(frozen=True, slots=True)
class Answer:
    """A question that `compile_answers` asks: whether the rule holds at a moment."""

    rule: Rule
    at: datetime


def compile_happenings(criteria: Criteria, *, contact_id: int) -> Query | None:
    """SELECT `path`, `occurred_at` and `texts` of the events of one contact, rule by rule.

    At most EVENT_LIMIT + 1 of each kind, the newest, also events later than now: some day they
    count. None where no rule asks about events.
    """
    arms = []
    for rule in rules_of(criteria.root):
        for event in _events_of(rule):
            if event.id is None:
                continue
            texts = [json_of(way, row="e", as_text=True) for way, _test in _property_windows(rule)]
            arms.append(
                sql(
                    "(SELECT {} AS path, e.occurred_at, ARRAY[{}]::text[] AS texts"
                    " FROM contacts_event e WHERE e.definition_id = {} AND e.contact_id = {}"
                    " ORDER BY e.occurred_at DESC LIMIT {})",
                    value(rule.path, "text"),
                    joined(", ", texts) if texts else Fragment(""),
                    value(event.id, "integer"),
                    value(contact_id, "bigint"),
                    value(EVENT_LIMIT + 1, "bigint"),
                )
            )
    if not arms:
        return None
    found = joined(" UNION ALL ", arms)
    return Query(found.text, found.params)


def compile_answers(asked: Sequence[Answer], criteria: Criteria, *, contact_id: int) -> Query:
    """SELECT `place` (in `asked`) and `holds` for each question about one contact."""
    arms = []
    for place, one in enumerate(asked):
        refuse_naive(one.at)
        scope = Scope(one.at, criteria.zone, (contact_id,))
        plan = plan_rule(one.rule, criteria, now=one.at)
        arms.append(
            sql(
                "SELECT {} AS place, EXISTS ({}) AS holds",
                value(place, "integer"),
                members(plan, scope),
            )
        )
    found = joined(" UNION ALL ", arms)
    return Query(found.text, found.params)


def turns_by_time(rule: Rule) -> bool:
    """Whether time alone may turn the rule around, for whatever a contact did."""
    match rule:
        case FieldRule(_, _, InLast() | InNext() | AnniversaryInNext()):
            return True
        case EventRule() | SequenceRule():
            return True
    return False


def moments_of(
    rule: Rule,
    *,
    compared: object,
    happenings: Iterable[Happening],
    now: datetime,
    zone: ZoneInfo,
) -> set[datetime]:
    """Every moment at which the rule may turn, before `now` and after, if nothing else happens.

    `compared` is the value of `compile_clauses`, for rules about a field.
    """
    match rule:
        case FieldRule(_, field, InLast() | InNext() | AnniversaryInNext() as test):
            is_date = getattr(field, "type", None) is Type.DATE
            found = _of_field(compared, test, is_date=is_date, now=now, zone=zone)
        case EventRule():
            found = _of_events(rule, happenings, zone)
        case SequenceRule():
            found = _of_sequence(rule, happenings, zone)
        case _:
            found = set()
    return {moment for moment in found if FIRST_INSTANT < moment < LAST_INSTANT}


# --- Fields --------------------------------------------------------------------------------------


def _of_field(
    compared: object, test: Test, *, is_date: bool, now: datetime, zone: ZoneInfo
) -> set[datetime]:
    read = read_iso(compared) if isinstance(compared, str) else None
    if read is None:
        return set()
    if not is_date:
        return set(_of_instant(to_instant(read, zone), test, zone))
    on = to_date(read, zone)
    if isinstance(test, AnniversaryInNext):
        days = set(_anniversary_days(on, test.days, to_date(now, zone)))
    else:
        days = set(_window_days(on, test))
    return {to_instant(day, zone) for day in days}


def _window_days(on: date, test: Test) -> Iterator[date]:
    """The days on which a window of dates may reach or leave `on`."""
    assert isinstance(test, InLast | InNext)
    yield from _days(on, 0, 1)
    far = step_date(on, test.duration, back=isinstance(test, InNext))
    if far is not None:
        yield from _days(far, -_SLACK_DAYS, _SLACK_DAYS)


def _anniversary_days(on: date, days: int, today: date) -> Iterator[date]:
    for year in range(today.year - 2, today.year + 3):
        for day in (on.day, 28):
            try:
                anniversary = on.replace(year=year, day=day)
            except ValueError:
                # 29 February in another year: its 28th stands for it.
                continue
            yield from _days(anniversary, 0, 1)
            if days <= 366:
                first = step_date(anniversary, Duration(days, Unit.DAY), back=True)
                if first is not None:
                    yield from _days(first, 0, 2)


def _days(on: date, low: int, high: int) -> Iterator[date]:
    for slip in range(low, high + 1):
        try:
            yield on + timedelta(days=slip)
        except OverflowError:
            continue


# --- Events --------------------------------------------------------------------------------------


def _of_events(rule: EventRule, happenings: Iterable[Happening], zone: ZoneInfo) -> set[datetime]:
    times = [test for field, test in _windows(rule.where) if isinstance(field, OccurredAt)]
    if isinstance(rule.test, InLast | InNext):
        # Of the first or the last event.
        times.append(rule.test)
    texts = [test for _way, test in _property_windows(rule)]
    found: set[datetime] = set()
    for one in happenings:
        found.add(one.occurred_at)
        for test in times:
            found.update(_of_instant(one.occurred_at, test, zone))
        for test, text in zip(texts, one.texts, strict=False):
            read = None if text is None else read_iso(text)
            if read is not None:
                found.update(_of_instant(to_instant(read, zone), test, zone))
    return found


def _of_sequence(
    rule: SequenceRule, happenings: Iterable[Happening], zone: ZoneInfo
) -> set[datetime]:
    steps = [*rule.steps, *([] if rule.absent is None else [rule.absent])]
    times = [
        test
        for step in steps
        for field, test in _windows(step.where)
        if isinstance(field, OccurredAt)
    ]
    texts = [test for _way, test in _property_windows(rule)]
    patience = None if rule.absent is None else rule.absent.within
    found: set[datetime] = set()
    for one in happenings:
        found.add(one.occurred_at)
        if patience is not None and (
            end := step_instant(one.occurred_at, patience, zone, back=False)
        ):
            # It holds as soon as it is later than that.
            found.update((end, end + TICK) if end < LAST_INSTANT else (end,))
        for test in times:
            found.update(_of_instant(one.occurred_at, test, zone))
        for test, text in zip(texts, one.texts, strict=False):
            read = None if text is None else read_iso(text)
            if read is not None:
                found.update(_of_instant(to_instant(read, zone), test, zone))
    return found


def _events_of(rule: Rule) -> Sequence[Event]:
    match rule:
        case EventRule(_, event):
            return (event,)
        case SequenceRule(_, steps, absent):
            events = {step.event.name: step.event for step in _all_steps(steps, absent)}
            return tuple(events.values())
    return ()


def _all_steps(steps: Sequence[Step], absent: Step | None) -> Sequence[Step]:
    return steps if absent is None else (*steps, absent)


def _windows(where: Group) -> Iterator[tuple[OccurredAt | Property, InLast | InNext]]:
    def of(node: Node) -> Iterator[tuple[OccurredAt | Property, InLast | InNext]]:
        match node:
            case Group(children=children):
                for child in children:
                    yield from of(child)
            case FieldRule(_, OccurredAt() | Property() as field, InLast() | InNext() as test):
                yield field, test

    yield from of(where)


def _property_windows(rule: Rule) -> Sequence[tuple[Property, InLast | InNext]]:
    match rule:
        case EventRule(where=where):
            wheres: Sequence[Group] = (where,)
        case SequenceRule(_, steps, absent):
            wheres = [step.where for step in _all_steps(steps, absent)]
        case _:
            return ()
    found = [pair for where in wheres for pair in _windows(where)]
    return [(field, test) for field, test in found if isinstance(field, Property)]


# --- An instant and a window ---------------------------------------------------------------------


def _of_instant(at: datetime, test: Test, zone: ZoneInfo) -> Iterator[datetime]:
    """When a window reaches `at`, and when it leaves it."""
    assert isinstance(test, InLast | InNext)
    yield at
    yield from crossings(at, test.duration, zone, later=isinstance(test, InLast))


def crossings(at: datetime, duration: Duration, zone: ZoneInfo, *, later: bool) -> set[datetime]:
    """The moments whose step by `duration`, back where `later`, may come to or jump over `at`."""
    if months_of(duration) is None:
        length = timedelta(seconds=seconds_of(duration))
        try:
            return {at + length if later else at - length}
        except OverflowError:
            return set()
    found: set[datetime] = set()
    try:
        changes = _clock_changes(at, zone)
        walls = {at.astimezone(zone).replace(tzinfo=None)}
        for change, before, after in changes:
            # Read with the other offset, and where the reading itself jumps.
            walls |= {at.astimezone(UTC).replace(tzinfo=None) + gap for gap in (before, after)}
            walls |= {change.replace(tzinfo=None) + gap for gap in (before, after)}
        for wall in walls:
            found |= _at_wall(wall, duration, zone, later=later)
    except (OverflowError, ValueError):
        # At an end of the calendar.
        return found
    return found


def _at_wall(wall: datetime, duration: Duration, zone: ZoneInfo, *, later: bool) -> set[datetime]:
    """The moments whose wall time is a step away from `wall`, and those where steps jump."""
    target = wall.date()
    around = step_date(target, duration, back=not later)
    if around is None:
        return set()
    found: set[datetime] = set()
    for day in _days(around, -_SLACK_DAYS, _SLACK_DAYS):
        mapped = step_date(day, duration, back=later)
        before = step_date(day - _DAY, duration, back=later)
        if mapped == target:
            reading = datetime.combine(day, wall.time())
            found |= {reading.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1)}
        if mapped is not None and before is not None and mapped - before != _DAY:
            # Months of different lengths: at this midnight the window jumps.
            found.add(to_instant(day, zone))
    anchor = to_instant(around, zone)
    found |= {change for change, _before, _after in _clock_changes(anchor, zone)}
    return found


def _clock_changes(at: datetime, zone: ZoneInfo) -> list[tuple[datetime, timedelta, timedelta]]:
    """The changes of the clocks near `at`, each with the offsets before and after it."""
    # They do not change twice in so few days.
    low, high = (at - _NEAR).astimezone(UTC), (at + _NEAR).astimezone(UTC)
    before, after = _offset(low, zone), _offset(high, zone)
    if before == after:
        return []
    return [(_change_between(low, high, zone), before, after)]


def _change_between(low: datetime, high: datetime, zone: ZoneInfo) -> datetime:
    before = _offset(low, zone)
    seconds = range(int((high - low).total_seconds()))
    place = bisect_right(
        seconds, 0, key=lambda second: _offset(low + timedelta(seconds=second), zone) != before
    )
    return low + timedelta(seconds=place)


def _offset(at: datetime, zone: ZoneInfo) -> timedelta:
    return at.astimezone(zone).utcoffset() or timedelta()
