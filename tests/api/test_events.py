"""Events and their definitions over HTTP."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from contacts.events import IncomingEvent, record_events
from contacts.models import Contact, Event, Identity
from tests.api.conftest import MakeProgram, Program, assert_problem

pytestmark = pytest.mark.django_db
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def sent(**changes: Any) -> dict[str, Any]:
    return {"name": "purchase", "occurred_at": "2026-03-01T12:00:00Z", **changes}


def walk(program: Program, path: str, link: str = "next") -> list[list[Any]]:
    """The results of each page, from the one at `path` on."""
    found = []
    while path:
        page = program.get(path).json()
        found.append(page["results"])
        path = page[link]
    return found


def test_one_event_is_recorded(program: Program) -> None:
    contact = Contact.objects.create()
    body = sent(contact=contact.pk, message_id="m1", properties={"amount": 19.99, "sku": "A"})
    answer = program.post("/api/events/", body)
    assert answer.json() == {"accepted": 1, "duplicates": 0, "rejected": []}
    assert program.post("/api/events/", body).json()["duplicates"] == 1
    (event,) = program.get("/api/events/").json()["results"]
    assert event == {
        "contact": contact.pk,
        "name": "purchase",
        "occurred_at": "2026-03-01T12:00:00Z",
        "received_at": event["received_at"],
        "message_id": "m1",
        "properties": {"amount": 19.99, "sku": "A"},
    }


def test_numbers_keep_all_their_digits(program: Program) -> None:
    contact = Contact.objects.create()
    digits = "0.1000000000000000055511151231257827"
    body = (
        f'{{"contact": {contact.pk}, "name": "x", "occurred_at": "2026-03-01T12:00:00Z",'
        f' "properties": {{"amount": {digits}, "big": 123456789012345678901234567890}}}}'
    )
    assert program.post("/api/events/", body.encode()).json()["accepted"] == 1
    told = program.get("/api/events/").content.decode()
    assert digits in told
    assert "123456789012345678901234567890" in told


def test_of_a_list_each_event_is_judged_by_itself(program: Program) -> None:
    contact = Contact.objects.create()
    Identity.objects.create(namespace="user_id", value="u-1", contact=contact)
    erased = Contact.objects.create(erased_at=NOON)
    answer = program.post(
        "/api/events/",
        [
            sent(external_id="u-1"),
            sent(external_id="nobody"),
            sent(contact=10**17),
            sent(contact=10**30),
            sent(contact=erased.pk),
            sent(),
            sent(contact=contact.pk, external_id="u-1"),
            sent(contact=True),
            sent(contact=contact.pk, occurred_at="yesterday"),
            sent(contact=contact.pk, occurred_at="2026-03-01T12:00:00"),
            sent(contact=contact.pk, amount=3),
            sent(contact=contact.pk, properties=[1]),
            {"contact": contact.pk, "name": "x"},
            {"contact": contact.pk, "occurred_at": "2026-03-01T12:00:00Z"},
            "no event",
            sent(contact=contact.pk, name=" "),
        ],
    )
    assert answer.status_code == 200
    body = answer.json()
    assert body["accepted"] == 1
    assert [(one["index"], one["code"]) for one in body["rejected"]] == [
        (1, "unknown_contact"),
        (2, "unknown_contact"),
        (3, "unknown_contact"),
        (4, "contact_erased"),
        (5, "contact_missing"),
        (6, "contact_missing"),
        (7, "wrong_type"),
        (8, "invalid_time"),
        (9, "invalid_time"),
        (10, "unknown_field"),
        (11, "properties_not_object"),
        (12, "time_missing"),
        (13, "name_missing"),
        (14, "malformed"),
        (15, "name_missing"),
    ]
    assert Event.objects.get().contact_id == contact.pk


def test_more_than_2500_events_are_refused_whole(program: Program) -> None:
    contact = Contact.objects.create()
    body = assert_problem(program.post("/api/events/", [sent(contact=contact.pk)] * 2501), 400)
    assert body["errors"][0]["code"] == "too_many_events"
    assert not Event.objects.exists()
    answer = program.post("/api/events/", [sent(contact=contact.pk)] * 2500)
    assert answer.json()["accepted"] == 2500


def some_events() -> tuple[Contact, Contact]:
    ada, bob = Contact.objects.create(), Contact.objects.create()
    record_events(
        [
            IncomingEvent(contact.pk, name, NOON + timedelta(hours=hour), {}, f"{name}{hour}")
            for contact in (ada, bob)
            for name in ("purchase", "visit")
            for hour in (0, 1, 1000)
        ],
        received_at=NOON,
    )
    return ada, bob


@pytest.mark.parametrize("ordering", ["", "&ordering=occurred_at"])
@pytest.mark.parametrize("size", [1, 5, 12, 1000])
def test_pages_of_events_lead_there_and_back(program: Program, size: int, ordering: str) -> None:
    some_events()
    path = f"/api/events/?page_size={size}{ordering}"
    forward = walk(program, path)
    flat = [event for page in forward for event in page]
    assert len(flat) == 12
    times = [event["occurred_at"] for event in flat]
    assert times == sorted(times, reverse=not ordering)
    assert len({(e["contact"], e["message_id"]) for e in flat}) == 12
    # The last page, then back to the first.
    last = path
    while following := program.get(last).json()["next"]:
        last = following
    backward = walk(program, last, "previous")
    assert [event for page in reversed(backward) for event in page] == flat


def test_events_are_filtered(program: Program) -> None:
    ada, bob = some_events()
    cases = {
        f"contact={ada.pk}": 6,
        "name=visit": 6,
        f"name=visit&contact={bob.pk}": 3,
        "name=unknown": 0,
        "contact=999999": 0,
        "since=2026-03-01T13:00:00Z": 8,
        "since=2026-03-01T14:00:00%2B01:00&until=2026-03-01T14:00:00Z": 4,
        "since=2026-03-01T14:00:00+01:00": 8,
        "until=2026-03-01T13:00:00Z": 4,
    }
    found = {q: len(program.get(f"/api/events/?{q}").json()["results"]) for q in cases}
    assert found == cases


@pytest.mark.parametrize(
    "query",
    [
        *("contact=x", "contact=-1", "contact=" + "9" * 30, "since=soon", "page_size=0"),
        *("page_size=1001", "page_size=x", "page_size=-1", "ordering=name", "cursor=x"),
        *("cursor=W10", "cursor=bnVsbA", "limit=3"),
    ],
)
def test_bad_parameters_are_400_and_named(program: Program, query: str) -> None:
    body = assert_problem(program.get(f"/api/events/?{query}"), 400)
    assert body["errors"][0]["path"] == query.split("=")[0]


def test_a_cursor_of_another_order_is_refused(program: Program) -> None:
    some_events()
    following = program.get("/api/event-definitions/?page_size=1").json()["next"]
    cursor = following.split("cursor=")[1].split("&")[0]
    assert_problem(program.get(f"/api/event-definitions/?ordering=-name&cursor={cursor}"), 400)
    assert_problem(program.get(f"/api/events/?cursor={cursor}"), 400)


def test_definitions_tell_what_was_seen(program: Program) -> None:
    contact = Contact.objects.create()
    program.post("/api/events/", sent(contact=contact.pk, properties={"amount": 3}))
    (listed,) = program.get("/api/event-definitions/").json()["results"]
    assert (listed["name"], listed["events"], listed["contacts"]) == ("purchase", 1, 1)
    assert listed["schema"] == {"amount": ["number"]}
    told = program.get("/api/event-definitions/purchase/").json()
    assert told["last_event"]["properties"] == {"amount": 3}
    assert told["last_at"] == "2026-03-01T12:00:00Z"


def test_definitions_can_be_made_and_described(program: Program) -> None:
    body = {"name": "a/b c", "label": "Ä"}
    answer = program.post("/api/event-definitions/", body)
    assert answer.status_code == 201
    assert answer.json()["last_event"] is None
    changed = program.patch("/api/event-definitions/a/b%20c/", {"description": "why"})
    assert changed.json()["label"] == "Ä"
    assert changed.json()["description"] == "why"
    assert_problem(program.patch("/api/event-definitions/a/b%20c/", {"name": "x"}), 400)
    assert_problem(program.get("/api/event-definitions/unknown/"), 404)
    assert_problem(program.delete("/api/event-definitions/a/b%20c/"), 405)


def test_reading_and_writing_need_their_scopes(make_program: MakeProgram) -> None:
    reader, writer = make_program("contacts:read"), make_program("contacts:write")
    assert reader.get("/api/events/").status_code == 200
    assert_problem(reader.post("/api/events/", []), 403, "not_allowed")
    assert writer.post("/api/events/", []).status_code == 200
    assert_problem(writer.get("/api/events/"), 403, "not_allowed")
    assert_problem(make_program("segments:read").get("/api/events/"), 403, "not_allowed")
