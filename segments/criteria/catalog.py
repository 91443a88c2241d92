"""What may be asked: the fields and keys of one workspace, and the operators of each type.

The caller builds a `Catalog` from the database, with what the author of the criteria may see.
Upper floors add facts with `register_fact`; data goes up the stairs, imports do not.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from .syntax import (
    AttributeField,
    ContactField,
    Event,
    Fact,
    Item,
    KeyedFact,
    MetricField,
    SegmentItem,
    Type,
    Unit,
)

_TEXTS = (
    ("email", "E-mail"),
    ("phone", "Phone"),
    ("first_name", "First name"),
    ("last_name", "Last name"),
    ("gender", "Gender"),
    ("country", "Country"),
    ("city", "City"),
    ("postal_code", "Postal code"),
    ("language", "Language"),
    ("time_zone", "Time zone"),
)
CONTACT_FIELDS = {
    found.name: found
    for found in (
        *(ContactField(name, Type.TEXT, label) for name, label in _TEXTS),
        ContactField("birth_date", Type.DATE, "Birth date"),
        ContactField("lead_score", Type.NUMBER, "Lead score"),
        ContactField("created_at", Type.DATETIME, "Created"),
        ContactField("updated_at", Type.DATETIME, "Updated"),
        ContactField("last_seen_at", Type.DATETIME, "Last seen"),
    )
}

_PRESENCE = ("null", "notNull")
_EQUALITY = ("=", "!=")
_CHOICE = ("in", "notIn")
_ORDER = ("<", "<=", ">", ">=", "between", "notBetween")
_MATCHING = (
    *("contains", "doesNotContain", "beginsWith", "doesNotBeginWith"),
    *("endsWith", "doesNotEndWith"),
)
_WINDOWS = ("inLast", "notInLast", "inNext", "notInNext")
_ANNIVERSARY = ("anniversaryInNext", "notAnniversaryInNext")

OPERATORS: Mapping[Type, tuple[str, ...]] = {
    Type.TEXT: (*_EQUALITY, *_CHOICE, *_MATCHING, *_PRESENCE),
    Type.NUMBER: (*_EQUALITY, *_ORDER[:4], *_CHOICE, *_ORDER[4:], *_PRESENCE),
    Type.BOOLEAN: (*_EQUALITY, *_PRESENCE),
    Type.DATE: (*_EQUALITY, *_ORDER, *_WINDOWS, *_ANNIVERSARY, *_PRESENCE),
    Type.DATETIME: (*_EQUALITY, *_ORDER, *_WINDOWS, *_PRESENCE),
    Type.LIST: (*_CHOICE, "all", *_PRESENCE),
}
LABEL_OPERATORS = (*_CHOICE, "all", *_PRESENCE)
SEGMENT_OPERATORS = (*_CHOICE, "all")
KEYED_OPERATORS = SEGMENT_OPERATORS
CONSENT_OPERATORS = (*_EQUALITY, *_CHOICE)
INSTANT_UNITS = tuple(Unit)
DATE_UNITS = (Unit.DAY, Unit.WEEK, Unit.MONTH, Unit.YEAR)
CONSENT_STATES = ("granted", "withdrawn", "unknown")
PROPERTY_OPERATORS = (*_EQUALITY, *_CHOICE, *_ORDER, *_MATCHING, *_WINDOWS, *_PRESENCE)

# Each negative operator is the exact complement of a positive one.
NEGATIVES: Mapping[str, str] = {
    "!=": "=",
    "notIn": "in",
    "notBetween": "between",
    "doesNotContain": "contains",
    "doesNotBeginWith": "beginsWith",
    "doesNotEndWith": "endsWith",
    "notInLast": "inLast",
    "notInNext": "inNext",
    "notAnniversaryInNext": "anniversaryInNext",
    "null": "notNull",
}

# How the mask of a segment begins that a reader may not know of; no key does.
MASK = "hidden:"

_facts: dict[str, Fact] = {}
_keyed_facts: dict[str, KeyedFact] = {}


def register_fact(fact: Fact) -> None:
    """Let criteria ask for `fact`. For an upper floor to call when it is ready; once a name."""
    if _facts.setdefault(fact.name, fact) != fact:
        raise ValueError(f"Two facts are named {fact.name}.")


def register_keyed_fact(fact: KeyedFact) -> None:
    """The same for a fact about things that have keys."""
    if _keyed_facts.setdefault(fact.name, fact) != fact:
        raise ValueError(f"Two facts are named {fact.name}.")


def registered_keyed_facts() -> dict[str, KeyedFact]:
    """The facts about things with keys that upper floors registered, by field name."""
    return dict(_keyed_facts)


def registered_facts() -> dict[str, Fact]:
    """The facts that upper floors registered, by field name."""
    return dict(_facts)


@dataclass(frozen=True, slots=True)
class Catalog:
    """What the author of criteria may ask about, each kind by its key.

    `cyclic_segments` are those that depend on the segment whose criteria these are, itself
    included. `things` are those of keyed facts, by the word for them and their key. A field left
    empty has nothing to ask about; event names need no entry.
    """

    attributes: Mapping[str, AttributeField] = field(default_factory=dict)
    tags: Mapping[str, Item] = field(default_factory=dict)
    categories: Mapping[str, Item] = field(default_factory=dict)
    consents: Mapping[str, Item] = field(default_factory=dict)
    segments: Mapping[str, SegmentItem] = field(default_factory=dict)
    metrics: Mapping[str, MetricField] = field(default_factory=dict)
    events: Mapping[str, Event] = field(default_factory=dict)
    facts: Mapping[str, Fact] = field(default_factory=registered_facts)
    keyed_facts: Mapping[str, KeyedFact] = field(default_factory=registered_keyed_facts)
    things: Mapping[str, Mapping[str, Item]] = field(default_factory=dict)
    cyclic_segments: frozenset[str] = frozenset()

    def event(self, name: str) -> Event:
        """The kind of event named so; any name is valid, also one never seen."""
        return self.events.get(name) or Event(name, None, name)


def cyclic_segments(key: str, references: Mapping[str, Iterable[str]]) -> frozenset[str]:
    """The segments that depend on segment `key`, itself included.

    `references` says for each segment which others its criteria name. Criteria of `key` that
    name one of the result would turn in a circle.
    """
    named_by: dict[str, list[str]] = {}
    for naming, named in references.items():
        for other in named:
            named_by.setdefault(other, []).append(naming)
    found, to_see = {key}, [key]
    while to_see:
        for naming in named_by.get(to_see.pop(), ()):
            if naming not in found:
                found.add(naming)
                to_see.append(naming)
    return frozenset(found)
