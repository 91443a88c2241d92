"""The rooms that tell something of a contact: each registers what it knows."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from contacts.timeline.items import Ask, Item

Load = Callable[[Ask], list[Item]]
Count = Callable[[Ask], int]


@dataclass(frozen=True, slots=True)
class TimelineSource:
    """Items of one kind. `label` names them together ("Events"), `icon` shows them.

    `load` gives at most `ask.limit` items in the order of walking, in a constant number of queries,
    only what `ask.actor` may know of. `count` says how many there are, counting to the limit; where
    it is missing they are loaded. `answers` names the special filters that it understands ("name",
    "segment", "source"); it is not asked where another one is set. With `searches` it looks for
    `filters.text` itself. Who lacks `permission` is told nothing. A smaller `place` stands earlier
    where kinds are listed.
    """

    kind: str
    label: Any
    icon: str
    load: Load
    count: Count | None = None
    answers: frozenset[str] = field(default=frozenset())
    searches: bool = False
    permission: str = ""
    place: int = 100


_sources: dict[str, TimelineSource] = {}


def register_source(source: TimelineSource) -> None:
    """Show what a room knows on every timeline. May be called again."""
    _sources[source.kind] = source


def sources() -> list[TimelineSource]:
    """All of them, in their order."""
    return sorted(_sources.values(), key=lambda source: (source.place, source.kind))
