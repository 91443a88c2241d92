"""What of the floors above calls a webhook, or sends over a vendor's connection.

Asked before the one is deleted, or access to the other revoked.
"""

from collections.abc import Callable, Iterable

from integrations.models import Connection

# The names of what uses a connection, for people.
FindUses = Callable[[Connection], Iterable[str]]
_find_uses: dict[str, FindUses] = {}


def register_uses(room: str, find: FindUses) -> None:
    """Let a floor above say what of its own uses a connection. May be called again."""
    _find_uses[room] = find


def uses_of(connection: Connection) -> list[str]:
    """The names of what calls the webhook, or sends over the connection."""
    return [name for find in _find_uses.values() for name in find(connection)]
