"""Vendors that keep lists of contacts: what a connector offers, so that lists mirror segments."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from integrations.vendors.registry import SyncRun


@dataclass(frozen=True, slots=True)
class RemoteList:
    """A list, or something else there that takes a name: then `is_list` is false."""

    id: str
    name: str
    is_list: bool = True


@dataclass(frozen=True, slots=True)
class Added:
    """What came of adding: the vendor's ids by address, and who was refused with which reason.

    An id is None where the vendor told none: it is looked up on the list when it is needed.
    With `failure` nothing of it is known to be done; it says the vendor's word for why.
    """

    ids: Sequence[tuple[str, int | None]] = ()
    refused: Sequence[tuple[str, str]] = ()
    failure: str = ""


class ListKeeper(Protocol):
    """The lists of one account. Each method raises the errors of `integrations.errors` only."""

    @property
    def name_limit(self) -> int:
        """How many letters the name of a list may have."""

    @property
    def at_once(self) -> int:
        """How many contacts are added by one call, or taken off."""

    def lists(self) -> Sequence[RemoteList]:
        """All that has a name that a list could not have, too."""

    def create(self, name: str) -> str:
        """Make a list; its id. Raises NameTaken."""

    def rename(self, list_id: str, name: str) -> None:
        """Give a list another name. Raises NameTaken, and ThingMissing."""

    def delete(self, list_id: str) -> None:
        """Delete a list, not the contacts on it. Raises ThingMissing."""

    def add(self, list_id: str, addresses: Sequence[str]) -> str:
        """Begin to put addresses on a list, as contacts that are new or known; the job's name."""

    def added(self, job: str) -> Added | None:
        """What came of that; None while it goes on. Raises ThingMissing."""

    def members(self, list_id: str) -> Iterator[Sequence[tuple[str, int]]]:
        """Who is on a list, page by page: address and the vendor's id."""

    def remove(self, list_id: str, ids: Sequence[int]) -> None:
        """Take contacts off a list. Who is not on it does not matter."""


_keepers: dict[str, Callable[[SyncRun], ListKeeper]] = {}


def register_list_keeper(kind: str, make: Callable[[SyncRun], ListKeeper]) -> None:
    """Let lists at vendors of this kind mirror segments. May be called again."""
    _keepers[kind] = make


def list_keeper_of(kind: str) -> Callable[[SyncRun], ListKeeper] | None:
    """What makes the keeper of a connection's lists; None where the vendor keeps none."""
    return _keepers.get(kind)


def list_keeping_kinds() -> list[str]:
    """The kinds of vendors that keep lists."""
    return sorted(_keepers)
