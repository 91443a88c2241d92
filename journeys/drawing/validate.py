"""Every fault of a drawing and of the settings beside it, at once: the one validator.

The canvas, the API, tests and publishing ask here. It takes any JSON, and never raises.
"""

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, TypeGuard

from journeys.drawing.catalog import KINDS_BY_NAME, Kind
from journeys.drawing.checks import is_missing, is_text
from journeys.drawing.durations import read_duration
from journeys.drawing.faults import Fault, Faults, Place, Translate, gettext_noop
from journeys.drawing.fields import Field
from journeys.drawing.kinds import NEXT, NODE_LIMIT
from journeys.drawing.known import Known
from journeys.drawing.settings import check_settings
from journeys.drawing.values import Asked, check
from journeys.drawing.ways import Ways, check_ways, outcomes_of

LABEL_LIMIT = 200
DEFAULT_TIMEOUT = timedelta(days=91)
_ID = re.compile(r"[A-Za-z0-9_-]{1,63}")
_HUGE = 100_000
# So far a document is looked at that has far too much in it.
_LOOK_AT = {"nodes": 200, "edges": 5000}


def validate(
    document: Any,
    known: Known,
    settings: Any = None,
    *,
    key: str = "",
    journey_timeout: timedelta = DEFAULT_TIMEOUT,
    node_limit: int = NODE_LIMIT,
    translate: Translate = str,
) -> list[Fault]:
    """What is wrong with a drawing and the settings beside it, in the order of the drawing.

    `key` is that of the journey itself, `journey_timeout` how long it lasts where the settings
    say nothing; `translate` puts the messages in words. Errors stand against a test and
    publishing, warnings do not.
    """
    faults = Faults(translate)
    check_settings(settings, known, faults)
    if isinstance(settings, Mapping):
        journey_timeout = read_duration(settings.get("timeout")) or journey_timeout
    nodes = _list(document, "nodes", faults)
    if len(nodes) > node_limit:
        message = gettext_noop("A journey has at most {limit} activities; these are {count}.")
        faults.add("", "nodes", "too_many_nodes", message, limit=node_limit, count=len(nodes))
    sound = _check_nodes(nodes[: _LOOK_AT["nodes"]], faults)
    for node_id, node in sound.items():
        _check_config(KINDS_BY_NAME[node["kind"]], node, known, faults.at(node_id))
    kinds = {node_id: node["kind"] for node_id, node in sound.items()}
    configs = {node_id: _config(node) for node_id, node in sound.items()}
    ids = {node["id"] for node in nodes if isinstance(node, Mapping) and _is_id(node.get("id"))}
    drawn = _list(document, "edges", faults)
    if len(drawn) > _LOOK_AT["edges"]:
        faults.add("", "edges", "too_many_nodes", gettext_noop("There are far too many ways."))
    edges = _check_edges(drawn[: _LOOK_AT["edges"]], kinds, configs, ids, faults)
    ways = Ways(kinds, configs, edges)
    check_ways(ways, faults)
    _check_sense(ways, known, key, journey_timeout, faults)
    return faults.in_order_of(kinds)


def _list(document: Any, name: str, faults: Faults) -> list[Any]:
    found = document.get(name) if isinstance(document, Mapping) else None
    if found is not None and not isinstance(found, list):
        faults.add("", name, "wrong_type", gettext_noop("A list is wanted here."))
    elif document is not None and not isinstance(document, Mapping) and name == "nodes":
        message = gettext_noop("A drawing is an object with nodes and edges.")
        faults.add("", "", "wrong_type", message)
    return found if isinstance(found, list) else []


def _check_nodes(nodes: list[Any], faults: Faults) -> dict[str, Mapping[str, Any]]:
    """The activities of known kinds by their ids; what is wrong with the others is noted."""
    found: dict[str, Mapping[str, Any]] = {}
    seen = set[str]()
    for index, node in enumerate(nodes):
        path = f"nodes[{index}]"
        if not isinstance(node, Mapping):
            faults.add("", path, "wrong_type", gettext_noop("An activity is an object."))
            continue
        node_id, kind, label = node.get("id"), node.get("kind"), node.get("label")
        if not _is_id(node_id):
            message = gettext_noop(
                "An activity has an id of letters, digits, “_” and “-”, at most 63."
            )
            faults.add("", f"{path}.id", "wrong_type", message)
            continue
        if node_id in seen:
            message = gettext_noop("Another activity has the id “{id}”.")
            faults.add(node_id, f"{path}.id", "wrong_type", message, id=node_id)
            continue
        seen.add(node_id)
        if label is not None and (not isinstance(label, str) or len(label) > LABEL_LIMIT):
            message = gettext_noop("A label is a text of at most {limit} characters.")
            faults.add(node_id, "label", "wrong_type", message, limit=LABEL_LIMIT)
        if not isinstance(kind, str) or kind not in KINDS_BY_NAME:
            message = gettext_noop("There is no such kind of activity.")
            faults.add(node_id, "kind", "unknown_kind", message)
            continue
        found[node_id] = node
    return found


def _is_id(value: Any) -> TypeGuard[str]:
    return isinstance(value, str) and _ID.fullmatch(value) is not None


def _config(node: Mapping[str, Any]) -> Mapping[str, Any]:
    config = node.get("config")
    return config if isinstance(config, Mapping) else {}


def _check_config(kind: Kind, node: Mapping[str, Any], known: Known, place: Place) -> None:
    if node.get("config") is not None and not isinstance(node["config"], Mapping):
        place.add("config", "wrong_type", gettext_noop("An object is wanted here."))
    config = _config(node)
    for field in kind.fields:
        path, value = f"config.{field.name}", config.get(field.name)
        if not is_missing(value):
            check(Asked(value, path, field, known, place))
        elif field.required:
            message = gettext_noop("“{label}” is missing.")
            place.add(path, "missing_value", message, label=place.faults.translate(field.label))
    _check_choices(kind, config, place)


def _check_choices(kind: Kind, config: Mapping[str, Any], place: Place) -> None:
    labels = {field.name: place.faults.translate(field.label) for field in kind.fields}

    def told(names: tuple[str, ...]) -> str:
        return ", ".join(f"“{labels[name]}”" for name in names)

    def filled(names: tuple[str, ...]) -> list[str]:
        return [name for name in names if not is_missing(config.get(name))]

    if kind.some_of and not filled(kind.some_of):
        message = gettext_noop("Fill in at least one of these: {names}.")
        place.add(f"config.{kind.some_of[0]}", "missing_value", message, names=told(kind.some_of))
    if kind.one_of:
        given = filled(kind.one_of)
        if not given:
            message = gettext_noop("Fill in one of these: {names}.")
            place.add(f"config.{kind.one_of[0]}", "missing_value", message, names=told(kind.one_of))
        for name in given[1:]:
            message = gettext_noop("Only one of these can be filled in: {names}.")
            place.add(f"config.{name}", "wrong_type", message, names=told(kind.one_of))
    for field in kind.fields:
        _check_company(field, config, place, labels)


def _check_company(
    field: Field, config: Mapping[str, Any], place: Place, labels: Mapping[str, str]
) -> None:
    """A field that means nothing without another one which is empty."""
    if (
        field.only_with
        and config.get(field.name) is True
        and is_missing(config.get(field.only_with))
    ):
        message = gettext_noop("“{label}” is missing.")
        path = f"config.{field.only_with}"
        place.add(path, "missing_value", message, label=labels[field.only_with])


def _check_edges(
    edges: list[Any],
    kinds: Mapping[str, str],
    configs: Mapping[str, Mapping[str, Any]],
    ids: set[str],
    faults: Faults,
) -> list[tuple[str, str, str]]:
    """The edges that can be followed; what is wrong with the others is noted."""
    found = []
    for index, edge in enumerate(edges):
        path = f"edges[{index}]"
        if not isinstance(edge, Mapping):
            faults.add("", path, "wrong_type", gettext_noop("An edge is an object."))
            continue
        source: Any = edge.get("from")
        target: Any = edge.get("to")
        outcome = NEXT if is_missing(edge.get("outcome")) else edge.get("outcome")
        is_there = True
        for name, end in (("from", source), ("to", target)):
            if not isinstance(end, str) or end not in ids:
                is_there = False
                node = source if name == "to" and isinstance(source, str) and source in ids else ""
                message = gettext_noop("There is no activity at this end of the way.")
                faults.add(node, f"{path}.{name}", "unknown_key", message)
        if not is_there or source not in kinds or target not in kinds:
            continue
        if not isinstance(outcome, str) or outcome not in outcomes_of(
            kinds[source], configs[source]
        ):
            told = outcome[:63] if isinstance(outcome, str) else "?"
            message = gettext_noop("The activity has no way out named “{outcome}”.")
            faults.add(source, f"{path}.outcome", "unknown_key", message, outcome=told)
            outcome = told
        found.append((source, outcome, target))
    return found


def _check_sense(
    ways: Ways, known: Known, key: str, journey_timeout: timedelta, faults: Faults
) -> None:
    """Warnings about what may be so and is hardly meant."""
    for node, kind in ways.kinds.items():
        config, place = ways.configs[node], faults.at(node)
        if kind == "jump":
            _check_jump(config.get("journey"), known, key, place)
        if kind == "event" and not is_missing(config.get("same")):
            _check_same(ways, place)
        if kind == "message" and is_missing(config.get("purpose")):
            message = gettext_noop(
                "Without a purpose it goes to everybody, whatever they consented to."
            )
            place.add("config.purpose", "no_purpose", message, severity="warning")
        if kind == "read_segment":
            _check_rate(config, known, place)
        for name in ("duration", "timeout"):
            length = read_duration(config.get(name))
            if length is not None and length > journey_timeout:
                message = gettext_noop("The journey's own timeout is over before.")
                place.add(f"config.{name}", "longer_than_journey", message, severity="warning")


def _check_jump(target: Any, known: Known, key: str, place: Place) -> None:
    if not is_text(target) or target not in known.journeys:
        return
    if target == key:
        message = gettext_noop("A journey cannot jump into itself.")
        place.add("config.journey", "cycle", message)
        return
    if known.journeys[target] != "live":
        message = gettext_noop("Nobody enters that journey now: it is not live.")
        place.add("config.journey", "journey_not_live", message, severity="warning")
    seen, to_see = {target}, [target]
    while to_see:
        for further in known.jumps.get(to_see.pop(), ()):
            if further == key and key:
                message = gettext_noop("That journey jumps back into this one.")
                place.add("config.journey", "jumps_back", message, severity="warning")
                return
            if further not in seen:
                seen.add(further)
                to_see.append(further)


def _check_same(ways: Ways, place: Place) -> None:
    if ways.entries and all(ways.kinds[entry] != "event_entry" for entry in ways.entries):
        message = gettext_noop("There is no event of the entry: this journey begins otherwise.")
        place.add("config.same", "missing_value", message)


def _check_rate(config: Mapping[str, Any], known: Known, place: Place) -> None:
    segment = config.get("segment")
    size = known.sizes.get(segment, 0) if isinstance(segment, str) else 0
    if size > _HUGE and is_missing(config.get("rate")):
        message = gettext_noop(
            "{count} contacts would enter as fast as it goes: a rate lets them in step by step."
        )
        place.add("config.rate", "no_rate", message, count=size, severity="warning")
