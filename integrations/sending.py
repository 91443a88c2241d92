"""Who sends: threads that claim deliveries, hand them over and say what came of each.

A round keeps as many of them at work as there is anything to do, in each process that runs the
rounds. None holds a connection to the database while it waits for the other side. What came of
several is written together, half a second later at most: a process that is killed then repeats
these, but for those that must not be repeated.
"""

import logging
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from threading import Lock, Thread, current_thread

from django.db import close_old_connections, connection
from django.utils import timezone
from django.utils.translation import gettext as _

from integrations import gates, outbound, outbox, registry
from integrations.connector import BatchConnector, Connector, Message, Receipt
from integrations.errors import ConnectorError, PermanentError, TemporaryError
from integrations.models import Delivery
from integrations.outcomes import Outcome
from integrations.registry import Registered
from integrations.settling import Settler
from workspace import encryption
from workspace.encryption import SecretUnreadable

logger = logging.getLogger(__name__)

THREADS = 16
# Of one connection, taken together: each may take the ten seconds that an answer may.
BATCH = 4
# How long a batch may last before what is left of it is put back.
_BATCH_SECONDS = 30.0
# What the gates said counts for so long.
_GATES_SECONDS = 1.0
# Who waits for the next second of a connection looks again after this at the latest.
_LOOK_SECONDS = 1.0


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
    delivery is tried once. It waits where a connection only takes no more in this second.
    """
    sent = Sent()
    while goes_on():
        due_by, at, rooms = clock() - patience, timezone.now(), registry.rooms()
        kinds = registry.kinds()
        batch = outbox.claim(due_by=due_by, kinds=kinds, limit=BATCH, at=at, rooms=rooms)
        if batch:
            with Settler() as settler:
                _send_batch(batch, settler, sent, clock, goes_on)
            continue
        wait = outbox.seconds_to_next_turn(due_by=due_by, kinds=kinds, rooms=rooms, at=at)
        if wait is None:
            break
        # Not all of those who wait at the same moment.
        time.sleep(min(_LOOK_SECONDS, wait * random.uniform(1, 2)))  # noqa: S311  no secret
    return sent


def _send_batch(
    batch: Sequence[Delivery],
    settler: Settler,
    sent: Sent,
    clock: Callable[[], datetime],
    goes_on: Callable[[], bool],
) -> None:
    """Hand over what was claimed of one connection, or put back what is not tried."""
    known = registry.registered(batch[0].connection.kind)
    left = _allowed(batch, settler, sent, clock)
    if known is not None and known.sends_many:
        if left:
            _note(_try_all(left, known, clock), settler, sent)
        return
    began = asked = time.monotonic()
    while left:
        if time.monotonic() - asked > _GATES_SECONDS:
            # What was withdrawn while the others went out counts, too.
            left, asked = _allowed(left, settler, sent, clock), time.monotonic()
            if not left:
                break
        delivery, *left = left
        outcome = _try(delivery, known, clock)
        if outcome is not None:
            _note([outcome], settler, sent)
            if outcome.state == Delivery.State.FAILED:
                # The next may go to the same place, of which somebody hears now that it is gone.
                settler.settle()
        is_long = time.monotonic() - began > _BATCH_SECONDS
        if outcome is None or _stands_still(outcome) or is_long or not goes_on():
            outbox.release(left)
            break


def _note(outcomes: Sequence[Outcome], settler: Settler, sent: Sent) -> None:
    for outcome in outcomes:
        sent.count(outcome.state)
    settler.add(*outcomes)


def _stands_still(outcome: Outcome) -> bool:
    """Whether the others had better wait their turn, too, as one was not taken.

    Of what never will be taken that is so only where it may be the fault of the connection.
    """
    return outcome.is_trouble or (
        outcome.state == Delivery.State.FAILED and outcome.disables_connection
    )


def _allowed(
    batch: Sequence[Delivery], settler: Settler, sent: Sent, clock: Callable[[], datetime]
) -> list[Delivery]:
    """Those that the gates let through; where they cannot say anything nothing is sent."""
    try:
        stops = gates.stops(batch, at=clock())
    except Exception:
        outbox.release(batch)
        raise
    _note([Outcome(one, stops[one.pk], clock()) for one in batch if one.pk in stops], settler, sent)
    return [one for one in batch if one.pk not in stops]


def _try(
    delivery: Delivery, known: Registered | None, clock: Callable[[], datetime]
) -> Outcome | None:
    """Try one delivery that was claimed; None where the claim was lost meanwhile."""
    if known is not None and not outbox.begin(delivery, at=clock()):
        return None
    began = time.monotonic()
    try:
        message = _message_of(delivery, known)
        said = _told(lambda: _connector(known).send(message), str(delivery.pk))
    except ConnectorError as error:
        said = error
    return _outcome(delivery, said, known, began, clock)


def _try_all(
    batch: Sequence[Delivery], known: Registered, clock: Callable[[], datetime]
) -> list[Outcome]:
    """Try deliveries of one connection in one call, but for those whose claim was lost."""
    began = time.monotonic()
    outcomes, messages, handed_over = [], [], []
    for delivery in batch:
        try:
            messages.append(_message_of(delivery, known))
            handed_over.append(delivery)
        except ConnectorError as error:
            outcomes.append(_outcome(delivery, error, known, began, clock))
    begun = {one.pk for one in outbox.begin_all(handed_over, at=clock())}
    messages = [one for one, its in zip(messages, handed_over, strict=True) if its.pk in begun]
    handed_over = [one for one in handed_over if one.pk in begun]
    if handed_over:
        said = _told_of_all(_connector(known), messages)
        outcomes += [
            _outcome(one, answer, known, began, clock)
            for one, answer in zip(handed_over, said, strict=True)
        ]
    return outcomes


def _outcome(
    delivery: Delivery,
    said: Receipt | ConnectorError,
    known: Registered | None,
    began: float,
    clock: Callable[[], datetime],
) -> Outcome:
    return Outcome(
        delivery,
        said,
        clock(),
        round((time.monotonic() - began) * 1000),
        disables_connection=known is not None and known.disables_connection,
    )


def _told_of_all(
    connector: Connector, messages: Sequence[Message]
) -> Sequence[Receipt | ConnectorError]:
    """What the other side says to each of many."""
    assert isinstance(connector, BatchConnector), "it says so itself"
    answers: list[Receipt | ConnectorError] = []

    def send() -> Receipt:
        answers.extend(connector.send_many(messages))
        if len(answers) != len(messages):
            raise ValueError(f"{len(answers)} answers to {len(messages)} messages.")
        return Receipt()

    said = _told(send, f"{messages[0].key} …")
    return [said] * len(messages) if isinstance(said, ConnectorError) else answers


def _told(send: Callable[[], Receipt], what: str) -> Receipt | ConnectorError:
    """What the other side, or our own trouble on the way there, says to one call."""
    # It may take seconds, for which others can use the connection to the database.
    if not connection.in_atomic_block:
        close_old_connections()
    try:
        return send()
    except ConnectorError as error:
        return error
    except Exception as error:
        logger.exception("Delivery %s could not be sent.", what)
        return _fault(error)


def _fault(error: Exception) -> TemporaryError:
    """A defect of ours: it must not stop the others, nor be met again at once for ever."""
    words = _("It could not be sent, for a fault of ours (%(kind)s).")
    return TemporaryError(words % {"kind": type(error).__name__})


def _connector(known: Registered | None) -> Connector:
    assert known is not None, "else there is no message"
    return known.connector


def _message_of(delivery: Delivery, known: Registered | None) -> Message:
    """A delivery as it is handed over. Raises ConnectorError where it cannot be."""
    if delivery.attempts > len(outbox.DELAYS):
        words = _("Each time who sent it ended before it was known what came of it.")
        raise PermanentError(words)
    if known is None:
        raise TemporaryError(_("Nothing in this version sends to connections of this kind."))
    account = delivery.connection
    sealed = account.sealed_secret
    try:
        return Message(
            key=delivery.key,
            kind=delivery.kind,
            payload=delivery.payload,
            sent_at=timezone.now(),
            subject=delivery.subject,
            contact_id=delivery.contact_id,
            connection_id=delivery.connection_id,
            settings=account.settings,
            secret=encryption.unseal(sealed) if sealed else "",
            recipient=known.find_recipient(delivery) if known.find_recipient else {},
        )
    except ConnectorError:
        raise
    except SecretUnreadable as error:
        raise TemporaryError(str(error)) from error
    except Exception as error:
        logger.exception("Delivery %s could not be sent.", delivery.pk)
        raise _fault(error) from error


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
