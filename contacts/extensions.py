"""What the floors above add to a contact: parts of its shape, and ways to forget it.

Data goes up the stairs, imports do not: an upper floor registers a function when Django is ready.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

LoadPart = Callable[[Sequence[int]], Mapping[int, Any]]
Erase = Callable[[list[int]], int]


@dataclass(frozen=True, slots=True)
class Pair:
    """Two contacts that become one: the loser gives all to the survivor."""

    survivor_id: int
    loser_id: int


@dataclass(frozen=True, slots=True)
class Moved:
    """How many rows of a loser went over, and which of its values the survivor's won over."""

    count: int
    dropped: Mapping[str, Any] = field(default_factory=dict)


Merge = Callable[[Sequence[Pair], datetime], Mapping[int, Moved]]

_parts: dict[str, LoadPart] = {}
_erasers: dict[str, Erase] = {}
_mergers: dict[str, Merge] = {}


def register_part(name: str, load: LoadPart) -> None:
    """Add `name` to what is said of a contact. May be called again.

    `load` gets ids of contacts and gives a value for each, in a constant number of queries.
    """
    _parts[name] = load


def register_eraser(name: str, erase: Erase) -> None:
    """Add what must be forgotten with a contact. May be called again.

    `erase` gets ids of contacts, runs in the transaction of the erasure and returns how many rows
    it deleted or emptied. `name` stands in the proof.
    """
    _erasers[name] = erase


def register_merger(name: str, merge: Merge) -> None:
    """Add what goes from one contact to another when they become one. May be called again.

    `merge` gets the pairs and the instant, runs in the transaction of the merge while all these
    contacts are locked, and returns what it moved, by loser. In the pairs nobody is both
    survivor and loser, and nobody loses twice; a survivor may have several losers, of which the
    first counts most. `name` stands in the record of the merge.
    """
    _mergers[name] = merge


def registered_parts() -> Mapping[str, LoadPart]:
    """What is said of a contact besides what this floor knows, in order of registration."""
    return dict(_parts)


def registered_erasers() -> Mapping[str, Erase]:
    """What is forgotten above this floor, in order of registration."""
    return dict(_erasers)


def registered_mergers() -> Mapping[str, Merge]:
    """What is merged above this floor, in order of registration."""
    return dict(_mergers)
