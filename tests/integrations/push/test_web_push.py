"""Push messages to browsers, over a push service on this machine that reads what came."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from integrations import outbox, registry, sending
from integrations.connectors.web_push import authorization, encrypted, topic_of
from integrations.errors import PermanentError
from integrations.models import Delivery, PushSubscription
from integrations.push import connections
from integrations.push.payloads import SIZE_LIMIT
from tests.factories import HOUR, MINUTE, NOW, make_contact
from tests.integrations.push.other_side import (
    Browser,
    answering,
    drain,
    queue,
    states,
    vapid_claims,
)
from tests.integrations.receiving import receiver
from workspace.access import SYSTEM

KEY = "VJ9BwSxTLZ3CW6c1Z2hQy9Z8p1Vv3bBq9c0mYtqz3dE"


def test_only_the_browser_can_read_what_it_is_sent() -> None:
    with receiver(201) as service:
        public_key = connections.public_key(at=NOW)
        browser = Browser(service.url)
        subscription = browser.subscribe()
        queue(subscription.contact_id)

        sent = drain()

    assert sent.delivered == 1
    (request,) = service.received
    shown = browser.read(request)
    assert (shown["title"], shown["body"], shown["url"]) == ("Hello", "Anna", "/sale")
    assert shown["message"] == 7
    assert "subscription" not in shown
    with pytest.raises(Exception, match="Decryption"):
        Browser(service.url).read(request)
    claims = vapid_claims(request, public_key)
    assert claims["aud"] == service.url.removesuffix("/hook")
    assert claims["sub"].startswith("mailto:")
    assert 0 < claims["exp"] - timezone.now().timestamp() <= 86_400
    assert request.headers["TTL"] == "86400"
    assert request.headers["Urgency"] == "normal"
    assert len(request.body) <= 4096
    subscription.refresh_from_db()
    assert subscription.last_sent_at == NOW


def test_a_message_is_kept_and_hurried_as_the_connection_says() -> None:
    with receiver(201) as service:
        connection = connections.web_push_connection(at=NOW)
        connections.change_connection(
            connection.pk, values={"ttl_seconds": 60, "urgency": "high"}, actor=SYSTEM, at=NOW
        )
        queue(Browser(service.url).subscribe().contact_id)
        drain()

    assert service.received[0].headers["TTL"] == "60"
    assert service.received[0].headers["Urgency"] == "high"


@pytest.mark.parametrize("status", [404, 410])
def test_a_browser_that_is_gone_is_never_sent_to_again(status: int) -> None:
    with receiver(status) as service:
        subscription = Browser(service.url).subscribe()
        # Two wait for it when it is found to be gone.
        queue(subscription.contact_id)
        queue(subscription.contact_id, number=8)
        drain()
        assert queue(subscription.contact_id, number=9) == []
        drain(NOW + 24 * HOUR)

    assert len(service.received) == 1
    assert states() == ["failed", "failed"]
    subscription.refresh_from_db()
    assert subscription.ended_at == NOW
    assert subscription.ended_reason == "The browser takes no messages any more."


def test_a_browser_that_comes_back_is_sent_to_again() -> None:
    with receiver(410) as service:
        browser = Browser(service.url)
        subscription = browser.subscribe()
        queue(subscription.contact_id)
        drain()
        service.answer = 201

        again = browser.subscribe(at=NOW + HOUR)
        queue(again.contact_id, number=8, at=NOW + HOUR)
        drain(NOW + HOUR)

    assert again.pk == subscription.pk
    assert (again.ended_at, again.created_at) == (None, NOW + HOUR)
    assert states() == ["failed", "delivered"]


@pytest.mark.parametrize(
    ("status", "asked", "wait"),
    [
        (429, "600", timedelta(minutes=10)),
        (429, "5", MINUTE),
        (503, "", MINUTE),
        (500, "nonsense", MINUTE),
        (429, "999999999", timedelta(days=1)),
        (429, "Thu, 01 Jan 1970 00:00:00 GMT", MINUTE),
    ],
)
def test_a_busy_service_is_asked_again_when_it_says(
    status: int, asked: str, wait: timedelta
) -> None:
    with receiver(answering(status, Retry_After=asked)) as service:
        subscription = Browser(service.url).subscribe()
        queue(subscription.contact_id)
        drain()

    delivery = Delivery.objects.get()
    assert delivery.state == "queued"
    # What failed together does not come together: a backoff of ours is up to a fifth shorter.
    least = wait * 0.8 if wait == MINUTE else wait
    assert NOW + least <= delivery.due_at <= NOW + wait
    subscription.refresh_from_db()
    assert subscription.ended_at is None


@pytest.mark.parametrize("status", [400, 401, 403, 413])
def test_what_a_service_refuses_has_failed_and_the_browser_stays(status: int) -> None:
    with receiver(status) as service:
        subscription = Browser(service.url).subscribe()
        queue(subscription.contact_id)
        drain()

    delivery = Delivery.objects.get()
    assert delivery.state == "failed"
    assert delivery.tries.get().status == status
    subscription.refresh_from_db()
    assert subscription.ended_at is None


def test_who_dies_after_the_service_took_it_sends_it_again_under_the_same_topic() -> None:
    with receiver(201) as service:
        browser = Browser(service.url)
        queue(browser.subscribe().contact_id)
        now = timezone.now()
        # Killed between the answer of the service and writing it down.
        (left,) = outbox.claim(due_by=NOW, kinds=["web_push"], limit=1, at=now)
        known = registry.registered("web_push")
        assert known is not None
        known.connector.send(sending._message_of(left, known))
        assert outbox.requeue_left(at=now + outbox.LEASE + MINUTE) == 1

        drain(now + HOUR)

    first, second = service.received
    assert first.headers["Topic"] == second.headers["Topic"]
    assert browser.read(first) == browser.read(second)
    assert states() == ["delivered"]


def test_each_message_and_device_has_a_topic_of_its_own() -> None:
    topics = {topic_of(key) for key in ("message:7:1", "message:7:2", "message:8:1")}

    assert len(topics) == 3
    assert {len(topic) for topic in topics} == {32}


def test_a_message_goes_to_all_devices_and_one_that_is_gone_harms_no_other() -> None:
    with receiver(201) as service, receiver(410) as gone:
        first = Browser(service.url).subscribe()
        second = Browser(gone.url).subscribe()
        assert first.contact_id == second.contact_id
        queue(first.contact_id)
        drain()

    assert sorted(states()) == ["delivered", "failed"]
    assert PushSubscription.objects.get(ended_at=None).pk == first.pk


def test_what_waits_for_one_person_is_not_shown_to_the_next_who_uses_the_browser() -> None:
    with receiver(201) as service:
        browser = Browser(service.url)
        anna = browser.subscribe("anna")
        queue(anna.contact_id)
        bert = browser.subscribe("bert")
        drain()

    assert bert.pk == anna.pk
    assert bert.contact_id != anna.contact_id
    assert service.received == []
    assert states() == ["failed"]
    bert.refresh_from_db()
    assert bert.ended_at is None


def test_a_service_that_is_no_longer_named_is_not_called(settings: Any) -> None:
    with receiver(201) as service:
        subscription = Browser(service.url).subscribe()
        queue(subscription.contact_id)
        settings.PUSH_HOSTS = ["fcm.googleapis.com"]
        drain()

    assert service.received == []
    assert "PUSH_HOSTS" in Delivery.objects.get().last_error


def test_a_private_address_is_not_called_whatever_host_is_allowed(settings: Any) -> None:
    settings.OUTBOUND_ALLOW = []
    with receiver(201) as service:
        queue(Browser(service.url).subscribe().contact_id)
        drain()

    assert service.received == []
    assert "private network" in Delivery.objects.get().last_error


def test_a_new_key_ends_what_was_made_with_the_old_one() -> None:
    with receiver(201) as service:
        before = connections.public_key(at=NOW)
        browser = Browser(service.url)
        subscription = browser.subscribe()

        assert connections.rotate_key(actor=SYSTEM, at=NOW + HOUR) == 1

        after = connections.public_key(at=NOW + HOUR)
        subscription.refresh_from_db()
        assert after != before
        assert subscription.ended_reason == "Our key was changed."
        browser.subscribe(at=NOW + HOUR)
        queue(subscription.contact_id, at=NOW + HOUR)
        drain(NOW + HOUR)

    assert vapid_claims(service.received[0], after)


def test_the_key_is_made_once_and_kept_sealed() -> None:
    first, second = (connections.web_push_connection(at=NOW) for _n in range(2))

    assert first.pk == second.pk
    assert first.settings["public_key"] not in first.sealed_secret
    assert len(first.settings["public_key"]) == 87


def test_a_disabled_connection_takes_nothing_on() -> None:
    with receiver(201) as service:
        subscription = Browser(service.url).subscribe()
        queue(subscription.contact_id)
        connection = connections.web_push_connection(at=NOW)
        connections.disable_connection(connection.pk, actor=SYSTEM, at=NOW)
        assert queue(subscription.contact_id, number=8) == []
        drain()
        assert service.received == []

        connections.enable_connection(connection.pk, actor=SYSTEM, at=NOW)
        drain()

    assert states() == ["delivered"]


def test_the_largest_text_fits_into_what_services_take() -> None:
    recipient = {"keys": Browser("https://a.push.example/1").keys}

    assert len(encrypted(b"x" * SIZE_LIMIT, recipient)) == 4096
    with pytest.raises(PermanentError, match="3994 bytes"):
        encrypted(b"x" * (SIZE_LIMIT + 1), recipient)


def test_keys_that_are_none_fail_for_good() -> None:
    for keys in ({}, {"p256dh": "AAAA", "auth": "AAAA"}, None):
        with pytest.raises(PermanentError):
            encrypted(b"x", {"keys": keys})


def test_the_token_is_for_the_service_alone() -> None:
    headers = {
        authorization(KEY, f"https://{host}/1", at=NOW) for host in ("a.example", "b.example:8443")
    }

    assert len(headers) == 2


def test_a_contact_has_twenty_devices_at_most() -> None:
    contact = make_contact(external_id="A-17")
    for number in range(22):
        Browser(f"https://a.push.example/{number}").subscribe(at=NOW + number * MINUTE)

    open_ = PushSubscription.objects.filter(contact=contact, ended_at=None)
    assert open_.count() == 20
    assert not open_.filter(address__in=[f"https://a.push.example/{n}" for n in (0, 1)]).exists()


def hang_up(handler: Any) -> None:
    """Take the message, and say nothing."""
    handler.close_connection = True


def test_what_must_go_out_once_at_most_is_not_tried_again_when_the_answer_is_lost() -> None:
    with receiver(hang_up) as service:
        subscription = Browser(service.url).subscribe()
        queue(subscription.contact_id, repeats=False)
        queue(subscription.contact_id, number=8)
        drain()
        service.answer = 201
        drain(NOW + HOUR)

    assert states() == ["failed", "delivered"]
    assert len(service.received) == 3


@pytest.mark.parametrize(("status", "state"), [(503, "queued"), (429, "queued"), (502, "failed")])
def test_what_must_go_out_once_at_most_is_tried_again_only_where_it_was_not_taken(
    status: int, state: str
) -> None:
    with receiver(status) as service:
        queue(Browser(service.url).subscribe().contact_id, repeats=False)
        drain()

    assert states() == [state]


def test_a_service_that_cannot_be_reached_has_taken_nothing() -> None:
    with receiver(201) as service:
        browser = Browser(service.url)
    queue(browser.subscribe().contact_id, repeats=False)
    drain()

    assert states() == ["queued"]
