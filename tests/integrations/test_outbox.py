"""The life of a delivery: queued with the fact, claimed by one, sent at least once, never lost."""

from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
from django.db import IntegrityError, transaction

from integrations import outbox, sending
from integrations.connector import Message, Receipt
from integrations.errors import PermanentError, TemporaryError
from integrations.models import Connection, Delivery, DeliveryAttempt
from tests.factories import HOUR, MINUTE, NOW
from tests.integrations.delivering import Recorder, make_connection, queue, speaking, states
from workspace.models import AuditEntry

pytestmark = pytest.mark.django_db


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    recorder = Recorder()
    with speaking("webhook", recorder, disables_connection=True):
        yield recorder


def refuse(message: Message) -> Receipt:
    raise TemporaryError("It answered 503.", http_status=503, answer="later")


def drain(at: datetime = NOW) -> sending.Sent:
    return sending.drain(lambda: at)


def test_a_key_is_queued_and_sent_once_however_often_it_is_told(recorder: Recorder) -> None:
    shop = make_connection()
    message = outbox.Message("a", shop.pk, "tried", {"n": 1}, subject="distribution:1")
    assert outbox.enqueue([message, message], at=NOW) == 1
    assert outbox.enqueue([message], at=NOW) == 0
    assert drain().delivered == 1
    assert outbox.enqueue([message], at=NOW) == 0
    drain()
    (sent,) = recorder.sent
    assert (sent.key, sent.payload, sent.subject) == ("a", {"n": 1}, "distribution:1")
    delivery = Delivery.objects.get()
    assert (delivery.state, delivery.reference, delivery.attempts) == ("delivered", "ref", 1)
    attempt = delivery.tries.get()
    assert (attempt.status, attempt.answer, attempt.error) == (200, "ok", "")


def test_what_is_rolled_back_was_never_queued() -> None:
    shop = make_connection()
    with transaction.atomic():
        queue(shop, "a")
        transaction.set_rollback(True)
    assert not Delivery.objects.exists()


def test_a_key_too_long_for_its_column_is_a_defect_of_the_caller() -> None:
    with pytest.raises(ValueError, match="200"):
        queue(make_connection(), "k" * 201)


def test_rows_of_a_statement_are_queued_by_one_statement(recorder: Recorder) -> None:
    shop = make_connection()
    statement = """
    SELECT 'row:' || n AS key, %s AS connection_id, 'tried' AS kind, NULL::bigint AS contact_id,
      NULL::text AS subject, jsonb_build_object('n', n) AS payload, NULL::timestamptz AS due_at
    FROM generate_series(1, 50) n"""
    assert outbox.enqueue_rows(statement, [shop.pk], at=NOW) == 50
    assert outbox.enqueue_rows(statement, [shop.pk], at=NOW) == 0
    assert drain().delivered == 50
    assert {message.payload["n"] for message in recorder.sent} == set(range(1, 51))


def test_nothing_is_sent_before_it_is_due(recorder: Recorder) -> None:
    shop = make_connection()
    later = NOW + HOUR
    outbox.enqueue([outbox.Message("a", shop.pk, "tried", {}, due_at=later)], at=NOW)
    drain(later - timedelta(microseconds=1))
    assert recorder.keys == []
    drain(later)
    assert recorder.keys == ["a"]


def test_what_is_not_taken_is_tried_at_the_times_that_are_promised(recorder: Recorder) -> None:
    recorder.answer = refuse
    shop = make_connection()
    queue(shop, "a")
    at, waits = NOW, []
    while states()["a"] == "queued":
        drain(at)
        delivery = Delivery.objects.get()
        if delivery.state == "queued":
            waits.append(round((delivery.due_at - at) / MINUTE))
            drain(delivery.due_at - timedelta(microseconds=1))
            at = delivery.due_at
    assert waits == [1, 2, 4, 8, 16, 32, 60, 120, 240, 480, 960, 1440]
    assert recorder.keys == ["a"] * 13
    assert DeliveryAttempt.objects.filter(status=503, answer="later").count() == 13


def test_after_the_last_attempt_the_connection_is_disabled_and_says_why(recorder: Recorder) -> None:
    recorder.answer = refuse
    shop = make_connection()
    queue(shop, "a", "b")
    Delivery.objects.filter(key="a").update(attempts=12)
    drain()
    shop.refresh_from_db()
    assert states() == {"a": "failed", "b": "queued"}
    assert not shop.is_enabled
    assert "It answered 503." in shop.disabled_reason
    assert shop.disabled_at == NOW
    assert AuditEntry.objects.get().action == "webhook.disabled"
    assert drain(NOW + 100 * HOUR) == sending.Sent(), "who is disabled gets nothing more"


def test_one_failed_letter_does_not_disable_a_mail_server() -> None:
    recorder = Recorder(refuse)
    with speaking("email", recorder):
        server = make_connection(kind="email")
        queue(server, "a")
        Delivery.objects.update(attempts=12)
        drain()
    server.refresh_from_db()
    assert states() == {"a": "failed"}
    assert server.is_enabled


def test_what_will_never_be_taken_is_tried_once(recorder: Recorder) -> None:
    def never(message: Message) -> Receipt:
        raise PermanentError("No such address.")

    recorder.answer = never
    queue(make_connection(), "a")
    assert drain().failed == 1
    assert Delivery.objects.get().last_error == "No such address."
    assert Connection.objects.get().is_enabled


def test_a_defect_of_a_connector_is_met_again_later_only(recorder: Recorder) -> None:
    def stumble(message: Message) -> Receipt:
        raise KeyError("x")

    recorder.answer = stumble
    queue(make_connection(), "a")
    assert drain().postponed == 1
    assert Delivery.objects.get().last_error.endswith("(KeyError).")


def test_what_a_dead_worker_left_is_sent_again_under_the_same_key(recorder: Recorder) -> None:
    queue(make_connection(), "a")
    (left,) = outbox.claim(due_by=NOW, kinds=["webhook"], limit=5, at=NOW)
    assert outbox.requeue_left(at=NOW + outbox.LEASE) == 0, "it may still be at it"
    at = NOW + outbox.LEASE + timedelta(microseconds=1)
    assert outbox.requeue_left(at=at) == 1
    assert drain(at).delivered == 1
    outbox.postpone(left, TemporaryError("late"), at=at)
    assert states() == {"a": "delivered"}, "who lost the claim changes nothing"
    assert [one.error != "" for one in DeliveryAttempt.objects.order_by("pk")] == [True, False]


def test_what_kills_whoever_sends_it_is_not_tried_for_ever(recorder: Recorder) -> None:
    queue(make_connection(), "a")
    Delivery.objects.update(attempts=13)
    drain()
    assert recorder.keys == []
    assert states() == {"a": "failed"}


def test_nobody_gets_what_another_has(recorder: Recorder) -> None:
    queue(make_connection(), "a", "b", "c")
    first = outbox.claim(due_by=NOW, kinds=["webhook"], limit=2, at=NOW)
    second = outbox.claim(due_by=NOW, kinds=["webhook"], limit=2, at=NOW)
    assert [[one.key for one in some] for some in (first, second)] == [["a", "b"], ["c"]]
    outbox.release(first)
    assert states() == {"a": "queued", "b": "queued", "c": "in_flight"}


def test_a_slow_connection_gets_no_more_than_its_share() -> None:
    slow, quick = make_connection("slow"), make_connection("quick")
    queue(slow, *(f"s{n}" for n in range(100)))
    queue(quick, "q1", "q2", at=NOW + MINUTE)
    at = NOW + HOUR
    taken = []
    while batch := outbox.claim(due_by=at, kinds=["webhook"], limit=4, at=at):
        taken.append([one.key for one in batch])
    assert taken[1] == ["q1", "q2"], "who has the fewest in flight comes first"
    assert sum(len(batch) for batch in taken) == outbox.SHARE + 2


def test_one_that_fails_gets_a_single_try_at_a_time(recorder: Recorder) -> None:
    shop = make_connection(failing_since=NOW)
    queue(shop, "a", "b")
    assert len(outbox.claim(due_by=NOW, kinds=["webhook"], limit=4, at=NOW)) == 1
    assert outbox.claim(due_by=NOW, kinds=["webhook"], limit=4, at=NOW) == []


def test_a_success_ends_the_failing_of_a_connection(recorder: Recorder) -> None:
    shop = make_connection()
    recorder.answer = refuse
    queue(shop, "a")
    drain()
    assert Connection.objects.get().failing_since == NOW
    recorder.answer = Recorder().answer
    drain(NOW + MINUTE)
    shop.refresh_from_db()
    assert shop.failing_since is None
    assert shop.last_success_at == NOW + MINUTE


def test_what_nothing_speaks_for_waits(recorder: Recorder) -> None:
    queue(make_connection(kind="pigeon"), "a")
    drain()
    assert states() == {"a": "queued"}


def test_who_asked_is_told_what_is_over_in_the_same_transaction(
    recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[outbox.Finished] = []
    monkeypatch.setattr(outbox, "_consumers", {})
    outbox.register_consumer("test", lambda finished, at: told.extend(finished))
    recorder.answer = refuse
    queue(make_connection(), "a")
    drain()
    assert told == [], "it is tried again"
    recorder.answer = Recorder().answer
    drain(NOW + MINUTE)
    assert [(one.key, one.state) for one in told] == [("a", "delivered")]


@pytest.mark.parametrize(
    "change",
    [
        {"state": "in_flight", "claimed_at": None},
        {"state": "delivered", "finished_at": None},
        {"claimed_at": NOW},
        {"finished_at": NOW},
    ],
)
def test_the_database_keeps_states_and_times_together(change: dict[str, object]) -> None:
    queue(make_connection(), "a")
    with pytest.raises(IntegrityError), transaction.atomic():
        Delivery.objects.update(**change)
