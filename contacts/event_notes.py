"""New events of the kinds that the floors above wait for: a queue for each of those who wait.

A watcher says which kinds it waits for; the statement that stores events notes those of these
kinds, whichever way they came. Whoever takes notes deletes them in the transaction that acts on
them. A note tells that the event was stored, not that it is still there: old events go. Where
contacts merge, it is the survivor's; that its events move is not noted again. Recording costs the
same where nobody waits (docs/event_definitions.md).
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from contacts.extensions import Pair
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


def follow_merge(pairs: Sequence[Pair]) -> None:
    """Have what is noted of the losers told of the survivors.

    Before their events go over, and holding their contacts. What the survivor has done itself, or
    two losers have, is told of once.
    """
    arrays = [[pair.loser_id for pair in pairs], [pair.survivor_id for pair in pairs]]
    for table in ("contacts_eventnote", "contacts_eventsetaside"):
        sql.execute(_FORGET_DOUBLE.format(table=table), arrays)
        sql.execute(_MOVE.format(table=table), arrays)


_PAIRS = "unnest(%s::bigint[], %s::bigint[]) AS pair (loser, survivor)"
_FORGET_DOUBLE = f"""
WITH moving AS MATERIALIZED (
  SELECT n.*, pair.survivor, row_number() OVER (
    PARTITION BY pair.survivor, n.watcher, n.message_id, n.occurred_at ORDER BY n.id) AS place
  FROM {{table}} n JOIN {_PAIRS} ON n.contact_id = pair.loser)
DELETE FROM {{table}} n USING moving m
WHERE n.contact_id = m.contact_id AND n.watcher = m.watcher AND n.id = m.id
  AND (m.place > 1 OR EXISTS (
    SELECT FROM contacts_event e WHERE e.contact_id = m.survivor
      AND e.message_id = m.message_id AND e.occurred_at = m.occurred_at))
"""  # noqa: S608  made of our own words only
_MOVE = f"""
UPDATE {{table}} n SET contact_id = pair.survivor FROM {_PAIRS} WHERE n.contact_id = pair.loser
"""  # noqa: S608
