"""The catalog as JSON, for whoever builds criteria on a screen or by program."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from . import catalog as words
from .catalog import Catalog
from .errors import Translate, gettext_noop
from .parse import LEVEL_LIMIT, RULE_LIMIT, STEP_LIMITS
from .syntax import Function, Item, SegmentItem, Type
from .values import AMOUNT_LIMIT

_OPERATORS = {
    "=": (gettext_noop("is"), "one"),
    "!=": (gettext_noop("is not"), "one"),
    "<": (gettext_noop("is less than"), "one"),
    "<=": (gettext_noop("is at most"), "one"),
    ">": (gettext_noop("is greater than"), "one"),
    ">=": (gettext_noop("is at least"), "one"),
    "in": (gettext_noop("is one of"), "list"),
    "notIn": (gettext_noop("is none of"), "list"),
    "all": (gettext_noop("has all of"), "list"),
    "between": (gettext_noop("is between"), "pair"),
    "notBetween": (gettext_noop("is not between"), "pair"),
    "contains": (gettext_noop("contains"), "one"),
    "doesNotContain": (gettext_noop("does not contain"), "one"),
    "beginsWith": (gettext_noop("begins with"), "one"),
    "doesNotBeginWith": (gettext_noop("does not begin with"), "one"),
    "endsWith": (gettext_noop("ends with"), "one"),
    "doesNotEndWith": (gettext_noop("does not end with"), "one"),
    "inLast": (gettext_noop("is in the last"), "duration"),
    "notInLast": (gettext_noop("is not in the last"), "duration"),
    "inNext": (gettext_noop("is in the next"), "duration"),
    "notInNext": (gettext_noop("is not in the next"), "duration"),
    "anniversaryInNext": (gettext_noop("has its anniversary in the next"), "duration"),
    "notAnniversaryInNext": (gettext_noop("has no anniversary in the next"), "duration"),
    "null": (gettext_noop("is missing"), "none"),
    "notNull": (gettext_noop("is known"), "none"),
}
_FUNCTIONS = {
    Function.COUNT: (gettext_noop("number"), False, Type.NUMBER),
    Function.SUM: (gettext_noop("sum"), True, Type.NUMBER),
    Function.AVERAGE: (gettext_noop("average"), True, Type.NUMBER),
    Function.MINIMUM: (gettext_noop("smallest"), True, Type.NUMBER),
    Function.MAXIMUM: (gettext_noop("largest"), True, Type.NUMBER),
    Function.DISTINCT: (gettext_noop("number of different"), True, Type.NUMBER),
    Function.FIRST: (gettext_noop("first time"), False, Type.DATETIME),
    Function.LAST: (gettext_noop("last time"), False, Type.DATETIME),
}


def describe(catalog: Catalog, *, translate: Translate = str) -> dict[str, Any]:
    """All fields of `catalog` with their operators, and what else a builder has to know.

    An operator's `takes` says the shape of its value: one, list, pair, duration or none. Names of
    events are those seen so far; any other is valid too.
    """
    return {
        "fields": [
            {"field": field, "label": translate(label), "group": group, **more}
            for field, label, group, more in _fields(catalog)
        ],
        "operators": [
            {"operator": operator, "label": translate(label), "takes": takes}
            for operator, (label, takes) in _OPERATORS.items()
        ],
        "event": {
            "functions": [
                {
                    "function": str(function),
                    "label": translate(label),
                    "needs_property": needs_property,
                    "type": str(type_),
                    "operators": list(words.OPERATORS[type_]),
                }
                for function, (label, needs_property, type_) in _FUNCTIONS.items()
            ],
            "occurred_at": {
                "type": str(Type.DATETIME),
                "operators": list(words.OPERATORS[Type.DATETIME]),
            },
            "properties": {"operators": list(words.PROPERTY_OPERATORS)},
        },
        "units": {
            str(Type.DATETIME): [str(unit) for unit in words.INSTANT_UNITS],
            str(Type.DATE): [str(unit) for unit in words.DATE_UNITS],
            "anniversary": ["day"],
        },
        "limits": {
            "levels": LEVEL_LIMIT,
            "rules": RULE_LIMIT,
            "steps": list(STEP_LIMITS),
            "amount": AMOUNT_LIMIT,
        },
    }


def _fields(catalog: Catalog) -> Iterator[tuple[str, str, str, dict[str, Any]]]:
    for name, field in words.CONTACT_FIELDS.items():
        yield f"contact.{name}", field.label, "contact", _typed(field.type)
    for key, attribute in catalog.attributes.items():
        choices = {"choices": _choices((text, text) for text in attribute.choices)}
        more = choices if attribute.choices else {}
        yield f"attribute.{key}", attribute.label, "attribute", _typed(attribute.type) | more
    yield "tag", gettext_noop("Tag"), "label", _keyed(words.LABEL_OPERATORS, catalog.tags)
    found = _keyed(words.LABEL_OPERATORS, catalog.categories)
    yield "category", gettext_noop("Category"), "label", found
    for key, consent in catalog.consents.items():
        states = {"choices": _choices((state, state) for state in words.CONSENT_STATES)}
        operators = {"type": "consent", "operators": list(words.CONSENT_OPERATORS)}
        yield f"consent.{key}", consent.label, "consent", operators | states
    usable = {
        key: item
        for key, item in catalog.segments.items()
        if item.is_offered and key not in catalog.cyclic_segments
    }
    yield "segment", gettext_noop("Segment"), "segment", _keyed(words.SEGMENT_OPERATORS, usable)
    for key, metric in catalog.metrics.items():
        yield f"metric.{key}", metric.label, "metric", _typed(metric.type)
    for name, fact in catalog.facts.items():
        yield name, fact.label, name.partition(".")[0], _typed(fact.type)
    for name, keyed in catalog.keyed_facts.items():
        things = _keyed(words.KEYED_OPERATORS, catalog.things.get(keyed.kind, {}))
        yield name, keyed.label, name.partition(".")[0], things
    for name, event in catalog.events.items():
        yield f"event.{name}", event.label, "event", {"type": "event"}
    yield "sequence", gettext_noop("Sequence of events"), "event", {"type": "sequence"}


def _typed(type_: Type) -> dict[str, Any]:
    return {"type": str(type_), "operators": list(words.OPERATORS[type_])}


def _keyed(
    operators: Iterable[str], items: Mapping[str, Item] | Mapping[str, SegmentItem]
) -> dict[str, Any]:
    choices = _choices((key, item.label) for key, item in items.items())
    return {"type": "keys", "operators": list(operators), "choices": choices}


def _choices(pairs: Iterable[tuple[str, str]]) -> list[dict[str, str]]:
    return [{"key": key, "label": label} for key, label in pairs]
