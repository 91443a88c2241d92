"""Many at once: one call, one statement, and each has a fate of its own all the same."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from integrations import gates, outbox, sending
from integrations.connector import Message, Receipt
from integrations.errors import ConnectorError, PermanentError, TemporaryError
from integrations.gates import Stop
from integrations.models import Connection, Delivery, DeliveryAttempt
from integrations.outcomes import Outcome, reason_of
from integrations.registry import Room
from tests.factories import MINUTE, NOW
from tests.integrations.delivering import (
    BatchRecorder,
    Recorder,
    make_connection,
    queue,
    speaking,
    states,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def batches() -> Iterator[BatchRecorder]:
    recorder = BatchRecorder()
    with speaking("vendor", recorder, room=Room(share=1000, batch=50)):
        yield recorder


def drain() -> sending.Sent:
    return sending.drain(lambda: NOW)


def test_a_batch_is_handed_over_in_one_call(batches: BatchRecorder) -> None:
    queue(make_connection(kind="vendor"), *(f"m{n}" for n in range(120)))
    assert drain().delivered == 120
    assert [len(keys) for keys in batches.calls] == [50, 50, 20]
    assert sorted(batches.keys) == sorted(f"m{n}" for n in range(120))
    assert DeliveryAttempt.objects.filter(status=200, answer="ok").count() == 120


def test_each_message_of_a_batch_has_its_own_fate(batches: BatchRecorder) -> None:
    def answers(some: Sequence[Message]) -> list[Receipt | ConnectorError]:
        return [Receipt("ref"), TemporaryError("Later."), PermanentError("Never.")]

    batches.answers = answers
    queue(make_connection(kind="vendor"), "a", "b", "c")
    sent = drain()
    assert (sent.delivered, sent.postponed, sent.failed) == (1, 1, 1)
    assert states() == {"a": "delivered", "b": "queued", "c": "failed"}


@pytest.mark.parametrize("error", [TemporaryError("It answered 503."), ValueError("a defect")])
def test_what_comes_of_the_whole_call_comes_of_each(
    batches: BatchRecorder, error: Exception
) -> None:
    def fail(some: Sequence[Message]) -> list[Receipt]:
        raise error

    batches.answers = fail
    account = make_connection(kind="vendor")
    queue(account, "a", "b")
    assert drain().postponed == 2
    account.refresh_from_db()
    assert account.failures == 1, "one call failed"


def test_too_few_answers_are_a_defect_and_nothing_is_taken_for_sent(
    batches: BatchRecorder,
) -> None:
    batches.answers = lambda some: [Receipt()]
    queue(make_connection(kind="vendor"), "a", "b")
    assert drain().postponed == 2
    assert Delivery.objects.first().last_error.endswith("(ValueError).")  # type: ignore[union-attr]


def test_what_must_not_be_repeated_is_noted_before_the_call(batches: BatchRecorder) -> None:
    def look(some: Sequence[Message]) -> list[Receipt]:
        assert Delivery.objects.filter(begun_at=NOW, repeats=False).count() == 2
        return [Receipt() for _one in some]

    batches.answers = look
    queue(make_connection(kind="vendor"), "a", "b", repeats=False)
    assert drain().delivered == 2


def test_a_lost_claim_is_not_handed_over_and_changes_nothing(batches: BatchRecorder) -> None:
    account = make_connection(kind="vendor")
    queue(account, "a", "b")
    first = outbox.claim(due_by=NOW, kinds=["vendor"], limit=2, at=NOW)
    Delivery.objects.filter(key="a").update(claimed_at=NOW + MINUTE)
    outbox.settle_all([Outcome(one, Receipt("mine"), NOW) for one in first])
    assert states() == {"a": "in_flight", "b": "delivered"}
    assert DeliveryAttempt.objects.count() == 1


def test_a_batch_is_settled_by_a_handful_of_statements() -> None:
    account = make_connection(kind="vendor")
    queue(account, *(f"m{n}" for n in range(60)))
    taken = outbox.claim(due_by=NOW, kinds=["vendor"], limit=60, at=NOW)
    outcomes = [Outcome(one, Receipt(), NOW) for one in taken]
    with CaptureQueriesContext(
        connection,
    ) as few:
        outbox.settle_all(outcomes[:2])
    with CaptureQueriesContext(connection) as many:
        outbox.settle_all(outcomes[2:])
    assert len(many) <= len(few)


def test_one_that_nobody_can_hear_of_keeps_no_other_in_flight(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told: list[str] = []

    def hear(finished: Sequence[outbox.Finished], at: object) -> None:
        if any(one.key == "b" for one in finished):
            raise ValueError("a defect")
        told.extend(one.key for one in finished)

    monkeypatch.setattr(outbox, "_consumers", {})
    outbox.register_consumer("test", hear)
    with speaking("vendor", Recorder(), room=Room(batch=3)):
        queue(make_connection(kind="vendor"), "a", "b", "c")
        with pytest.raises(ValueError, match="a defect"):
            drain()
    assert states() == {"a": "delivered", "b": "in_flight", "c": "delivered"}
    assert told == ["a", "c"]


def test_what_fails_together_does_not_come_back_together() -> None:
    def fail(message: Message) -> Receipt:
        raise TemporaryError("Later.", is_of_message=True)

    with speaking("vendor", Recorder(fail), room=Room(batch=50)):
        queue(make_connection(kind="vendor"), *(f"m{n}" for n in range(30)))
        assert drain().postponed == 30, "the connection works: none waits for the others"
    waits = {one.due_at - NOW for one in Delivery.objects.all()}
    assert len(waits) > 25
    assert min(waits) >= 0.8 * MINUTE
    assert max(waits) <= MINUTE
    assert max(waits) - min(waits) > timedelta(seconds=5)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        ("It answered 500.", "It answered 500."),
        (
            "The mail server refused it: 550 <anna.k@example.com> unknown",
            "The mail server refused it: 550 <…> unknown",
        ),
        ("No such order 20261127", "No such order …"),
        ("Request 9f8b7c6d5e4f3a21 refused", "Request … refused"),
        ("Nothing\nanswered  in time", "Nothing answered in time"),
    ],
)
def test_a_reason_leaves_out_what_is_of_one_message_only(error: str, reason: str) -> None:
    assert reason_of(error) == reason
    assert len(reason_of("words " * 100)) <= 200


def test_connections_of_a_kind_that_nothing_speaks_for_are_left_alone() -> None:
    queue(make_connection(kind="pigeon"), "a")
    assert drain() == sending.Sent()
    assert Connection.objects.get().failures == 0


def test_what_is_withdrawn_while_others_go_out_is_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    withdrawn: set[str] = set()

    def answer(message: Message) -> Receipt:
        withdrawn.update({"a": {"c"}}.get(message.key, set()))
        return Receipt()

    def stop(batch: Sequence[Delivery], at: datetime) -> dict[int, Stop]:
        return {one.pk: Stop("withdrawn", "No.") for one in batch if one.key in withdrawn}

    # As if each message took longer than what the gates said counts.
    monkeypatch.setattr(sending, "_GATES_SECONDS", -1.0)
    monkeypatch.setattr(gates, "_gates", {"test": (frozenset({"webhook"}), stop)})
    recorder = Recorder(answer)
    queue(make_connection(), "a", "b", "c", "d")
    with speaking("webhook", recorder):
        sent = drain()
    assert recorder.keys == ["a", "b", "d"]
    assert (sent.delivered, sent.cancelled) == (3, 1)


def test_a_short_queue_is_shared_by_all_who_send() -> None:
    account = make_connection()
    queue(account, *(f"m{n}" for n in range(700)))
    room = {"webhook": Room(share=1000, batch=100)}

    def take() -> int:
        return len(outbox.claim(due_by=NOW, kinds=["webhook"], limit=4, at=NOW, rooms=room))

    assert take() == 43
    assert take() == 41
    Delivery.objects.filter(state="queued", key__gt="m2").delete()
    assert take() == 20, "a few at least"
