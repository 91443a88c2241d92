"""A connection that fails rests, what waits loses no attempt, and webhooks keep their times."""

from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest

from integrations import connections, deliveries, outbox, sending, webhooks
from integrations.connector import Message, Receipt
from integrations.errors import PermanentError, TemporaryError
from integrations.models import Connection, Delivery
from tests.factories import HOUR, MINUTE, NOW
from tests.integrations.delivering import Recorder, make_connection, queue, speaking, states
from workspace.access import SYSTEM

pytestmark = pytest.mark.django_db
SECOND = timedelta(seconds=1)


def refuse(message: Message) -> Receipt:
    raise TemporaryError("It answered 503.", http_status=503)


@pytest.fixture
def vendor() -> Iterator[Recorder]:
    recorder = Recorder(refuse)
    with speaking("vendor", recorder):
        yield recorder


def drain(at: datetime = NOW) -> sending.Sent:
    return sending.drain(lambda: at)


def account() -> Connection:
    return Connection.objects.get()


def test_after_five_failures_it_rests_and_the_rest_waits_untouched(vendor: Recorder) -> None:
    queue(make_connection(kind="vendor"), *(f"m{n}" for n in range(40)))
    drain()
    assert len(vendor.sent) == connections.FAILURES == 5
    assert account().breaker_until == NOW + 30 * SECOND
    assert account().failing_since == NOW
    assert Delivery.objects.filter(attempts=0, state="queued").count() == 35


def test_one_probe_at_a_time_and_the_rest_grows_to_ten_minutes(vendor: Recorder) -> None:
    queue(make_connection(kind="vendor"), *(f"m{n}" for n in range(40)))
    drain()
    at, rests = NOW, []
    for _round in range(7):
        before, until = len(vendor.sent), account().breaker_until
        assert until is not None
        drain(until - SECOND)
        assert len(vendor.sent) == before, "while it rests nothing is tried"
        at = until
        drain(at)
        assert len(vendor.sent) == before + 1
        until = account().breaker_until
        assert until is not None
        rests.append((until - at).total_seconds())
    assert rests == [60, 120, 240, 480, 600, 600, 600]


def test_a_success_closes_it_and_all_is_sent(vendor: Recorder) -> None:
    queue(make_connection(kind="vendor"), *(f"m{n}" for n in range(40)))
    drain()
    vendor.answer = Recorder().answer
    assert drain(NOW + 30 * SECOND).delivered == 35
    one = account()
    assert (one.breaker_until, one.failures, one.failing_since) == (None, 0, None)
    drain(NOW + MINUTE)
    assert set(states().values()) == {"delivered"}


def test_many_who_fail_at_the_same_time_make_it_rest_once() -> None:
    one = make_connection(kind="vendor")
    queue(one, *(f"m{n}" for n in range(12)))
    taken = [outbox.claim(due_by=NOW, kinds=["vendor"], limit=1, at=NOW)[0] for _n in range(12)]
    for delivery in taken:
        outbox.postpone(delivery, TemporaryError("It answered 503."), at=NOW)
    assert account().breaker_until == NOW + 30 * SECOND
    assert account().failures == 5, "who began before it rested does not count on"


def test_what_is_wrong_with_one_recipient_is_not_wrong_with_the_connection() -> None:
    def busy(message: Message) -> Receipt:
        raise TemporaryError("450 try later", is_of_message=True)

    with speaking("vendor", Recorder(busy)):
        queue(make_connection(kind="vendor", failing_since=NOW), *(f"m{n}" for n in range(10)))
        assert drain().postponed == 10
    assert account().breaker_until is None
    assert account().failing_since is None, "it answers"
    assert account().last_success_at is None, "but it took nothing"


def test_what_is_refused_for_good_says_nothing_of_the_connection() -> None:
    def never(message: Message) -> Receipt:
        raise PermanentError("No such list.")

    with speaking("vendor", Recorder(never)):
        queue(make_connection(kind="vendor"), *(f"m{n}" for n in range(10)))
        assert drain().failed == 10
    assert account().failures == 0


def test_who_asks_for_a_pause_gets_it_at_once(vendor: Recorder) -> None:
    def too_many(message: Message) -> Receipt:
        raise TemporaryError("429", http_status=429, retry_after=timedelta(seconds=90))

    vendor.answer = too_many
    queue(make_connection(kind="vendor"), "a", "b")
    drain()
    assert account().breaker_until == NOW + 90 * SECOND
    drain(NOW + 89 * SECOND)
    assert vendor.keys == ["a"]
    vendor.answer = Recorder().answer
    drain(NOW + 90 * SECOND)
    assert set(vendor.keys) == {"a", "b"}


def test_a_message_sent_again_by_hand_is_tried_though_the_connection_rests(
    vendor: Recorder,
) -> None:
    queue(make_connection(kind="vendor"), *(f"m{n}" for n in range(10)))
    drain()
    vendor.answer = Recorder().answer
    waiting = Delivery.objects.get(key="m9")
    deliveries.retry_delivery(waiting.pk, actor=SYSTEM, at=NOW)
    drain(NOW + SECOND)
    assert states()["m9"] == "delivered"
    assert account().breaker_until is None, "it answered"


@pytest.fixture
def hook() -> Iterator[Recorder]:
    recorder = Recorder(refuse)
    with speaking("webhook", recorder, disables_connection=True):
        yield recorder


def test_webhooks_keep_the_times_of_what_was_tried_though_they_rest(hook: Recorder) -> None:
    queue(make_connection(), "a", "b", "c", "d", "e", "f", "g")
    drain()
    assert hook.keys == ["a", "b", "c", "d", "e"]
    for minutes in (1, 3, 7, 15, 31, 63):
        before = len(hook.keys)
        drain(NOW + minutes * MINUTE - SECOND)
        probes = len(hook.keys) - before
        drain(NOW + minutes * MINUTE)
        assert set(hook.keys[before + probes :]) >= {"a", "b", "c", "d", "e"}


def test_a_dead_webhook_is_disabled_after_the_same_two_days_however_much_waits(
    hook: Recorder,
) -> None:
    queue(make_connection(), *(f"m{n}" for n in range(8)))
    at = NOW
    while account().is_enabled and at < NOW + 90 * HOUR:
        drain(at)
        tried = Delivery.objects.filter(due_at__gt=at).order_by("due_at")
        at = tried.values_list("due_at", flat=True)[0]
    assert not account().is_enabled
    assert account().disabled_at == NOW + 63 * MINUTE + 55 * HOUR


def test_enabling_a_webhook_or_giving_it_another_address_ends_its_rest(hook: Recorder) -> None:
    types = ["segment.archived"]
    webhook, _secret = webhooks.create_webhook(
        url="https://example.com/a", types=types, actor=SYSTEM, at=NOW
    )
    queue(webhook, *(f"m{n}" for n in range(9)))
    drain()
    assert account().breaker_until is not None
    webhooks.change_webhook(
        webhook.pk, values={"url": "https://example.com/b"}, actor=SYSTEM, at=NOW
    )
    assert account().breaker_until is None
    drain()
    webhooks.disable_webhook(webhook.pk, actor=SYSTEM, at=NOW)
    webhooks.enable_webhook(webhook.pk, actor=SYSTEM, at=NOW)
    assert (account().breaker_until, account().failures) == (None, 0)


def test_a_test_is_sent_to_a_webhook_that_rests(hook: Recorder) -> None:
    webhook, _secret = webhooks.create_webhook(
        url="https://example.com/a", types=["segment.archived"], actor=SYSTEM, at=NOW
    )
    queue(webhook, *(f"m{n}" for n in range(9)))
    drain()
    hook.answer = Recorder().answer
    test = webhooks.send_test(webhook.pk, actor=SYSTEM, at=NOW)
    drain(NOW)
    test.refresh_from_db()
    assert test.state == "delivered"
    assert account().breaker_until is None


def test_doctor_says_which_connection_rests(vendor: Recorder) -> None:
    queue(make_connection("CRM", kind="vendor"), *(f"m{n}" for n in range(9)))
    drain()
    found = deliveries.examine()
    assert not found.is_well
    assert "CRM" in found.sentence
