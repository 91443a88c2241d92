"""Which connector speaks for which kind of connection."""

from dataclasses import dataclass

from integrations.connector import Connector


@dataclass(frozen=True, slots=True)
class Registered:
    """A connector, and whether its connection is disabled once a delivery ran out of attempts."""

    connector: Connector
    disables_connection: bool


_connectors: dict[str, Registered] = {}


def register(kind: str, connector: Connector, *, disables_connection: bool = False) -> None:
    """Send deliveries of connections of this kind by `connector`. May be called again.

    With `disables_connection` an address that took nothing at the last of all attempts is asked no
    more, until somebody enables it; else only that one delivery has failed.
    """
    _connectors[kind] = Registered(connector, disables_connection)


def registered(kind: str) -> Registered | None:
    """What speaks for this kind; None where nothing does."""
    return _connectors.get(kind)


def kinds() -> list[str]:
    """The kinds of connections for which something speaks."""
    return sorted(_connectors)
