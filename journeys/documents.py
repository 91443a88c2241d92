"""Drawings and settings as JSON: where they name something, and whether they can be kept.

A draft may be unfinished or wrong anywhere, so nothing here relies on its shape.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from django.utils.translation import gettext as _

from journeys.drawing.catalog import KINDS_BY_NAME
from journeys.drawing.fields import FieldType
from segments.documents import named_definitions, named_events, named_segments, named_things
from segments.things import kinds_of_fields
from workspace.errors import Problem
from workspace.exactjson import exact_dumps

SIZE_LIMIT = 4_000_000
DEPTH_LIMIT = 50
_DIGITS = 300
_CRITERIA = (FieldType.CRITERIA_PATHS, FieldType.CRITERIA)


@dataclass(frozen=True, slots=True)
class Slot:
    """A place in a document where something is named: by its key, or in criteria.

    `holder[name]` is the value; `place` is known by the activity and the path in it.
    """

    node: str
    path: str
    type: FieldType
    holder: dict[str, Any]
    name: str

    @property
    def place(self) -> tuple[str, str]:
        """Where it stands."""
        return (self.node, self.path)

    @property
    def value(self) -> Any:
        """What stands there."""
        return self.holder[self.name]

    @property
    def has_criteria(self) -> bool:
        """Whether criteria stand there."""
        return self.type == FieldType.CRITERIA


def copied(document: Any) -> Any:
    """A copy of a drawing or of settings in which the values of slots can be changed."""
    if isinstance(document, Mapping):
        return {name: copied(value) for name, value in document.items()}
    if isinstance(document, list):
        return [copied(value) for value in document]
    return document


def slots_of(drawing: Any) -> Iterator[Slot]:
    """The places of a drawing where something is named, in its order; empty ones are left out."""
    nodes = drawing.get("nodes") if isinstance(drawing, Mapping) else None
    for node in nodes if isinstance(nodes, list) else ():
        if isinstance(node, dict):
            yield from _slots_of_node(node)


def _slots_of_node(node: dict[str, Any]) -> Iterator[Slot]:
    kind, config = node.get("kind"), node.get("config")
    node_id = node.get("id")
    if not isinstance(kind, str) or kind not in KINDS_BY_NAME or not isinstance(config, dict):
        return
    id_ = node_id if isinstance(node_id, str) else ""
    for one in KINDS_BY_NAME[kind].fields:
        value, path = config.get(one.name), f"config.{one.name}"
        if one.type == FieldType.CRITERIA_PATHS:
            for index, way in enumerate(value if isinstance(value, list) else ()):
                if isinstance(way, dict) and way.get("criteria"):
                    at = f"{path}[{index}].criteria"
                    yield Slot(id_, at, FieldType.CRITERIA, way, "criteria")
        elif value:
            yield Slot(id_, path, one.type, config, one.name)


def slots_of_settings(settings: Any) -> Iterator[Slot]:
    """The places of settings where something is named."""
    for name in ("exit", "goal"):
        happening = settings.get(name) if isinstance(settings, Mapping) else None
        if not isinstance(happening, dict):
            continue
        for part, type_ in (("criteria", FieldType.CRITERIA), ("event", FieldType.EVENT)):
            if happening.get(part):
                yield Slot("", f"{name}.{part}", type_, happening, part)


@dataclass(frozen=True, slots=True)
class Named:
    """What a drawing and its settings name, by key; events by name, definitions with their kind.

    `journeys` are those that it jumps to, `asked_journeys` those that its criteria ask about.
    """

    segments: frozenset[str] = frozenset()
    entry_segments: frozenset[str] = frozenset()
    templates: frozenset[str] = frozenset()
    campaigns: frozenset[str] = frozenset()
    journeys: frozenset[str] = frozenset()
    asked_journeys: frozenset[str] = frozenset()
    events: frozenset[str] = frozenset()
    connections: frozenset[int] = frozenset()
    definitions: frozenset[tuple[str, str]] = frozenset()


@dataclass(slots=True)
class _Naming:
    found: dict[str, set[Any]] = field(default_factory=dict)

    def add(self, part: str, *values: Any) -> None:
        self.found.setdefault(part, set()).update(values)


def named(drawing: Any, settings: Any = None) -> Named:
    """What a drawing and the settings beside it name, whether there are such things or not."""
    naming = _Naming()
    for slot in (*slots_of(drawing), *slots_of_settings(settings)):
        _add(slot, naming)
    return Named(**{part: frozenset(values) for part, values in naming.found.items()})


_TEXTS: Mapping[FieldType, tuple[str, ...]] = {
    FieldType.SEGMENT: ("segments", "entry_segments"),
    FieldType.EMAIL_TEMPLATE: ("templates",),
    FieldType.PUSH_TEMPLATE: ("templates",),
    FieldType.CAMPAIGN: ("campaigns",),
    FieldType.JOURNEY: ("journeys",),
    FieldType.EVENT: ("events",),
}
_KEYS: Mapping[FieldType, str] = {
    FieldType.TAG: "tag",
    FieldType.CATEGORY: "category",
    FieldType.CONSENT: "consent",
}
_CHANGES: Mapping[FieldType, str] = {
    FieldType.CONSENT_CHANGE: "consent",
    FieldType.ATTRIBUTE_CHANGE: "attribute",
}


def _add(slot: Slot, naming: _Naming) -> None:
    value = slot.value
    if slot.has_criteria:
        naming.add("segments", *named_segments(value))
        naming.add("events", *named_events(value))
        naming.add("definitions", *named_definitions(value))
        things = named_things(value, kinds_of_fields())
        naming.add("asked_journeys", *(key for kind, key in things if kind == "journey"))
    elif slot.type in _TEXTS and isinstance(value, str):
        for part in _TEXTS[slot.type]:
            naming.add(part, value)
    elif slot.type in _KEYS and isinstance(value, str):
        naming.add("definitions", (_KEYS[slot.type], value))
    elif slot.type in _CHANGES and isinstance(value, Mapping):
        if isinstance(key := value.get("key"), str):
            naming.add("definitions", (_CHANGES[slot.type], key))
    elif slot.type in (FieldType.CONNECTION, FieldType.VENDOR) and isinstance(value, int):
        naming.add("connections", value)
    elif slot.type == FieldType.UNTIL and isinstance(value, Mapping):
        name = value.get("attribute")
        if isinstance(name, str) and name.startswith("attribute."):
            naming.add("definitions", ("attribute", name.removeprefix("attribute.")))


def unkeepable(document: Any, path: str) -> list[Problem]:
    """Why a document cannot be kept as it is: too large, too deep, what PostgreSQL cannot hold.

    It nests as deep as its writer likes, so this walks without recursion.
    """
    to_see: list[tuple[Any, int]] = [(document, 0)]
    while to_see:
        found, depth = to_see.pop()
        if depth > DEPTH_LIMIT:
            return [Problem(path, "malformed", _("It is nested too deeply."))]
        if isinstance(found, Mapping):
            to_see += [(inner, depth + 1) for inner in found.values()]
            texts: Iterable[Any] = found
        else:
            texts = (found,)
        if isinstance(found, list):
            to_see += [(inner, depth + 1) for inner in found]
        elif not all(_is_storable(text) for text in texts):
            message = _("A text or number in it cannot be stored.")
            return [Problem(path, "malformed", message)]
    if len(exact_dumps(document)) > SIZE_LIMIT:
        message = _("It is too large: at most %(limit)d MB.") % {"limit": SIZE_LIMIT // 1_000_000}
        return [Problem(path, "too_long", message)]
    return []


def _is_storable(value: Any) -> bool:
    if isinstance(value, str):
        return "\0" not in value and not any("\ud800" <= mark <= "\udfff" for mark in value)
    if isinstance(value, Decimal | float):
        exact = Decimal(value)
        return exact.is_finite() and abs(exact.adjusted()) < _DIGITS
    return not isinstance(value, int) or isinstance(value, bool) or abs(value) < 10**_DIGITS
