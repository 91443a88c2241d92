"""Which connector speaks for which kind of connection."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from integrations.connector import Connector
from integrations.models import Delivery

# Whom a delivery goes to. Raises RecipientGone where nobody is there any more.
FindRecipient = Callable[[Delivery], Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Room:
    """How many deliveries of one connection may be in flight, and how many are claimed together.

    So that a slow one leaves room for others: all that are claimed together must be over within
    the lease, each taking as long as the other side may.
    """

    share: int = 16
    batch: int = 4


@dataclass(frozen=True, slots=True)
class Registered:
    """A connector, and whether its connection is disabled once a delivery ran out of attempts.

    With `find_recipient` whom a delivery goes to is looked up just before it is sent. `room` is how
    much of one of its connections is sent at a time.
    """

    connector: Connector
    disables_connection: bool
    find_recipient: FindRecipient | None
    room: Room


_connectors: dict[str, Registered] = {}


def register(
    kind: str,
    connector: Connector,
    *,
    disables_connection: bool = False,
    find_recipient: FindRecipient | None = None,
    room: Room = Room(),
) -> None:
    """Send deliveries of connections of this kind by `connector`. May be called again.

    With `disables_connection` an address that took nothing at the last of all attempts is asked no
    more, until somebody enables it; else only that one delivery has failed.
    """
    _connectors[kind] = Registered(connector, disables_connection, find_recipient, room)


def registered(kind: str) -> Registered | None:
    """What speaks for this kind; None where nothing does."""
    return _connectors.get(kind)


def kinds() -> list[str]:
    """The kinds of connections for which something speaks."""
    return sorted(_connectors)


def rooms() -> dict[str, Room]:
    """How much of one connection is sent at a time, by kind."""
    return {kind: known.room for kind, known in _connectors.items()}
