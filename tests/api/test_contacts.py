"""Contacts over HTTP."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from contacts.events import IncomingEvent, record_events
from contacts.models import (
    AttributeDefinition,
    Category,
    ConsentDefinition,
    Contact,
    MetricDefinition,
    Tag,
)
from loyalty.models import Member
from tests.api.conftest import MakeProgram, Program, assert_problem

pytestmark = pytest.mark.django_db
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def definitions(db: None) -> None:
    for key, kind in {"color": "text", "size": "number", "vip": "boolean", "since": "date"}.items():
        AttributeDefinition.objects.create(key=key, label=key, type=kind)
    for key in ("gold", "new"):
        Tag.objects.create(key=key, label=key.title())
    Category.objects.create(key="books", label="Books")
    ConsentDefinition.objects.create(key="newsletter", label="Newsletter")


def make(program: Program, **given: Any) -> dict[str, Any]:
    answer = program.post("/api/contacts/", given)
    assert answer.status_code == 201, answer.content
    body: dict[str, Any] = answer.json()
    return body


def test_a_contact_has_the_promised_shape(program: Program) -> None:
    given = {
        "external_id": "u-1",
        "email": "Ada@Example.com",
        "phone": "+48 601 234 567",
        "first_name": "Ada",
        "birth_date": "1990-02-28",
        "lead_score": 12.5,
        "created_at": "2020-01-01T00:00:00+01:00",
        "attributes": {"color": "red", "size": 0.1, "vip": True, "since": "2026-01-31"},
        "tags": ["new", "gold"],
        "categories": ["books"],
        "consents": {"newsletter": "granted"},
    }
    body = make(program, **given)
    Member.objects.create(contact_id=body["id"], points=7, tier="silver", joined_at=NOON)
    body = program.get(f"/api/contacts/{body['id']}/").json()
    assert body["email"] == "Ada@Example.com"
    assert body["birth_date"] == "1990-02-28"
    assert body["created_at"] == "2019-12-31T23:00:00Z"
    assert body["lead_score"] == 12.5
    assert body["last_name"] == ""
    assert body["last_seen_at"] is None
    assert body["attributes"] == given["attributes"]
    assert body["tags"] == ["gold", "new"]
    assert body["categories"] == ["books"]
    assert body["consents"] == {"newsletter": "granted"}
    assert body["identities"] == [
        {"namespace": "email", "value": "ada@example.com"},
        {"namespace": "phone", "value": "+48601234567"},
        {"namespace": "user_id", "value": "u-1"},
    ]
    assert body["loyalty"] == {
        "is_member": True,
        "points": 7,
        "tier": "silver",
        "joined_at": "2026-03-01T12:00:00Z",
    }


def test_who_is_no_member_is_said_to_be_none(program: Program) -> None:
    loyalty = make(program)["loyalty"]
    assert loyalty == {"is_member": False, "points": 0, "tier": "", "joined_at": None}


def test_a_change_touches_what_it_names(program: Program) -> None:
    before = make(program, email="a@example.com", city="Kraków", tags=["new"])
    path = f"/api/contacts/{before['id']}/"
    after = program.patch(path, {"city": "Łódź", "tags": ["gold"], "attributes": {"size": 3}})
    assert after.status_code == 200
    expected = {**before, "city": "Łódź", "tags": ["gold"], "attributes": {"size": 3}}
    assert after.json() == {**expected, "updated_at": after.json()["updated_at"]}


def test_putting_by_external_id_makes_then_changes(program: Program) -> None:
    path = "/api/contacts/by-external-id/shop/1%20ä/"
    first = program.put(path, {"city": "Kraków"})
    assert (first.status_code, first.json()["external_id"]) == (201, "shop/1 ä")
    again = program.put(path, {"first_name": "Ada"})
    assert again.status_code == 200
    assert (again.json()["id"], again.json()["city"]) == (first.json()["id"], "Kraków")
    assert_problem(program.put(path, {"external_id": "other"}), 400)


@pytest.mark.parametrize(
    ("given", "path", "code"),
    [
        ({"colour": "red"}, "colour", "unknown_field"),
        ({"id": 3}, "id", "read_only"),
        ({"loyalty": {}}, "loyalty", "read_only"),
        ({"email": "no address"}, "email", "wrong_value"),
        ({"birth_date": "31.12.1990"}, "birth_date", "wrong_value"),
        ({"lead_score": "many"}, "lead_score", "wrong_value"),
        ({"tags": ["unknown"]}, "tags[0]", "unknown_key"),
        ({"tags": "gold"}, "tags", "wrong_value"),
        ({"categories": ["unknown"]}, "categories[0]", "unknown_key"),
        ({"consents": {"unknown": "granted"}}, "consents.unknown", "unknown_key"),
        ({"consents": {"newsletter": "perhaps"}}, "consents.newsletter", "wrong_value"),
        ({"attributes": {"unknown": 1}}, "attributes.unknown", "unknown_key"),
        ({"attributes": {"size": "big"}}, "attributes.size", "wrong_value"),
        ({"attributes": [1]}, "attributes", "wrong_value"),
    ],
)
def test_what_cannot_be_is_400_named_and_not_written(
    program: Program, given: dict[str, Any], path: str, code: str
) -> None:
    body = assert_problem(program.post("/api/contacts/", {"city": "X", **given}), 400)
    assert [(error["path"], error["code"]) for error in body["errors"]] == [(path, code)]
    assert not Contact.objects.exists()
    contact = make(program)
    assert_problem(program.patch(f"/api/contacts/{contact['id']}/", {"city": "X", **given}), 400)
    assert program.get(f"/api/contacts/{contact['id']}/").json() == contact


@pytest.mark.parametrize("body", [[], "text", 3, None, [{"city": "X"}]])
def test_a_body_that_is_no_object_is_400(program: Program, body: Any) -> None:
    answer = program.post("/api/contacts/", b"null" if body is None else body)
    assert_problem(answer, 400)
    assert not Contact.objects.exists()


def test_an_identity_of_somebody_else_is_409(program: Program) -> None:
    make(program, email="a@example.com", external_id="u-1")
    for given in ({"email": "A@EXAMPLE.COM"}, {"external_id": "u-1"}):
        body = assert_problem(program.post("/api/contacts/", given), 409, "identity_taken")
        assert body["errors"][0]["path"] == next(iter(given))


def test_who_is_not_there_or_was_erased_is_404(program: Program) -> None:
    erased = Contact.objects.create(erased_at=NOON)
    for contact_id in (erased.pk, 10**17):
        for method, part in [
            *[("GET", ""), ("PATCH", ""), ("GET", "timeline/"), ("GET", "segments/")],
            *[("GET", "consents/"), ("GET", "tags/"), ("GET", "categories/")],
        ]:
            answer = program.send(method, f"/api/contacts/{contact_id}/{part}", {})
            assert_problem(answer, 404, "contact_unknown")
    assert program.get("/api/contacts/").json()["results"] == []
    assert_problem(program.get(f"/api/contacts/{10**30}/"), 404)


def test_contacts_are_filtered(program: Program) -> None:
    ada = make(program, email="ada@example.com", external_id="u 1", tags=["gold"])["id"]
    bob = make(program, phone="+48601234567", categories=["books"])["id"]
    old = make(program, created_at="2001-01-01T00:00:00Z")["id"]
    cases = {
        "email=ADA@example.com": [ada],
        "email=nobody@example.com": [],
        "email=nonsense": [],
        "external_id=u%201": [ada],
        "phone=0048601234567": [bob],
        "tag=gold": [ada],
        "tag=unknown": [],
        "category=books": [bob],
        "created_before=2001-01-02T00:00:00Z": [old],
        "created_after=2001-01-02T00:00:00Z": [ada, bob],
        "created_after=2001-01-01T00:00:00Z": [ada, bob, old],
        "updated_before=2001-01-02T00:00:00Z": [],
        "ordering=-id": [old, bob, ada],
        "ordering=created_at": [old, ada, bob],
        "segment=unknown": [],
    }
    found = {
        query: [one["id"] for one in program.get(f"/api/contacts/?{query}").json()["results"]]
        for query in cases
    }
    assert found == cases
    assert_problem(program.get("/api/contacts/?created_after=soon"), 400)
    assert_problem(program.get("/api/contacts/?city=Krak"), 400)


@pytest.mark.parametrize("ordering", ["id", "-id", "created_at", "-created_at"])
def test_pages_of_contacts_lead_there_and_back(program: Program, ordering: str) -> None:
    # Half of them at the same instant, as an import makes them.
    for number in range(10):
        Contact.objects.create(created_at=NOON + timedelta(days=max(0, number - 5)))
    pages, address = [], f"/api/contacts/?page_size=3&ordering={ordering}"
    while address:
        page = program.get(address).json()
        pages.append([contact["id"] for contact in page["results"]])
        last, address = address, page["next"]
    flat = [contact_id for page in pages for contact_id in page]
    assert flat == sorted(flat, reverse=ordering.startswith("-"))
    assert len(flat) == len(set(flat)) == 10
    back = []
    while last:
        page = program.get(last).json()
        back.append([contact["id"] for contact in page["results"]])
        last = page["previous"]
    assert back[::-1] == pages


def test_a_list_of_twenty_costs_what_a_list_of_one_costs(
    program: Program, django_assert_max_num_queries: Any
) -> None:
    for number in range(20):
        make(program, external_id=str(number), tags=["gold"])
    with django_assert_max_num_queries(14):
        assert len(program.get("/api/contacts/").json()["results"]) == 20


def test_the_timeline_shows_what_one_did_newest_first(program: Program) -> None:
    ada, bob = make(program)["id"], make(program)["id"]
    record_events(
        [
            IncomingEvent(contact, name, NOON + timedelta(days=day), {"day": day})
            for contact in (ada, bob)
            for day, name in enumerate(["visit", "purchase", "visit"])
        ],
        received_at=NOON + timedelta(days=3),
    )
    path = f"/api/contacts/{ada}/timeline/"
    page = program.get(f"{path}?kind=event").json()["results"]
    assert [event["properties"]["day"] for event in page] == [2, 1, 0]
    assert {event["contact"] for event in page} == {ada}
    assert {event["received_at"] for event in page} == {"2026-03-04T12:00:00Z"}
    assert len(program.get(f"{path}?name=visit").json()["results"]) == 2
    window = "since=2026-03-02T12:00:00Z&until=2026-03-04T00:00:00Z"
    assert len(program.get(f"{path}?{window}").json()["results"]) == 2
    assert program.get(f"/api/contacts/{ada}/").json()["last_seen_at"] == "2026-03-03T12:00:00Z"


def test_the_timeline_tells_of_every_kind_and_is_turned_there_and_back(program: Program) -> None:
    Tag.objects.create(key="vip", label="VIP")
    ada = make(program, external_id="A-1", tags=["vip"])["id"]
    record_events(
        [IncomingEvent(ada, "visit", NOON + timedelta(hours=n), {"n": n}) for n in range(5)],
        received_at=NOON,
    )
    path = f"/api/contacts/{ada}/timeline/"
    everything = program.get(path).json()["results"]
    assert {item["kind"] for item in everything} == {"event", "identity", "label", "change"}
    tag = next(item for item in everything if item["kind"] == "label")
    assert (tag["title"], tag["details"]) == ("Tag “VIP” given", {"tag": "vip", "given": True})
    assert (tag["name"], tag["message_id"], tag["properties"]) == (None, None, {})
    for ordering, wanted in (("-occurred_at", everything), ("occurred_at", everything[::-1])):
        pages, address, last = [], f"{path}?page_size=3&ordering={ordering}", ""
        while address:
            page = program.get(address).json()
            pages.append(page["results"])
            last, address = address, page["next"]
        assert [item for page in pages for item in page] == wanted
        back = []
        while last:
            page = program.get(last).json()
            back.append(page["results"])
            last = page["previous"]
        assert back[::-1] == pages


@pytest.mark.parametrize(
    ("query", "code"),
    [("kind=nonsense", "unknown_choice"), ("cursor=WyJhIl0", "bad_cursor"), ("nothing=1", "")],
)
def test_a_strange_question_to_the_timeline_is_refused(
    program: Program, query: str, code: str
) -> None:
    ada = make(program)["id"]
    answer = program.get(f"/api/contacts/{ada}/timeline/?{query}")
    assert answer.status_code == 400
    assert code in answer.content.decode()


@pytest.mark.parametrize("kind", ["tags", "categories"])
def test_tags_and_categories_are_given_and_taken(program: Program, kind: str) -> None:
    model = Tag if kind == "tags" else Category
    for key in ("a", "b", "c"):
        model.objects.create(key=key, label=key.upper())
    contact = make(program)["id"]
    path = f"/api/contacts/{contact}/{kind}/"

    def keys(answer: Any) -> list[str]:
        assert answer.status_code == 200, answer.content
        return [one["key"] for one in answer.json()["results"]]

    assert keys(program.put(path, {"keys": ["b", "a"]})) == ["a", "b"]
    assert keys(program.post(path, {"keys": ["c", "a"]})) == ["a", "b", "c"]
    assert keys(program.delete(f"{path}b/")) == ["a", "c"]
    assert keys(program.delete(f"{path}b/")) == ["a", "c"]
    assert keys(program.put(path, {"keys": []})) == []
    assert_problem(program.post(path, {"keys": ["a", "unknown"]}), 400)
    assert keys(program.get(path)) == []
    assert_problem(program.delete(f"{path}unknown/"), 404, "definition_unknown")


def test_consents_are_a_ledger(program: Program) -> None:
    contact = make(program)["id"]
    path = f"/api/contacts/{contact}/consents/"
    assert program.get(path).json()["states"] == {"newsletter": "unknown"}
    given = {"consent": "newsletter", "state": "granted", "at": "2026-01-01T00:00:00Z"}
    assert program.post(path, {**given, "source": "form", "reason": "ticked"}).status_code == 201
    body = program.post(path, {"consent": "newsletter", "state": "withdrawn"}).json()
    assert body["states"] == {"newsletter": "withdrawn"}
    latest, first = body["results"]
    assert (latest["state"], latest["source"]) == ("withdrawn", "api")
    assert {name: first[name] for name in ("consent", "state", "at", "source", "reason")} == {
        **given,
        "source": "form",
        "reason": "ticked",
    }
    assert_problem(program.post(path, {"consent": "unknown", "state": "granted"}), 404)
    assert_problem(program.post(path, {"consent": "newsletter", "state": "unknown"}), 400)
    assert_problem(program.post(path, {"consent": "newsletter", "state": "granted", "x": 1}), 400)


def test_metrics_are_set_by_key(program: Program) -> None:
    for key, kind in {"ltv": "number", "next": "date", "mood": "text"}.items():
        MetricDefinition.objects.create(key=key, label=key, type=kind)
    path = f"/api/contacts/{make(program)['id']}/metrics/"
    values = {"ltv": 1000.12345678, "mood": "good", "next": "2026-03-31"}
    assert program.put(path, values).json() == values
    assert program.put(path, {"mood": None, "ltv": 1000}).json() == {
        "ltv": 1000,
        "next": "2026-03-31",
    }
    body = assert_problem(
        program.put(path, {"ltv": "many", "next": 3, "nothing": 1, "mood": "bad"}),
        400,
    )
    assert [(error["path"], error["code"]) for error in body["errors"]] == [
        ("ltv", "wrong_value"),
        ("next", "wrong_value"),
        ("nothing", "unknown_key"),
    ]
    assert_problem(program.put(path, {"ltv": 0.123456789}), 400)
    assert_problem(program.put(path, {"ltv": 10**22}), 400)
    assert program.get(path).json() == {"ltv": 1000, "next": "2026-03-31"}
    assert_problem(program.put("/api/contacts/99999999/metrics/", {}), 404, "contact_unknown")


def test_contacts_need_their_scopes(make_program: MakeProgram) -> None:
    contact = make(make_program())["id"]
    reader, writer = make_program("contacts:read"), make_program("contacts:write")
    assert reader.get(f"/api/contacts/{contact}/").status_code == 200
    assert_problem(reader.patch(f"/api/contacts/{contact}/", {}), 403, "not_allowed")
    assert_problem(reader.post("/api/contacts/", {}), 403, "not_allowed")
    assert_problem(reader.put("/api/contacts/by-external-id/x/", {}), 403, "not_allowed")
    assert_problem(reader.get(f"/api/contacts/{contact}/segments/"), 403, "not_allowed")
    assert_problem(reader.get("/api/contacts/?segment=x"), 403, "not_allowed")
    assert_problem(writer.get(f"/api/contacts/{contact}/"), 403, "not_allowed")
    assert writer.post("/api/contacts/", {}).status_code == 201
