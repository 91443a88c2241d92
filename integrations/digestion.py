"""The round that digests: what was received becomes events and profiles, once, in order.

A batch is one transaction: its requests are deleted in the same transaction in which everything
that follows from them is written. Whatever kills us in the middle undoes it, and the next round
takes it up. One that fails is tried request by request, then message by message, until it is known
which message is at fault; that one is held, with what we know of it, and delays nobody.
"""

import logging
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import partial

from django.db import InterfaceError, OperationalError, transaction
from django.db.models import Count, F, Min, Q
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from contacts.errors import ResolutionContended
from contacts.events import pause_recording
from integrations import event_log
from integrations.messages import Message, unpack
from integrations.models import InboundRequest, Source
from integrations.processing import Item, has_delete, leave_duplicates, leave_own, process
from workspace import locks
from workspace.checkup import Finding
from workspace.exactjson import exact_loads

logger = logging.getLogger(__name__)

EVENT_LIMIT = 2000
# Of the bodies as the database keeps them, where they have about a third of their size.
SIZE_LIMIT = 8 * 2**20
# A request that even could not be held is left alone after so many attempts; `doctor` tells.
ATTEMPT_LIMIT = 5
PATIENCE = timedelta(minutes=1)
_LOCK = "integrations.digest"
# States of PostgreSQL that pass: connection, conflicts, resources, the server going down.
_PASSING = ("08", "40", "53", "55", "57", "58")
_CONFLICT = "40"
_TRIES = 3

# The requests of one source, beginning with the oldest of all, as long as they have not too many
# events and are not too large: a source has its own mappings, and tells of each contact by itself.
_TAKE = f"""
WITH oldest AS (
  SELECT id, source_id, event_count, pg_column_size(body) AS size
  FROM integrations_inboundrequest
  WHERE attempts < {ATTEMPT_LIMIT} ORDER BY id LIMIT {EVENT_LIMIT}
), summed AS (
  SELECT id, sum(event_count) OVER (ORDER BY id) - event_count AS events_before,
    sum(size) OVER (ORDER BY id) - size AS size_before
  FROM oldest WHERE source_id = (SELECT source_id FROM oldest ORDER BY id LIMIT 1)
)
SELECT * FROM integrations_inboundrequest
WHERE id IN (
  SELECT id FROM summed WHERE events_before < {EVENT_LIMIT} AND size_before < {SIZE_LIMIT})
ORDER BY id FOR UPDATE SKIP LOCKED
"""  # noqa: S608  made of our own numbers only


def digest(as_of: datetime) -> bool:
    """Digest a batch of what waits; true where there may be more. For `workspace.rounds`.

    Raises what will pass by itself, such as a database that is not there: then all stays as it was.
    """
    batch: list[InboundRequest] = []

    def take() -> list[InboundRequest]:
        batch[:] = InboundRequest.objects.raw(_TAKE)
        return batch

    try:
        return _digest(take, as_of)
    except Exception as error:
        if passes(error):
            raise
        logger.exception("A batch could not be digested; its requests are taken one by one.")
    for request in batch:
        # Each in its own transaction, on purpose: one of them is at fault.
        _digest_alone(request, as_of)
    return True


def process_singly(source: Source, items: Sequence[Item], *, at: datetime) -> None:
    """Use each message by itself, so that one by which we stumble spoils no other.

    Slow: for when `process` failed. Raises what will pass by itself.
    """
    for item in items:
        try:
            with transaction.atomic():
                process(source, [item], at=at)
        except Exception as error:
            if passes(error):
                raise
            logger.exception("The message %s could not be used.", item.message.message_id)
            item.fail(_defect(error))


def passes(error: BaseException) -> bool:
    """Whether an error says nothing of the messages, and will pass by itself."""
    if isinstance(error, ResolutionContended | InterfaceError):
        return True
    if not isinstance(error, OperationalError):
        return False
    state = _state(error)
    return not state or state.startswith(_PASSING)


def examine_inbox() -> Finding:
    """Whether what was received is digested at once, and nothing was left lying."""
    waiting = InboundRequest.objects.aggregate(
        since=Min("received_at", filter=Q(attempts__lt=ATTEMPT_LIMIT)),
        left=Count("pk", filter=Q(attempts__gte=ATTEMPT_LIMIT)),
    )
    if left := waiting["left"]:
        message = ngettext(
            "%(count)d request could not be digested: the log of the rounds says why.",
            "%(count)d requests could not be digested: the log of the rounds says why.",
            left,
        )
        return Finding("inbox", False, message % {"count": left})
    since = waiting["since"]
    if since is not None and timezone.now() - since > PATIENCE:
        message = _("Requests wait since %(at)s: do the rounds run, and do they keep up?")
        return Finding("inbox", False, message % {"at": since.isoformat(timespec="seconds")})
    return Finding("inbox", True, _("What was received has been digested."))


def _digest(take: Callable[[], Sequence[InboundRequest]], as_of: datetime) -> bool:
    """Digest what `take` takes, in one transaction; whether there was anything."""
    for attempt in range(_TRIES):
        try:
            with transaction.atomic():
                if not locks.try_lock(_LOCK):
                    return False
                requests = take()
                if requests:
                    _use(requests, as_of)
                return bool(requests)
        except OperationalError as error:
            # Others wrote the same rows in another order: again, it is all undone.
            if not _state(error).startswith(_CONFLICT) or attempt == _TRIES - 1:
                raise
    return False


def _use(requests: Sequence[InboundRequest], as_of: datetime) -> None:
    source = Source.objects.get(pk=requests[0].source_id)
    items = [item for request in requests for item in _items(request)]
    if has_delete(items):
        pause_recording()
    process(source, leave_duplicates(source, leave_own(items), at=as_of), at=as_of)
    _finish(source, requests, items)


def _finish(source: Source, requests: Sequence[InboundRequest], items: Sequence[Item]) -> None:
    event_log.write_log(source, items)
    InboundRequest.objects.filter(pk__in=[request.pk for request in requests]).delete()


def _items(request: InboundRequest) -> list[Item]:
    messages = unpack(
        request.call,
        exact_loads(request.body),
        receipt=str(request.pk),
        received_at=request.received_at,
    )
    return [Item(message, request.received_at) for message in messages]


def _digest_alone(request: InboundRequest, as_of: datetime) -> None:
    """Digest one request; by its messages where that fails, and hold it whole where that fails."""
    again = partial(_take_one, request.pk)
    for way in (_use, _use_by_messages, _hold_whole):
        try:
            with transaction.atomic():
                locks.lock(_LOCK)
                if requests := again():
                    way(requests, as_of)
            return
        except Exception as error:
            if passes(error):
                raise
            logger.exception("Request %s of a source could not be digested so.", request.pk)
    InboundRequest.objects.filter(pk=request.pk).update(attempts=F("attempts") + 1)


def _take_one(pk: int) -> list[InboundRequest]:
    waiting = InboundRequest.objects.select_for_update(skip_locked=True)
    return list(waiting.filter(pk=pk, attempts__lt=ATTEMPT_LIMIT))


def _use_by_messages(requests: Sequence[InboundRequest], as_of: datetime) -> None:
    """Use each message of a request by itself."""
    (request,) = requests
    source = Source.objects.get(pk=request.source_id)
    items = _items(request)
    if has_delete(items):
        pause_recording()
    new = leave_duplicates(source, leave_own(items), at=as_of)
    process_singly(source, new, at=as_of)
    _finish(source, requests, items)


def _hold_whole(requests: Sequence[InboundRequest], as_of: datetime) -> None:
    """Hold a request of which we cannot even tell the messages."""
    (request,) = requests
    source = Source.objects.get(pk=request.source_id)
    message = Message(
        type=request.call,
        message_id=f"receipt-{request.pk}",
        has_own_id=False,
        text=request.body,
        occurred_at=request.received_at,
    )
    item = Item(message, request.received_at)
    item.fail(_("The request could not be read. The log of the rounds says where it failed."))
    _finish(source, requests, [item])


def _defect(error: Exception) -> str:
    words = {"kind": type(error).__name__}
    return _("It could not be used, for a fault of ours (%(kind)s): replay it later.") % words


def _state(error: BaseException) -> str:
    return getattr(error.__cause__, "sqlstate", None) or ""
