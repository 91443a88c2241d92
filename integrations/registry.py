"""Which connector speaks for which kind of connection."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from integrations.connector import BatchConnector, Connector
from integrations.models import Delivery

# Whom a delivery goes to. Raises RecipientGone where nobody is there any more.
FindRecipient = Callable[[Delivery], Mapping[str, Any]]
# How many a second; None for as many as there are.
FindPace = Callable[[], float | None]


@dataclass(frozen=True, slots=True)
class Room:
    """How many deliveries of one connection may be in flight, and how many are claimed together.

    So that a slow one leaves room for others: all that are claimed together must be over within
    the lease, each taking as long as the other side may.

    `per_second` is how many messages, or calls where one call takes a batch (`is_one_call`), one
    connection takes in a second from all processes together; a number of this name among the
    settings of a connection goes before it.
    """

    share: int = 16
    batch: int = 4
    per_second: float | None = None
    is_one_call: bool = False


@dataclass(frozen=True, slots=True)
class Registered:
    """A connector, and whether its connection is disabled once a delivery ran out of attempts.

    With `find_recipient` whom a delivery goes to is looked up just before it is sent. `room` is how
    much of one of its connections is sent at a time; `find_pace` says how many in a second where
    that is a setting that may change.
    """

    connector: Connector
    disables_connection: bool
    find_recipient: FindRecipient | None
    room: Room
    find_pace: FindPace | None = None

    @property
    def sends_many(self) -> bool:
        """Whether one call takes a batch."""
        return isinstance(self.connector, BatchConnector)


_connectors: dict[str, Registered] = {}


def register(
    kind: str,
    connector: Connector,
    *,
    disables_connection: bool = False,
    find_recipient: FindRecipient | None = None,
    room: Room = Room(),
    find_pace: FindPace | None = None,
) -> None:
    """Send deliveries of connections of this kind by `connector`. May be called again.

    With `disables_connection` an address that took nothing at the last of all attempts is asked no
    more, until somebody enables it; else only that one delivery has failed. The times of those
    attempts are promised, then, and kept to the second.
    """
    _connectors[kind] = Registered(connector, disables_connection, find_recipient, room, find_pace)


def registered(kind: str) -> Registered | None:
    """What speaks for this kind; None where nothing does."""
    return _connectors.get(kind)


def kinds() -> list[str]:
    """The kinds of connections for which something speaks."""
    return sorted(_connectors)


def rooms() -> dict[str, Room]:
    """How much of one connection is sent at a time, by kind."""
    return {kind: _room(known) for kind, known in _connectors.items()}


def _room(known: Registered) -> Room:
    pace = known.find_pace() if known.find_pace else known.room.per_second
    return replace(known.room, per_second=pace, is_one_call=known.sends_many)
