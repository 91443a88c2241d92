"""What goes out to a connected system, on the screen: figures, names, each event as it was sent."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.messages import get_messages
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from integrations.models import Delivery, VendorConnection
from integrations.sandbox.segment import Segment
from integrations.sandbox.server import Fault, Response
from integrations.vendors import connections
from tests.admin.conftest import MakePerson
from tests.factories import NOW, make_contact
from tests.integrations.segment.source import ENTERED, GIVEN, connect, drain, tell, workspace
from tests.integrations.vendors.acme import acme, make_site
from tests.integrations.vendors.acme import connect as connect_acme
from workspace.access import SYSTEM
from workspace.models import AuditEntry

pytestmark = pytest.mark.django_db
ROOM = "admin:integrations_vendorconnection"
SEE = "integrations.view_vendorconnection"


@pytest.fixture
def box(settings: Any) -> Iterator[Segment]:
    with workspace(settings) as segment:
        yield segment


def page(client: Client, name: str, connection: VendorConnection, **query: Any) -> str:
    return client.get(reverse(f"{ROOM}_{name}", args=[connection.pk]), query).content.decode()


def send(connection: VendorConnection, *, key: str = "1", **data: Any) -> Delivery:
    """A card was given just now, and told."""
    contact = make_contact(external_id=f"A-{key}", first_name="Michael", last_name="Scott")
    tell(GIVEN, contact.pk, key, at=timezone.now(), **data)
    drain(timezone.now())
    return Delivery.objects.latest("pk")


def test_the_page_of_a_connection_says_what_goes_out_and_how(admin: Client, box: Segment) -> None:
    connection = connect(box, GIVEN, ENTERED, names="titles", memberships="traits", exclude="Loop")
    send(connection, code="GIFT-7K2M")
    text = page(admin, "change", connection)
    assert "What goes out" in text
    assert "Customer Publication Succeeded" in text
    assert "identify" in text, "a membership becomes a trait"
    assert "titles: Customer Publication Succeeded" in text
    assert "US (Oregon)" in text
    assert "Loop" in text
    assert f"…{box.write_key[-4:]}" in text
    assert box.write_key not in text
    assert "Synchronizations" not in text, "nothing is synchronized with it"
    assert 'events/?state=delivered">1</a>' in text
    assert "GIFT-7K2M" in text


def test_a_connection_without_events_says_so(admin: Client, box: Segment) -> None:
    text = page(admin, "change", connect(box))
    assert "No event is chosen, so nothing goes out by itself." in text
    assert "Nothing was sent yet." in text


def test_each_event_stands_there_as_it_was_sent_with_the_answer(
    admin: Client, box: Segment
) -> None:
    connection = connect(box, GIVEN, names="titles")
    delivery = send(connection, code="GIFT-7K2M")
    text = page(admin, "events", connection)
    assert "Customer Publication Succeeded" in text
    assert "Michael Scott" in text
    assert "&quot;messageId&quot;" in text
    assert delivery.key in text
    assert "{&quot;success&quot;: true}" in text
    assert '<span class="rg-badge rg-good">200</span>' in text


def test_events_are_chosen_by_type_and_state_and_paged(admin: Client, box: Segment) -> None:
    connection = connect(box, GIVEN, ENTERED)
    box.fail_next(Fault(Response(400, {})), path="/v1/batch")
    refused = send(connection, code="GIFT-REFUSED")
    taken = send(connection, key="2", code="GIFT-TAKEN")
    text = page(admin, "events", connection, state="failed")
    assert "GIFT-REFUSED" in text
    assert "Segment refused it: it answered 400." in text
    assert "GIFT-TAKEN" not in text
    assert "None of these" in page(admin, "events", connection, type=ENTERED)
    older = page(admin, "events", connection, before=taken.pk)
    assert refused.key in older
    assert taken.key not in older
    rows = page(admin, "events", connection, part="rows")
    assert rows.count("<li") == 2
    assert "<html" not in rows


def test_what_one_may_not_know_of_is_not_shown(make_person: MakePerson, box: Segment) -> None:
    connection = connect(box, GIVEN)
    delivery = send(connection, code="GIFT-7K2M")
    Delivery.objects.filter(pk=delivery.pk).update(subject="segment:99999")
    reader = make_person(SEE, "integrations.view_delivery")
    assert "GIFT-7K2M" not in page(reader, "events", connection)
    assert f"/delivery/{delivery.pk}/change/" not in page(reader, "change", connection)
    stranger = make_person(SEE)
    text = page(stranger, "change", connection)
    assert "What goes out" in text
    assert "Events</a>" not in text
    address = reverse(f"{ROOM}_events", args=[connection.pk])
    assert stranger.get(address).status_code == 403


def test_a_test_event_is_sent_by_a_button_and_seen_there(admin: Client, box: Segment) -> None:
    connection = connect(box, GIVEN, names="titles")
    address = reverse(f"{ROOM}_action", args=[connection.pk, "send_test_event"])
    answer = admin.post(address, follow=True)
    assert [str(one) for one in get_messages(answer.wsgi_request)] == [
        "The test event is on its way."
    ]
    assert "waiting" in answer.content.decode()
    drain(timezone.now())
    (event,) = box.events
    assert (event["event"], event["anonymousId"]) == ("Connection Test", "regulars-test")
    assert "userId" not in event
    assert box.invalid == []
    assert AuditEntry.objects.filter(action="connection.test_sent").exists()
    assert "Connection Test" in page(admin, "events", connection)


def test_no_test_goes_over_what_is_paused(admin: Client, box: Segment) -> None:
    connection = connect(box, GIVEN)
    connections.pause_connection(connection.pk, actor=SYSTEM, at=NOW)
    assert "Send test event" not in page(admin, "change", connection)
    address = f"/api/connections/{connection.pk}/test-event/"
    answer = admin.post(address, content_type="application/json")
    assert answer.status_code == 409
    assert "it is paused" in answer.json()["detail"]


def test_a_system_that_hears_of_nothing_has_no_such_page(admin: Client, settings: Any) -> None:
    with workspace(settings), acme():
        connection = connect_acme(make_site())
        text = page(admin, "change", connection)
        assert "What goes out" not in text
        assert "Events</a>" not in text
        answer = admin.post(
            f"/api/connections/{connection.pk}/test-event/", content_type="application/json"
        )
        assert answer.status_code == 400


def test_programs_test_and_count(admin: Client, box: Segment) -> None:
    connection = connect(box, GIVEN)
    path = f"/api/connections/{connection.pk}/"
    answer = admin.post(f"{path}test-event/", content_type="application/json")
    assert (answer.status_code, answer.json()["kind"]) == (202, "connection.test")
    tell(GIVEN, None, "2", at=timezone.now())
    drain(timezone.now())
    days = admin.get(f"{path}counts/").json()
    assert len(days) == 14
    today = days[-1]
    assert (today["delivered"], today["failed"], today["cancelled"]) == (1, 0, 1)


def test_what_matters_is_asked_when_one_authorizes(admin: Client, box: Segment) -> None:
    text = admin.get(reverse(f"{ROOM}_authorize", args=["segment"])).content.decode()
    more = text.index("Name and settings")
    assert text.index("US (Oregon)") < text.index(GIVEN) < more < text.index("titles:")
    assert "segment.refreshed" not in text, "it is of no contact, and would never be sent"
    assert "sync_hours" not in text, "nothing is synchronized"
    assert "Segment tells nobody whether a write key is right" in text
    given = {"credentials.write_key": box.write_key, "settings.types": [GIVEN]}
    rest = {"settings.region": "us", "settings.names": "dotted", "settings.memberships": "events"}
    address = reverse(f"{ROOM}_authorize", args=["segment"])
    answer = admin.post(address, {**given, **rest, "settings.per_second": "50"}, follow=True)
    assert "is authorized. Segment tells nobody" in answer.content.decode()
    assert VendorConnection.objects.get().event_types == [GIVEN]
