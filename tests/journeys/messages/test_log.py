"""Messages as staff and programs meet them: seen, hidden, sent again, on the timeline."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import Group, Permission
from django.test import Client
from django.utils import timezone

from contacts.timeline import Filters, page
from integrations import suppressions
from integrations.models import Delivery, Suppression
from integrations.suppressions import Unwanted
from journeys.errors import MessageUnknown, NotSentAgain
from journeys.messages import log
from journeys.models import Journey, Message
from tests.factories import HOUR, NOW, make_contact
from tests.integrations.test_mail import Office
from tests.journeys.messages.sending import (
    arrive,
    compose,
    fates,
    make_journey,
    make_template,
    send,
)
from workspace.access import SCOPES, SYSTEM, actor_of_user
from workspace.errors import NotAllowed
from workspace.keys import create_api_user
from workspace.models import AuditEntry, User

pytestmark = pytest.mark.django_db
HTML = '<p>Hello</p><a href="https://shop.example/?a=1&amp;b=2">Sale</a>'


@pytest.fixture
def message(office: Office) -> Message:
    """One that was sent."""
    make_template(html=HTML)
    arrive(make_journey(), make_contact(email="anna@example.com", first_name="Anna"))
    send()
    return Message.objects.get()


@pytest.fixture
def admin() -> Client:
    """An administrator's browser."""
    client = Client()
    client.force_login(
        User.objects.create(username="chief", is_staff=True, is_superuser=True),
        "django.contrib.auth.backends.ModelBackend",
    )
    return client


def program(*scopes: str) -> Client:
    """A client of the API with these scopes."""
    _user, key = create_api_user(
        name=f"program {scopes}", actor=SYSTEM, at=NOW, scopes=scopes or SCOPES
    )
    return Client(headers={"Authorization": f"Api-Key {key}"})


def test_the_list_and_the_page_of_a_message(message: Message, admin: Client) -> None:
    listed = admin.get("/admin/journeys/message/").content.decode()
    assert "Hello Anna" in listed
    shown = admin.get(f"/admin/journeys/message/{message.pk}/change/").content.decode()
    assert 'sandbox=""' in shown
    assert "anna@example.com" in shown


def test_an_email_is_shown_in_a_frame_that_can_do_nothing_and_counts_nothing(
    message: Message, admin: Client
) -> None:
    answer = admin.get(f"/admin/journeys/message/{message.pk}/mail/")
    shown = answer.content.decode()
    assert shown == HTML, "neither the picture nor links that count"
    policy = answer["Content-Security-Policy"]
    assert "script-src 'none'" in policy
    assert "sandbox" in policy
    assert "frame-ancestors 'self'" in policy
    assert answer["X-Frame-Options"] == "SAMEORIGIN"


def test_who_may_not_look_at_contacts_is_not_shown_what_they_got(message: Message) -> None:
    user = User.objects.create(username="shy", is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="view_message"))
    client = Client()
    client.force_login(user, "django.contrib.auth.backends.ModelBackend")
    page_ = client.get(f"/admin/journeys/message/{message.pk}/change/").content.decode()
    assert "anna@example.com" not in page_
    assert client.get(f"/admin/journeys/message/{message.pk}/mail/").status_code == 404


def test_a_message_is_found_by_its_receiver(message: Message, admin: Client) -> None:
    for term in ("ANNA@example.com", str(message.contact_id)):
        assert "Hello Anna" in admin.get(f"/admin/journeys/message/?q={term}").content.decode()
    listed = admin.get("/admin/journeys/message/?q=nobody@example.com").content.decode()
    assert "Hello Anna" not in listed


def test_the_interface_lists_messages_and_tells_what_receivers_did(message: Message) -> None:
    client = program()
    found = client.get("/api/messages/?journey=welcome&state=sent&test=false").json()["results"]
    assert [(one["id"], one["subject"], one["is_test"]) for one in found] == [
        (message.pk, "Hello Anna", False)
    ]
    assert client.get("/api/messages/?state=failed").json()["results"] == []
    shown = client.get(f"/api/messages/{message.pk}/").json()
    assert (shown["reactions"], shown["template"], shown["version"]) == ([], "first", 1)
    assert program("contacts:read").get("/api/messages/").status_code == 403


def test_messages_of_a_journey_of_another_group_are_not_known(message: Message) -> None:
    group = Group.objects.create(name="Poland")
    Journey.objects.get().groups.add(group)
    client = program()
    assert client.get("/api/messages/").json()["results"] == []
    assert client.get(f"/api/messages/{message.pk}/").status_code == 404
    user = actor_of_user(User.objects.create(username="other", is_staff=True))
    with pytest.raises(MessageUnknown):
        log.find_message(message.pk, actor=user)


def test_what_was_left_out_is_sent_again_once_nothing_stands_against_it(
    office: Office, admin: Client
) -> None:
    suppressions.note([Unwanted("anna@example.com", "bounce")], at=NOW)
    arrive(make_journey(), make_contact(email="anna@example.com"))
    send()
    message = Message.objects.get()
    log.send_again(message.pk, actor=SYSTEM, at=NOW)
    send()
    assert fates() == [("left_out", "suppressed")]
    suppressions.lift(Suppression.objects.get().pk, why="asked", actor=SYSTEM, at=NOW)
    answer = program().post(
        f"/api/messages/{message.pk}/send-again/", content_type="application/json"
    )
    assert (answer.status_code, answer.json()["state"]) == (202, "planned")
    send(timezone.now())
    assert fates() == [("sent", "")]
    assert AuditEntry.objects.filter(action="message.sent_again").count() == 2


def test_what_failed_is_sent_again_as_it_was_written(office: Office) -> None:
    office.answers.append("554 Spam")
    arrive(make_journey(), make_contact(email="anna@example.com"))
    send()
    message = Message.objects.get()
    assert (message.state, "Spam" in message.error) == ("failed", True)
    log.send_again(message.pk, actor=SYSTEM, at=NOW + HOUR)
    assert send(NOW + HOUR).delivered == 1
    assert fates() == [("sent", "")]


def test_what_was_sent_is_not_sent_again(message: Message) -> None:
    with pytest.raises(NotSentAgain, match="sent"):
        log.send_again(message.pk, actor=SYSTEM, at=NOW)
    with pytest.raises(NotAllowed):
        log.send_again(message.pk, actor=actor_of_user(User.objects.create(username="any")), at=NOW)


def test_what_is_forgotten_is_not_sent_again(office: Office) -> None:
    office.answers.append("554 Spam")
    arrive(make_journey(), make_contact(email="anna@example.com"))
    send()
    Delivery.objects.update(payload={"erased": True})
    with pytest.raises(NotSentAgain, match="forgotten"):
        log.send_again(Message.objects.get().pk, actor=SYSTEM, at=NOW)
    assert fates() == [("failed", "")]


def test_the_timeline_of_a_contact_tells_of_messages(message: Message) -> None:
    Message.objects.update(opened_at=NOW + HOUR)
    only = Filters(kinds=frozenset({"message"}))
    (item,) = page(message.contact_id, actor=SYSTEM, filters=only)
    assert (item.title, item.text) == ("E-mail: Hello Anna", "sent, opened")
    assert item.data == {"message": message.pk, "state": "sent", "journey": "welcome"}


def test_messages_are_forgotten_in_time(message: Message) -> None:
    assert log.purge(NOW + log.KEPT) == {"messages": 0}
    assert log.purge(NOW + log.KEPT + timedelta(seconds=1)) == {"messages": 1}
    arrive(make_journey(key="b"), make_contact(email="b@example.com"))
    compose()
    assert log.purge(NOW + 9 * log.KEPT) == {"messages": 0}, "it is still on its way"


def test_deliveries_of_messages_are_known_to_who_knows_the_journey(message: Message) -> None:
    group = Group.objects.create(name="Poland")
    client = program()
    assert len(client.get("/api/deliveries/").json()["results"]) == 1
    Journey.objects.get().groups.add(group)
    assert client.get("/api/deliveries/").json()["results"] == []
