"""What failed for good: found by reason, sent again or dropped together, by who may."""

import pytest

from integrations import dead_letters, outbox, sending
from integrations.deliveries import FORGOTTEN
from integrations.errors import ConnectionUnknown, PermanentError
from integrations.models import Connection, Delivery
from tests.factories import HOUR, NOW
from tests.integrations.delivering import (
    Recorder,
    failed_ones,
    make_connection,
    queue,
    speaking,
    states,
)
from workspace.access import SYSTEM
from workspace.models import AuditEntry

pytestmark = pytest.mark.django_db


@pytest.fixture
def shop() -> Connection:
    """A webhook of which three failed for two reasons, and one was delivered."""
    return failed_ones()


def test_they_are_grouped_by_what_they_have_in_common(shop: Connection) -> None:
    found = dead_letters.find_dead_letters(actor=SYSTEM)
    assert [(one.reason, one.count, one.connection) for one in found] == [
        ("No such order ….", 2, shop),
        ("Too large.", 1, shop),
    ]
    assert dead_letters.find_dead_letters(actor=SYSTEM, connection_id=shop.pk + 1) == []


def test_those_of_a_reason_are_sent_again_under_their_keys(shop: Connection) -> None:
    count = dead_letters.retry_dead_letters(
        shop.pk, reason="No such order ….", actor=SYSTEM, at=NOW + HOUR
    )
    assert count == 2
    assert states() == {"a": "queued", "b": "queued", "c": "failed", "d": "delivered"}
    recorder = Recorder()
    with speaking("webhook", recorder):
        sending.drain(lambda: NOW + HOUR)
    assert sorted(recorder.keys) == ["a", "b"]
    assert Delivery.objects.get(key="a").reason == ""
    entry = AuditEntry.objects.get()
    assert entry.action == "webhook.failed_retried"
    assert entry.changes["retried"] == [None, 2]


def test_dropped_ones_are_cancelled_and_can_come_back_one_by_one(shop: Connection) -> None:
    assert dead_letters.drop_dead_letters(shop.pk, actor=SYSTEM, at=NOW + HOUR) == 3
    assert states() == {"a": "cancelled", "b": "cancelled", "c": "cancelled", "d": "delivered"}
    assert dead_letters.find_dead_letters(actor=SYSTEM) == []
    assert Delivery.objects.get(key="c").last_error == "Too large."
    assert AuditEntry.objects.get().action == "webhook.failed_dropped"


def test_what_was_forgotten_is_never_sent_again(shop: Connection) -> None:
    Delivery.objects.filter(key="a").update(payload=FORGOTTEN)
    assert dead_letters.retry_dead_letters(shop.pk, actor=SYSTEM, at=NOW) == 2
    assert states()["a"] == "failed"


def test_a_connection_that_is_not_there_is_an_error() -> None:
    with pytest.raises(ConnectionUnknown):
        dead_letters.retry_dead_letters(999, actor=SYSTEM, at=NOW)


def test_a_reason_is_kept_of_what_ran_out_of_attempts() -> None:
    shop = make_connection()
    queue(shop, "a")
    Delivery.objects.update(attempts=12)
    (taken,) = outbox.claim(due_by=NOW, kinds=["webhook"], limit=1, at=NOW)
    outbox.give_up(taken, PermanentError("Mail to anna@example.com came back"), at=NOW)
    assert Delivery.objects.get().reason == "Mail to … came back"
