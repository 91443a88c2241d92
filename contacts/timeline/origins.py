"""Where events come from. The floor above knows its sources, and registers how to ask for them."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from workspace import sql
from workspace.access import Actor


@dataclass(frozen=True, slots=True)
class Origin:
    """A source of events, as people call it; `url` leads to its page, for who may see that."""

    id: int
    key: str
    name: str
    url: str = ""


Origins = Callable[[Actor], list[Origin]]

_known: list[tuple[Origins, Callable[[Actor], str]]] = []


def register_origins(load: Origins, page: Callable[[Actor], str]) -> None:
    """Say who knows the sources of events; the last one counts.

    `load` gives them, a few dozen, in one query. `page` gives the address where somebody sets up a
    source, or "" for who may not.
    """
    _known[:] = [(load, page)]


def origins(actor: Actor) -> list[Origin]:
    """The sources of events; none where no room knows any."""
    return [origin for load, _page in _known for origin in load(actor)]


def sources_page(actor: Actor) -> str:
    """Where sources are set up, "" for who may not."""
    return next((page(actor) for _load, page in _known), "")


def origins_of(message_ids: Iterable[str], actor: Actor) -> dict[str, Origin]:
    """Which source sent which message, of those that we still remember (see `SeenMessage`)."""
    known = {origin.id: origin for origin in origins(actor)}
    if not known:
        return {}
    found = sql.lists(
        "SELECT DISTINCT ON (message_id) message_id, source_id FROM contacts_seenmessage"
        " WHERE source_id = ANY(%s) AND message_id = ANY(%s)"
        " ORDER BY message_id, seen_at, source_id",
        [list(known), list(message_ids)],
    )
    return {message_id: known[source_id] for message_id, source_id in found}
