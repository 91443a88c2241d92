"""A rule × the catalog: the field must exist, have the operator, and its value be of its type."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal
from zoneinfo import ZoneInfo

from . import catalog as words
from .catalog import MASK, Catalog
from .errors import Faults, gettext_noop, key_path
from .syntax import (
    ConsentRule,
    Duration,
    EventRule,
    Field,
    FieldRule,
    Function,
    Group,
    Item,
    KeyedFact,
    KeyedRule,
    KnownField,
    LabelRule,
    Measure,
    OccurredAt,
    Property,
    Rule,
    SegmentItem,
    SegmentRule,
    Type,
)
from .values import Kind, ValueReader, is_empty

_NEEDS_PROPERTY = {
    Function.SUM,
    Function.AVERAGE,
    Function.MINIMUM,
    Function.MAXIMUM,
    Function.DISTINCT,
}


@dataclass(frozen=True, slots=True)
class Asker:
    """Reads rules against one catalog. A method returns None where it noted a fault."""

    catalog: Catalog
    zone: ZoneInfo
    faults: Faults

    def field_name(self, document: dict[str, Any], path: str) -> str | None:
        """The content of `field`."""
        name, path = document.get("field"), key_path(path, "field")
        if path in self.faults.paths:
            return None
        if "field" not in document or is_empty(name):
            self.faults.add(path, "missing_value", gettext_noop("Choose a field."))
        elif not isinstance(name, str):
            self.faults.add(path, "malformed", gettext_noop("The name of a field is a text."))
        else:
            return name
        return None

    def duration(self, duration: Any, path: str) -> Duration | None:
        """The content of a sequence's `within`."""
        return self._values.duration(duration, path, words.INSTANT_UNITS)

    def rule(self, document: dict[str, Any], path: str, name: str | None) -> Rule | None:
        """A rule about a contact, other than those about behaviour."""
        kind, _, key = (name or "").partition(".")
        if name in ("tag", "category"):
            return self._label_rule(document, path, "tag" if name == "tag" else "category")
        if name == "segment":
            return self._segment_rule(document, path)
        if name is not None and name in self.catalog.keyed_facts:
            return self._keyed_rule(document, path, self.catalog.keyed_facts[name])
        if kind == "consent" and key:
            return self._consent_rule(document, path, key)
        field = None if name is None else self._field(name, kind, key, path)
        if field is None:
            self._operator(document, path, None)
            return None
        return self._field_rule(document, path, field, field.type, words.OPERATORS[field.type])

    def condition(self, document: dict[str, Any], path: str, name: str | None) -> Rule | None:
        """A rule about one event."""
        if name == "occurred_at":
            operators = words.OPERATORS[Type.DATETIME]
            return self._field_rule(document, path, OccurredAt(), Type.DATETIME, operators)
        way = name.removeprefix("properties.").split(".") if name else []
        if name is not None and (not name.startswith("properties.") or not all(way)):
            message = gettext_noop("There is no field {name} of an event.")
            self.faults.add(key_path(path, "field"), "unknown_field", message, name=name)
        if name is None or key_path(path, "field") in self.faults.paths:
            self._operator(document, path, None)
            return None
        field = Property(tuple(way))
        return self._field_rule(document, path, field, "property", words.PROPERTY_OPERATORS)

    def event_rule(
        self, document: dict[str, Any], path: str, name: str, where: Group | None
    ) -> Rule | None:
        """A rule about a measure over events."""
        measure = self._measure(document, path)
        if measure is None:
            self._operator(document, path, None)
            return None
        is_time = measure.function in (Function.FIRST, Function.LAST)
        type_ = Type.DATETIME if is_time else Type.NUMBER
        operator = self._operator(document, path, words.OPERATORS[type_])
        test = operator and self._values.test(document, path, operator, type_)
        if not operator or not test or where is None:
            return None
        event = self.catalog.event(name)
        return EventRule(path, event, measure, where, test, operator in words.NEGATIVES)

    @property
    def _values(self) -> ValueReader:
        return ValueReader(self.zone, self.faults)

    def _field(self, name: str, kind: str, key: str, path: str) -> KnownField | None:
        path = key_path(path, "field")
        if kind == "contact" and key in words.CONTACT_FIELDS:
            return words.CONTACT_FIELDS[key]
        if name in self.catalog.facts:
            return self.catalog.facts[name]
        keyed: Mapping[str, Mapping[str, KnownField]] = {
            "attribute": self.catalog.attributes,
            "metric": self.catalog.metrics,
        }
        if kind not in keyed or not key:
            self.faults.add(
                path, "unknown_field", gettext_noop("There is no field {name}."), name=name
            )
            return None
        if key not in keyed[kind]:
            self.faults.add(path, "unknown_key", gettext_noop("There is no {name}."), name=name)
        return keyed[kind].get(key)

    def _field_rule(
        self,
        document: dict[str, Any],
        path: str,
        field: Field,
        kind: Kind,
        operators: Sequence[str],
    ) -> FieldRule | None:
        operator = self._operator(document, path, operators)
        test = operator and self._values.test(document, path, operator, kind)
        if not operator or not test:
            return None
        return FieldRule(path, field, test, operator in words.NEGATIVES)

    def _operator(
        self, document: dict[str, Any], path: str, operators: Sequence[str] | None
    ) -> str | None:
        """The content of `operator`; None for `operators` where the field is not known."""
        operator, path = document.get("operator"), key_path(path, "operator")
        if path in self.faults.paths:
            return None
        if "operator" not in document or is_empty(operator):
            self.faults.add(path, "missing_value", gettext_noop("Choose an operator."))
        elif not isinstance(operator, str):
            self.faults.add(path, "malformed", gettext_noop("The name of an operator is a text."))
        elif operators is not None and operator not in operators:
            message = gettext_noop("This field has no operator {operator}.")
            self.faults.add(path, "unknown_operator", message, operator=operator)
        else:
            return operator
        return None

    def _label_rule(
        self, document: dict[str, Any], path: str, name: Literal["tag", "category"]
    ) -> Rule | None:
        operator = self._operator(document, path, words.LABEL_OPERATORS)
        if operator is None:
            return None
        negated = operator in words.NEGATIVES
        if operator in ("null", "notNull"):
            return LabelRule(path, name, (), negated=negated)
        items = self.catalog.tags if name == "tag" else self.catalog.categories
        found = self._keys(document, path, items, name)
        return None if found is None else LabelRule(path, name, found, operator == "all", negated)

    def _keys(
        self, document: dict[str, Any], path: str, items: Mapping[str, Item], kind: str
    ) -> tuple[Item, ...] | None:
        keys = self._values.key_list(document, path)
        if keys is None:
            return None
        for path_of_key, key in keys:
            if key not in items:
                message = gettext_noop("There is no {kind} {key}.")
                self.faults.add(path_of_key, "unknown_key", message, kind=kind, key=key)
        return tuple(items[key] for _, key in keys if key in items)

    def _segment_rule(self, document: dict[str, Any], path: str) -> Rule | None:
        operator = self._operator(document, path, words.SEGMENT_OPERATORS)
        keys = operator and self._values.key_list(document, path)
        if not operator or not keys:
            return None
        found = [self._segment(key, path_of_key) for path_of_key, key in keys]
        items = tuple(item for item in found if item is not None)
        negated = operator in words.NEGATIVES
        return SegmentRule(path, items, operator == "all", negated)

    def _segment(self, key: str, path: str) -> SegmentItem | None:
        if key in self.catalog.cyclic_segments:
            message = gettext_noop(
                "Segment {key} depends on this one: its criteria would turn in a circle."
            )
            self.faults.add(path, "cycle", message, key=key)
        elif key.startswith(MASK):
            message = gettext_noop(
                "This segment belongs to a user group that is not yours. Leave the criteria as"
                " they are, or take it out."
            )
            self.faults.add(path, "not_allowed", message)
        elif key not in self.catalog.segments:
            message = gettext_noop("There is no {kind} {key}.")
            self.faults.add(path, "unknown_key", message, kind="segment", key=key)
        else:
            return self.catalog.segments[key]
        return None

    def _keyed_rule(self, document: dict[str, Any], path: str, fact: KeyedFact) -> Rule | None:
        operator = self._operator(document, path, words.KEYED_OPERATORS)
        keys = operator and self._values.key_list(document, path)
        if not operator or not keys:
            return None
        known = self.catalog.things.get(fact.kind, {})
        for path_of_key, key in keys:
            if key.startswith(MASK):
                message = gettext_noop(
                    "What is meant here belongs to a user group that is not yours. Leave the"
                    " criteria as they are, or take it out."
                )
                self.faults.add(path_of_key, "not_allowed", message)
            elif key not in known:
                message = gettext_noop("There is no {kind} {key}.")
                self.faults.add(path_of_key, "unknown_key", message, kind=fact.kind, key=key)
        items = tuple(known[key] for _, key in keys if key in known)
        return KeyedRule(path, fact, items, operator == "all", operator in words.NEGATIVES)

    def _consent_rule(self, document: dict[str, Any], path: str, key: str) -> Rule | None:
        consent = self.catalog.consents.get(key)
        if consent is None:
            message = gettext_noop("There is no {name}.")
            self.faults.add(key_path(path, "field"), "unknown_key", message, name=f"consent.{key}")
        operator = self._operator(document, path, words.CONSENT_OPERATORS)
        states = operator and self._values.states(document, path, operator)
        if not operator or not states or consent is None:
            return None
        return ConsentRule(path, consent, frozenset(states), operator in words.NEGATIVES)

    def _measure(self, document: dict[str, Any], path: str) -> Measure | None:
        if "measure" not in document:
            return Measure(Function.COUNT)
        measure, path = document["measure"], key_path(path, "measure")
        if not isinstance(measure, dict):
            self.faults.add(
                path, "malformed", gettext_noop("A measure is an object with a function.")
            )
            return None
        name = measure.get("function", "count")
        if not isinstance(name, str) or name not in set(Function):
            message = gettext_noop("There is no such function.")
            self.faults.add(key_path(path, "function"), "malformed", message)
            return None
        function = Function(name)
        if function not in _NEEDS_PROPERTY:
            return Measure(function)
        way = self._property(measure, key_path(path, "property"))
        return None if way is None else Measure(function, way)

    def _property(self, measure: dict[str, Any], path: str) -> Property | None:
        name = measure.get("property")
        if path in self.faults.paths:
            return None
        if "property" not in measure or is_empty(name):
            self.faults.add(
                path, "missing_value", gettext_noop("Choose the property to be measured.")
            )
        elif not isinstance(name, str) or not all(name.split(".")):
            self.faults.add(path, "malformed", gettext_noop("This is not the name of a property."))
        else:
            return Property(tuple(name.split(".")))
        return None
