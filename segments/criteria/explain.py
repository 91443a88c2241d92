"""Tree → a sentence for people.

The templates are marked for translation; `translate` puts them in words, and what people typed
or named is filled in afterwards.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import assert_never
from zoneinfo import ZoneInfo

from .errors import Translate, gettext_noop
from .syntax import (
    AnniversaryInNext,
    Between,
    Compare,
    ConsentRule,
    Criteria,
    Duration,
    EachOf,
    Event,
    EventRule,
    FieldRule,
    Function,
    Group,
    InLast,
    InNext,
    KeyedRule,
    LabelRule,
    Matches,
    Measure,
    Node,
    OccurredAt,
    OneOf,
    Present,
    Property,
    Rule,
    Scalar,
    SegmentRule,
    SequenceRule,
    Step,
    Test,
    Unit,
)

_SIGNS = {
    "=": gettext_noop("is {value}"),
    "<": gettext_noop("is less than {value}"),
    "<=": gettext_noop("is at most {value}"),
    ">": gettext_noop("is greater than {value}"),
    ">=": gettext_noop("is at least {value}"),
}
_COUNTS = {
    "=": gettext_noop("there are exactly {value} {events}"),
    "<": gettext_noop("there are fewer than {value} {events}"),
    "<=": gettext_noop("there are at most {value} {events}"),
    ">": gettext_noop("there are more than {value} {events}"),
    ">=": gettext_noop("there are at least {value} {events}"),
}
_TIME_SIGNS = {
    "=": gettext_noop("is {value}"),
    "<": gettext_noop("is before {value}"),
    "<=": gettext_noop("is {value} or before"),
    ">": gettext_noop("is after {value}"),
    ">=": gettext_noop("is {value} or after"),
}
_WHEN = {
    "<": gettext_noop("before {value}"),
    "<=": gettext_noop("until {value}"),
    ">": gettext_noop("after {value}"),
    ">=": gettext_noop("since {value}"),
}
_MATCHES = {
    "contains": gettext_noop("contains {value}"),
    "beginsWith": gettext_noop("begins with {value}"),
    "endsWith": gettext_noop("ends with {value}"),
}
_NEGATED = {
    gettext_noop("is {value}"): gettext_noop("is not {value}"),
    gettext_noop("contains {value}"): gettext_noop("does not contain {value}"),
    gettext_noop("begins with {value}"): gettext_noop("does not begin with {value}"),
    gettext_noop("ends with {value}"): gettext_noop("does not end with {value}"),
    gettext_noop("is one of {value}"): gettext_noop("is none of {value}"),
    gettext_noop("has all of {value}"): gettext_noop("does not have all of {value}"),
    gettext_noop("is between {low} and {high}"): gettext_noop("is not between {low} and {high}"),
    gettext_noop("is in the last {duration}"): gettext_noop("is not in the last {duration}"),
    gettext_noop("is in the next {duration}"): gettext_noop("is not in the next {duration}"),
    gettext_noop("has its anniversary in the next {duration}"): gettext_noop(
        "does not have its anniversary in the next {duration}"
    ),
    gettext_noop("is known"): gettext_noop("is missing"),
}
_MEASURES = {
    Function.COUNT: gettext_noop("the number of {events}"),
    Function.SUM: gettext_noop("the sum of {property} over {events}"),
    Function.AVERAGE: gettext_noop("the average of {property} over {events}"),
    Function.MINIMUM: gettext_noop("the smallest {property} of {events}"),
    Function.MAXIMUM: gettext_noop("the largest {property} of {events}"),
    Function.DISTINCT: gettext_noop("the number of different {property} of {events}"),
    Function.FIRST: gettext_noop("the time of the first of {events}"),
    Function.LAST: gettext_noop("the time of the last of {events}"),
}
_UNITS = {
    Unit.MINUTE: (gettext_noop("{amount} minute"), gettext_noop("{amount} minutes")),
    Unit.HOUR: (gettext_noop("{amount} hour"), gettext_noop("{amount} hours")),
    Unit.DAY: (gettext_noop("{amount} day"), gettext_noop("{amount} days")),
    Unit.WEEK: (gettext_noop("{amount} week"), gettext_noop("{amount} weeks")),
    Unit.MONTH: (gettext_noop("{amount} month"), gettext_noop("{amount} months")),
    Unit.YEAR: (gettext_noop("{amount} year"), gettext_noop("{amount} years")),
}
_STATES = {
    "granted": gettext_noop("granted"),
    "withdrawn": gettext_noop("withdrawn"),
    "unknown": gettext_noop("unknown"),
}


def explain(criteria: Criteria, *, translate: Translate = str) -> str:
    """One sentence that says for which contacts `criteria` hold."""
    return _Speaker(translate, criteria.zone).sentence(criteria.root)


def explain_clause(criteria: Criteria, *, translate: Translate = str) -> str:
    """What `criteria` demand, as a part of a sentence."""
    return _Speaker(translate, criteria.zone).group(criteria.root)


@dataclass(frozen=True, slots=True)
class _Speaker:
    translate: Translate
    zone: ZoneInfo

    def sentence(self, root: Group) -> str:
        if not root.children:
            if (root.combinator == "and") != root.negated:
                return self.say(gettext_noop("All contacts."))
            return self.say(gettext_noop("No contacts."))
        return self.say(gettext_noop("Contacts for whom {clause}."), clause=self.group(root))

    def say(self, template: str, **words: object) -> str:
        return self.translate(template).format(**words)

    def group(self, group: Group) -> str:
        """A group without parentheses around it."""
        if not group.children:
            holds = (group.combinator == "and") != group.negated
            always, never = gettext_noop("always"), gettext_noop("never")
            return self.say(always if holds else never)
        template = gettext_noop("{one} and {other}")
        if group.combinator == "or":
            template = gettext_noop("{one} or {other}")
        found = self.node(group.children[0])
        for child in group.children[1:]:
            found = self.say(template, one=found, other=self.node(child))
        return self.say(gettext_noop("not ({clause})"), clause=found) if group.negated else found

    def node(self, node: Node) -> str:
        if not isinstance(node, Group):
            return self.rule(node)
        found = self.group(node)
        return f"({found})" if len(node.children) > 1 and not node.negated else found

    def rule(self, rule: Rule) -> str:
        match rule:
            case FieldRule(_, field, test, negated):
                return f"{self.field(field)} {self.test(test, negated)}"
            case LabelRule(_, kind, items, each, negated):
                name = gettext_noop("tag") if kind == "tag" else gettext_noop("category")
                phrase = self.keys([item.label for item in items], each, negated)
                return f"{self.say(name)} {phrase}"
            case SegmentRule(_, segments, each, negated):
                phrase = self.keys([found.label for found in segments], each, negated)
                return f"{self.say(gettext_noop('segment'))} {phrase}"
            case KeyedRule(_, fact, items, each, negated):
                phrase = self.keys([item.label for item in items], each, negated)
                return f"“{self.say(fact.label)}” {phrase}"
            case ConsentRule(_, consent, states, negated):
                named = self.say(gettext_noop("consent “{label}”"), label=consent.label)
                words = [self.say(_STATES[state]) for state in _STATES if state in states]
                return f"{named} {self.among(words, negated)}"
            case EventRule():
                return self.behaviour(rule)
            case SequenceRule(_, steps, absent):
                return self.sequence(steps, absent)
            case _:
                assert_never(rule)

    def field(self, field: object) -> str:
        match field:
            case OccurredAt():
                return self.say(gettext_noop("time"))
            case Property(way):
                return f"“{'.'.join(way)}”"
            case _:
                return f"“{getattr(field, 'label', '')}”"

    def test(self, test: Test, negated: bool) -> str:
        match test:
            case Compare(operator, at):
                signs = _TIME_SIGNS if isinstance(at, date) else _SIGNS
                return self.positive(signs[operator], negated, value=self.value(at))
            case OneOf(values):
                return self.among([self.value(one) for one in values], negated)
            case EachOf(texts):
                listed = ", ".join(self.value(text) for text in texts)
                return self.positive("has all of {value}", negated, value=listed)
            case Between(low, high):
                words = {"low": self.value(low), "high": self.value(high)}
                return self.positive("is between {low} and {high}", negated, **words)
            case Matches(how, text):
                return self.positive(_MATCHES[how], negated, value=self.value(text))
            case InLast(duration):
                length = self.duration(duration)
                return self.positive("is in the last {duration}", negated, duration=length)
            case InNext(duration):
                length = self.duration(duration)
                return self.positive("is in the next {duration}", negated, duration=length)
            case AnniversaryInNext(days):
                length = self.duration(Duration(days, Unit.DAY))
                template = "has its anniversary in the next {duration}"
                return self.positive(template, negated, duration=length)
            case Present():
                return self.positive("is known", negated)
            case _:
                assert_never(test)

    def positive(self, template: str, negated: bool, **words: object) -> str:
        """The phrase, or its opposite."""
        if not negated:
            return self.say(template, **words)
        if template in _NEGATED:
            return self.say(_NEGATED[template], **words)
        return self.say(gettext_noop("not so that it {clause}"), clause=self.say(template, **words))

    def among(self, words: Sequence[str], negated: bool) -> str:
        if len(words) == 1:
            return self.positive("is {value}", negated, value=words[0])
        return self.positive("is one of {value}", negated, value=", ".join(words))

    def keys(self, labels: Sequence[str], each: bool, negated: bool) -> str:
        quoted = [f"“{label}”" for label in labels]
        if not quoted:
            return self.positive("is known", negated)
        if each and len(quoted) > 1:
            return self.positive("has all of {value}", negated, value=", ".join(quoted))
        return self.among(quoted, negated)

    def behaviour(self, rule: EventRule) -> str:
        events = self.events(rule.event, rule.where)
        is_count = rule.measure.function is Function.COUNT
        match rule.test:
            case Compare(">=", Decimal() as least) if is_count and least == 1 and not rule.negated:
                return self.say(gettext_noop("there are {events}"), events=events)
            case Compare("=", Decimal() as none) if is_count and not none and not rule.negated:
                return self.say(gettext_noop("there are no {events}"), events=events)
            case Compare(operator, Decimal() as count) if is_count and not rule.negated:
                return self.say(_COUNTS[operator], value=_plain(count), events=events)
        return f"{self.measure(rule.measure, events)} {self.test(rule.test, rule.negated)}"

    def measure(self, measure: Measure, events: str) -> str:
        name = ".".join(measure.property.way) if measure.property else ""
        return self.say(_MEASURES[measure.function], property=f"“{name}”", events=events)

    def events(self, event: Event, where: Group) -> str:
        found = self.say(gettext_noop("“{event}” events"), event=event.label)
        rest = where
        if where.combinator == "and" and not where.negated:
            # When it happened reads best right after what happened.
            times = [child for child in where.children if self.when(child)]
            found = " ".join([found, *map(self.when, times)])
            others = tuple(child for child in where.children if child not in times)
            rest = Group(where.path, "and", others)
            if not others:
                return found
        template = gettext_noop("{events} whose {clause}")
        return self.say(template, events=found, clause=self.node(rest))

    def when(self, node: Node) -> str:
        """The time that `node` demands of an event, to be put after it; '' for another demand."""
        match node:
            case FieldRule(_, OccurredAt(), InLast(duration), False):
                return self.say(
                    gettext_noop("in the last {duration}"), duration=self.duration(duration)
                )
            case FieldRule(_, OccurredAt(), InLast(duration), True):
                return self.say(
                    gettext_noop("not in the last {duration}"), duration=self.duration(duration)
                )
            case FieldRule(_, OccurredAt(), Between(low, high), False):
                words = {"low": self.value(low), "high": self.value(high)}
                return self.say(gettext_noop("between {low} and {high}"), **words)
            case FieldRule(_, OccurredAt(), Compare(operator, at), False) if operator != "=":
                return self.say(_WHEN[operator], value=self.value(at))
        return ""

    def sequence(self, steps: Sequence[Step], absent: Step | None) -> str:
        found = self.say(gettext_noop("there are first {events}"), events=self.step(steps[0]))
        for step in steps[1:]:
            template = gettext_noop("{before}, then {events}")
            if step.within is not None:
                template = gettext_noop("{before}, then within {duration} {events}")
            found = self.followed(template, found, step)
        if absent is None:
            return found
        return self.followed(
            gettext_noop("{before}, then within {duration} no {events}"), found, absent
        )

    def followed(self, template: str, before: str, step: Step) -> str:
        duration = self.duration(step.within) if step.within else ""
        return self.say(template, before=before, duration=duration, events=self.step(step))

    def step(self, step: Step) -> str:
        return self.events(step.event, step.where)

    def duration(self, duration: Duration) -> str:
        one, several = _UNITS[duration.unit]
        return self.say(one if duration.amount == 1 else several, amount=duration.amount)

    def value(self, value: Scalar) -> str:
        match value:
            case str():
                return f"“{value}”"
            case bool():
                return self.say(gettext_noop("yes") if value else gettext_noop("no"))
            case Decimal():
                return _plain(value)
            case datetime():
                return self.instant(value)
            case date():
                return value.isoformat()
            case _:
                assert_never(value)

    def instant(self, at: datetime) -> str:
        """Wall time in the workspace's zone, as short as it can be written."""
        try:
            wall = at.astimezone(self.zone).replace(tzinfo=None)
        except OverflowError:
            wall = at.replace(tzinfo=None)
        return wall.isoformat(" ", "auto" if wall.second or wall.microsecond else "minutes")


def _plain(number: Decimal) -> str:
    """Without an exponent, unless that would be long."""
    if abs(number.adjusted()) > 30:
        return str(number)
    written = f"{number:f}"
    return written.rstrip("0").rstrip(".") if "." in written else written
