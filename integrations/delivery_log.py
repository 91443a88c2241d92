"""The newest attempts over connections, read at once for all of them and bounded for each."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from workspace import sql

# So many of the newest deliveries are looked at, and so many of their attempts are shown.
_DELIVERIES = 60
SHOWN = 30

_NEWEST = """
SELECT c.id, t.at, t.status, t.error, t.milliseconds
FROM unnest(%s::integer[]) AS c (id)
CROSS JOIN LATERAL (
  SELECT a.id, a.at, a.status, a.error, a.milliseconds
  FROM (SELECT d.id FROM integrations_delivery d WHERE d.connection_id = c.id
    ORDER BY d.id DESC LIMIT %s) d
  JOIN integrations_deliveryattempt a ON a.delivery_id = d.id
  ORDER BY a.id DESC LIMIT %s) t
ORDER BY c.id, t.id
"""
_COUNTS = """
SELECT c.id,
  (SELECT count(*) FROM integrations_delivery d
    WHERE d.connection_id = c.id AND d.state = 'queued')
  + (SELECT count(*) FROM integrations_delivery d
    WHERE d.connection_id = c.id AND d.state = 'in_flight') AS queued,
  (SELECT count(*) FROM integrations_delivery d
    WHERE d.connection_id = c.id AND d.state = 'failed') AS failed
FROM unnest(%s::integer[]) AS c (id)
"""


@dataclass(frozen=True, slots=True)
class Try:
    """One attempt to send something."""

    at: datetime
    status: int | None
    error: str
    milliseconds: int

    @property
    def went_well(self) -> bool:
        """Whether the other side took it."""
        return not self.error


@dataclass(frozen=True, slots=True)
class Unfinished:
    """How much of a connection waits, and how much has failed."""

    queued: int = 0
    failed: int = 0


def newest_tries(connection_ids: Sequence[int]) -> dict[int, list[Try]]:
    """The newest attempts of each connection, the oldest of them first; one query."""
    found: dict[int, list[Try]] = {pk: [] for pk in connection_ids}
    for pk, *facts in sql.lists(_NEWEST, [list(connection_ids), _DELIVERIES, SHOWN]):
        found[pk].append(Try(*facts))
    return found


def unfinished(connection_ids: Sequence[int]) -> dict[int, Unfinished]:
    """What is not over well, by connection; one query."""
    rows = sql.lists(_COUNTS, [list(connection_ids)])
    return {pk: Unfinished(queued, failed) for pk, queued, failed in rows}
