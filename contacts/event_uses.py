"""What uses a kind of event, and where it comes from: shown beside it, and asked before a change.

Rooms on the floors above register how to find what they have of it: segments and rule-based events
in theirs, journeys in theirs. All are asked about many kinds at once, each with a constant number
of queries.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

from workspace.access import Actor


@dataclass(frozen=True, slots=True)
class EventUse:
    """One thing that uses a kind of event; where the actor may not know of it, without its name.

    `kind` and `label` ("segment", "Segment") come from the registration.
    """

    name: str
    url: str = ""
    state: Any = ""
    is_hidden: bool = False
    kind: str = ""
    label: Any = ""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where events of a kind come from, if not from sources: what makes them, and its page."""

    label: Any
    name: str
    url: str


FindUses = Callable[[Collection[str], Actor], Mapping[str, list[EventUse]]]
FindOrigins = Callable[[Collection[str], Actor], Mapping[str, Origin]]

_uses: dict[str, tuple[Any, FindUses]] = {}
_origins: dict[str, FindOrigins] = {}


def register_event_use(kind: str, label: Any, find: FindUses) -> None:
    """Let `find` tell which things of a kind ("journey") use events of some names, by name.

    `label` is the kind as people call one of it. May be called again.
    """
    _uses[kind] = (label, find)


def register_origin(kind: str, find: FindOrigins) -> None:
    """Let `find` tell what makes events of some names, by name. May be called again."""
    _origins[kind] = find


def uses_of(names: Collection[str], *, actor: Actor) -> dict[str, list[EventUse]]:
    """What uses events of these names, kind after kind, as the actor may know it."""
    found: dict[str, list[EventUse]] = {name: [] for name in names}
    for kind, (label, find) in _uses.items():
        for name, uses in find(names, actor).items():
            found[name] += [replace(use, kind=kind, label=label) for use in uses]
    return found


def origins_of(names: Collection[str], *, actor: Actor) -> dict[str, Origin]:
    """What makes events of these names; those of sources are left out."""
    found: dict[str, Origin] = {}
    for find in _origins.values():
        found.update(find(names, actor))
    return found
