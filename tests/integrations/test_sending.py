"""Who sends, with real processes, threads and a real server: at least once, and nobody waits."""

from collections import Counter
from http.server import BaseHTTPRequestHandler
from ipaddress import ip_network
from threading import Event
from typing import Any

import pytest
from django.utils import timezone

from integrations import outbox, sending, tasks
from integrations.models import Connection, Delivery, DeliveryAttempt
from tests.commands import command
from tests.factories import MINUTE
from tests.house.test_make_run import wait_until
from tests.integrations.delivering import make_connection
from tests.integrations.receiving import Receiver, receiver

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def loopback(settings: Any) -> None:
    settings.OUTBOUND_ALLOW = [ip_network("127.0.0.0/8")]


def queue(server: Receiver, count: int, name: str = "Shop") -> Connection:
    """A webhook at the server, for which so many messages wait."""
    webhook = make_connection(name, settings={"url": server.url})
    now = timezone.now()
    messages = [
        outbox.Message(
            f"{name}:{number}",
            webhook.pk,
            "tried",
            {"id": f"{name}:{number}", "type": "tried", "created_at": "", "data": {}},
        )
        for number in range(count)
    ]
    outbox.enqueue(messages, at=now)
    return webhook


ALLOWED = {"OUTBOUND_ALLOW": "127.0.0.0/8"}


def is_over() -> bool:
    return not Delivery.objects.exclude(state="delivered").exists()


def hold(released: Event) -> Any:
    """An answer that waits until it is released."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        released.wait(20)
        handler.send_response(200)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    return answer


@pytest.mark.walk
def test_what_a_killed_process_was_sending_comes_again_under_the_same_id() -> None:
    released = Event()
    with receiver(hold(released)) as server:
        queue(server, 12)
        with command("run_rounds", **ALLOWED) as process:
            assert wait_until(lambda: len(server.received) >= 2, seconds=60)
            process.kill()
            process.wait()
        left = Delivery.objects.filter(state="in_flight").count()
        assert left >= 2
        released.set()
        server.answer = 200
        late = timezone.now() + outbox.LEASE + MINUTE
        assert outbox.requeue_left(at=late) == left
        sending.drain(lambda: late)
    assert is_over()
    assert set(server.ids) == {f"Shop:{number}" for number in range(12)}, "nothing is lost"
    assert len(server.ids) > 12, "what was on its way came twice, and the receiver knows it"


@pytest.mark.walk
def test_a_killed_process_repeats_little_and_never_what_must_not_be_repeated() -> None:
    with receiver() as server:
        webhook = queue(server, 300)
        Delivery.objects.filter(key__regex="[02468]$").update(repeats=False)
        with command("drain_outbox", "--threads", "4", **ALLOWED) as process:
            assert wait_until(lambda: len(server.received) >= 40, seconds=90)
            process.kill()
            process.wait()
        before = len(server.ids)
        late = timezone.now() + outbox.LEASE + MINUTE

        def all_are_settled() -> bool:
            # More than once: the database may still finish a claim of the process that is gone.
            outbox.requeue_left(at=late)
            sending.drain(lambda: late)
            return not Delivery.objects.filter(state__in=["queued", "in_flight"]).exists()

        assert wait_until(all_are_settled, seconds=60)
        counts = Counter(server.ids)
    assert before < 300, "it was killed on its way"
    repeated = [key for key, count in counts.items() if count > 1]
    # Four threads, each with four at most.
    assert len(repeated) <= 16
    assert not [key for key in repeated if key[-1] in "02468"], "at most once"
    fates = dict(Delivery.objects.values_list("key", "state"))
    left = {n: fates[f"Shop:{n}"] for n in range(1, 300, 2) if fates[f"Shop:{n}"] != "delivered"}
    assert not left, "at least once"
    unknown = {key for key, state in fates.items() if state == "failed"}
    assert unknown <= set(fates) - set(counts) | {key for key in counts if key[-1] in "02468"}
    assert {*counts} | unknown == {f"Shop:{n}" for n in range(300)}
    assert webhook.deliveries.filter(state="in_flight").count() == 0


def test_what_was_taken_is_known_while_the_next_answer_is_waited_for() -> None:
    released = Event()

    def answer(handler: BaseHTTPRequestHandler) -> None:
        if len(server.received) > 1:
            released.wait(20)
        handler.send_response(200)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    senders = sending.Senders(limit=1)
    with receiver(answer) as server:
        queue(server, 2)
        try:
            senders.wake(timezone.now())
            done = Delivery.objects.filter(state="delivered")
            assert wait_until(lambda: done.count() == 1, seconds=15)
            assert len(server.received) == 2
            assert not released.is_set()
        finally:
            released.set()
            senders.stop()
    assert is_over()


def test_two_processes_send_each_message_once() -> None:
    with receiver() as server:
        queue(server, 150)
        with command("drain_outbox", "--threads", "4", **ALLOWED) as other:
            assert wait_until(lambda: server.received, seconds=90)
            sending.drain()
            assert other.wait(90) == 0
    assert is_over()
    assert sorted(server.ids) == sorted(f"Shop:{number}" for number in range(150))
    assert DeliveryAttempt.objects.count() == 150


def test_a_slow_webhook_holds_up_nobody_else() -> None:
    released = Event()
    senders = sending.Senders(limit=6)
    with receiver(hold(released)) as slow, receiver() as quick:
        queue(slow, 40, "slow")
        queue(quick, 25, "quick")
        try:
            senders.wake(timezone.now())
            done = Delivery.objects.filter(connection__name="quick", state="delivered")
            assert wait_until(lambda: done.count() == 25, seconds=15)
            assert not Delivery.objects.filter(connection__name="slow", state="delivered").exists()
        finally:
            released.set()
            senders.stop()
    assert not Delivery.objects.filter(state="in_flight").exists(), "what it had not begun is free"
    assert senders.wake(timezone.now()) is False, "who is stopped begins nothing"


def test_beat_sends_what_the_rounds_missed_and_leaves_them_what_is_fresh() -> None:
    with receiver() as server:
        queue(server, 2)
        assert tasks.send_left() == 0
        Delivery.objects.filter(key="Shop:0").update(due_at=timezone.now() - 2 * MINUTE)
        assert tasks.send_left() == 1
    assert server.ids == ["Shop:0"]
