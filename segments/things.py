"""The things of upper floors that criteria name by their keys, as one actor may see them.

An upper floor registers facts about its things ("journey.inside", see `KeyedFact`) and here, once
for each kind, which things there are. What the actor may not know of is not there for him, as with
segments: neither in the catalog, nor in documents, explanations and causes.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

from django.db.models import QuerySet

from segments.criteria import Item, registered_keyed_facts
from workspace.access import Actor


@dataclass(frozen=True, slots=True)
class ThingKind:
    """A kind of things: the word for it, its table with `id` and `key`, and how it is told of.

    `known` gives those that an actor may know of, with `key` and `name`. `nameless` stands instead
    of the name of another, `because` says that somebody entered a segment because of “%(name)s”,
    and `because_nameless` the same of one without a name.
    """

    kind: str
    table: str
    known: Callable[[Actor], "QuerySet[Any]"]
    every: Callable[[], "QuerySet[Any]"]
    nameless: Callable[[], str]
    because: Any
    because_nameless: Any


_kinds: dict[str, ThingKind] = {}


def register_things(kind: ThingKind) -> None:
    """Let criteria name things of this kind, once. For an upper floor when it is ready."""
    if _kinds.setdefault(kind.kind, kind).table != kind.table:
        raise ValueError(f"Two kinds of things are named {kind.kind}.")


def kinds() -> Mapping[str, ThingKind]:
    """The kinds of things that upper floors registered, by the word for them."""
    return dict(_kinds)


def kinds_of_fields() -> dict[str, str]:
    """The kind of things that each field of a keyed fact is about."""
    return {name: fact.kind for name, fact in registered_keyed_facts().items()}


def known_keys(kind: str, actor: Actor) -> frozenset[str]:
    """The keys of those that the actor may know of."""
    return frozenset(_kinds[kind].known(actor).order_by().values_list("key", flat=True))


def known_things(actor: Actor, *, is_reading: bool = False) -> dict[str, dict[str, Item]]:
    """The things of each kind by key, for a catalog: those that the actor may know of.

    Where it is for reading what is saved, all of them, the others without their names. Two queries
    for each kind at most.
    """
    return {kind.kind: _things(kind, actor, is_reading=is_reading) for kind in _kinds.values()}


def _things(kind: ThingKind, actor: Actor, *, is_reading: bool) -> dict[str, Item]:
    wanted = kind.every() if is_reading or actor.is_admin else kind.known(actor)
    rows = wanted.order_by("name", "pk").values_list("pk", "key", "name")
    found = {key: Item(key, id_, name) for id_, key, name in rows}
    if actor.is_admin or not is_reading:
        return found
    seen, hidden = known_keys(kind.kind, actor), kind.nameless()
    return {
        key: item if key in seen else replace(item, label=hidden) for key, item in found.items()
    }


def names_of(kind: str, keys: Collection[str], actor: Actor) -> dict[str, str]:
    """The names of those of these things that the actor may know of, by key."""
    known = _kinds[kind].known(actor).filter(key__in=keys)
    return dict(known.order_by().values_list("key", "name"))
