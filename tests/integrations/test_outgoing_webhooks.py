"""Outgoing webhooks: who hears of what, how it is signed, what happens when nobody answers."""

from datetime import timedelta
from ipaddress import ip_network
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from contacts.extensions import Pair
from integrations import (
    announcements,
    dead_letters,
    deliveries,
    delivery_log,
    outbox,
    sending,
    webhooks,
)
from integrations.announcements import Fact
from integrations.errors import (
    DeliveryEmpty,
    DeliveryNotFailed,
    WebhookDisabled,
    WebhookInvalid,
    WebhookUnknown,
)
from integrations.models import Connection, Delivery, DeliveryAttempt, Webhook
from tests.factories import DAY, HOUR, MINUTE, NOW
from tests.integrations.receiving import is_signed, receiver
from workspace.access import SYSTEM
from workspace.models import AuditEntry

pytestmark = pytest.mark.django_db
TYPE = "segment.refreshed"


@pytest.fixture(autouse=True)
def loopback(settings: Any) -> None:
    settings.OUTBOUND_ALLOW = [ip_network("127.0.0.0/8")]


def make_webhook(url: str = "https://example.com/hook", **given: Any) -> Webhook:
    return make_with_secret(url, **given)[0]


def make_with_secret(url: str, **given: Any) -> tuple[Webhook, str]:
    types = given.pop("types", [TYPE])
    return webhooks.create_webhook(url=url, types=types, actor=SYSTEM, at=NOW, **given)


def announce(*keys: str, **given: Any) -> int:
    return announcements.announce(TYPE, [Fact(key, {"n": key}, **given) for key in keys], at=NOW)


def drain(at: Any = NOW) -> sending.Sent:
    return sending.drain(lambda: at)


def test_a_fact_is_posted_signed_with_the_same_id_at_each_attempt() -> None:
    with receiver(503) as server:
        _webhook, secret = make_with_secret(server.url)
        assert announce("one") == 1
        assert announce("one") == 0
        drain()
        server.answer = 204
        drain(NOW + MINUTE)
    first, second = server.received
    assert first.body == second.body
    assert list(first.document) == ["id", "type", "created_at", "data"]
    assert first.document["type"] == TYPE
    assert first.document["created_at"] == NOW.isoformat()
    assert first.document["data"] == {"n": "one"}
    assert first.headers["Content-Type"] == "application/json"
    assert is_signed(first, secret)
    assert is_signed(second, secret)
    assert not is_signed(second, secret[:-1])
    delivery = Delivery.objects.get()
    assert (delivery.key, delivery.state) == (first.document["id"], "delivered")
    assert list(delivery.tries.order_by("pk").values_list("status", flat=True)) == [503, 204]


def test_each_webhook_hears_only_of_what_it_asked_for() -> None:
    make_webhook("https://a.example/")
    make_webhook("https://b.example/", types=["segment.archived"])
    make_webhook("https://c.example/", is_enabled=False)
    make_webhook("https://d.example/", types=[TYPE, "segment.archived"])
    assert announce("one", "two") == 4
    names = Delivery.objects.values_list("connection__name", flat=True)
    assert set(names) == {"a.example", "d.example"}


def test_nothing_is_written_where_nobody_hears() -> None:
    with CaptureQueriesContext(
        connection,
    ) as queries:
        assert announce(*map(str, range(50))) == 0
    assert len(queries) == 1


def test_facts_are_queued_by_one_statement_however_many(
    django_assert_num_queries: Any,
) -> None:
    make_webhook()
    # Whether anybody hears, the rows, the call to those who send.
    with django_assert_num_queries(3):
        announce(*map(str, range(200)))


def test_an_unknown_type_is_a_defect_of_the_caller() -> None:
    with pytest.raises(ValueError, match="No type"):
        announcements.announce("no.such", [Fact("a", {})], at=NOW)


@pytest.mark.parametrize(
    ("change", "path", "code"),
    [
        ({"url": "http://169.254.169.254/latest"}, "url", "private_address"),
        ({"url": "nonsense"}, "url", "invalid"),
        ({"types": []}, "types", "required"),
        ({"types": ["no.such"]}, "types", "unknown_type"),
        ({"name": "x" * 121}, "name", "invalid"),
    ],
)
def test_every_fault_of_a_webhook_is_named(change: Any, path: str, code: str) -> None:
    given = {"url": "https://example.com", "types": [TYPE], **change}
    with pytest.raises(WebhookInvalid) as refused:
        webhooks.create_webhook(**given, actor=SYSTEM, at=NOW)
    assert [(one.path, one.code) for one in refused.value.problems] == [(path, code)]
    assert not Connection.objects.exists()


def test_names_are_made_of_the_host_and_taken_once() -> None:
    make_webhook()
    assert make_webhook().name == "example.com 2"
    with pytest.raises(WebhookInvalid, match="already"):
        make_webhook(name="Example.com")


def test_during_the_overlap_both_secrets_are_right() -> None:
    with receiver() as server:
        webhook, former = make_with_secret(server.url)
        now = timezone.now()
        new = webhooks.rotate_secret(webhook.pk, actor=SYSTEM, at=now, grace=HOUR)
        announce("one")
        drain()
        (request,) = server.received
        assert is_signed(request, former)
        assert is_signed(request, new)
        webhooks.rotate_secret(webhook.pk, actor=SYSTEM, at=now, grace=timedelta(0))
        announce("two")
        drain()
    assert not is_signed(server.received[1], new)
    webhook.refresh_from_db()
    assert former not in webhook.sealed_secret
    assert webhooks.secrets_of(webhook, at=now + HOUR) == webhooks.secrets_of(webhook, at=now)


def test_a_failing_webhook_is_disabled_says_so_and_resumes() -> None:
    with receiver(500) as server:
        webhook = make_webhook(server.url)
        announce("one", "two")
        Delivery.objects.filter(key__contains="one").update(attempts=12)
        drain()
        webhook.refresh_from_db()
        assert not webhook.is_enabled
        assert "It answered 500." in webhook.disabled_reason
        assert not deliveries.examine().is_well
        assert announce("three") == 0, "who is disabled hears of nothing"
        server.answer = 200
        webhooks.enable_webhook(webhook.pk, actor=SYSTEM, at=NOW + DAY)
        drain(NOW + DAY)
        assert deliveries.examine().is_well
    assert [one.rsplit(":", 2)[1] for one in server.ids] == ["one", "two"]
    assert Delivery.objects.filter(state="failed").count() == 1


def test_what_waits_can_be_dropped_when_a_webhook_is_enabled() -> None:
    webhook = make_webhook()
    announce("one", "two")
    webhooks.disable_webhook(webhook.pk, actor=SYSTEM, at=NOW)
    assert delivery_log.unfinished([webhook.pk])[webhook.pk].queued == 2
    webhooks.enable_webhook(webhook.pk, actor=SYSTEM, at=NOW, waiting=webhooks.DROP)
    assert set(Delivery.objects.values_list("state", flat=True)) == {"cancelled"}
    assert AuditEntry.objects.latest("pk").changes["dropped"] == [None, 2]


def test_a_test_is_sent_once_whatever_the_answer_and_never_disables() -> None:
    with receiver(500) as server:
        webhook = make_webhook(server.url)
        test = webhooks.send_test(webhook.pk, actor=SYSTEM, at=NOW)
        assert drain().failed == 1
    test.refresh_from_db()
    assert test.last_error == "It answered 500."
    assert server.received[0].document["type"] == "webhook.test"
    webhook.refresh_from_db()
    assert webhook.is_enabled
    webhooks.disable_webhook(webhook.pk, actor=SYSTEM, at=NOW)
    with pytest.raises(WebhookDisabled):
        webhooks.send_test(webhook.pk, actor=SYSTEM, at=NOW)


def test_what_leads_into_a_private_network_fails_at_once(settings: Any) -> None:
    make_webhook("http://127.0.0.1:9/")
    settings.OUTBOUND_ALLOW = []
    announce("one")
    assert drain().failed == 1
    assert "OUTBOUND_ALLOW" in Delivery.objects.get().last_error


def test_what_failed_is_sent_again_by_hand_under_the_same_key() -> None:
    with receiver() as server:
        webhook = make_webhook(server.url)
        announce("one", "two", "three")
        Delivery.objects.update(state="failed", finished_at=NOW, attempts=13)
        one, *_others = Delivery.objects.order_by("pk")
        deliveries.retry_delivery(one.pk, actor=SYSTEM, at=NOW)
        drain()
        assert server.ids == [one.key]
        with pytest.raises(DeliveryNotFailed):
            deliveries.retry_delivery(one.pk, actor=SYSTEM, at=NOW)
        assert dead_letters.retry_dead_letters(webhook.pk, actor=SYSTEM, at=NOW) == 2
        assert drain().delivered == 2


def test_deleting_takes_all_deliveries_with_it() -> None:
    with receiver() as server:
        webhook = make_webhook(server.url)
        announce("one", "two")
        drain()
    assert webhooks.delete_webhook(webhook.pk, actor=SYSTEM, at=NOW) == 2
    assert not DeliveryAttempt.objects.exists()
    with pytest.raises(WebhookUnknown):
        webhooks.find_webhook(webhook.pk)


def test_changing_the_address_moves_what_waits() -> None:
    with receiver() as server:
        webhook = make_webhook()
        announce("one")
        webhooks.change_webhook(webhook.pk, values={"url": server.url}, actor=SYSTEM, at=NOW)
        drain()
    assert len(server.received) == 1


def test_erasing_a_contact_forgets_what_was_sent_and_cancels_what_waits() -> None:
    with receiver() as server:
        make_webhook(server.url)
        announce("sent", contact_id=7)
        drain()
        announce("waiting", "held", contact_id=7)
        announce("other", contact_id=8)
        Delivery.objects.filter(key__contains="held").update(state="in_flight", claimed_at=NOW)
        assert deliveries.erase([7]) == 3
        drain()
    assert [one.rsplit(":", 2)[1] for one in server.ids] == ["sent", "other"]
    forgotten = Delivery.objects.filter(contact_id=7)
    assert {one.payload == deliveries.FORGOTTEN for one in forgotten} == {True}
    assert [one.state for one in forgotten.order_by("pk")] == [
        "delivered",
        "cancelled",
        "cancelled",
    ]
    assert not DeliveryAttempt.objects.filter(delivery__in=forgotten).exclude(answer="").exists()
    with pytest.raises(DeliveryEmpty):
        deliveries.retry_delivery(forgotten.latest("pk").pk, actor=SYSTEM, at=NOW)


def test_merging_contacts_moves_deliveries() -> None:
    make_webhook()
    announce("one", "two", contact_id=7)
    moved = deliveries.merge([Pair(survivor_id=1, loser_id=7)], NOW)
    assert moved[7].count == 2
    assert Delivery.objects.filter(contact_id=1).count() == 2


def test_what_is_over_is_kept_for_its_time() -> None:
    webhook = make_webhook()
    announce("new", "old", "failed", "older", "waits")
    for key, state, days in (
        ("new", "delivered", 29),
        ("old", "delivered", 31),
        ("failed", "failed", 89),
        ("older", "failed", 91),
    ):
        Delivery.objects.filter(key__contains=f":{key}:").update(
            state=state, finished_at=NOW - days * DAY
        )
    DeliveryAttempt.objects.create(delivery=Delivery.objects.get(key__contains=":old:"), at=NOW)
    assert deliveries.purge(NOW) == {"deliveries": 2}
    assert deliveries.purge(NOW) == {"deliveries": 0}
    kept = webhook.deliveries.order_by("pk").values_list("key", flat=True)
    assert [key.rsplit(":", 2)[1] for key in kept] == ["new", "failed", "waits"]


def test_what_is_late_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    make_webhook()
    assert deliveries.examine().is_well
    announce("one")
    assert "do the rounds run" in deliveries.examine().sentence
    assert outbox.requeue_left(at=NOW) == 0
