"""Push messages to apps, over a stand-in of Google on this machine."""

from typing import Any

import pytest

from integrations.models import Connection, Delivery, PushSubscription
from integrations.push import connections
from integrations.push.errors import PushConnectionExists, PushConnectionInvalid
from tests.factories import HOUR, MINUTE, NOW
from tests.integrations.push.other_side import app_of, drain, google, queue, states
from workspace.access import SYSTEM
from workspace.models import AuditEntry

UNREGISTERED = {
    "error": {
        "code": 404,
        "message": "Requested entity was not found.",
        "status": "NOT_FOUND",
        "details": [
            {
                "@type": "type.googleapis.com/google.firebase.fcm.v1.FcmError",
                "errorCode": "UNREGISTERED",
            }
        ],
    }
}


def test_an_app_is_told_what_to_show_and_how_to_say_that_it_was_opened() -> None:
    with google() as side:
        side.connect()
        queue(app_of("A-17", "device-1").contact_id)
        drain()

    (sent,) = side.sent
    assert sent["token"] == "device-1"
    assert sent["notification"] == {"title": "Hello", "body": "Anna"}
    assert sent["data"]["url"] == "/sale"
    assert sent["data"]["message"] == "7"
    assert sent["data"]["opened"].endswith("/push/opened")
    assert sent["data"]["token"]
    assert sent["android"]["ttl"] == "86400s"
    delivery = Delivery.objects.get()
    assert (delivery.state, delivery.reference) == ("delivered", "projects/shop-app/messages/1")


def test_a_token_of_google_is_used_until_it_is_about_to_end() -> None:
    with google() as side:
        side.connect()
        contact_id = app_of("A-17", "device-1").contact_id
        for number in range(3):
            queue(contact_id, number=number)
        drain()

    assert len(side.sent) == 3
    assert side.tokens == 1


@pytest.mark.parametrize("answer", [(404, UNREGISTERED), (404, {"error": {"status": "NOT_FOUND"}})])
def test_an_app_that_was_removed_is_never_sent_to_again(answer: Any) -> None:
    with google() as side:
        side.connect()
        side.answers = [answer]
        subscription = app_of("A-17", "device-1")
        queue(subscription.contact_id)
        queue(subscription.contact_id, number=8)
        drain()

    assert len(side.sent) == 1
    assert states() == ["failed", "failed"]
    subscription.refresh_from_db()
    assert subscription.ended_at == NOW


def test_an_address_that_is_not_googles_ends_no_subscription() -> None:
    with google() as side:
        side.connect()
        side.answers = [(404, {"detail": "no such page"})]
        subscription = app_of("A-17", "device-1")
        queue(subscription.contact_id)
        drain()

    assert states() == ["failed"]
    subscription.refresh_from_db()
    assert subscription.ended_at is None


@pytest.mark.parametrize("status", [429, 500, 503, 401])
def test_a_busy_service_is_asked_again(status: int) -> None:
    with google() as side:
        side.connect()
        side.answers = [(status, {"error": {"message": "later"}})]
        queue(app_of("A-17", "device-1").contact_id)
        drain()
        assert states() == ["queued"]
        assert "later" in Delivery.objects.get().last_error
        drain(NOW + MINUTE)

    assert states() == ["delivered"]
    # One that was refused is not used again.
    assert side.tokens == (2 if status == 401 else 1)


def test_without_a_token_messages_wait_until_the_account_is_right() -> None:
    with google() as side:
        side.connect()
        side.token_answer = (400, {"error": "invalid_grant", "error_description": "No such key."})
        queue(app_of("A-17", "device-1").contact_id)
        drain()
        assert states() == ["queued"]
        assert "No such key." in Delivery.objects.get().last_error
        side.token_answer = None
        drain(NOW + MINUTE)

    assert states() == ["delivered"]


def test_a_token_of_another_project_has_failed_with_googles_words() -> None:
    with google() as side:
        side.connect()
        side.answers = [(403, {"error": {"message": "SenderId mismatch"}})]
        queue(app_of("A-17", "device-1").contact_id)
        drain()

    assert states() == ["failed"]
    assert "SenderId mismatch" in Delivery.objects.get().last_error


def test_the_account_is_kept_sealed_and_told_to_nobody() -> None:
    with google() as side:
        connection = side.connect()

    assert "PRIVATE" not in connection.sealed_secret
    assert connection.settings["project_id"] == "shop-app"
    assert "private_key" not in connection.settings
    entry = AuditEntry.objects.get(action="pushconnection.created")
    assert entry.changes == {"project": [None, "shop-app"]}


def test_there_is_one_connection_to_apps() -> None:
    with google() as side:
        side.connect()
        with pytest.raises(PushConnectionExists):
            side.connect()

    assert Connection.objects.filter(kind="fcm").count() == 1


@pytest.mark.parametrize(
    "account",
    [
        "",
        "nonsense",
        "[]",
        '{"project_id": "p", "client_email": "e"}',
        '{"project_id": "p", "client_email": "e", "private_key": "none"}',
    ],
)
def test_an_account_that_is_none_is_refused(account: str) -> None:
    with pytest.raises(PushConnectionInvalid) as caught:
        connections.create_app_connection(account=account, actor=SYSTEM, at=NOW)

    assert [one.path for one in caught.value.problems] == ["account"]


def test_a_private_address_is_no_token_address() -> None:
    with google() as side:
        for changes in ({"token_uri": "http://169.254.169.254/token"}, {"token_uri": "nonsense"}):
            with pytest.raises(PushConnectionInvalid):
                connections.create_app_connection(
                    account=side.account(**changes), actor=SYSTEM, at=NOW
                )


def test_an_account_can_be_changed_and_stays_where_none_is_named() -> None:
    with google() as side:
        connection = side.connect()
        other = side.account(project_id="other-app")
        connections.change_connection(
            connection.pk, values={"account": "", "name": "Our app"}, actor=SYSTEM, at=NOW
        )
        connection.refresh_from_db()
        assert (connection.name, connection.settings["project_id"]) == ("Our app", "shop-app")
        connections.change_connection(
            connection.pk, values={"account": other}, actor=SYSTEM, at=NOW
        )
        connection.refresh_from_db()

    assert connection.settings["project_id"] == "other-app"


def test_an_app_with_a_new_token_keeps_its_contact() -> None:
    first = app_of("A-17", "old")
    second = app_of("A-17", "new", names=[], previous="old", at=NOW + HOUR)

    first.refresh_from_db()
    assert second.contact_id == first.contact_id
    assert first.ended_reason == "The app has a new token."
    assert PushSubscription.objects.get(ended_at=None).pk == second.pk


def test_a_lost_answer_to_the_question_for_a_token_means_that_nothing_was_sent() -> None:
    def hang_up(handler: Any) -> None:
        handler.close_connection = True

    with google() as side:
        side.connect()
        side.server.answer = hang_up
        queue(app_of("A-17", "device-1").contact_id, repeats=False)
        drain()
        assert states() == ["queued"]
        side.server.answer = side.reply
        drain(NOW + MINUTE)

    assert states() == ["delivered"]
