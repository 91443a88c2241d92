"""Criteria that nobody can satisfy, known without asking the database.

What is found here is so whoever the contacts are and whatever the time is: `age > 60` together
with `age < 18`, one tag that is wanted and excluded, two values of one field. Not every
contradiction is found; what is told is always one.
"""

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from itertools import combinations
from typing import Any

from .catalog import CONSENT_STATES
from .syntax import (
    AnniversaryInNext,
    Between,
    Compare,
    ConsentRule,
    ContactField,
    Criteria,
    Duration,
    EachOf,
    EventRule,
    Fact,
    FieldRule,
    Function,
    Group,
    InLast,
    InNext,
    KeyedRule,
    LabelRule,
    Matches,
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
    Unit,
)

_STEP_LIMIT = 500
_NEVER_MISSING = frozenset({"lead_score"})
_FIXED = {
    Unit.MINUTE: timedelta(minutes=1),
    Unit.HOUR: timedelta(hours=1),
    Unit.DAY: timedelta(days=1),
    Unit.WEEK: timedelta(weeks=1),
}
_FLIPPED = {"<": ">=", "<=": ">", ">": "<=", ">=": "<"}


@dataclass(frozen=True, slots=True)
class Contradiction:
    """Parts that never hold together, by their paths; one alone where it can never hold."""

    paths: tuple[str, ...]


def find_contradiction(criteria: Criteria) -> Contradiction | None:
    """Why no contact can ever satisfy the criteria; None where some may."""
    found = _Search().conflict([(criteria.root, False)], ())
    return None if found is None else Contradiction(tuple(dict.fromkeys(found)))


def without_paths(node: Any) -> Any:
    """A node that is equal to every other one that says the same elsewhere."""
    match node:
        case Group():
            children = tuple(without_paths(child) for child in node.children)
            return replace(node, path="", children=children)
        case EventRule():
            return replace(node, path="", where=without_paths(node.where))
        case SequenceRule():
            steps = tuple(without_paths(step) for step in node.steps)
            absent = None if node.absent is None else without_paths(node.absent)
            return replace(node, path="", steps=steps, absent=absent)
        case Step():
            return replace(node, path="", where=without_paths(node.where))
    return replace(node, path="")


@dataclass(frozen=True, slots=True)
class _Literal:
    """A rule that has to hold, or (`negated`) must not; its own negation is counted in."""

    rule: Rule
    negated: bool


@dataclass(frozen=True, slots=True)
class _Domain:
    """Which values there can be: `values` where they are few, whole numbers from `least` on."""

    may_be_missing: bool = True
    values: tuple[Any, ...] | None = None
    is_whole: bool = False
    least: Decimal | None = None


class _Search:
    """Looks for a conflict in every way in which the groups can hold, up to a limit of steps."""

    def __init__(self) -> None:
        self.steps = 0

    def conflict(
        self, parts: Sequence[tuple[Node, bool]], known: tuple[_Literal, ...]
    ) -> tuple[str, ...] | None:
        """Paths that cannot hold together, where all `parts` have to hold besides `known`.

        A part is a node and whether it is negated by the groups around it.
        """
        self.steps += 1
        literals, choices = list(known), list[Group]()
        turned: dict[int, bool] = {}
        to_see = list(parts)
        while to_see:
            node, negated = to_see.pop()
            if isinstance(node, SequenceRule):
                literals.append(_Literal(node, negated))
                continue
            is_negated = node.negated != negated
            if not isinstance(node, Group):
                literals.append(_Literal(replace(node, negated=False), is_negated))
            elif (node.combinator == "and") != is_negated:
                to_see.extend((child, is_negated) for child in node.children)
            else:
                turned[len(choices)] = is_negated
                choices.append(node)
        if found := _clash(literals):
            return found
        for place, choice in enumerate(choices):
            if found := self._no_way(choice, turned[place], tuple(literals)):
                return found
        return None

    def _no_way(
        self, choice: Group, negated: bool, literals: tuple[_Literal, ...]
    ) -> tuple[str, ...] | None:
        """Why no child of a group of alternatives can hold; None where one may."""
        paths = [choice.path]
        for child in choice.children:
            if self.steps > _STEP_LIMIT:
                return None
            found = self.conflict([(child, negated)], literals)
            if found is None:
                return None
            paths += found
        return tuple(paths)


def _clash(literals: Sequence[_Literal]) -> tuple[str, ...] | None:
    """The paths of rules that cannot hold together; few of them, where few say it."""
    said: dict[Hashable, _Literal] = {}
    about: dict[Hashable, list[_Literal]] = {}
    for literal in literals:
        if _is_void(literal):
            return (literal.rule.path,)
        other = said.setdefault(without_paths(literal.rule), literal)
        if other.negated != literal.negated:
            return (other.rule.path, literal.rule.path)
        if (subject := _subject(literal.rule)) is not None:
            about.setdefault(subject, []).append(literal)
    for rules in about.values():
        if _is_impossible(rules):
            return _fewest(rules)
    return None


def _fewest(rules: Sequence[_Literal]) -> tuple[str, ...]:
    for count in (1, 2):
        for some in combinations(rules, count):
            if _is_impossible(some):
                return tuple(literal.rule.path for literal in some)
    return tuple(literal.rule.path for literal in rules)


def _subject(rule: Rule) -> Hashable:
    """What a rule asks about: rules about the same are looked at together."""
    match rule:
        case FieldRule(field=Property()):
            # Read as the type of each comparison: two of them may both hold.
            return None
        case FieldRule(field=field):
            return field
        case LabelRule(kind=kind):
            return kind
        case SegmentRule():
            return "segment"
        case KeyedRule(fact=fact):
            return fact.name
        case ConsentRule(consent=consent):
            return ("consent", consent.key)
        case EventRule(event=event, measure=measure, where=where):
            return (event.name, measure, without_paths(where))
        case SequenceRule():
            return None


def _is_void(literal: _Literal) -> bool:
    """Whether a rule about events cannot hold, because no event can satisfy its `where`."""
    match literal.rule:
        case EventRule(measure=measure, where=where, test=test) if _never(where):
            if measure.function in (Function.COUNT, Function.SUM, Function.DISTINCT):
                return _passes(test, Decimal(0)) is literal.negated
            return not literal.negated
        case SequenceRule(steps=steps):
            return not literal.negated and any(_never(step.where) for step in steps)
    return False


def _never(where: Group) -> bool:
    return _Search().conflict([(where, False)], ()) is not None


def _is_impossible(literals: Sequence[_Literal]) -> bool:
    """Whether nothing can make all of these hold, which ask about the same."""
    match literals[0].rule:
        case FieldRule(field=field) if getattr(field, "type", None) is Type.LIST:
            return _no_set(_set_tests(literals))
        case FieldRule(field=field):
            kind = Type.DATETIME if isinstance(field, OccurredAt) else getattr(field, "type", None)
            return _no_value(_domain_of(field), _tests(literals), kind)
        case LabelRule() | SegmentRule() | KeyedRule():
            return _no_set(_set_tests(literals))
        case ConsentRule():
            return not _states(literals)
        case EventRule(measure=measure):
            is_time = measure.function in (Function.FIRST, Function.LAST)
            kind = Type.DATETIME if is_time else Type.NUMBER
            return _no_value(_domain_of_measure(measure.function), _tests(literals), kind)
    return False


def _tests(literals: Iterable[_Literal]) -> list[tuple[Test, bool]]:
    return [
        (literal.rule.test, literal.negated)
        for literal in literals
        if isinstance(literal.rule, FieldRule | EventRule)
    ]


# --- One value ----------------------------------------------------------------------------------


def _domain_of(field: Any) -> _Domain:
    is_always = (
        isinstance(field, OccurredAt)
        or (isinstance(field, ContactField) and field.name in _NEVER_MISSING)
        or (isinstance(field, Fact) and field.type is Type.BOOLEAN and not field.column)
    )
    is_boolean = getattr(field, "type", None) is Type.BOOLEAN
    return _Domain(not is_always, (True, False) if is_boolean else None)


def _domain_of_measure(function: Function) -> _Domain:
    if function in (Function.COUNT, Function.DISTINCT):
        return _Domain(may_be_missing=False, is_whole=True, least=Decimal(0))
    return _Domain(may_be_missing=function is not Function.SUM)


def _no_value(domain: _Domain, tests: Sequence[tuple[Test, bool]], kind: Type | None) -> bool:
    """Whether neither a missing value nor any other passes all tests."""
    if domain.may_be_missing and all(negated for _test, negated in tests):
        return False
    if any(isinstance(test, Present) and negated for test, negated in tests):
        return True
    asked = [(test, negated) for test, negated in tests if not isinstance(test, Present)]
    values = _few_values(domain, asked)
    if values is not None:
        return not any(_passes_all(asked, value) for value in values)
    return _is_outside(domain, asked, kind) or _windows_clash(asked, kind)


def _few_values(domain: _Domain, asked: Sequence[tuple[Test, bool]]) -> list[Any] | None:
    """The values that come into question, where they are named."""
    named: list[tuple[Any, ...]] = [] if domain.values is None else [domain.values]
    for test, negated in asked:
        match test:
            case Compare("=", value) if not negated:
                named.append((value,))
            case OneOf(values) if not negated:
                named.append(values)
    if not named:
        return None
    fewest = min(named, key=len)
    return list(fewest)


def _passes_all(asked: Sequence[tuple[Test, bool]], value: Any) -> bool:
    return all(_passes(test, value) is not negated for test, negated in asked)


def _passes(test: Test, value: Any) -> bool | None:
    """Whether a value that is not missing passes; None where that depends on something else."""
    match test:
        case Compare("=", wanted):
            return bool(value == wanted)
        case Compare("<", wanted):
            return bool(value < wanted)
        case Compare("<=", wanted):
            return bool(value <= wanted)
        case Compare(">", wanted):
            return bool(value > wanted)
        case Compare(">=", wanted):
            return bool(value >= wanted)
        case OneOf(values):
            return value in values
        case Between(low, high):
            return bool(low <= value <= high)
        case Matches(how, text) if value.isascii() and text.isascii():
            return _matches(how, text.lower(), value.lower())
        case Present():
            return True
    return None


def _matches(how: str, text: str, value: str) -> bool:
    if how == "contains":
        return text in value
    return value.startswith(text) if how == "beginsWith" else value.endswith(text)


@dataclass(slots=True)
class _Span:
    """From `low` to `high`, each with or without the end itself."""

    low: Any = None
    is_above: bool = False
    high: Any = None
    is_below: bool = False

    def narrow(self, operator: str, value: Any) -> None:
        """Keep only what stands in this order to a value."""
        if operator in (">", ">="):
            is_strict = operator == ">"
            if self.low is None or value > self.low or (value == self.low and is_strict):
                self.low, self.is_above = value, is_strict
        else:
            is_strict = operator == "<"
            if self.high is None or value < self.high or (value == self.high and is_strict):
                self.high, self.is_below = value, is_strict

    @property
    def is_empty(self) -> bool:
        if self.low is None or self.high is None:
            return False
        return bool(
            self.low > self.high or (self.low == self.high and (self.is_above or self.is_below))
        )

    @property
    def only(self) -> Any:
        """The one value in it; None where there are several or none."""
        return self.low if self.low is not None and self.low == self.high else None


def _is_outside(domain: _Domain, asked: Sequence[tuple[Test, bool]], kind: Type | None) -> bool:
    """Whether the bounds leave nothing between them."""
    span = _Span()
    if domain.least is not None:
        span.narrow(">=", domain.least)
    for test, negated in asked:
        match test:
            case Compare(operator, value) if operator != "=":
                bound = _FLIPPED[operator] if negated else operator
                span.narrow(*_stepped(bound, value, domain.is_whole, kind))
            case Between(low, high) if not negated:
                span.narrow(*_stepped(">=", low, domain.is_whole, kind))
                span.narrow(*_stepped("<=", high, domain.is_whole, kind))
    if span.is_empty:
        return True
    return span.only is not None and not _passes_all(asked, span.only)


def _stepped(operator: str, value: Any, is_whole: bool, kind: Type | None) -> tuple[str, Any]:
    """The same bound with its end, where values come in steps: whole numbers, days."""
    if is_whole and isinstance(value, Decimal):
        whole = value.to_integral_value(ROUND_FLOOR if operator in ("<=", ">") else ROUND_CEILING)
        if operator in ("<", ">"):
            return (">=", whole + 1) if operator == ">" else ("<=", whole - 1)
        return operator, whole
    is_day = kind is Type.DATE and isinstance(value, date) and not isinstance(value, datetime)
    if is_day and operator == ">" and value < date.max:
        return ">=", value + timedelta(days=1)
    if is_day and operator == "<" and value > date.min:
        return "<=", value - timedelta(days=1)
    return operator, value


def _windows_clash(asked: Sequence[tuple[Test, bool]], kind: Type | None) -> bool:
    """Whether windows up to now or from now on exclude each other, whenever now is."""
    wanted = [test for test, negated in asked if not negated]
    excluded = [test for test, negated in asked if negated]
    is_past = any(isinstance(test, InLast) for test in wanted)
    if kind is not Type.DATE and is_past and any(isinstance(test, InNext) for test in wanted):
        return True
    return any(_is_within(inner, outer) for inner in wanted for outer in excluded)


def _is_within(inner: Test, outer: Test) -> bool:
    match inner, outer:
        case (InLast(short), InLast(long)) | (InNext(short), InNext(long)):
            return _is_no_longer(short, long)
        case AnniversaryInNext(few), AnniversaryInNext(many):
            return few <= many
    return False


def _is_no_longer(short: Duration, long: Duration) -> bool:
    if short.unit == long.unit:
        return short.amount <= long.amount
    if short.unit in _FIXED and long.unit in _FIXED:
        return _FIXED[short.unit] * short.amount <= _FIXED[long.unit] * long.amount
    return False


# --- Sets of values -----------------------------------------------------------------------------


def _set_tests(literals: Iterable[_Literal]) -> list[tuple[frozenset[str] | None, bool, bool]]:
    """For each rule the values asked for (None: any at all), whether each of them, and negated."""
    found: list[tuple[frozenset[str] | None, bool, bool]] = []
    for literal in literals:
        match literal.rule:
            case LabelRule(items=items, each=each):
                keys = frozenset(item.key for item in items) or None
                found.append((keys, each, literal.negated))
            case SegmentRule(items=items, each=each):
                found.append((frozenset(i.key for i in items), each, literal.negated))
            case KeyedRule(items=items, each=each):
                found.append((frozenset(i.key for i in items), each, literal.negated))
            case FieldRule(test=OneOf(values)):
                found.append((frozenset(map(str, values)), False, literal.negated))
            case FieldRule(test=EachOf(values)):
                found.append((frozenset(values), True, literal.negated))
            case FieldRule(test=Present()):
                found.append((None, False, literal.negated))
    return found


def _no_set(tests: Sequence[tuple[frozenset[str] | None, bool, bool]]) -> bool:
    """Whether no set of values passes all tests."""
    must, never = set[str](), set[str]()
    for values, each, negated in tests:
        if values is not None and not negated and (each or len(values) == 1):
            must |= values
        elif values is not None and negated and (not each or len(values) == 1):
            never |= values
    is_empty = any(values is None and negated for values, _each, negated in tests)
    if is_empty and any(not negated for _values, _each, negated in tests):
        return True
    if must & never:
        return True
    return any(
        values is not None
        and ((not negated and values <= never) or (negated and each and values <= must))
        for values, each, negated in tests
    )


def _states(literals: Iterable[_Literal]) -> set[str]:
    """The states of a consent that pass all tests."""
    states = set(CONSENT_STATES)
    for literal in literals:
        if isinstance(literal.rule, ConsentRule):
            states -= literal.rule.states if literal.negated else states - literal.rule.states
    return states
