"""What came of attempts to send, and how it is written: many at once, by one statement.

Only who still has the claim is believed: meanwhile it may have been left for dead and sent by
another.
"""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from integrations import connections
from integrations.connector import Receipt
from integrations.errors import ConnectorError, PermanentError
from integrations.gates import Stop
from integrations.models import Delivery
from workspace import sql

State = Delivery.State
# Twelve more attempts after the first one. *Source:* spec, "Outgoing webhooks".
DELAYS = (
    *(timedelta(minutes=minutes) for minutes in (1, 2, 4, 8, 16, 32)),
    *(timedelta(hours=hours) for hours in (1, 2, 4, 8, 16, 24)),
)
# How much sooner than the backoff says one is tried again at most, so that those which failed
# together do not come together.
_SPREAD = 0.2
_NOW, _DAY = timedelta(0), timedelta(days=1)
_TEXT_LIMIT = 2000
REFERENCE_LIMIT = 200
_REASON_LIMIT = 200
# What is of one message only in what was said: addresses, ids, long numbers.
_OWN = re.compile(
    r"[^\s<>\"'(]+@[^\s<>\"')]+|\b(?=[0-9a-zA-Z_-]*\d)[0-9a-zA-Z_-]{12,}\b|\b\d{4,}\b"
)

_SETTLE = """
WITH given AS MATERIALIZED (
  SELECT * FROM unnest(%s::bigint[], %s::timestamptz[], %s::text[], %s::timestamptz[], %s::text[],
    %s::text[], %s::text[], %s::boolean[], %s::timestamptz[], %s::integer[], %s::text[],
    %s::integer[])
  AS g (id, claimed_at, state, due_at, error, reason, reference, keeps_time, at, status, answer,
    milliseconds)),
held AS MATERIALIZED (
  SELECT d.id FROM integrations_delivery d JOIN given g ON g.id = d.id
  WHERE d.state = 'in_flight' AND d.claimed_at = g.claimed_at
  ORDER BY d.id FOR NO KEY UPDATE OF d),
told AS (
  UPDATE integrations_delivery d SET state = g.state, claimed_at = NULL,
    attempts = d.attempts + 1, due_at = coalesce(g.due_at, d.due_at), last_error = g.error,
    reason = g.reason, reference = g.reference, keeps_time = g.keeps_time, begun_at = NULL,
    finished_at = CASE WHEN g.state <> 'queued' THEN g.at END
  FROM held h JOIN given g ON g.id = h.id
  WHERE d.id = h.id RETURNING d.id),
tries AS (
  INSERT INTO integrations_deliveryattempt (delivery_id, at, status, error, answer, milliseconds)
  SELECT g.id, g.at, g.status, g.error, g.answer, g.milliseconds
  FROM given g JOIN told t ON t.id = g.id ORDER BY g.id)
SELECT id FROM told
"""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one attempt: the other side took it, did not, or a gate held it back.

    With `is_final` it has failed, whatever was said; so has what never will be taken, and what
    must not be repeated and was perhaps taken. With `disables_connection` the connection is
    disabled where it was the last attempt, and the times of attempts are kept to the second.
    """

    delivery: Delivery
    said: Receipt | ConnectorError | Stop
    at: datetime
    milliseconds: int = 0
    is_final: bool = False
    disables_connection: bool = False

    @property
    def state(self) -> str:
        """The state that it has then."""
        if isinstance(self.said, Receipt):
            return State.DELIVERED
        if isinstance(self.said, Stop):
            return State.CANCELLED
        if self.is_final or isinstance(self.said, PermanentError):
            return State.FAILED
        if self.said.is_perhaps_taken and not self.delivery.repeats:
            return State.FAILED
        return State.FAILED if self._was_last else State.QUEUED

    @property
    def due_at(self) -> datetime | None:
        """When it is tried again; None where it is not."""
        if self.state != State.QUEUED or not isinstance(self.said, ConnectorError):
            return None
        delay = DELAYS[self.delivery.attempts]
        if not self.disables_connection:
            delay *= 1 - _SPREAD * _share(f"{self.delivery.key}:{self.delivery.attempts}")
        return self.at + max(delay, min(self.said.retry_after or _NOW, _DAY))

    @property
    def ends_connection(self) -> bool:
        """Whether the connection is asked no more after this."""
        return (
            self.disables_connection
            and self.state == State.FAILED
            and not self.is_final
            and not isinstance(self.said, PermanentError)
            and self._was_last
        )

    @property
    def is_trouble(self) -> bool:
        """Whether the connection does not work, as far as this one shows."""
        return (
            isinstance(self.said, ConnectorError)
            and not isinstance(self.said, PermanentError)
            and not self.said.is_of_message
            and not self.is_final
        )

    @property
    def _was_last(self) -> bool:
        return self.delivery.attempts >= len(DELAYS)


def write(outcomes: Sequence[Outcome]) -> list[Outcome]:
    """Write what came of attempts in the caller's transaction; those that were believed."""
    told = {pk for (pk,) in sql.lists(_SETTLE, _columns(outcomes))}
    return [one for one in outcomes if one.delivery.pk in told]


def note_connections(outcomes: Sequence[Outcome]) -> None:
    """Say of the connections over which these went whether they work."""
    for connection_id in sorted({one.delivery.connection_id for one in outcomes}):
        # Who claims takes those of one connection: this is done once.
        _note([one for one in outcomes if one.delivery.connection_id == connection_id])


def _note(outcomes: Sequence[Outcome]) -> None:
    """Say of a connection whether it works: what came last counts."""
    said = [one for one in outcomes if _speaks(one)]
    if not said:
        return
    last = said[-1]
    account = last.delivery.connection
    if not last.is_trouble:
        took = any(isinstance(one.said, Receipt) for one in said)
        connections.note_success(account.pk, at=last.at, took=took)
        return
    assert isinstance(last.said, ConnectorError), "trouble is an error"
    connections.note_failure(
        account.pk, seen=account.breaker_until, pause=last.said.retry_after, at=last.at
    )
    if last.ends_connection:
        connections.disable_failing(
            account.pk, attempts=last.delivery.attempts + 1, error=str(last.said), at=last.at
        )


def _speaks(outcome: Outcome) -> bool:
    """Whether it says anything of the connection: what is refused for good does not."""
    said = outcome.said
    is_answer = isinstance(said, ConnectorError) and said.is_of_message
    return isinstance(said, Receipt) or outcome.is_trouble or is_answer


def _columns(outcomes: Sequence[Outcome]) -> list[list[Any]]:
    return [list(part) for part in zip(*(_row(one) for one in outcomes), strict=True)]


def _row(outcome: Outcome) -> tuple[Any, ...]:
    said, state = outcome.said, outcome.state
    error = answer = reference = ""
    status = None
    if isinstance(said, Receipt):
        status, answer, reference = said.status, said.answer, said.reference
    elif isinstance(said, ConnectorError):
        error, status, answer = str(said), said.http_status, said.answer
    else:
        error = said.message
    return (
        outcome.delivery.pk,
        outcome.delivery.claimed_at,
        str(state),
        outcome.due_at,
        plain(error),
        reason_of(error) if state == State.FAILED else "",
        plain(reference)[:REFERENCE_LIMIT],
        # What was tried once keeps the times that are promised.
        state == State.QUEUED and outcome.disables_connection,
        outcome.at,
        status,
        plain(answer),
        outcome.milliseconds,
    )


def reason_of(error: str) -> str:
    """Why something failed, without what is of this one only: addresses, ids, long numbers."""
    return _OWN.sub("…", " ".join(plain(error).split()))[:_REASON_LIMIT]


def plain(text: str) -> str:
    """As the database takes it: without NUL, and no longer than need be."""
    return text.replace("\x00", "")[:_TEXT_LIMIT]


def _share(text: str) -> float:
    """A number from 0 to 1, the same for the same text."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4]) / 0xFFFF_FFFF
