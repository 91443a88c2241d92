"""Facts at Segment, over real HTTP: each arrives once, in order, and comes back to nobody."""

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from pytest_django.live_server_helper import LiveServer

from contacts.merging import merge_contacts
from contacts.models import Event
from integrations import digestion, sources
from integrations.announcements import is_heard
from integrations.connectors.segment import payloads
from integrations.errors import ConnectionInvalid
from integrations.models import Connection, Delivery, ReceivedEvent, VendorCall
from integrations.sandbox.segment import Segment
from integrations.sandbox.server import Fault, Response
from tests.factories import MINUTE, NOW, make_contact
from tests.integrations.segment.source import (
    ENTERED,
    GIVEN,
    LEFT,
    REDEEMED,
    connect,
    drain,
    tell,
    workspace,
)
from workspace.access import SYSTEM

pytestmark = pytest.mark.django_db


@pytest.fixture
def box(settings: Any) -> Iterator[Segment]:
    with workspace(settings) as segment:
        yield segment


def member(external_id: str = "A-17") -> int:
    return make_contact(external_id=external_id).pk


def fates() -> list[tuple[str, str]]:
    return list(Delivery.objects.order_by("pk").values_list("state", "reason"))


def test_a_card_that_was_given_is_in_the_debugger_with_its_code(box: Segment) -> None:
    connection = connect(box, GIVEN, names="titles")
    tell(GIVEN, member(), code="GIFT-7K2M", campaign={"key": "thanks", "name": "Thank you"})
    assert drain().delivered == 1
    (event,) = box.events
    assert (event["event"], event["userId"]) == ("Customer Publication Succeeded", "A-17")
    assert event["properties"]["code"] == "GIFT-7K2M"
    assert event["properties"]["campaign_name"] == "Thank you"
    assert box.invalid == []
    delivery = Delivery.objects.get()
    assert delivery.reference == event["messageId"]
    assert delivery.tries.get().answer == '{"success": true}'
    call = VendorCall.objects.get(connection=connection)
    assert "GIFT-7K2M" in call.request
    assert box.write_key not in call.request


def test_types_that_nobody_chose_are_not_sent(box: Segment) -> None:
    connect(box, GIVEN)
    assert is_heard(GIVEN)
    assert not is_heard(REDEEMED)
    tell(REDEEMED, member())
    assert not Delivery.objects.exists()


def test_nobody_hears_while_the_connection_is_disabled(box: Segment) -> None:
    connection = connect(box, GIVEN)
    Connection.objects.filter(pk=connection.pk).update(is_enabled=False)
    tell(GIVEN, member())
    assert not Delivery.objects.exists()


def test_who_has_no_id_there_is_left_out_and_counted(box: Segment) -> None:
    connect(box, GIVEN)
    tell(GIVEN, make_contact(email="a@example.com").pk, "1")
    tell(GIVEN, None, "2")
    tell(GIVEN, member(), "3")
    sent = drain()
    assert (sent.delivered, sent.cancelled) == (1, 2)
    assert [one["userId"] for one in box.events] == ["A-17"]
    left_out = Delivery.objects.filter(state="cancelled")
    assert {one.last_error for one in left_out} == {
        "Not sent: it is of no contact with an id by which Segment knows it."
    }


def test_another_identity_can_be_the_user_id(box: Segment) -> None:
    connect(box, GIVEN, identity="email")
    tell(GIVEN, make_contact(email="Anna@example.com").pk)
    drain()
    assert [one["userId"] for one in box.events] == ["anna@example.com"]


def test_memberships_become_traits_of_the_chosen_segments_in_order(box: Segment) -> None:
    connect(box, ENTERED, LEFT, memberships="traits", segments="reviewers, vip")
    contact_id = member()
    for number, (type_, key) in enumerate(
        [(ENTERED, "reviewers"), (LEFT, "reviewers"), (ENTERED, "others"), (ENTERED, "vip")]
    ):
        tell(type_, contact_id, str(number), segment={"id": key, "name": key})
    assert drain().delivered == 3
    assert [one["traits"] for one in box.events] == [
        {"reviewers": True},
        {"reviewers": False},
        {"vip": True},
    ]
    assert box.traits("A-17") == {"reviewers": False, "vip": True}


def test_what_was_told_of_one_who_was_merged_goes_before_what_is_told_of_the_other(
    box: Segment,
) -> None:
    connect(box, GIVEN)
    survivor, loser = make_contact(email="anna@example.com").pk, member()
    tell(GIVEN, loser, "1")
    box.fail_next(Fault(Response(503)), path="/v1/batch")
    drain()
    merge_contacts(survivor, loser, actor=SYSTEM, at=NOW, cause="staff")
    tell(GIVEN, survivor, "2")
    drain(NOW + MINUTE)
    came = [(one["userId"], one["messageId"].split(":")[1]) for one in box.events]
    assert came == [("A-17", "1"), ("A-17", "2")]


def test_many_go_in_one_call(box: Segment) -> None:
    connect(box, GIVEN)
    for number in range(40):
        tell(GIVEN, member(f"A-{number}"), str(number))
    assert drain().delivered == 40
    assert len(box.asked("/v1/batch")) == 1
    assert len(box.events) == 40


def test_a_call_whose_answer_was_lost_is_repeated_and_counts_once(box: Segment) -> None:
    connect(box, GIVEN)
    tell(GIVEN, member())
    box.fail_next(Fault(drop=True, is_done=True), path="/v1/batch")
    assert drain().postponed == 1
    assert drain(NOW + MINUTE).delivered == 1
    assert len(box.asked("/v1/batch")) == 2
    assert len(box.events) == 1


@pytest.mark.parametrize("header", ["Retry-After", "X-RateLimit-Reset"])
def test_segment_is_left_alone_for_as_long_as_it_asks(box: Segment, header: str) -> None:
    connect(box, GIVEN)
    tell(GIVEN, member())
    box.fail_next(Fault(Response(429, {}, {header: "120"})), path="/v1/batch")
    drain()
    assert Delivery.objects.get().due_at == NOW + 2 * MINUTE
    assert Connection.objects.get().breaker_until == NOW + 2 * MINUTE
    tell(GIVEN, member("B-1"), "2")
    drain(NOW + MINUTE)
    assert len(box.asked("/v1/batch")) == 1
    assert drain(NOW + 2 * MINUTE).delivered == 2


@pytest.mark.parametrize("status", [401, 408, 500, 503])
def test_trouble_passes_and_loses_nothing(box: Segment, status: int) -> None:
    connect(box, GIVEN)
    tell(GIVEN, member())
    box.fail_next(Fault(Response(status, b"<html>Oops</html>")), path="/v1/batch")
    assert drain().postponed == 1
    assert drain(NOW + MINUTE).delivered == 1


@pytest.mark.parametrize("body", [b"<html>Log in first</html>", b"[]", b'{"success": false}'])
def test_a_yes_that_is_none_is_not_taken_for_one(box: Segment, body: bytes) -> None:
    connect(box, GIVEN)
    tell(GIVEN, member())
    box.fail_next(Fault(Response(200, body)), path="/v1/batch")
    assert drain().postponed == 1


def test_what_is_too_large_fails_alone(box: Segment) -> None:
    connect(box, GIVEN)
    tell(GIVEN, member("A-1"), "1", note="x" * 33_000)
    tell(GIVEN, member("A-2"), "2", note="x" * 31_000)
    sent = drain()
    assert (sent.delivered, sent.failed) == (1, 1)
    assert [one["userId"] for one in box.events] == ["A-2"]
    assert "Segment takes 32768" in Delivery.objects.get(state="failed").last_error


@pytest.mark.parametrize(("spare", "state"), [(0, "delivered"), (-1, "failed")])
def test_an_event_may_fill_the_32_kilobytes_and_not_a_byte_more(
    box: Segment, spare: int, state: str
) -> None:
    connect(box, GIVEN)
    contact_id = member()
    tell(GIVEN, contact_id, "0", note="")
    drain()
    around = len(payloads.encoded(box.events[0]))
    tell(GIVEN, contact_id, "1", note="x" * (payloads.EVENT_LIMIT - around - spare))
    drain()
    assert Delivery.objects.latest("pk").state == state
    assert len(box.events) == (2 if state == "delivered" else 1)
    largest = max(len(payloads.encoded(one)) for one in box.events)
    assert state == "failed" or largest == payloads.EVENT_LIMIT


def test_what_is_compressed_arrives_and_is_legible_in_the_log(box: Segment) -> None:
    connection = connect(box, GIVEN, compress=True)
    tell(GIVEN, member(), code="GIFT-7K2M", note="x" * 5000)
    assert drain().delivered == 1
    assert box.events[0]["properties"]["code"] == "GIFT-7K2M"
    (asked,) = box.asked("/v1/batch")
    assert asked.headers["content-encoding"] == "gzip"
    assert len(asked.body) < 1000
    assert "GIFT-7K2M" in VendorCall.objects.get(connection=connection).request


def test_one_that_segment_refuses_does_not_keep_back_the_others(box: Segment) -> None:
    connect(box, GIVEN)
    for number in range(8):
        tell(GIVEN, member(f"A-{number}"), str(number))

    def picky(request: Any) -> Fault | None:
        is_bad = b'"A-5"' in request.body
        return Fault(Response(400, {"message": "malformed"})) if is_bad else None

    box.chaos = picky
    sent = drain()
    assert (sent.delivered, sent.failed) == (7, 1)
    assert {one["userId"] for one in box.events} == {f"A-{n}" for n in range(8) if n != 5}


def test_more_than_a_call_takes_goes_in_several(box: Segment) -> None:
    connect(box, GIVEN)
    for number in range(25):
        tell(GIVEN, member(f"A-{number}"), str(number), note="x" * 30_000)
    assert drain().delivered == 25
    sizes = [len(one.body) for one in box.asked("/v1/batch")]
    assert len(sizes) == 2
    assert max(sizes) <= payloads.BATCH_LIMIT


def test_what_is_no_write_key_is_refused(box: Segment) -> None:
    box.write_key = "short"
    with pytest.raises(ConnectionInvalid, match="no write key"):
        connect(box, GIVEN)


def test_the_sandbox_keeps_to_the_limits_of_segment(box: Segment) -> None:
    connection = connect(box, GIVEN)
    assert connection.account_name == f"Segment …{box.write_key[-4:]}"
    tell(GIVEN, member())
    drain()
    body = box.asked("/v1/batch")[0].body
    request = box.asked("/v1/batch")[0]
    for broken in (body[:-1], b"[]", b"x" * 600_000):
        answer = box.handle(type(request)("POST", request.path, {}, request.headers, broken, 0.0))
        assert answer.status == 400
    assert box.handle(request).status == 200
    assert len(box.events) == 1, "a messageId counts once in a day"
    other = {**request.headers, "authorization": "Basic bm9uZTo="}
    answer = box.handle(type(request)("POST", request.path, {}, other, body, 0.0))
    assert (answer.status, len(box.events)) == (200, 1), "nobody is told of a wrong key"


@pytest.mark.django_db(transaction=True)
def test_what_we_told_segment_does_not_come_back_as_news(
    box: Segment, live_server: LiveServer
) -> None:
    now = timezone.now()
    sources.create_source(name="Segment", kind="webhook", actor=SYSTEM, at=now)
    sources.set_signing_secret("segment", secret="a shared secret", actor=SYSTEM, at=now)
    connect(box, GIVEN, ENTERED, LEFT, memberships="traits")
    contact_id = member()
    tell(GIVEN, contact_id, "1", code="GIFT-1")
    tell(ENTERED, contact_id, "2", segment={"id": "vip", "name": "VIP"})
    drain()
    url = f"{live_server.url}/webhooks/segment/segment/"
    theirs = {
        "type": "track",
        "event": "review_left",
        "userId": "A-17",
        "messageId": "shop-1",
        "timestamp": now.isoformat(),
    }
    assert box.forward(url, "a shared secret", [*box.events, theirs]) == 200
    assert box.forward(url, "another secret") == 401
    digestion.digest(timezone.now())
    assert list(Event.objects.values_list("definition__name", flat=True)) == ["review_left"]
    logged = ReceivedEvent.objects.exclude(outcome="refused").order_by("pk")
    assert list(logged.values_list("outcome", "code")) == [("duplicate", "own_event")] * 2 + [
        ("accepted", "")
    ]
    assert not Delivery.objects.exclude(state="delivered").exists(), "nothing goes round"


def test_events_of_another_installation_are_news(box: Segment, settings: Any) -> None:
    connect(box, GIVEN)
    tell(GIVEN, member())
    drain()
    (event,) = json.loads(json.dumps(box.events))
    mark = event["context"]["regulars"]["origin"]
    settings.SECRET_KEY = "another installation's key"
    tell(GIVEN, member("B-2"), "2")
    drain(NOW + timedelta(minutes=1))
    assert box.events[1]["context"]["regulars"]["origin"] != mark
