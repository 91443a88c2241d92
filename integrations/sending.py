"""Who sends: threads that claim deliveries, hand them over and say what came of each.

A round keeps as many of them at work as there is anything to do, in each process that runs the
rounds. None holds a connection to the database while it waits for the other side.
"""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from threading import Lock, Thread, current_thread

from django.db import close_old_connections, connection
from django.utils import timezone
from django.utils.translation import gettext as _

from integrations import gates, outbound, outbox, registry
from integrations.connector import Message, Receipt
from integrations.errors import ConnectorError, PermanentError, TemporaryError
from integrations.models import Delivery
from workspace import encryption
from workspace.encryption import SecretUnreadable

logger = logging.getLogger(__name__)

THREADS = 16
# Of one connection, taken together: each may take the ten seconds that an answer may.
BATCH = 4
# How long a batch may last before what is left of it is put back.
_BATCH_SECONDS = 30.0


@dataclass(slots=True)
class Sent:
    """What a drain did."""

    delivered: int = 0
    postponed: int = 0
    failed: int = 0
    cancelled: int = 0

    def count(self, state: str) -> None:
        """Note what came of one delivery."""
        if state == Delivery.State.DELIVERED:
            self.delivered += 1
        elif state == Delivery.State.FAILED:
            self.failed += 1
        elif state == Delivery.State.CANCELLED:
            self.cancelled += 1
        else:
            self.postponed += 1


def drain(
    clock: Callable[[], datetime] = timezone.now,
    *,
    goes_on: Callable[[], bool] = lambda: True,
    patience: timedelta = timedelta(0),
) -> Sent:
    """Send what is due by `clock`, in this thread, until nothing is left or `goes_on` says no.

    What is due for less than `patience` is left to others. With a clock that stands still each
    delivery is tried once.
    """
    sent = Sent()
    while goes_on():
        batch = outbox.claim(
            due_by=clock() - patience,
            kinds=registry.kinds(),
            limit=BATCH,
            at=timezone.now(),
            rooms=registry.rooms(),
        )
        if not batch:
            break
        held_back = _held_back(batch, clock())
        began = time.monotonic()
        for position, delivery in enumerate(batch, start=1):
            if stop := held_back.get(delivery.pk):
                state = outbox.cancel(delivery, stop, at=clock())
            else:
                state = send(delivery, clock=clock)
            sent.count(state)
            is_long = time.monotonic() - began > _BATCH_SECONDS
            if _stands_still(state, delivery) or is_long or not goes_on():
                outbox.release(batch[position:])
                break
    return sent


def _stands_still(state: str, delivery: Delivery) -> bool:
    """Whether the others had better wait their turn, too, as one was not taken.

    Of what never will be taken that is so only where it may be the fault of the connection.
    """
    if state != Delivery.State.FAILED:
        return state == Delivery.State.QUEUED
    known = registry.registered(delivery.connection.kind)
    return known is None or known.disables_connection


def _held_back(batch: Sequence[Delivery], at: datetime) -> Mapping[int, gates.Stop]:
    """What the gates say; where they cannot say anything nothing is sent."""
    try:
        return gates.stops(batch, at=at)
    except Exception:
        outbox.release(batch)
        raise


def send(delivery: Delivery, *, clock: Callable[[], datetime] = timezone.now) -> str:
    """Try one delivery that was claimed, and record what came of it; the state that it has then."""
    known = registry.registered(delivery.connection.kind)
    if known is not None and not outbox.begin(delivery, at=clock()):
        return Delivery.State.QUEUED
    began = time.monotonic()
    outcome = _outcome(delivery, known)
    milliseconds = round((time.monotonic() - began) * 1000)
    if isinstance(outcome, Receipt):
        return outbox.settle(delivery, outcome, at=clock(), milliseconds=milliseconds)
    is_final = isinstance(outcome, PermanentError)
    if is_final or (outcome.is_perhaps_taken and not delivery.repeats):
        return outbox.give_up(delivery, outcome, at=clock(), milliseconds=milliseconds)
    return outbox.postpone(
        delivery,
        outcome,
        at=clock(),
        milliseconds=milliseconds,
        disables_connection=known is not None and known.disables_connection,
    )


def _outcome(delivery: Delivery, known: registry.Registered | None) -> Receipt | ConnectorError:
    """What the other side, or our own trouble on the way there, says to one attempt."""
    if delivery.attempts > len(outbox.DELAYS):
        return PermanentError(_("Each time who sent it ended before it was known what came of it."))
    if known is None:
        return TemporaryError(_("Nothing in this version sends to connections of this kind."))
    try:
        message = _message_of(delivery, known)
        # It may take seconds, for which others can use the connection to the database.
        if not connection.in_atomic_block:
            close_old_connections()
        return known.connector.send(message)
    except ConnectorError as error:
        return error
    except SecretUnreadable as error:
        return TemporaryError(str(error))
    except Exception as error:
        # A defect of ours must not stop the others, nor be met again at once for ever.
        logger.exception("Delivery %s could not be sent.", delivery.pk)
        words = _("It could not be sent, for a fault of ours (%(kind)s).")
        return TemporaryError(words % {"kind": type(error).__name__})


def _message_of(delivery: Delivery, known: registry.Registered) -> Message:
    account = delivery.connection
    sealed = account.sealed_secret
    return Message(
        key=delivery.key,
        kind=delivery.kind,
        payload=delivery.payload,
        sent_at=timezone.now(),
        subject=delivery.subject,
        contact_id=delivery.contact_id,
        settings=account.settings,
        secret=encryption.unseal(sealed) if sealed else "",
        recipient=known.find_recipient(delivery) if known.find_recipient else {},
    )


class Senders:
    """The threads of this process that send. Each ends when it finds nothing more to do."""

    def __init__(self, limit: int = THREADS) -> None:
        self._limit = limit
        self._lock = Lock()
        self._threads: set[Thread] = set()
        self._is_stopped = False

    def wake(self, at: datetime) -> bool:
        """Queue again what was left, and start threads for what is due. For `workspace.rounds`."""
        outbox.requeue_left(at=at)
        due = outbox.count_due(kinds=registry.kinds(), limit=self._limit, at=at)
        with self._lock:
            if not self._is_stopped:
                for _number in range(min(due, self._limit - len(self._threads))):
                    thread = Thread(target=self._work, name="sender")
                    self._threads.add(thread)
                    thread.start()
        return False

    def stop(self) -> None:
        """Take nothing more, and wait until what is being sent was sent."""
        with self._lock:
            self._is_stopped = True
            threads = list(self._threads)
        for thread in threads:
            thread.join()
        outbound.hang_up()

    def _work(self) -> None:
        try:
            drain(goes_on=lambda: not self._is_stopped)
        except Exception:
            # The next round begins again; what this one had is in flight until its lease is over.
            logger.exception("A thread that sends deliveries ended.")
        finally:
            close_old_connections()
            with self._lock:
                self._threads.discard(current_thread())


SENDERS = Senders()


def send_once(at: datetime) -> bool:
    """Send all that is due now, in this thread. For rounds that are run once."""
    outbox.requeue_left(at=at)
    drain()
    return False
