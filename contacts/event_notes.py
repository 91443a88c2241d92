"""New events of the kinds that the floors above wait for: a queue for each of those who wait.

A watcher says which kinds it waits for; the statement that stores events notes those of these
kinds, whichever way they came. Whoever takes notes deletes them in the transaction that acts on
them. A note tells that the event was stored, not that it is still there: contacts merge, and old
events go. Recording costs the same where nobody waits (docs/event_definitions.md).
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from workspace import sql

CHANNEL = "regulars_notes"


@dataclass(frozen=True, slots=True)
class Note:
    """An event that was stored."""

    contact_id: int
    definition_id: int
    message_id: str
    occurred_at: datetime


def watch(watcher: str, definition_ids: Collection[int]) -> None:
    """Wait for events of these kinds from now on, and of no others."""
    wanted = sorted(set(definition_ids))
    sql.execute(
        "DELETE FROM contacts_eventwatch WHERE watcher = %s AND NOT definition_id = ANY(%s::int[])",
        [watcher, wanted],
    )
    sql.execute(
        "INSERT INTO contacts_eventwatch (watcher, definition_id)"
        " SELECT %s, unnest(%s::int[]) ON CONFLICT DO NOTHING",
        [watcher, wanted],
    )


def take(watcher: str, limit: int) -> list[Note]:
    """Take the oldest notes out of the queue, in their order.

    For one taker at a time, in the transaction that acts on them.
    """
    found = sql.lists(
        "DELETE FROM contacts_eventnote WHERE watcher = %s AND id IN ("
        "  SELECT id FROM contacts_eventnote WHERE watcher = %s ORDER BY id LIMIT %s)"
        " RETURNING id, contact_id, definition_id, message_id, occurred_at",
        [watcher, watcher, limit],
    )
    return [Note(*row[1:]) for row in sorted(found, key=lambda row: row[0])]


def waiting_count(watcher: str, *, limit: int) -> int:
    """How many notes wait, counted up to `limit`."""
    counted = "SELECT count(*) FROM (SELECT FROM contacts_eventnote WHERE watcher = %s LIMIT %s) n"
    return int(sql.one(counted, [watcher, limit]))


def forget_contacts(contact_ids: Sequence[int]) -> int:
    """Delete the notes about these contacts, who are erased."""
    statement = "DELETE FROM contacts_eventnote WHERE contact_id = ANY(%s::bigint[])"
    return sql.execute(statement, [list(contact_ids)])
