"""The activity that calls another system: a real server on the other side."""

from datetime import timedelta
from ipaddress import ip_network
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from integrations import sending, webhooks
from integrations.models import Connection, Delivery
from journeys.engine.tick import tick_journey
from journeys.models import JourneyVersion, Lane, Message, Participant, Signal
from tests.factories import DAY, NOW, make_contact
from tests.integrations.receiving import Receiver, is_signed, receiver
from tests.journeys.drawn import make_version, may_be_tested, node
from tests.journeys.test_acts import left_by, send_in
from tests.segments.factories import make_contacts
from workspace.access import SYSTEM

pytestmark = pytest.mark.django_db
SECOND = timedelta(seconds=1)
WAIT = {"amount": 9, "unit": "day"}


@pytest.fixture(autouse=True)
def loopback(settings: Any) -> None:
    settings.OUTBOUND_ALLOW = [ip_network("127.0.0.0/8")]


def calls(*ways: str, **config: Any) -> JourneyVersion:
    """A journey that calls; with these ways out besides "next"."""
    given = {name: config.pop(name) for name in ("lane", "key") if name in config}
    waits = [node(way, "wait", duration=WAIT) for way in ("next", *ways)]
    return make_version(
        node("start", "event_entry", event="enter"),
        node("call", "webhook", **config),
        *waits,
        edges=[("start", "call"), ("call", "next"), *(("call", way, way) for way in ways)],
        **given,
    )


def drain(at: Any = NOW) -> sending.Sent:
    return sending.drain(lambda: at)


def stands_at(version: JourneyVersion) -> list[str]:
    places = Participant.objects.order_by("contact_id").values_list("place", flat=True)
    return [version.places[place][0] for place in places]


class TestWhatIsSent:
    def test_an_address_gets_the_body_with_its_gaps_filled_and_a_key(self) -> None:
        anna = make_contact(first_name='An"na')
        body = '{"who": "{{ contact.first_name }}", "order": "{{ entry.properties.id }}", "n": 1}'
        with receiver() as server:
            send_in(calls(url=server.url, body=body), anna.pk, entry={"properties": {"id": "A-7"}})
            drain()
            [request] = server.received
        assert request.document == {"who": 'An"na', "order": "A-7", "n": 1}
        message = Message.objects.get()
        assert request.headers["Idempotency-Key"] == f"message:{message.pk}"
        assert (message.channel, message.state) == ("webhook", "sent")
        assert message.delivery_id == Delivery.objects.get().pk

    def test_a_body_that_is_json_only_when_it_is_filled_is_filled_first(self) -> None:
        anna = make_contact(tags=[])
        body = (
            '{"id": {{ contact.id }}, "tags": [{% for t in contact.tags %}"{{ t }}"{% endfor %}]}'
        )
        with receiver() as server:
            send_in(calls(url=server.url, body=body), anna.pk)
            drain()
            assert server.received[0].document == {"id": anna.pk, "tags": []}

    def test_without_a_body_it_tells_who_and_why(self) -> None:
        anna = make_contact(email="anna@example.com")
        with receiver() as server:
            send_in(calls(url=server.url), anna.pk, entry={"name": "enter"})
            drain()
            told = server.received[0].document
        assert (told["journey"], told["activity"]) == ("welcome", "call")
        assert told["contact"]["email"] == "anna@example.com"
        assert told["entry"] == {"name": "enter"}
        assert told["is_test"] is False

    def test_a_webhook_gets_it_signed_in_the_usual_envelope(self) -> None:
        with receiver() as server:
            hook, secret = webhooks.create_webhook(
                url=server.url, types=["segment.refreshed"], actor=SYSTEM, at=NOW
            )
            send_in(calls(connection=hook.pk, body='{"a": "{{ journey }}"}'), make_contact().pk)
            drain()
            [request] = server.received
        assert is_signed(request, secret)
        assert request.document["type"] == "journey.webhook"
        assert request.document["id"] == f"message:{Message.objects.get().pk}"
        assert request.document["data"] == {"a": "welcome"}

    def test_the_key_is_the_same_when_it_is_tried_again(self) -> None:
        with receiver(503) as server:
            send_in(calls(url=server.url), make_contact().pk)
            drain()
            server.answer = 200
            drain(NOW + DAY)
            keys = {request.headers["Idempotency-Key"] for request in server.received}
        assert len(server.received) == 2
        assert len(keys) == 1

    def test_one_address_is_one_connection(self) -> None:
        with receiver() as server:
            send_in(calls(url=server.url), make_contact().pk)
            send_in(calls(url=server.url, key="other"), make_contact().pk)
        assert Connection.objects.filter(kind="address").count() == 1

    def test_what_is_tried_out_says_so(self) -> None:
        anna = make_contact()
        may_be_tested(anna.pk)
        with receiver() as server:
            send_in(calls(url=server.url, lane=Lane.TEST), anna.pk)
            drain()
            assert server.received[0].document["is_test"] is True


class TestWhatBecomesOfIt:
    def go(
        self, server: Receiver, *ways: str, later: timedelta = SECOND, **config: Any
    ) -> list[str]:
        version = calls(*ways, url=server.url, **config)
        send_in(version, make_contact().pk)
        assert stands_at(version) == ["call"]
        drain()
        tick_journey(version.journey_id, as_of=NOW + later)
        return stands_at(version)

    def test_nobody_waits_where_no_other_way_was_drawn(self) -> None:
        with receiver(500) as server:
            version = calls(url=server.url)
            send_in(version, make_contact().pk)
            assert stands_at(version) == ["next"]
            drain()
        assert not Signal.objects.exists()

    def test_who_waits_goes_on_when_it_was_taken(self) -> None:
        with receiver(200) as server:
            assert self.go(server, "error", "timeout") == ["next"]

    def test_what_is_refused_for_good_leads_to_the_way_for_errors(self) -> None:
        with receiver(422) as server:
            assert self.go(server, "error") == ["error"]
            assert len(server.received) == 1
        [(_outcome, data)] = left_by("call")
        assert "422" in data["error"]
        assert Message.objects.get().state == "failed"

    def test_what_may_pass_is_tried_again_while_he_waits(self) -> None:
        with receiver(503) as server:
            assert self.go(server, "error") == ["call"]

    def test_who_hears_nothing_in_time_leaves_by_the_timeout(self) -> None:
        with receiver(503) as server:
            assert self.go(server, "timeout", later=30 * SECOND) == ["timeout"]

    def test_how_long_can_be_said(self) -> None:
        minute = {"amount": 1, "unit": "minute"}
        with receiver(503) as server:
            assert self.go(server, "timeout", later=59 * SECOND, timeout=minute) == ["call"]

    def test_a_result_that_comes_too_late_moves_nobody(self) -> None:
        with receiver(503) as server:
            version = calls("timeout", url=server.url)
            send_in(version, make_contact().pk)
            drain()
            tick_journey(version.journey_id, as_of=NOW + 30 * SECOND)
            server.answer = 200
            drain(NOW + DAY)
            tick_journey(version.journey_id, as_of=NOW + DAY)
        assert stands_at(version) == ["timeout"]
        assert Message.objects.get().state == "sent"

    def test_a_body_that_cannot_be_written_is_an_error_at_once(self) -> None:
        version = calls("error", url="https://example.com/", body='{"id": {{ contact.city }}}')
        send_in(version, make_contact().pk)
        assert stands_at(version) == ["error"]
        message = Message.objects.get()
        assert message.state == "failed"
        assert "JSON" in message.error
        assert not Delivery.objects.exists()

    def test_an_address_that_is_not_called_is_an_error(self, settings: Any) -> None:
        settings.OUTBOUND_ALLOW = []
        version = calls("error", url="http://127.0.0.1/")
        send_in(version, make_contact().pk)
        assert stands_at(version) == ["error"]
        assert left_by("call")[0][1]["problem"] == "address_refused"


def test_a_thousand_are_queued_in_as_many_statements_as_one() -> None:
    version = calls("error", url="https://example.com/")

    def queries(count: int) -> int:
        people = make_contacts(*["Oslo"] * count)
        with CaptureQueriesContext(connection) as captured:
            send_in(version, *people)
        return len(captured)

    assert queries(1) >= queries(1000)
    assert Delivery.objects.count() == 1001
