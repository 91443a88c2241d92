"""What of the floors above calls a webhook: asked before it is deleted."""

from collections.abc import Callable, Iterable

from integrations.models import Connection

# The names of what calls a webhook, for people.
FindUses = Callable[[Connection], Iterable[str]]
_find_uses: dict[str, FindUses] = {}


def register_uses(room: str, find: FindUses) -> None:
    """Let a floor above say what of its own calls a webhook. May be called again."""
    _find_uses[room] = find


def uses_of(webhook: Connection) -> list[str]:
    """The names of what calls the webhook."""
    return [name for find in _find_uses.values() for name in find(webhook)]
