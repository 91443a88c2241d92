"""One after the other where it matters, and no more in a second than the other side takes."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from threading import Thread

import pytest
from django.db import close_old_connections, connection
from django.utils import timezone
from hypothesis import given, settings
from hypothesis import strategies as st

from integrations import outbox, sending
from integrations.connector import Message, Receipt
from integrations.errors import PermanentError, TemporaryError
from integrations.models import Connection, Delivery
from integrations.registry import Room
from tests.factories import HOUR, MINUTE, NOW
from tests.integrations.delivering import (
    BatchRecorder,
    Recorder,
    make_connection,
    queue,
    speaking,
    states,
)

pytestmark = pytest.mark.django_db
SECOND = timedelta(seconds=1)


@pytest.fixture
def vendor() -> Iterator[Recorder]:
    recorder = Recorder()
    with speaking("vendor", recorder, room=Room(share=100, batch=20)):
        yield recorder


def drain(at: datetime = NOW) -> sending.Sent:
    return sending.drain(lambda: at)


def claim(at: datetime = NOW, limit: int = 20) -> list[str]:
    rooms = {"vendor": Room(share=100, batch=limit)}
    taken = outbox.claim(due_by=at, kinds=["vendor"], limit=limit, at=at, rooms=rooms)
    return [one.key for one in taken]


def test_a_later_one_waits_for_an_earlier_one_of_its_key() -> None:
    account = make_connection(kind="vendor")
    queue(account, "a1", "a2", order_key="a")
    queue(account, "b1", order_key="b")
    queue(account, "x1", "x2")
    assert claim() == ["a1", "b1", "x1", "x2"]
    assert claim() == [], "a1 is being sent"
    outbox.settle(Delivery.objects.select_related("connection").get(key="a1"), Receipt(), at=NOW)
    assert claim() == ["a2"]


def test_keys_of_different_connections_have_nothing_to_do_with_each_other() -> None:
    queue(make_connection("one", kind="vendor"), "a", order_key="k")
    queue(make_connection("two", kind="vendor"), "b", order_key="k")
    assert {*claim(), *claim()} == {"a", "b"}


def test_one_that_is_tried_again_holds_up_those_behind_it_and_nobody_else(
    vendor: Recorder,
) -> None:
    def first_not(message: Message) -> Receipt:
        if message.key == "a1":
            raise TemporaryError("Later.", is_of_message=True)
        return Receipt()

    vendor.answer = first_not
    account = make_connection(kind="vendor")
    queue(account, "a1", "a2", order_key="a")
    queue(account, "b1", "b2", order_key="b")
    drain()
    assert vendor.keys == ["a1", "b1", "b2"]
    vendor.answer = Recorder().answer
    drain(NOW + MINUTE)
    assert vendor.keys[3:] == ["a1", "a2"]


@pytest.mark.parametrize("end", ["failed", "cancelled"])
def test_one_that_is_over_without_success_holds_up_nobody(vendor: Recorder, end: str) -> None:
    def never(message: Message) -> Receipt:
        if message.key == "a1":
            raise PermanentError("Never.")
        return Receipt()

    vendor.answer = never
    queue(make_connection(kind="vendor"), "a1", "a2", order_key="a")
    if end == "cancelled":
        Delivery.objects.filter(key="a1").update(state="cancelled", finished_at=NOW)
    drain()
    assert states() == {"a1": end, "a2": "delivered"}


def test_others_are_served_where_all_that_is_due_of_one_waits_for_its_turn() -> None:
    held, free = make_connection("held", kind="vendor"), make_connection("free", kind="vendor")
    queue(held, "a1", "a2", "a3", order_key="a")
    Delivery.objects.filter(key="a1").update(due_at=NOW + HOUR)
    queue(free, "f1", at=NOW + SECOND)
    assert claim(NOW + SECOND) == ["f1"]


@settings(deadline=None, max_examples=20)
@given(
    plan=st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("skfx")), max_size=8),
    batch=st.integers(1, 5),
)
def test_whatever_comes_of_them_each_key_arrives_in_order(
    plan: list[tuple[str, str]], batch: int
) -> None:
    """s: taken; k: taken at the second attempt; f: refused for good; x: without a key."""
    seen: dict[str, int] = {}
    taken: list[tuple[str, int]] = []

    def answer(message: Message) -> Receipt:
        key, fate, number = message.payload["key"].split(":")
        seen[message.key] = seen.get(message.key, 0) + 1
        if fate == "k" and seen[message.key] == 1:
            raise TemporaryError("Later.", is_of_message=True)
        if fate == "f":
            raise PermanentError("Never.")
        if fate != "x":
            taken.append((key, int(number)))
        return Receipt()

    Delivery.objects.all().delete()
    Connection.objects.all().delete()
    account = make_connection(kind="vendor")
    for number, (key, fate) in enumerate(plan):
        queue(account, f"{key}:{fate}:{number}", order_key="" if fate == "x" else key)
    with speaking("vendor", Recorder(answer), room=Room(share=100, batch=batch)):
        for hours in range(9):
            drain(NOW + hours * HOUR)
    for key in "abc":
        numbers = [number for one, number in taken if one == key]
        assert numbers == sorted(numbers)
    assert set(states().values()) <= {"delivered", "failed"}


def test_no_more_is_claimed_in_a_second_than_the_other_side_takes() -> None:
    account = make_connection(kind="vendor", settings={"per_second": 10})
    queue(account, *(f"m{n}" for n in range(100)))
    counts = [len(claim(NOW + n * 0.1 * SECOND)) for n in range(21)]
    assert counts[0] == 2, "a fifth of a second's worth at once, after a pause"
    assert counts[1:] == [1] * 20
    assert len(claim(NOW + MINUTE)) == 2, "what was not used is not saved up"


def test_what_waits_for_the_next_second_is_not_an_attempt_and_others_go_on() -> None:
    slow = make_connection("slow", kind="vendor", settings={"per_second": 1})
    queue(slow, "s1", "s2")
    queue(make_connection("quick", kind="vendor"), "q1", "q2")
    assert {*claim(), *claim()} == {"s1", "q1", "q2"}
    assert claim() == []
    waiting = Delivery.objects.get(key="s2")
    assert (waiting.state, waiting.attempts) == ("queued", 0)
    rooms = {"vendor": Room()}
    wait = outbox.seconds_to_next_turn(due_by=NOW, kinds=["vendor"], rooms=rooms, at=NOW)
    assert wait is not None
    assert 0.9 < wait <= 1


def test_a_setting_of_the_kind_holds_for_connections_that_say_nothing() -> None:
    queue(make_connection(kind="vendor"), *(f"m{n}" for n in range(9)))
    rooms = {"vendor": Room(per_second=5)}
    taken = outbox.claim(due_by=NOW, kinds=["vendor"], limit=9, at=NOW, rooms=rooms)
    assert len(taken) == 1


def test_one_call_counts_once_however_many_it_takes() -> None:
    recorder = BatchRecorder()
    with speaking("vendor", recorder, room=Room(share=500, batch=50, per_second=20)):
        queue(make_connection(kind="vendor"), *(f"m{n}" for n in range(150)))
        assert drain().delivered == 150
    assert [len(keys) for keys in recorder.calls] == [50, 50, 50]


@pytest.mark.django_db(transaction=True)
def test_threads_and_processes_share_the_pace() -> None:
    account = make_connection(kind="vendor", settings={"per_second": 50})
    queue(account, *(f"m{n}" for n in range(200)))
    at, taken = timezone.now(), []

    def work() -> None:
        try:
            for _n in range(5):
                taken.extend(outbox.claim(due_by=at, kinds=["vendor"], limit=20, at=at))
        finally:
            connection.close()
            close_old_connections()

    threads = [Thread(target=work) for _n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(taken) == 10
