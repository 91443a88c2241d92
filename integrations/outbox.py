"""The outbox: messages queued in the transaction of the fact, claimed and settled by who sends.

A message is sent at least once: whoever dies between sending and settling leaves it in flight, and
`requeue_left` queues it again under the same key. One that must not be repeated is sent at most
once: it has failed then. Several may claim at a time; each gets others.
"""

import json
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import OperationalError, transaction
from django.utils.translation import gettext as _

from integrations.claims import (
    begin,
    begin_all,
    claim,
    count_due,
    need_not_wait,
    release,
    seconds_to_next_turn,
)
from integrations.connector import Receipt
from integrations.errors import ConnectorError
from integrations.gates import Stop
from integrations.models import Delivery
from integrations.outcomes import (
    DELAYS,
    REFERENCE_LIMIT,
    Outcome,
    note_connections,
    plain,
    write,
)
from integrations.registry import Room
from workspace import rounds, sql

__all__ = [
    "CHANNEL",
    "DELAYS",
    "LEASE",
    "SHARE",
    "Finished",
    "Message",
    "begin",
    "begin_all",
    "cancel",
    "claim",
    "count_due",
    "enqueue",
    "enqueue_rows",
    "give_up",
    "postpone",
    "register_consumer",
    "release",
    "requeue_left",
    "seconds_to_next_turn",
    "settle",
    "settle_all",
    "wake",
]

logger = logging.getLogger(__name__)

CHANNEL = "regulars_outbox"
# What is in flight for longer was left by somebody who died: a batch takes less.
LEASE = timedelta(minutes=2)
# How many of one connection may be in flight where nothing else is said; of one that fails at
# present a single one tries.
SHARE = Room().share
_KEY_LIMIT = 200
_ORDER_KEY_LIMIT = 120


@dataclass(frozen=True, slots=True)
class Message:
    """What is to be sent over a connection, complete: nothing is looked up later.

    Whoever queues a `key` again changes nothing. `kind` says what it is ("email", a webhook's
    type), `subject` what it is about ("distribution:12"). It is due at once without a `due_at`.
    Without `repeats` it is sent at most once, else at least once. Those of a connection with the
    same `order_key` go one after the other. With `keeps_time` it is tried when it is due also while
    its connection rests because it failed.
    """

    key: str
    connection_id: int
    kind: str
    payload: Mapping[str, Any]
    contact_id: int | None = None
    subject: str = ""
    due_at: datetime | None = None
    repeats: bool = True
    order_key: str = ""
    keeps_time: bool = False


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
    connection_id: int = 0


Consume = Callable[[Sequence[Finished], datetime], None]
_consumers: dict[str, Consume] = {}

_ENQUEUE = """
INSERT INTO integrations_delivery
  (key, connection_id, kind, contact_id, subject, payload, repeats, order_key, keeps_time, due_at,
  created_at)
SELECT q.key, q.connection_id, q.kind, q.contact_id, coalesce(q.subject, ''), q.payload::jsonb,
  {repeats}, {order_key}, {keeps_time}, coalesce(q.due_at, %s), %s
FROM ({rows}) q ON CONFLICT (key) DO NOTHING
"""
# Given as columns, and payloads as one array of JSON.
_GIVEN = """
SELECT * FROM ROWS FROM (
  unnest(%s::text[], %s::integer[], %s::text[], %s::bigint[], %s::text[], %s::boolean[], %s::text[],
    %s::boolean[], %s::timestamptz[]),
  json_array_elements(%s::json))
  AS g (key, connection_id, kind, contact_id, subject, repeats, order_key, keeps_time, due_at,
    payload)
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
        if len(one.order_key) > _ORDER_KEY_LIMIT:
            raise ValueError(f"An order key has up to {_ORDER_KEY_LIMIT} characters: {one.key!r}.")
    if not given:
        return 0
    columns: list[Any] = [
        [one.key for one in given],
        [one.connection_id for one in given],
        [one.kind for one in given],
        [one.contact_id for one in given],
        [one.subject for one in given],
        [one.repeats for one in given],
        [one.order_key for one in given],
        [one.keeps_time for one in given],
        [one.due_at for one in given],
        # As one text: in an array each sign that means something there is escaped by itself.
        json.dumps([one.payload for one in given]),
    ]
    return _enqueue(_GIVEN, columns, ("q.repeats", "q.order_key", "q.keeps_time"), at=at)


def enqueue_rows(
    statement: str, params: Sequence[Any], *, at: datetime, is_ordered: bool = False
) -> int:
    """Queue what a SELECT gives, in one statement; how many were new.

    Its columns are key, connection_id, kind, contact_id, subject, payload (an object of JSON) and
    due_at, by these names; subject and due_at may be NULL. With `is_ordered` there is order_key,
    too, "" where the order does not matter.
    """
    more = ("true", "q.order_key" if is_ordered else "''", "false")
    return _enqueue(statement, params, more, at=at)


def wake() -> None:
    """Tell those who send that something is due, once the transaction is committed."""
    rounds.wake(CHANNEL)


def settle_all(outcomes: Sequence[Outcome]) -> None:
    """Write what came of attempts, and tell those who asked to hear of what is over.

    Together where that goes well, else each by itself, so that one that comes to grief keeps
    nobody else from being known as sent. Raises what the last of those raised that did; they stay
    in flight, and are sent again when their lease is over.
    """
    if len(outcomes) > 1:
        try:
            return _settle(outcomes)
        except OperationalError as error:
            # Somebody else held the same rows in another order: it is all undone.
            logger.info("Deliveries are settled one by one: %s", error)
        except Exception:
            logger.exception("Deliveries are settled one by one.")
    failure: Exception | None = None
    for outcome in outcomes:
        # One by one, as it did not go together.
        try:
            _settle([outcome])
        except Exception as error:
            failure = error
            if len(outcomes) > 1:
                logger.exception("Delivery %s could not be settled.", outcome.delivery.pk)
    if failure is not None:
        raise failure
    return None


def cancel(delivery: Delivery, stop: Stop, *, at: datetime) -> str:
    """Hold back at the last moment what was claimed; the state that it has now."""
    return _settle_one(Outcome(delivery, stop, at))


def settle(delivery: Delivery, receipt: Receipt, *, at: datetime, milliseconds: int = 0) -> str:
    """The other side took a delivery; the state that it has now."""
    return _settle_one(Outcome(delivery, receipt, at, milliseconds))


def postpone(
    delivery: Delivery,
    error: ConnectorError,
    *,
    at: datetime,
    milliseconds: int = 0,
    disables_connection: bool = False,
) -> str:
    """It was not taken now: it is due again after the next of `DELAYS`; the state it has now.

    A little sooner, in fact, so that those which failed together do not come together; to the
    second with `disables_connection`. Where the other side asks for a longer wait, it is that, up
    to a day. After the last one it has failed; with `disables_connection` so has the connection.
    """
    return _settle_one(
        Outcome(delivery, error, at, milliseconds, disables_connection=disables_connection)
    )


def give_up(
    delivery: Delivery, error: ConnectorError, *, at: datetime, milliseconds: int = 0
) -> str:
    """The other side will never take it: it has failed; the state that it has now."""
    return _settle_one(Outcome(delivery, error, at, milliseconds, is_final=True))


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


def _enqueue(
    statement: str, params: Sequence[Any], more: tuple[str, str, str], *, at: datetime
) -> int:
    repeats, order_key, keeps_time = more
    text = _ENQUEUE.format(
        rows=statement, repeats=repeats, order_key=order_key, keeps_time=keeps_time
    )
    count = sql.execute(text, [at, at, *params])
    if count:
        wake()
    return count


def _settle_one(outcome: Outcome) -> str:
    settle_all([outcome])
    return outcome.state


@transaction.atomic
def _settle(outcomes: Sequence[Outcome]) -> None:
    need_not_wait()
    believed = write(outcomes)
    finished = [_finished(one) for one in believed if one.state != Delivery.State.QUEUED]
    if finished:
        at = max(one.at for one in believed)
        for consume in _consumers.values():
            consume(finished, at)
    note_connections(believed)


def _finished(outcome: Outcome) -> Finished:
    said, delivery = outcome.said, outcome.delivery
    error = code = reference = ""
    if isinstance(said, Receipt):
        reference = plain(said.reference)[:REFERENCE_LIMIT]
    elif isinstance(said, ConnectorError):
        error, code = plain(str(said)), said.code
    else:
        error, code = plain(said.message), said.reason
    return Finished(
        delivery_id=delivery.pk,
        key=delivery.key,
        kind=delivery.kind,
        subject=delivery.subject,
        contact_id=delivery.contact_id,
        state=outcome.state,
        error=error,
        code=code,
        reference=reference,
        connection_id=delivery.connection_id,
    )
