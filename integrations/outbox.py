"""The outbox: messages queued in the transaction of the fact, claimed and settled by who sends.

A message is sent at least once: whoever dies between sending and settling leaves it in flight, and
`requeue_left` queues it again under the same key. One that must not be repeated is sent at most
once: it has failed then. Several may claim at a time; each gets others.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from integrations import connections
from integrations.connector import Receipt
from integrations.errors import ConnectorError
from integrations.gates import Stop
from integrations.models import Connection, Delivery
from integrations.registry import Room
from workspace import rounds, sql

CHANNEL = "regulars_outbox"
# Twelve more attempts after the first one. *Source:* spec, "Outgoing webhooks".
DELAYS = (
    *(timedelta(minutes=minutes) for minutes in (1, 2, 4, 8, 16, 32)),
    *(timedelta(hours=hours) for hours in (1, 2, 4, 8, 16, 24)),
)
# What is in flight for longer was left by somebody who died: a batch takes less.
LEASE = timedelta(minutes=2)
# How many of one connection may be in flight where nothing else is said; of one that fails at
# present a single one tries.
SHARE = Room().share
_NOW, _DAY = timedelta(0), timedelta(days=1)
_KEY_LIMIT = 200
_TEXT_LIMIT = 2000
_REFERENCE_LIMIT = 200


@dataclass(frozen=True, slots=True)
class Message:
    """What is to be sent over a connection, complete: nothing is looked up later.

    Whoever queues a `key` again changes nothing. `kind` says what it is ("email", a webhook's
    type), `subject` what it is about ("distribution:12"). It is due at once without a `due_at`.
    Without `repeats` it is sent at most once, else at least once.
    """

    key: str
    connection_id: int
    kind: str
    payload: Mapping[str, Any]
    contact_id: int | None = None
    subject: str = ""
    due_at: datetime | None = None
    repeats: bool = True


@dataclass(frozen=True, slots=True)
class Finished:
    """A delivery that is over: delivered, failed for good, or cancelled at the last moment.

    `error` is what was said last, `code` that of the error with which it failed, or the reason of
    the gate which held it back. `reference` is the other side's own name for it.
    """

    delivery_id: int
    key: str
    kind: str
    subject: str
    contact_id: int | None
    state: str
    error: str
    code: str = ""
    reference: str = ""


Consume = Callable[[Sequence[Finished], datetime], None]
_consumers: dict[str, Consume] = {}

_ENQUEUE = """
INSERT INTO integrations_delivery
  (key, connection_id, kind, contact_id, subject, payload, repeats, due_at, created_at)
SELECT q.key, q.connection_id, q.kind, q.contact_id, coalesce(q.subject, ''), q.payload::jsonb,
  {repeats}, coalesce(q.due_at, %s), %s
FROM ({rows}) q ON CONFLICT (key) DO NOTHING
"""
_GIVEN = """
SELECT * FROM unnest(%s::text[], %s::integer[], %s::text[], %s::bigint[], %s::text[], %s::text[],
  %s::boolean[], %s::timestamptz[])
  AS g (key, connection_id, kind, contact_id, subject, payload, repeats, due_at)
"""
# The connection that has the fewest in flight, among those whose turn it can be. It is not locked:
# two who choose at once may together take a few more than its share.
_CLAIM = """
WITH open AS MATERIALIZED (
  SELECT c.id, least(k.batch, CASE WHEN c.failing_since IS NULL THEN k.share ELSE 1 END - f.flying)
    AS room
  FROM unnest(%s::text[], %s::integer[], %s::integer[]) AS k (kind, share, batch)
  JOIN integrations_connection c ON c.kind = k.kind
  CROSS JOIN LATERAL (
    SELECT count(*) AS flying FROM integrations_delivery d
    WHERE d.connection_id = c.id AND d.state = 'in_flight') f
  CROSS JOIN LATERAL (
    SELECT d.due_at FROM integrations_delivery d
    WHERE d.connection_id = c.id AND d.state = 'queued' AND d.due_at <= %s
    ORDER BY d.due_at, d.id LIMIT 1) q
  WHERE c.is_enabled
    AND CASE WHEN c.failing_since IS NULL THEN k.share ELSE 1 END > f.flying
  ORDER BY f.flying, q.due_at, c.id LIMIT 1
), picked AS MATERIALIZED (
  SELECT d.id FROM integrations_delivery d
  WHERE d.connection_id = (SELECT id FROM open) AND d.state = 'queued' AND d.due_at <= %s
  ORDER BY d.due_at, d.id LIMIT (SELECT room FROM open) FOR UPDATE SKIP LOCKED
)
UPDATE integrations_delivery d SET state = 'in_flight', claimed_at = %s
FROM picked WHERE d.id = picked.id RETURNING d.id
"""
# Only for who still has the claim: meanwhile it may have been left for dead and sent by another.
_RECORD = """
WITH told AS (
  UPDATE integrations_delivery SET state = %s, claimed_at = NULL, attempts = attempts + 1,
    due_at = coalesce(%s, due_at), last_error = %s, reference = %s, finished_at = %s,
    begun_at = NULL
  WHERE id = %s AND state = 'in_flight' AND claimed_at = %s RETURNING id)
INSERT INTO integrations_deliveryattempt (delivery_id, at, status, error, answer, milliseconds)
SELECT id, %s, %s, %s, %s, %s FROM told
"""
_REQUEUE = """
WITH left_ AS (
  SELECT id FROM integrations_delivery WHERE state = 'in_flight' AND claimed_at < %s
    AND (repeats OR begun_at IS NULL)
  FOR UPDATE SKIP LOCKED),
told AS (
  UPDATE integrations_delivery d SET state = 'queued', claimed_at = NULL, due_at = %s,
    attempts = attempts + 1, last_error = %s
  FROM left_ WHERE d.id = left_.id RETURNING d.id)
INSERT INTO integrations_deliveryattempt (delivery_id, at, error, answer, milliseconds)
SELECT id, %s, %s, '', 0 FROM told
"""
_BEGUN = """
SELECT id FROM integrations_delivery
WHERE state = 'in_flight' AND claimed_at < %s AND NOT repeats AND begun_at IS NOT NULL
ORDER BY id LIMIT %s FOR UPDATE SKIP LOCKED
"""
_BEGIN = """
UPDATE integrations_delivery SET begun_at = %s
WHERE id = %s AND state = 'in_flight' AND claimed_at = %s
"""
_AT_ONCE = 1000


def register_consumer(name: str, consume: Consume) -> None:
    """Have `consume` told of deliveries that are over, in the transaction that says so.

    What it raises keeps the delivery in flight, so it only leaves work for others. May be called
    again.
    """
    _consumers[name] = consume


def enqueue(messages: Iterable[Message], *, at: datetime) -> int:
    """Queue messages in the caller's transaction; how many were new. Those who send hear of it."""
    given = list(messages)
    for one in given:
        if not 0 < len(one.key) <= _KEY_LIMIT:
            raise ValueError(f"A key has 1 to {_KEY_LIMIT} characters: {one.key[:300]!r}.")
    if not given:
        return 0
    columns = [
        [one.key for one in given],
        [one.connection_id for one in given],
        [one.kind for one in given],
        [one.contact_id for one in given],
        [one.subject for one in given],
        [json.dumps(one.payload) for one in given],
        [one.repeats for one in given],
        [one.due_at for one in given],
    ]
    return _enqueue(_GIVEN, columns, repeats="q.repeats", at=at)


def enqueue_rows(statement: str, params: Sequence[Any], *, at: datetime) -> int:
    """Queue what a SELECT gives, in one statement; how many were new.

    Its columns are key, connection_id, kind, contact_id, subject, payload (an object of JSON) and
    due_at, by these names; subject and due_at may be NULL.
    """
    return _enqueue(statement, params, repeats="true", at=at)


def wake() -> None:
    """Tell those who send that something is due, once the transaction is committed."""
    rounds.wake(CHANNEL)


@transaction.atomic
def claim(
    *,
    due_by: datetime,
    kinds: Sequence[str],
    limit: int,
    at: datetime,
    rooms: Mapping[str, Room] | None = None,
) -> list[Delivery]:
    """Take due deliveries of one enabled connection of these kinds, the oldest first.

    As many as its kind has `room` for, up to `limit` where nothing is said of the kind. They are in
    flight until who took them says what came of each, for `LEASE` at most. `at` is the present,
    also where `due_by` is not.
    """
    _need_not_wait()
    known = [(rooms or {}).get(kind, Room(batch=limit)) for kind in kinds]
    shares, batches = [one.share for one in known], [one.batch for one in known]
    ids = sql.lists(_CLAIM, [list(kinds), shares, batches, due_by, due_by, at])
    taken = Delivery.objects.select_related("connection").filter(pk__in=[pk for (pk,) in ids])
    return list(taken.order_by("due_at", "pk")) if ids else []


@transaction.atomic
def begin(delivery: Delivery, *, at: datetime) -> bool:
    """Write that a delivery which must not be repeated is handed over now; false where it is lost.

    It is lost where the claim was, and then must not be sent. What repeats needs no such line.
    """
    return delivery.repeats or bool(sql.execute(_BEGIN, [at, delivery.pk, delivery.claimed_at]))


@transaction.atomic
def cancel(delivery: Delivery, stop: Stop, *, at: datetime) -> str:
    """Hold back at the last moment what was claimed; the state that it has now."""
    _need_not_wait()
    error = ConnectorError(stop.message)
    error.code = stop.reason
    _record(delivery, Delivery.State.CANCELLED, error, at=at, milliseconds=0)
    return Delivery.State.CANCELLED


@transaction.atomic
def settle(delivery: Delivery, receipt: Receipt, *, at: datetime, milliseconds: int = 0) -> str:
    """The other side took a delivery; the state that it has now."""
    _need_not_wait()
    if _record(delivery, Delivery.State.DELIVERED, receipt, at=at, milliseconds=milliseconds):
        connections.note_success(delivery.connection_id, at=at)
    return Delivery.State.DELIVERED


@transaction.atomic
def postpone(
    delivery: Delivery,
    error: ConnectorError,
    *,
    at: datetime,
    milliseconds: int = 0,
    disables_connection: bool = False,
) -> str:
    """It was not taken now: it is due again after the next of `DELAYS`; the state it has now.

    Where the other side asks for a longer wait, it is that, up to a day.
    After the last one it has failed; with `disables_connection` so has the connection.
    """
    connections.note_failure(delivery.connection_id, at=at)
    if delivery.attempts < len(DELAYS):
        due_at = at + max(DELAYS[delivery.attempts], min(error.retry_after or _NOW, _DAY))
        state = Delivery.State.QUEUED
        _record(delivery, state, error, at=at, milliseconds=milliseconds, due_at=due_at)
        return state
    state = Delivery.State.FAILED
    if _record(delivery, state, error, at=at, milliseconds=milliseconds) and disables_connection:
        connections.disable_failing(
            delivery.connection_id, attempts=delivery.attempts + 1, error=str(error), at=at
        )
    return state


@transaction.atomic
def give_up(
    delivery: Delivery, error: ConnectorError, *, at: datetime, milliseconds: int = 0
) -> str:
    """The other side will never take it: it has failed; the state that it has now."""
    _record(delivery, Delivery.State.FAILED, error, at=at, milliseconds=milliseconds)
    return Delivery.State.FAILED


def release(deliveries: Sequence[Delivery]) -> None:
    """Put back what was taken and not yet tried."""
    for one in deliveries:
        # A handful, each with a claim of its own.
        Delivery.objects.filter(
            pk=one.pk, state=Delivery.State.IN_FLIGHT, claimed_at=one.claimed_at
        ).update(state=Delivery.State.QUEUED, claimed_at=None)


def count_due(*, kinds: Sequence[str], limit: int, at: datetime) -> int:
    """How many deliveries wait to be sent over enabled connections of these kinds, up to `limit`.

    Those count too whose connection has its share in flight.
    """
    due = Delivery.objects.filter(
        state=Delivery.State.QUEUED,
        due_at__lte=at,
        connection__in=Connection.objects.filter(is_enabled=True, kind__in=kinds),
    )
    return len(due.order_by().values_list("pk")[:limit])


@transaction.atomic
def requeue_left(*, at: datetime) -> int:
    """Queue again what somebody left in flight who died; how many were left.

    It counts as an attempt. One that comes to grief each time is so not tried for ever. One that
    must not be repeated has failed instead, if it may have been handed over.
    """
    words = _("Who sent it ended before it was known what came of it.")
    count = sql.execute(_REQUEUE, [at - LEASE, at, words, at, words])
    begun = [pk for (pk,) in sql.lists(_BEGUN, [at - LEASE, _AT_ONCE])]
    told = _("Who sent it ended before it was known what came of it. It is not sent twice.")
    for delivery in Delivery.objects.filter(pk__in=begun).order_by("pk") if begun else ():
        # A handful: as many as were being handed over by processes that were killed.
        give_up(delivery, ConnectorError(told), at=at)
    return count + len(begun)


def _enqueue(statement: str, params: Sequence[Any], *, repeats: str, at: datetime) -> int:
    count = sql.execute(_ENQUEUE.format(rows=statement, repeats=repeats), [at, at, *params])
    if count:
        wake()
    return count


def _need_not_wait() -> None:
    """Let the commit not wait for the disk: should its machine fail, a message goes out twice."""
    sql.execute("SET LOCAL synchronous_commit = off")


def _record(
    delivery: Delivery,
    state: str,
    outcome: Receipt | ConnectorError,
    *,
    at: datetime,
    milliseconds: int,
    due_at: datetime | None = None,
) -> bool:
    """Write what came of an attempt; false where the claim was lost meanwhile."""
    # A text of PostgreSQL holds no NUL, whatever the other side says.
    answer = outcome.answer.replace("\x00", "")[:_TEXT_LIMIT]
    if isinstance(outcome, Receipt):
        error, status, reference = "", outcome.status, outcome.reference[:_REFERENCE_LIMIT]
    else:
        error, status, reference = str(outcome)[:_TEXT_LIMIT], outcome.http_status, ""
    is_over = state != Delivery.State.QUEUED
    told = sql.execute(
        _RECORD,
        [
            *(state, due_at, error, reference, at if is_over else None),
            *(delivery.pk, delivery.claimed_at),
            *(at, status, error, answer, milliseconds),
        ],
    )
    if told and is_over:
        finished = Finished(
            delivery_id=delivery.pk,
            key=delivery.key,
            kind=delivery.kind,
            subject=delivery.subject,
            contact_id=delivery.contact_id,
            state=state,
            error=error,
            code=outcome.code if isinstance(outcome, ConnectorError) else "",
            reference=reference,
        )
        for consume in _consumers.values():
            consume([finished], at)
    return bool(told)
