"""Tree → plan: a normal form, and for each rule the place where the database answers it best.

In a plan nothing is negated but leaves, groups stand in groups of the other kind only, and what
holds for everyone or for no one is gone. Windows are spans of instants: a plan is for one `now`.

Which shape a rule gets, and why, is measured in docs/benchmarks.md: lifetime statistics for ever,
never, first, last and "in the last n days"; a semi-join for "at least once"; grouping for the rest.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Literal

from .spans import Resolved, Span, complement, intersection, resolve
from .syntax import (
    AttributeField,
    Between,
    Compare,
    ConsentRule,
    ContactField,
    Criteria,
    Duration,
    Event,
    EventRule,
    Fact,
    FieldRule,
    Function,
    Group,
    KeyedFact,
    KeyedRule,
    LabelRule,
    Measure,
    MetricField,
    Node,
    OccurredAt,
    OneOf,
    Present,
    Property,
    Rule,
    SegmentRule,
    SequenceRule,
    Step,
    Test,
    Type,
)
from .times import LAST_INSTANT, to_instant


@dataclass(frozen=True, slots=True)
class Constant:
    """Holds for everyone, or for no one."""

    holds: bool


@dataclass(frozen=True, slots=True)
class ColumnTest:
    """A test of a column or attribute of the contact's own row."""

    field: ContactField | AttributeField
    test: Resolved
    negated: bool = False


# --- Conditions on one event ---------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class EventTest:
    """A test of the time or of a property of an event."""

    field: OccurredAt | Property
    test: Resolved
    negated: bool = False


@dataclass(frozen=True, slots=True)
class Conditions:
    """All or some of the conditions hold for the event."""

    combinator: Literal["and", "or"]
    children: tuple["Condition", ...]


Condition = Constant | EventTest | Conditions


@dataclass(frozen=True, slots=True)
class EventScan:
    """Events of one kind in a span that ends at `now` or before, and which satisfy `rest`."""

    event_id: int
    span: Span
    rest: Condition


# --- Sets of contacts in tables of their own -----------------------------------------------------


@dataclass(frozen=True, slots=True)
class Labelled:
    """Has one of these tags or categories; with none named, any at all."""

    kind: Literal["tag", "category"]
    ids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Consented:
    """The consent is in one of these states, each one that was given."""

    consent_id: int
    states: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class MemberOf:
    """Is a member of one of these segments."""

    ids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Keyed:
    """A keyed fact holds with one of these things."""

    fact: KeyedFact
    ids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Known:
    """A value in a table with at most one row for each contact: metric, fact, last seen."""

    field: MetricField | Fact | ContactField
    test: Resolved


@dataclass(frozen=True, slots=True)
class Happened:
    """At least one such event."""

    events: EventScan


@dataclass(frozen=True, slots=True)
class Lifetime:
    """The statistic of all events of a kind up to `now` passes the test; there is at least one."""

    event_id: int
    function: Literal[Function.COUNT, Function.FIRST, Function.LAST]
    test: Resolved
    negated: bool = False


@dataclass(frozen=True, slots=True)
class Measured:
    """The measure over such events, of which there is at least one, passes (or fails) the test."""

    events: EventScan
    measure: Measure
    test: Resolved
    negated: bool = False


@dataclass(frozen=True, slots=True)
class Followed:
    """Some choice of events fits the steps, and the last is not followed by `absent`."""

    steps: tuple["PlannedStep", ...]
    absent: "PlannedStep | None" = None


@dataclass(frozen=True, slots=True)
class PlannedStep:
    """A step of a sequence: its events, no more than `within` after those of the step before.

    None for `events` where there can be none.
    """

    within: Duration | None
    events: EventScan | None


Behaviour = Happened | Lifetime | Measured | Followed
Source = Labelled | Consented | MemberOf | Keyed | Known | Behaviour


@dataclass(frozen=True, slots=True)
class InSet:
    """The contact is (or, negated, is not) in the set."""

    source: Source
    negated: bool = False


@dataclass(frozen=True, slots=True)
class Groups:
    """All or some of the children hold; at least two."""

    combinator: Literal["and", "or"]
    children: tuple["Plan", ...]


Plan = Constant | ColumnTest | InSet | Groups

EVERYONE, NO_ONE = Constant(True), Constant(False)


def plan_criteria(criteria: Criteria, *, now: datetime) -> Plan:
    """The plan of a whole document."""
    return _Planner(criteria, now).node(criteria.root)


def plan_moving(criteria: Criteria) -> Plan:
    """The plan of a whole document for whatever instant: its windows are not resolved.

    What it asks of events goes for those up to an instant that the statement has to add.
    """
    return _Planner(criteria, None).node(criteria.root)


def plan_rule(rule: Rule, criteria: Criteria, *, now: datetime) -> Plan:
    """The plan of one rule of `criteria`."""
    return _Planner(criteria, now).node(rule)


def plan_conditions(where: Group, criteria: Criteria, *, now: datetime) -> Condition:
    """The plan of conditions on one event."""
    return _Planner(criteria, now).condition(where)


def plan_events(
    event: Event, where: Group, criteria: Criteria, *, now: datetime
) -> EventScan | None:
    """The events of that kind up to `now` which satisfy `where`; None where there can be none."""
    return _Planner(criteria, now).events(event, where)


def negate(plan: Plan) -> Plan:
    """The plan that holds exactly where `plan` does not."""
    match plan:
        case Constant(holds):
            return Constant(not holds)
        case ColumnTest(field, test, negated):
            return ColumnTest(field, test, not negated)
        case InSet(source, negated):
            return InSet(source, not negated)
        case Groups(combinator, children):
            return Groups(_other(combinator), tuple(negate(child) for child in children))


def _other(combinator: Literal["and", "or"]) -> Literal["and", "or"]:
    return "or" if combinator == "and" else "and"


@dataclass(frozen=True, slots=True)
class _Planner:
    criteria: Criteria
    now: datetime | None

    @property
    def _last(self) -> datetime:
        """The last instant of which events count."""
        return LAST_INSTANT if self.now is None else to_instant(self.now, self.criteria.zone)

    def node(self, node: Node) -> Plan:
        match node:
            case Group(_, combinator, children, negated):
                found = _grouped(combinator, [self.node(child) for child in children])
                return negate(found) if negated else found
            case FieldRule():
                return self._field(node)
            case LabelRule(_, kind, items, each, negated):
                ids = [item.id for item in items]
                choices = [(one,) for one in ids] if each else [tuple(ids)]
                return self._sets([Labelled(kind, found) for found in choices], negated)
            case SegmentRule(_, segments, each, negated):
                calculated = [found.id for found in segments if found.has_members]
                if not calculated or (each and len(calculated) < len(segments)):
                    return Constant(negated)
                choices = [(one,) for one in calculated] if each else [tuple(calculated)]
                return self._sets([MemberOf(found) for found in choices], negated)
            case KeyedRule(_, fact, items, each, negated):
                ids = [item.id for item in items]
                choices = [(one,) for one in ids] if each else [tuple(ids)]
                return self._sets([Keyed(fact, found) for found in choices], negated)
            case ConsentRule(_, consent, states, negated):
                return _consent(consent.id, states, negated)
            case EventRule():
                found = self._measured(node)
                return negate(found) if node.negated else found
            case SequenceRule():
                return self._sequence(node)

    def condition(self, node: Node) -> Condition:
        """The conditions in a `where`."""
        match node:
            case Group(_, combinator, children, negated):
                found = conditions(combinator, [self.condition(child) for child in children])
                return _negate_condition(found) if negated else found
            case FieldRule(_, OccurredAt() | Property() as field, test, negated):
                if isinstance(field, OccurredAt) and isinstance(test, Present):
                    return Constant(not negated)
                return EventTest(field, self._resolve(test), negated)
            case _:
                raise ValueError(f"No condition on an event: {node!r}")

    def events(self, event: Event, where: Group) -> EventScan | None:
        condition = self.condition(where)
        if event.id is None or condition == Constant(False):
            return None
        is_all = isinstance(condition, Conditions) and condition.combinator == "and"
        parts = condition.children if is_all and isinstance(condition, Conditions) else (condition,)
        span = Span(None, self._last)
        rest: list[Condition] = []
        for part in parts:
            bounds = _bounds(part)
            if bounds is None:
                rest.append(part)
                continue
            meeting = [intersection(span, bound) for bound in bounds]
            left = [found for found in meeting if found is not None]
            if not left:
                return None
            if len(left) == 1:
                span = left[0]
            else:
                rest.append(part)
        return EventScan(event.id, span, conditions("and", rest))

    def _resolve(self, test: Test, *, is_date: bool = False) -> Resolved:
        return resolve(test, now=self.now, zone=self.criteria.zone, is_date=is_date)

    def _field(self, rule: FieldRule) -> Plan:
        field, negated = rule.field, rule.negated
        match field:
            case ContactField("last_seen_at"):
                return InSet(Known(field, self._resolve(rule.test)), negated)
            case ContactField() | AttributeField():
                test = self._resolve(rule.test, is_date=field.type is Type.DATE)
                return ColumnTest(field, test, negated)
            case Fact(type=Type.BOOLEAN, column=""):
                if isinstance(rule.test, Present):
                    return Constant(not negated)
                wanted = isinstance(rule.test, Compare) and rule.test.value is True
                return InSet(Known(field, Present()), negated == wanted)
            case MetricField() | Fact():
                test = self._resolve(rule.test, is_date=field.type is Type.DATE)
                return InSet(Known(field, test), negated)
            case OccurredAt() | Property():
                raise ValueError(f"A field of an event outside “where”: {field!r}")

    def _sets(self, sources: Sequence[Source], negated: bool) -> Plan:
        found = _grouped("and", [InSet(source) for source in sources])
        return negate(found) if negated else found

    def _measured(self, rule: EventRule) -> Plan:
        """The rule without its negation."""
        holds_without = _passes_zero(rule.measure.function, rule.test)
        events = self.events(rule.event, rule.where)
        if events is None:
            return Constant(holds_without)
        test = self._resolve(rule.test)
        # A set in a table holds only contacts with such an event. Where the rule holds for those
        # without any, the set is of those who fail it, and who is not in the set passes.
        source = self._shape(events, rule.measure, test, negated=holds_without)
        return source if isinstance(source, Constant) else InSet(source, holds_without)

    def _shape(
        self, events: EventScan, measure: Measure, test: Resolved, *, negated: bool
    ) -> Behaviour | Constant:
        function, span = measure.function, events.span
        is_whole = events.rest == EVERYONE
        ends_now = span.high == self._last
        if function is Function.COUNT and isinstance(test, Present):
            return Constant(True)
        if function is Function.COUNT and at_least(test, negated=negated) == 1:
            if is_whole and span.low is None:
                return Lifetime(events.event_id, Function.FIRST, Span(None, span.high))
            if is_whole and ends_now:
                return Lifetime(events.event_id, Function.LAST, Span(span.low, None))
            return Happened(events)
        is_lifetime = is_whole and ends_now and span.low is None
        if is_lifetime and function in (Function.COUNT, Function.FIRST, Function.LAST):
            return Lifetime(events.event_id, function, test, negated)
        return Measured(events, measure, test, negated)

    def _sequence(self, rule: SequenceRule) -> Plan:
        steps = [self._step(step) for step in rule.steps]
        found = tuple(step for step in steps if step is not None)
        if len(found) < len(steps):
            return NO_ONE
        if rule.absent is None:
            return InSet(Followed(found))
        absent = self._step(rule.absent)
        if absent is None:
            # No such event can follow: what is left to ask is that its time has passed.
            absent = PlannedStep(rule.absent.within, None)
        return InSet(Followed(found, absent))

    def _step(self, step: Step) -> PlannedStep | None:
        events = self.events(step.event, step.where)
        return None if events is None else PlannedStep(step.within, events)


def _grouped(combinator: Literal["and", "or"], children: list[Plan]) -> Plan:
    """The group in normal form: flat, without constants, itself a constant or its only child."""
    neutral = Constant(combinator == "and")
    found: list[Plan] = []
    for child in children:
        if isinstance(child, Constant):
            if child != neutral:
                return child
        elif isinstance(child, Groups) and child.combinator == combinator:
            found += child.children
        else:
            found.append(child)
    if len(found) < 2:
        return found[0] if found else neutral
    return Groups(combinator, tuple(found))


def conditions(combinator: Literal["and", "or"], children: list[Condition]) -> Condition:
    """The group of conditions in normal form."""
    neutral = Constant(combinator == "and")
    found: list[Condition] = []
    for child in children:
        if isinstance(child, Constant):
            if child != neutral:
                return child
        elif isinstance(child, Conditions) and child.combinator == combinator:
            found += child.children
        else:
            found.append(child)
    if len(found) < 2:
        return found[0] if found else neutral
    return Conditions(combinator, tuple(found))


def _negate_condition(condition: Condition) -> Condition:
    match condition:
        case Constant(holds):
            return Constant(not holds)
        case EventTest(field, test, negated):
            return EventTest(field, test, not negated)
        case Conditions(combinator, children):
            turned = tuple(_negate_condition(child) for child in children)
            return Conditions(_other(combinator), turned)


def _bounds(condition: Condition) -> tuple[Span, ...] | None:
    """The spans of time to which `condition` is equal; None where it asks for something else."""
    match condition:
        case EventTest(OccurredAt(), Span() as span, negated):
            return complement(span) if negated else (span,)
        case _:
            return None


def _consent(consent_id: int, states: frozenset[str], negated: bool) -> Plan:
    given = {"granted", "withdrawn"}
    if "unknown" in states:
        # Whoever never said anything has no row: the set is of those in another state.
        states, negated = frozenset(given - states), not negated
    wanted = tuple(sorted(states & given))
    return InSet(Consented(consent_id, wanted), negated) if wanted else Constant(negated)


def _passes_zero(function: Function, test: Test) -> bool:
    """Whether the test passes for a contact without any such event."""
    if function not in (Function.COUNT, Function.SUM, Function.DISTINCT):
        return False
    match test:
        case Compare(operator, Decimal() as value):
            passes = {"=": value == 0, "<": value > 0, "<=": value >= 0}
            return (passes | {">": value < 0, ">=": value <= 0})[operator]
        case OneOf(values):
            return 0 in values
        case Between(Decimal() as low, Decimal() as high):
            return low <= 0 <= high
        case Present():
            return True
    raise ValueError(f"No test of a number: {test!r}")


def at_least(test: Resolved, *, negated: bool) -> int | None:
    """The n for which the test (negated: its complement) says of a count “n or more”.

    None where it says something else, or where it says it of no whole number from 1 on.
    """
    match test:
        case Compare(">=", Decimal() as value) if not negated:
            least = _whole(value, ROUND_CEILING)
        case Compare(">", Decimal() as value) if not negated:
            least = _whole(value, ROUND_FLOOR) + 1
        case Compare("<", Decimal() as value) if negated:
            least = _whole(value, ROUND_CEILING)
        case Compare("<=", Decimal() as value) if negated:
            least = _whole(value, ROUND_FLOOR) + 1
        case Compare("=", Decimal() as value) if negated and not value:
            least = 1
        case Between(Decimal() as low, Decimal() as high) if negated and low <= 0 <= high:
            least = _whole(high, ROUND_FLOOR) + 1
        case _:
            return None
    return least if least >= 1 else None


def _whole(value: Decimal, rounding: str) -> int:
    return int(value.to_integral_value(rounding))
