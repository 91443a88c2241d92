"""Which sources told of a contact lately, by the log of what came in."""

from dataclasses import dataclass
from datetime import datetime

from workspace import sql

# Beyond that a number says only that there is much.
_COUNT_LIMIT = 5000
_SOURCES = """
SELECT s.id, s.name, t.count, t.last_at FROM (
  SELECT source_id, count(*) AS count, max(received_at) AS last_at FROM (
    SELECT source_id, received_at FROM integrations_receivedevent
    WHERE contact_id = %s LIMIT %s) r
  GROUP BY source_id) t
JOIN integrations_source s ON s.id = t.source_id
ORDER BY t.last_at DESC, s.id
"""


@dataclass(frozen=True, slots=True)
class ContactSource:
    """A source, how many messages about the contact it sent, and the last of them."""

    id: int
    name: str
    count: int
    last_at: datetime
    is_more: bool


def sources_of_contact(contact_id: int) -> list[ContactSource]:
    """Those that the log knows of, the last one first; one query.

    Where a contact has very many messages some thousands are counted, and `is_more` says so.
    """
    rows = sql.rows(_SOURCES, [contact_id, _COUNT_LIMIT])
    is_more = sum(row["count"] for row in rows) >= _COUNT_LIMIT
    return [ContactSource(**row, is_more=is_more) for row in rows]
