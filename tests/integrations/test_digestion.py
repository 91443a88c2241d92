"""What becomes of what was received: contacts, traits, events, the log, what is held."""

import json
import random
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import OperationalError

from contacts import erasure, events, timeline
from contacts.models import (
    AttributeDefinition,
    Contact,
    Event,
    EventDefinition,
    Identity,
    SeenMessage,
)
from contacts.timeline import Filters
from integrations import digestion, event_log, inbox, processing, sources
from integrations.models import (
    HeldEvent,
    InboundRequest,
    ReceivedEvent,
    Source,
    SourceCount,
    TraitMapping,
)
from tests.factories import DAY, HOUR, MINUTE, NOW, make_attribute
from workspace import sql
from workspace.access import SYSTEM, actor_of_user
from workspace.models import User

pytestmark = pytest.mark.django_db


@pytest.fixture
def shop() -> Source:
    return sources.create_source(name="Shop", actor=SYSTEM, at=NOW)[0]


def receive(source: Source, body: Any, *, call: str = "batch", at: datetime = NOW) -> None:
    document = {"batch": body} if isinstance(body, list) and call != "webhook" else body
    text = body if isinstance(body, str) else json.dumps(document)
    count = len(body) if isinstance(body, list) else 1
    inbox.receive(source_id=source.pk, call=call, body=text, event_count=count, received_at=at)


def send(source: Source, *messages: Any, call: str = "batch", at: datetime = NOW) -> None:
    """Messages of one request, received and digested."""
    receive(source, list(messages), call=call, at=at)
    digest()


def digest() -> None:
    while digestion.digest(NOW):
        pass
    assert not InboundRequest.objects.filter(attempts=0).exists()


def identify(user_id: str = "u1", /, **traits: Any) -> dict[str, Any]:
    return {"type": "identify", "userId": user_id, "traits": traits}


def track(event: str = "review_left", /, user_id: str = "u1", **given: Any) -> dict[str, Any]:
    return {"type": "track", "userId": user_id, "event": event, **given}


def contact(user_id: str = "u1") -> Contact:
    identity = Identity.objects.get(namespace="user_id", value=user_id)
    return Contact.objects.get(pk=identity.contact_id)


def log() -> list[tuple[str, str, str]]:
    rows = ReceivedEvent.objects.order_by("pk")
    return list(rows.values_list("type", "outcome", "code"))


def event_names(of: Contact | None = None) -> list[str]:
    found = Event.objects.filter(contact=of) if of else Event.objects.all()
    return sorted(found.values_list("definition__name", flat=True))


def test_michael_scott_is_known_and_what_he_did_is_his(shop: Source) -> None:
    send(
        shop,
        {**track("viewed"), "userId": None, "anonymousId": "a1"},
        {**identify(firstName="Michael", lastName="Scott", email="m@x.io"), "anonymousId": "a1"},
        track(properties={"rating": 5}),
        {"type": "page", "userId": "u1", "name": "Home", "context": {"page": {"path": "/"}}},
        {"type": "screen", "userId": "u1", "name": "Cart"},
        {"type": "group", "userId": "u1", "groupId": "g1", "traits": {"name": "Dunder"}},
        {"type": "alias", "userId": "u1", "previousId": "old"},
    )
    michael = contact()
    assert (michael.first_name, michael.last_name, michael.email) == ("Michael", "Scott", "m@x.io")
    assert event_names(michael) == ["group", "page_visit", "review_left", "screen_view", "viewed"]
    properties = dict(Event.objects.values_list("definition__name", "properties"))
    assert properties["review_left"] == {"rating": 5}
    assert properties["page_visit"] == {"name": "Home", "path": "/"}
    assert properties["group"] == {"name": "Dunder", "groupId": "g1"}
    names = Identity.objects.filter(contact=michael).values_list("namespace", "value")
    assert set(names) == {
        *(("user_id", "u1"), ("anonymous_id", "a1"), ("anonymous_id", "old")),
        ("email", "m@x.io"),
    }
    assert [row[1] for row in log()] == ["accepted"] * 7
    assert set(ReceivedEvent.objects.values_list("contact_id", flat=True)) == {michael.pk}
    shop.refresh_from_db()
    assert shop.last_received_at == NOW
    (count,) = SourceCount.objects.all()
    assert (count.day, count.outcome, count.event_count) == (NOW.date(), "accepted", 7)
    assert not HeldEvent.objects.exists()


def test_a_message_id_counts_once_whatever_the_contact_and_the_time(shop: Source) -> None:
    one = {**track(), "messageId": "m1"}
    send(shop, one, {**one, "userId": "u2", "timestamp": "2026-01-01T00:00:00Z"})
    send(shop, one, at=NOW + DAY)
    assert Event.objects.count() == 1
    assert [row[1] for row in log()] == ["accepted", "duplicate", "duplicate"]
    other = sources.create_source(name="App", actor=SYSTEM, at=NOW)[0]
    send(other, {**one, "userId": "u3"})
    assert Event.objects.count() == 2
    assert SeenMessage.objects.count() == 2
    # Without a messageId each one counts.
    send(shop, track(), track())
    assert Event.objects.count() == 4
    assert SeenMessage.objects.filter(source_id=shop.pk).count() == 3


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ({"type": "track", "event": "e"}, "no_user_anon_id"),
        ({"type": "track", "event": "e", "userId": {"a": 1}}, "no_user_anon_id"),
        (track(" "), "event_missing"),
        (track("e" * 201), "name_too_long"),
        (track(properties=[1]), "properties_not_object"),
        (track(properties={"a": "\0"}), "nul_character"),
        (track(messageId="m" * 101), "message_id_too_long"),
        (track(messageId="m\0"), "message_id_invalid"),
        (track(properties={"a": "x" * 66_000}), "message_too_large"),
        (track(user_id="u" * 400), "no_usable_id"),
        (track(user_id="null"), "no_usable_id"),
        ({"type": "group", "userId": "u1"}, "group_id_missing"),
        ({"type": "alias", "userId": "u1"}, "previous_id_missing"),
        ({"type": "delete", "userId": "u1"}, "unsupported_type"),
        ({"type": "smile", "userId": "u1"}, "unsupported_type"),
        ({"userId": "u1"}, "unsupported_type"),
        ("track", "not_an_object"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_cannot_be_used_is_held_with_its_reason_and_delays_no_other(
    shop: Source, message: Any, code: str
) -> None:
    send(shop, message, track("after", "u9"))
    assert event_names() == ["after"]
    assert [row[1:] for row in log()] == [("refused", code), ("accepted", "")]
    held = HeldEvent.objects.get()
    assert (held.outcome, held.code, held.state) == ("refused", code, "open")
    assert held.reason
    assert json.loads(held.body) == message
    assert held.problems[0]["message"] in held.reason
    counts = dict(SourceCount.objects.values_list("outcome", "event_count"))
    assert counts == {"refused": 1, "accepted": 1}


def test_a_trait_of_the_wrong_type_is_kept_aside_and_the_rest_is_written(shop: Source) -> None:
    make_attribute("age", "number")
    send(shop, identify(age="old", plan="pro", email="nobody"), track())
    assert contact().attributes == {"plan": "pro"}
    held = HeldEvent.objects.get()
    assert (held.outcome, held.code, held.contact_id) == ("marked", "wrong_value", contact().pk)
    assert [(one["path"], one["value"]) for one in held.problems] == [
        ("traits.age", "old"),
        ("traits.email", "nobody"),
    ]
    assert [row[1] for row in log()] == ["marked", "accepted"]


def test_events_that_break_their_schema_are_refused_or_marked(shop: Source) -> None:
    for name, enforcement in (("strict", "refuse"), ("lax", "mark"), ("free", "accept")):
        definition = EventDefinition.objects.create(name=name, enforcement=enforcement)
        definition.properties.create(name="rating", type="number", is_required=True)
    wrong = {"rating": "five"}
    send(shop, *(track(name, properties=wrong) for name in ("strict", "lax", "free")), track("lax"))
    assert event_names() == ["free", "lax", "lax"]
    assert [row[1:] for row in log()] == [
        *(("refused", "schema_breach"), ("marked", "wrong_type"), ("accepted", "")),
        ("marked", "missing"),
    ]
    held = HeldEvent.objects.get()
    assert (held.outcome, held.code) == ("refused", "schema_breach")
    assert held.problems == [
        {
            "path": "properties.rating",
            "code": "wrong_type",
            "message": "“rating” has to be a number, not a text of digits.",
            "value": "five",
        }
    ]


def test_traits_go_where_segments_names_say(shop: Source) -> None:
    traits = {
        "name": "Anna Maria Nowak",
        "phone": "+48 601 234 567",
        "gender": "female",
        "birthday": "1990-05-01T00:00:00.000Z",
        "createdAt": "2025-01-02T03:04:05Z",
        "address": {"city": "Łódź", "country": "PL", "postalCode": "90-001", "street": "Długa 1"},
        "age": 36,
        "company": {"name": "ACME", "plan": None},
        "website": "",
        "isVip": True,
        "since": "2026-01-31",
        "lastBuy": "2026-01-31T10:00:00+01:00",
        "likes": ["tea", "cake"],
        "odd key!": "x",
        "id": "u1",
        "history": [{"a": 1}],
    }
    context = {"locale": "pl-PL", "timezone": "Europe/Warsaw"}
    send(shop, {**identify(**traits), "context": context})
    anna = contact()
    assert (anna.first_name, anna.last_name) == ("Anna", "Maria Nowak")
    assert (anna.phone, anna.gender) == ("+48 601 234 567", "female")
    assert str(anna.birth_date) == "1990-05-01"
    assert anna.created_at.isoformat() == "2025-01-02T03:04:05+00:00"
    assert (anna.city, anna.country, anna.postal_code) == ("Łódź", "PL", "90-001")
    assert (anna.language, anna.time_zone) == ("pl", "Europe/Warsaw")
    assert anna.attributes == {
        "address_street": "Długa 1",
        "age": 36,
        "company_name": "ACME",
        "isVip": True,
        "since": "2026-01-31",
        "lastBuy": "2026-01-31T09:00:00.000000Z",
        "likes": ["tea", "cake"],
        "odd_key_": "x",
    }
    types = dict(AttributeDefinition.objects.values_list("key", "type"))
    assert types["age"] == "number"
    assert types["lastBuy"] == "datetime"
    held = HeldEvent.objects.get()
    assert [one["code"] for one in held.problems] == ["trait_unusable"]
    # The device's language does not take the place of one that is known; null takes nothing away.
    send(shop, {**identify(firstName="Ania", phone=None), "context": {"locale": "de-DE"}})
    anna.refresh_from_db()
    assert (anna.language, anna.first_name, anna.phone) == ("pl", "Ania", "+48 601 234 567")


def test_a_sources_own_mapping_comes_first(shop: Source) -> None:
    make_attribute("level", "text")
    for trait, target in (("plan", "attribute.level"), ("address", ""), ("town", "contact.city")):
        TraitMapping.objects.create(source=shop, trait=trait, target=target)
    shop.new_traits = Source.NewTraits.KEEP_ASIDE
    shop.save()
    send(shop, identify(plan="pro", address={"city": "Oslo"}, town="Rome", shoe=41, level="gold"))
    found = contact()
    assert found.attributes == {"level": "gold"}
    assert found.city == "Rome"
    assert [one["path"] for one in HeldEvent.objects.get().problems] == ["traits.shoe"]
    assert not AttributeDefinition.objects.filter(key="shoe").exists()


def test_sources_make_no_attributes_without_end(
    shop: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("integrations.traits.ATTRIBUTE_LIMIT", 2)
    send(shop, identify(a=1, b=2, c=3, d=4))
    assert contact().attributes == {"a": 1, "b": 2}
    assert {one["code"] for one in HeldEvent.objects.get().problems} == {"too_many_attributes"}


def test_of_several_identifies_the_last_one_counts(shop: Source) -> None:
    send(
        shop,
        identify(firstName="A", city="Oslo", plan="x"),
        identify("u2", firstName="B"),
        identify(firstName="C", plan="y"),
    )
    assert (contact().first_name, contact().city, contact().attributes) == (
        *("C", "Oslo"),
        {"plan": "y"},
    )
    before = contact().updated_at
    sql.execute("UPDATE contacts_contact SET updated_at = '2020-01-01'")
    send(shop, identify(firstName="C", plan="y"))
    assert before != contact().updated_at
    assert contact().updated_at.year == 2020, "saying the same again writes nothing"


def test_the_timeline_tells_which_source_changed_the_profile(shop: Source) -> None:
    send(shop, identify(plan="x", address={"city": "Oslo"}))
    send(shop, identify(plan="x"), at=NOW + MINUTE)
    send(shop, identify(plan="y"), track(), at=NOW + HOUR)
    items = timeline.page(contact().pk, actor=SYSTEM, limit=20)
    told = [item for item in items if item.kind == "told"]
    assert [(item.at, item.text, item.origin) for item in told] == [
        *((NOW + HOUR, "plan", "Shop"), (NOW, "plan, address.city", "Shop")),
    ]
    assert told[1].details == (("plan", "x"), ("address.city", "Oslo"))
    (event,) = [item for item in items if item.kind == "event"]
    assert event.origin == "Shop"
    nobody = actor_of_user(User.objects.create_user("anna"))
    assert {item.origin for item in timeline.page(contact().pk, actor=nobody, limit=20)} == {""}
    of_shop = timeline.page(contact().pk, actor=SYSTEM, limit=20, filters=Filters(source="shop"))
    assert len(of_shop) == 3


def test_an_address_that_stays_with_another_contact_is_not_written(shop: Source) -> None:
    send(shop, identify("u1", email="same@x.io"), identify("u2", email="SAME@x.io", city="Oslo"))
    assert (contact("u2").email, contact("u2").city) == ("", "Oslo")
    held = HeldEvent.objects.get()
    assert (held.code, held.problems[0]["path"]) == ("identity_protected", "traits.email")


def test_times_follow_the_clock_of_the_sender(shop: Source) -> None:
    ago = "2026-03-02T11:00:00Z"
    send(
        shop,
        # An hour before it was sent, by a clock that is years off.
        track("a", timestamp="2001-01-01T10:00:00Z", sentAt="2001-01-01T11:00:00Z"),
        track("b", timestamp=ago),
        track("c"),
        track("d", timestamp="2026-03-04T12:00:00Z"),
        track("e", timestamp="yesterday"),
        track("f", timestamp="2026-03-02T12:00:00+02:00"),
        track("g", originalTimestamp=ago),
    )
    times = dict(Event.objects.values_list("definition__name", "occurred_at"))
    assert times == {
        **dict.fromkeys("abg", NOW - HOUR),
        **dict.fromkeys("cde", NOW),
        "f": NOW - 2 * HOUR,
    }
    codes = dict(HeldEvent.objects.values_list("name", "code"))
    assert codes == {"d": "timestamp_in_future", "e": "timestamp_invalid"}
    # What is imported, and what Segment sends on, is right as it is.
    old = {"timestamp": "2020-05-05T05:05:05Z", "sentAt": "2026-03-02T10:00:00Z"}
    for call in ("import", "webhook"):
        send(shop, track(call, **old), call=call)
        assert Event.objects.get(definition__name=call).occurred_at.year == 2020


def test_what_a_request_says_holds_for_all_its_messages(shop: Source) -> None:
    body = {
        "batch": [track("a", timestamp="2026-03-02T11:59:00Z"), track("b", context={"ip": "1"})],
        "sentAt": "2026-03-02T12:30:00Z",
        "context": {"campaign": {"name": "spring"}},
        "writeKey": "wk_secret",
    }
    receive(shop, body)
    digest()
    first, second = Event.objects.order_by("definition__name")
    assert first.occurred_at == NOW - 31 * MINUTE
    assert first.properties == second.properties == {"campaign": {"name": "spring"}}
    bodies = [json.loads(row.body) for row in ReceivedEvent.objects.order_by("pk")]
    assert bodies[1]["context"] == {"campaign": {"name": "spring"}, "ip": "1"}
    receive(shop, {**track(), "writeKey": "wk_secret"}, call="track")
    digest()
    assert "wk_secret" not in "".join(ReceivedEvent.objects.values_list("body", flat=True))


def test_segment_asks_a_webhook_to_delete_and_everything_of_the_person_goes(shop: Source) -> None:
    send(shop, identify(email="a@x.io"), {"type": "track", "properties": {"of": "a@x.io"}})
    assert HeldEvent.objects.count() == 1
    erased = contact()
    send(
        shop,
        track("before"),
        {"type": "delete", "userId": "u1"},
        track("after"),
        {"type": "delete", "userId": "nobody"},
        call="webhook",
    )
    erased.refresh_from_db()
    assert erased.erased_at is not None
    assert event_names(erased) == []
    assert event_names(contact()) == ["after"]
    assert not HeldEvent.objects.exists(), "it named the person"
    assert log() == [
        *([("track", "refused", "no_user_anon_id")]),
        *([("track", "accepted", ""), ("delete", "accepted", "")] * 2),
    ]
    assert not ReceivedEvent.objects.filter(contact_id=erased.pk).exists()
    assert ReceivedEvent.objects.filter(body="{}").count() == 1


def test_what_was_received_follows_its_contact_into_another_and_is_erased_with_it(
    shop: Source,
) -> None:
    send(shop, {**track(), "userId": None, "anonymousId": "a1"}, identify("u1", createdAt="soon"))
    anonymous = Identity.objects.get(value="a1").contact_id
    send(shop, {**identify(), "anonymousId": "a1"})
    survivor = contact().pk
    assert {anonymous, survivor} != {survivor}
    owners = {*ReceivedEvent.objects.values_list("contact_id", flat=True)}
    assert owners == {survivor}
    assert HeldEvent.objects.get().contact_id == survivor
    proof = erasure.erase_contact(survivor, actor=SYSTEM, at=NOW)
    assert proof.deleted["integrations"] == 4
    assert not ReceivedEvent.objects.exists()


def test_a_defect_holds_one_message_and_stops_nobody(
    shop: Source, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def stumbling(events: Any, **given: Any) -> Any:
        events = list(events)
        if any(event.name == "stone" for event in events):
            raise ZeroDivisionError("by zero")
        return recording(events, **given)

    recording = events.record_events
    monkeypatch.setattr(processing, "record_events", stumbling)
    receive(shop, [track("one")])
    receive(shop, [track("two"), track("stone", messageId="m1"), track("three")])
    receive(shop, [track("four")])
    digest()
    assert event_names() == ["four", "one", "three", "two"]
    held = HeldEvent.objects.get()
    assert (held.outcome, held.code, held.message_id) == ("failed", "defect", "m1")
    assert "ZeroDivisionError: by zero" in caplog.text
    # In order, and told of once each.
    names = ReceivedEvent.objects.order_by("pk").values_list("name", "outcome")
    assert list(names) == [
        *(("one", "accepted"), ("two", "accepted"), ("stone", "failed"), ("three", "accepted")),
        ("four", "accepted"),
    ]


def test_what_is_no_json_is_held_whole(shop: Source) -> None:
    receive(shop, '{"batch": [')
    receive(shop, [track()])
    digest()
    assert event_names() == ["review_left"]
    held = HeldEvent.objects.get()
    assert (held.type, held.outcome, held.body) == ("batch", "failed", '{"batch": [')


def test_a_request_that_cannot_even_be_held_is_left_lying_and_told(
    shop: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*given: Any) -> None:
        raise ValueError("nothing goes")

    receive(shop, [track()])
    monkeypatch.setattr(event_log, "write_log", broken)
    for _attempt in range(digestion.ATTEMPT_LIMIT):
        assert digestion.digest(NOW)
    assert not digestion.digest(NOW)
    assert InboundRequest.objects.get().attempts == digestion.ATTEMPT_LIMIT
    assert "1 request could not be digested" in digestion.examine_inbox().sentence


def test_what_passes_by_itself_leaves_all_as_it_was(
    shop: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(*given: Any, **named: Any) -> None:
        raise OperationalError("the connection is lost")

    receive(shop, [track()])
    with monkeypatch.context() as patched:
        patched.setattr(processing, "resolve", gone)
        with pytest.raises(OperationalError):
            digestion.digest(NOW)
    request = InboundRequest.objects.get()
    assert request.attempts == 0
    assert not digestion.examine_inbox().is_well
    digest()
    assert event_names() == ["review_left"]
    assert digestion.examine_inbox().is_well


def test_a_batch_is_bounded_and_one_sources_own(
    shop: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = sources.create_source(name="App", actor=SYSTEM, at=NOW)[0]
    monkeypatch.setattr(digestion, "_TAKE", digestion._TAKE.replace("2000", "4"))
    for source in (shop, app, shop):
        receive(source, [track(), track(), track()])
    assert digestion.digest(NOW)
    assert set(InboundRequest.objects.values_list("source_id", flat=True)) == {app.pk}
    digest()
    assert Event.objects.count() == 9
    assert dict(SourceCount.objects.values_list("source__key", "event_count")) == {
        "shop": 6,
        "app": 3,
    }


def test_a_batch_of_large_requests_is_small(shop: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    limit = str(digestion.SIZE_LIMIT)
    monkeypatch.setattr(digestion, "_TAKE", digestion._TAKE.replace(limit, "1000"))
    for _n in range(3):
        receive(shop, [track(properties={"noise": str(random.getrandbits(4000))})])
    assert digestion.digest(NOW)
    assert Event.objects.count() == 1
    digest()
    assert Event.objects.count() == 3


def test_the_number_of_statements_does_not_grow_with_the_messages(
    shop: Source, django_assert_max_num_queries: Any
) -> None:
    send(shop, identify("u0", plan="x"), track("e", "u0"), {"type": "alias"})
    for count in (5, 150):
        messages: list[Any] = []
        for number in range(count):
            user_id = f"{count}-{number}"
            messages.append({**identify(user_id, plan="x"), "anonymousId": f"a{user_id}"})
            messages.append(track("e", user_id, messageId=user_id))
            messages.append({"type": "track", "messageId": f"x{user_id}"})
        receive(shop, messages)
        with django_assert_max_num_queries(42) as queries:
            assert digestion.digest(NOW)
        if count == 5:
            few = len(queries)
    assert len(queries) <= few
    assert Event.objects.count() == 156
    assert HeldEvent.objects.count() == 156


def test_the_log_is_forgotten_after_a_week_and_what_was_dealt_with_after_a_quarter(
    shop: Source,
) -> None:
    send(shop, track(), {"type": "track"})
    send(shop, {"type": "track"}, at=NOW + DAY)
    HeldEvent.objects.filter(received_at=NOW).update(state="dismissed", resolved_at=NOW)
    week, quarter = NOW + 7 * DAY + MINUTE, NOW + 90 * DAY + MINUTE
    assert event_log.purge_log(week) == {"received_events": 2, "held_events": 0}
    assert event_log.purge_log(quarter) == {"received_events": 1, "held_events": 1}
    assert HeldEvent.objects.get().state == "open"
    assert timedelta(days=7) <= event_log.LOG_KEPT
