"""Deliveries as people and contacts meet them: seen, sent again, dropped, forgotten."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from contacts.extensions import Moved, Pair
from integrations import outbox, registry
from integrations.connector import LegibleConnector, Message
from integrations.errors import ConnectorError, DeliveryEmpty, DeliveryNotFailed, DeliveryUnknown
from integrations.models import Connection, Delivery
from workspace import access, audit, sql
from workspace.access import Actor, require
from workspace.checkup import Finding

State = Delivery.State
RETRY = "integrations.retry_delivery"
DELIVERED_KEPT = timedelta(days=30)
FAILED_KEPT = timedelta(days=90)
# What was due so long ago should be on its way, whatever else there is to do.
PATIENCE = timedelta(minutes=10)
# What is left of a payload when its contact was erased.
FORGOTTEN = {"erased": True}
_AT_ONCE = 10_000

_FORGET = """
WITH theirs AS MATERIALIZED (
  SELECT id FROM integrations_delivery WHERE contact_id = ANY(%s)
  ORDER BY id FOR NO KEY UPDATE),
forgotten AS (
  UPDATE integrations_delivery d SET payload = '{"erased": true}'::jsonb, last_error = '',
    reference = '', claimed_at = NULL,
    state = CASE WHEN state IN ('queued', 'in_flight') THEN 'cancelled' ELSE state END,
    finished_at = coalesce(finished_at, %s)
  FROM theirs t WHERE d.id = t.id RETURNING d.id),
answers AS (
  UPDATE integrations_deliveryattempt a SET answer = '', error = ''
  FROM forgotten f WHERE a.delivery_id = f.id)
SELECT count(*) FROM forgotten
"""
_MERGE = """
WITH pairs AS (SELECT * FROM unnest(%s::bigint[], %s::bigint[]) AS p (survivor_id, loser_id)),
moved AS (
  UPDATE integrations_delivery d SET contact_id = p.survivor_id,
    order_key = CASE d.order_key WHEN 'contact:' || p.loser_id THEN 'contact:' || p.survivor_id
      ELSE d.order_key END
  FROM pairs p WHERE d.contact_id = p.loser_id RETURNING p.loser_id)
SELECT loser_id, count(*) FROM moved GROUP BY loser_id
"""
_PURGE = """
WITH old AS MATERIALIZED (
  SELECT id FROM integrations_delivery
  WHERE state = ANY(%s) AND finished_at < %s ORDER BY finished_at LIMIT %s),
tries AS (DELETE FROM integrations_deliveryattempt a USING old WHERE a.delivery_id = old.id)
DELETE FROM integrations_delivery d USING old WHERE d.id = old.id
"""


def visible_deliveries(actor: Actor) -> "QuerySet[Delivery]":
    """The deliveries that are not about something of which the actor may not know."""
    if actor.is_admin:
        return Delivery.objects.all()
    return Delivery.objects.filter(access.of_known_subjects(actor))


def find_delivery(delivery_id: int, *, actor: Actor) -> Delivery:
    """The delivery of this id. Raises DeliveryUnknown."""
    delivery = visible_deliveries(actor).filter(pk=delivery_id).first()
    if delivery is None:
        raise DeliveryUnknown(_("There is no delivery %(id)s.") % {"id": delivery_id})
    return delivery


def document_of(delivery: Delivery) -> Any:
    """What a delivery says, as the other side gets it where its connector can tell."""
    known = registry.registered(delivery.connection.kind)
    if known is None or not isinstance(known.connector, LegibleConnector):
        return delivery.payload
    message = Message(
        key=delivery.key,
        kind=delivery.kind,
        payload=delivery.payload,
        sent_at=delivery.due_at,
        settings=delivery.connection.settings,
    )
    document = known.connector.document_of(message)
    return delivery.payload if isinstance(document, ConnectorError) else document


@transaction.atomic
def retry_delivery(delivery_id: int, *, actor: Actor, at: datetime) -> Delivery:
    """Send a delivery again that has failed or was cancelled, under the same key.

    It has all its attempts before it. One that waits for its next attempt is tried now, also where
    its connection rests. Raises DeliveryUnknown, DeliveryNotFailed, DeliveryEmpty.
    """
    require(actor, RETRY)
    find_delivery(delivery_id, actor=actor)
    delivery = Delivery.objects.select_for_update().get(pk=delivery_id)
    if delivery.payload == FORGOTTEN:
        words = _("What it said was forgotten when the contact was erased.")
        raise DeliveryEmpty(words)
    if delivery.state not in {State.FAILED, State.CANCELLED, State.QUEUED}:
        words = _("It is %(state)s: only what failed, was cancelled or waits is sent again.")
        raise DeliveryNotFailed(words % {"state": delivery.get_state_display()})
    before = delivery.state
    delivery.state, delivery.finished_at = State.QUEUED, None
    delivery.due_at = min(delivery.due_at, at) if before == State.QUEUED else at
    delivery.attempts, delivery.begun_at, delivery.reason = 0, None, ""
    delivery.keeps_time = True
    fields = ("state", "finished_at", "due_at", "attempts", "begun_at", "reason", "keeps_time")
    delivery.save(update_fields=fields)
    outbox.wake()
    changes = {"state": [before, State.QUEUED]}
    audit.record(actor=actor, action="delivery.retried", subject=delivery, changes=changes, at=at)
    return delivery


def queued(connection: Connection) -> "QuerySet[Delivery]":
    """What waits to be sent over a connection."""
    return connection.deliveries.filter(state=State.QUEUED)


def cancel(some: "QuerySet[Delivery]", *, at: datetime, why: str) -> int:
    """Send those not that wait among some deliveries; how many."""
    waiting = some.filter(state=State.QUEUED)
    return waiting.update(state=State.CANCELLED, finished_at=at, last_error=why)


def delete_of(connection: Connection) -> int:
    """Delete all deliveries of a connection, whatever their state; how many."""
    sql.execute(
        "DELETE FROM integrations_deliveryattempt a USING integrations_delivery d"
        " WHERE a.delivery_id = d.id AND d.connection_id = %s",
        [connection.pk],
    )
    return sql.execute(
        "DELETE FROM integrations_delivery WHERE connection_id = %s", [connection.pk]
    )


def erase(contact_ids: list[int]) -> int:
    """Forget what was said of contacts, and send nothing of it that waits. An eraser."""
    return int(sql.one(_FORGET, [contact_ids, timezone.now()]))


def merge(pairs: Sequence[Pair], at: datetime) -> Mapping[int, Moved]:
    """Give what was sent about losers to the survivors, in one order with theirs. A merger."""
    columns = [[pair.survivor_id for pair in pairs], [pair.loser_id for pair in pairs]]
    return {loser_id: Moved(count) for loser_id, count in sql.lists(_MERGE, columns)}


def purge(as_of: datetime) -> Mapping[str, int]:
    """Delete what is over for long enough: see `DELIVERED_KEPT` and `FAILED_KEPT`."""
    count = 0
    for states, kept in (
        ([State.DELIVERED, State.CANCELLED], DELIVERED_KEPT),
        ([State.FAILED], FAILED_KEPT),
    ):
        # By the thousand, so that no transaction is long.
        while deleted := sql.execute(_PURGE, [[*states], as_of - kept, _AT_ONCE]):
            count += deleted
    return {"deliveries": count}


def examine() -> Finding:
    """Whether webhooks work, and whether what is due is sent."""
    given_up = list(
        Connection.objects.filter(is_enabled=False)
        .exclude(disabled_reason="")
        .values_list("name", flat=True)[:100]
    )
    if given_up:
        message = ngettext(
            "%(count)d connection was disabled because it failed (%(name)s): look at its page.",
            "%(count)d connections were disabled because they failed (%(name)s …): look at them.",
            len(given_up),
        )
        return Finding("outbox", False, message % {"count": len(given_up), "name": given_up[0]})
    failing = Connection.objects.filter(is_enabled=True, breaker_until__isnull=False)
    resting = failing.order_by("failing_since").first()
    if resting is not None and resting.failing_since is not None:
        message = _("“%(name)s” has taken nothing since %(at)s: look at its page.")
        since = resting.failing_since.isoformat(timespec="seconds")
        return Finding("outbox", False, message % {"name": resting.name, "at": since})
    late = Delivery.objects.filter(
        state=State.QUEUED, due_at__lt=timezone.now() - PATIENCE, connection__is_enabled=True
    )
    oldest = late.order_by("due_at").values_list("due_at", flat=True).first()
    if oldest is not None:
        message = _("Deliveries wait since %(at)s: do the rounds run, and do they keep up?")
        return Finding("outbox", False, message % {"at": oldest.isoformat(timespec="seconds")})
    return Finding("outbox", True, _("What is due was sent."))
