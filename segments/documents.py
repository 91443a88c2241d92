"""Criteria as JSON: what a document names, read without a catalog, whether it is valid or not."""

from collections.abc import Iterable, Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from typing import Any

import simplejson


def named_segments(document: Any) -> frozenset[str]:
    """The keys of the segments that a criteria document names; not those in disabled parts."""
    found: set[str] = set()
    for rule in _rules(document):
        if rule.get("field") == "segment":
            value = rule.get("value")
            keys = value if isinstance(value, list) else [value]
            found.update(key for key in keys if isinstance(key, str))
    return frozenset(found)


def named_things(document: Any, kinds: Mapping[str, str]) -> frozenset[tuple[str, str]]:
    """The things of upper floors that a criteria document names, as ("journey", "welcome").

    `kinds` says which fields ask for them, and of which kind these are.
    """
    found: set[tuple[str, str]] = set()
    for rule in _rules(document):
        field, value = rule.get("field"), rule.get("value")
        if isinstance(field, str) and field in kinds:
            keys = value if isinstance(value, list) else [value]
            found.update((kinds[field], key) for key in keys if isinstance(key, str))
    return frozenset(found)


def named_attributes(document: Any) -> frozenset[str]:
    """The keys of the custom attributes that a criteria document asks for."""
    prefix = "attribute."
    fields = (rule.get("field") for rule in _rules(document))
    return frozenset(
        field.removeprefix(prefix)
        for field in fields
        if isinstance(field, str) and field.startswith(prefix)
    )


def named_definitions(document: Any) -> frozenset[tuple[str, str]]:
    """What a criteria document asks for, as ("tag", "vip") or ("consent", "sms")."""
    found: set[tuple[str, str]] = set()
    for rule in _rules(document):
        field, value = rule.get("field"), rule.get("value")
        if not isinstance(field, str):
            continue
        if field in {"tag", "category"}:
            keys = value if isinstance(value, list) else [value]
            found.update((field, key) for key in keys if isinstance(key, str))
        kind, _dot, key = field.partition(".")
        if kind in {"attribute", "consent", "metric"}:
            found.add((kind, key))
    return frozenset(found)


def named_events(document: Any) -> frozenset[str]:
    """The names of the events that a criteria document asks for, in sequences too."""
    found: set[str] = set()
    for rule in _rules(document):
        field, steps = rule.get("field"), rule.get("steps")
        if isinstance(field, str) and field.startswith("event."):
            found.add(field.removeprefix("event."))
        if field == "sequence" and isinstance(steps, list):
            names = (step.get("event") for step in steps if isinstance(step, dict))
            found.update(name for name in names if isinstance(name, str))
    return frozenset(found)


def dependencies_first(keys: Iterable[str], references: Mapping[str, Iterable[str]]) -> list[str]:
    """`keys` in an order in which each comes after those that it names, directly or not.

    `references` says for each key which others it names. In a circle, which cannot be saved, the
    order is any.
    """
    wanted = sorted(set(keys))
    graph: dict[str, list[str]] = {}
    to_see = list(wanted)
    while to_see:
        key = to_see.pop()
        if key not in graph:
            graph[key] = sorted(references.get(key, ()))
            to_see.extend(graph[key])
    sorter = TopologicalSorter(graph)
    try:
        sorter.prepare()
    except CycleError:
        return wanted
    ordered: list[str] = []
    while sorter.is_active():
        ready = sorted(sorter.get_ready())
        ordered += ready
        sorter.done(*ready)
    return [key for key in ordered if key in set(wanted)]


def with_dependencies(keys: Iterable[str], references: Mapping[str, Iterable[str]]) -> set[str]:
    """`keys` and all that they name, directly or not."""
    found: set[str] = set()
    to_see = list(keys)
    while to_see:
        key = to_see.pop()
        if key not in found:
            found.add(key)
            to_see.extend(references.get(key, ()))
    return found


def is_same(one: Any, other: Any) -> bool:
    """Whether two documents say the same, whatever the order of their keys.

    1 and true differ, as they do in JSON; the float 0.1 and the decimal 0.1 do not.
    """
    try:
        return _canonical(one) == _canonical(other)
    except RecursionError:
        # Nested deeper than any that could be saved.
        return False


def _canonical(document: Any) -> str:
    return str(simplejson.dumps(document, use_decimal=True, sort_keys=True))


def _rules(document: Any) -> Iterator[Mapping[str, Any]]:
    # Without recursion: a document that nobody checked nests as deep as its writer likes.
    to_see = [document]
    while to_see:
        node = to_see.pop()
        if not isinstance(node, dict) or node.get("disabled") is True:
            continue
        children = node.get("rules")
        if isinstance(children, list):
            to_see.extend(children)
        elif "field" in node:
            yield node
