"""Dead letters: deliveries that failed for good, by connection and reason, until somebody decides.

They are sent again under the same key, or dropped. Who does neither finds them for 90 days.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.db.models import Count, Max, Min, QuerySet
from django.utils.translation import gettext as _

from integrations import connections, outbox
from integrations.deliveries import FORGOTTEN, RETRY, visible_deliveries
from integrations.errors import ConnectionUnknown
from integrations.models import Connection, Delivery
from workspace import audit
from workspace.access import Actor, require

State = Delivery.State
# As many as a person looks through; those with the most letters come first.
SHOWN = 200


@dataclass(frozen=True, slots=True)
class DeadLetters:
    """What failed of one type over one connection for one reason; `newest_id` is one of them."""

    connection: Connection
    kind: str
    reason: str
    count: int
    since: datetime
    last_at: datetime
    newest_id: int


def find_dead_letters(
    *, actor: Actor, connection_id: int | None = None, limit: int = SHOWN
) -> list[DeadLetters]:
    """What failed and was not dealt with, grouped, the largest group first; two queries."""
    groups = (
        _failed(actor, connection_id)
        .order_by()
        .values_list("connection_id", "kind", "reason")
        .annotate(n=Count("pk"), since=Min("finished_at"), last=Max("finished_at"), one=Max("pk"))
        .order_by("-n", "-one")[:limit]
    )
    found = list(groups)
    known = Connection.objects.in_bulk({row[0] for row in found})
    return [DeadLetters(known[pk], *rest) for pk, *rest in found if pk in known]


@transaction.atomic
def retry_dead_letters(
    connection_id: int,
    *,
    actor: Actor,
    at: datetime,
    kind: str | None = None,
    reason: str | None = None,
) -> int:
    """Send all again that failed over a connection, or those of one type or reason; how many.

    They have all their attempts before them; what an erased contact was told is left out. Where the
    connection rests it is tried at once. Raises ConnectionUnknown.
    """
    require(actor, RETRY)
    connection = _find(connection_id)
    again = _chosen(actor, connection, kind, reason).exclude(payload=FORGOTTEN)
    count = again.update(
        state=State.QUEUED, finished_at=None, due_at=at, attempts=0, begun_at=None, reason=""
    )
    if count:
        connections.try_again([connection.pk])
        outbox.wake()
        _record("failed_retried", connection, {"retried": [None, count]}, reason, actor, at)
    return count


@transaction.atomic
def drop_dead_letters(
    connection_id: int,
    *,
    actor: Actor,
    at: datetime,
    kind: str | None = None,
    reason: str | None = None,
) -> int:
    """Let go of all that failed over a connection, or of those of one type or reason; how many.

    They are cancelled, can still be read for 30 days, and one by one be sent again. Raises
    ConnectionUnknown.
    """
    require(actor, RETRY)
    connection = _find(connection_id)
    count = _chosen(actor, connection, kind, reason).update(state=State.CANCELLED, finished_at=at)
    if count:
        _record("failed_dropped", connection, {"dropped": [None, count]}, reason, actor, at)
    return count


def _failed(actor: Actor, connection_id: int | None) -> "QuerySet[Delivery]":
    found = visible_deliveries(actor).filter(state=State.FAILED)
    return found if connection_id is None else found.filter(connection_id=connection_id)


def _chosen(
    actor: Actor, connection: Connection, kind: str | None, reason: str | None
) -> "QuerySet[Delivery]":
    found = _failed(actor, connection.pk)
    if kind is not None:
        found = found.filter(kind=kind)
    return found if reason is None else found.filter(reason=reason)


def _find(connection_id: int) -> Connection:
    found = Connection.objects.filter(pk=connection_id).first()
    if found is None:
        raise ConnectionUnknown(_("There is no connection %(id)s.") % {"id": connection_id})
    return found


def _record(
    what: str,
    connection: Connection,
    changes: dict[str, Iterable[object]],
    reason: str | None,
    actor: Actor,
    at: datetime,
) -> None:
    if reason is not None:
        changes["reason"] = [None, reason]
    audit.record(
        actor=actor,
        action=f"{connection.kind}.{what}",
        subject=connection,
        # As its own screen names it.
        object_type=f"integrations.{connection.kind}",
        changes=changes,
        at=at,
    )
