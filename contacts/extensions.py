"""What the floors above add to a contact: parts of its shape, and ways to forget it.

Data goes up the stairs, imports do not: an upper floor registers a function when Django is ready.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

LoadPart = Callable[[Sequence[int]], Mapping[int, Any]]
Erase = Callable[[list[int]], int]

_parts: dict[str, LoadPart] = {}
_erasers: dict[str, Erase] = {}


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


def registered_parts() -> Mapping[str, LoadPart]:
    """What is said of a contact besides what this floor knows, in order of registration."""
    return dict(_parts)


def registered_erasers() -> Mapping[str, Erase]:
    """What is forgotten above this floor, in order of registration."""
    return dict(_erasers)
