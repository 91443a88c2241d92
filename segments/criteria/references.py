"""What a document names: for order, for uses, and for what has to be computed again."""

from collections.abc import Iterator
from dataclasses import dataclass

from .syntax import (
    AttributeField,
    ConsentRule,
    ContactField,
    Criteria,
    EventRule,
    Fact,
    FieldRule,
    Group,
    KeyedRule,
    LabelRule,
    MetricField,
    Rule,
    SegmentRule,
    SequenceRule,
)


@dataclass(frozen=True, slots=True)
class References:
    """The keys and names that criteria ask about, each kind by itself, as documents write them.

    `things` are those of keyed facts, with the word for them: "journey:welcome".
    """

    segments: frozenset[str] = frozenset()
    tags: frozenset[str] = frozenset()
    categories: frozenset[str] = frozenset()
    consents: frozenset[str] = frozenset()
    attributes: frozenset[str] = frozenset()
    metrics: frozenset[str] = frozenset()
    events: frozenset[str] = frozenset()
    facts: frozenset[str] = frozenset()
    contact_fields: frozenset[str] = frozenset()
    things: frozenset[str] = frozenset()


def references(criteria: Criteria) -> References:
    """What `criteria` name. A test for any tag or category at all names none."""
    found: dict[str, set[str]] = {name: set() for name in References.__dataclass_fields__}
    for rule in rules_of(criteria.root):
        for kind, key in _named(rule):
            found[kind].add(key)
    return References(**{kind: frozenset(keys) for kind, keys in found.items()})


def rules_of(group: Group) -> Iterator[Rule]:
    """The rules of a group and of those in it, in the order of the document."""
    for child in group.children:
        if isinstance(child, Group):
            yield from rules_of(child)
        else:
            yield child


def _named(rule: Rule) -> Iterator[tuple[str, str]]:
    match rule:
        case FieldRule(_, ContactField(name)):
            yield "contact_fields", name
        case FieldRule(_, AttributeField(key)):
            yield "attributes", key
        case FieldRule(_, MetricField(key)):
            yield "metrics", key
        case FieldRule(_, Fact(name)):
            yield "facts", name
        case LabelRule(_, kind, items):
            yield from (("tags" if kind == "tag" else "categories", item.key) for item in items)
        case SegmentRule(_, items):
            yield from (("segments", item.key) for item in items)
        case KeyedRule(_, fact, items):
            yield from (("things", f"{fact.kind}:{item.key}") for item in items)
        case ConsentRule(_, consent):
            yield "consents", consent.key
        case EventRule(_, event):
            yield "events", event.name
        case SequenceRule(_, steps, absent):
            yield from (("events", step.event.name) for step in steps)
            if absent is not None:
                yield "events", absent.event.name
