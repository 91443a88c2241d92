"""What programs written for Voucherify send: customers and custom events, used at once."""

import json
from typing import Any

import pytest
from django.test import Client

from contacts.event_definitions import define_events
from contacts.identities import USER_ID, find_contact_id
from contacts.models import Contact, Event, EventDefinition, EventProperty
from contacts.profiles import create_contact
from integrations import held, sources
from integrations.errors import SourceExists, SourceInvalid
from integrations.models import HeldEvent, Outcome, ReceivedEvent, Source, SourceCount
from tests.factories import NOW
from workspace.access import SYSTEM
from workspace.keys import create_api_user
from workspace.models import ApiUser, AuditEntry

pytestmark = pytest.mark.django_db

EVENT = {"customer": {"source_id": "u1"}, "metadata": {"a": 1}, "event": "purchase"}


class Program:
    """A program with the headers of Voucherify's clients."""

    def __init__(self, name: str = "Shop", *, connected: bool = True, **given: Any) -> None:
        self.api_user, self.key = create_api_user(name=name, actor=SYSTEM, at=NOW, **given)
        if connected:
            sources.create_source(
                name=name, kind="voucherify", api_user=self.api_user.pk, actor=SYSTEM, at=NOW
            )

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        headers = {"X-App-Id": str(self.api_user.pk), "X-App-Token": self.key, **headers}
        data = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body)
        client = Client(raise_request_exception=False, enforce_csrf_checks=True)
        return client.generic(method, path, data, "application/json", headers=headers)


@pytest.fixture
def shop() -> Program:
    return Program()


def refused(answer: Any, status: int, key: str, words: str = "") -> dict[str, Any]:
    said: dict[str, Any] = answer.json()
    assert (answer.status_code, said["code"], said["key"]) == (status, status, key), said
    assert words in said["details"]
    assert said["request_id"].startswith("v-")
    assert said["message"]
    return said


def test_an_event_is_recorded_at_once_for_a_customer_who_is_made(shop: Program) -> None:
    answer = shop.call("POST", "/v1/events", EVENT | {"unknown": [1]})

    contact_id = find_contact_id(USER_ID, "u1")
    assert answer.status_code == 200
    assert answer.json() == {
        "object": "event",
        "type": "purchase",
        "customer": {"id": f"cust_{contact_id}", "source_id": "u1", "object": "customer"},
        "referral": None,
        "loyalty": None,
    }
    event = Event.objects.select_related("definition").get()
    assert (event.contact_id, event.definition.name) == (contact_id, "purchase")
    assert event.properties == {"a": 1}
    line = ReceivedEvent.objects.get()
    assert (line.type, line.name, line.outcome) == ("track", "purchase", Outcome.ACCEPTED)
    assert line.contact_id == contact_id
    assert SourceCount.objects.get().event_count == 1
    assert Source.objects.get().last_received_at is not None


def test_each_call_counts_but_for_one_with_the_same_idempotency_key(shop: Program) -> None:
    for _n in range(2):
        assert shop.call("POST", "/v1/events", EVENT).status_code == 200
    first, second = (
        shop.call("POST", "/v1/events", EVENT, **{"Idempotency-Key": "one"}) for _n in range(2)
    )
    assert first.json() == second.json()
    assert second["Idempotency-Replayed"] == "true"
    assert Event.objects.count() == 3
    other = EVENT | {"event": "other"}
    refused(
        shop.call("POST", "/v1/events", other, **{"Idempotency-Key": "one"}),
        409,
        "idempotency_key_reused",
    )


def test_a_customer_of_an_event_is_known_by_id_or_source_id_and_told_of(shop: Program) -> None:
    contact = create_contact(changes={"first_name": "Ann"}, actor=SYSTEM, at=NOW)
    by_id = {"event": "seen", "customer": {"id": f"cust_{contact.pk}"}}
    assert shop.call("POST", "/v1/events", by_id).json()["customer"] == {
        "id": f"cust_{contact.pk}",
        "source_id": None,
        "object": "customer",
    }
    told = {"source_id": "u1", "email": "m@example.com", "metadata": {"plan": "gold"}}
    assert shop.call("POST", "/v1/events", EVENT | {"customer": told}).status_code == 200
    made = Contact.objects.get(email="m@example.com")
    assert made.attributes == {"plan": "gold"}
    assert set(Event.objects.values_list("contact_id", flat=True)) == {contact.pk, made.pk}
    assert Contact.objects.count() == 2
    unknown = {"event": "seen", "customer": {"id": "cust_999999"}}
    refused(shop.call("POST", "/v1/events", unknown), 404, "not_found", "“cust_999999”")


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"customer": {"source_id": "u1"}}, "“event” is missing"),
        ({"event": " ", "customer": {"source_id": "u1"}}, "“event” is missing"),
        ({"event": "x"}, "“customer” is missing"),
        ({"event": "x", "customer": "u1"}, "“customer” is missing"),
        ({"event": "x", "customer": {"email": "a@example.com"}}, "neither"),
        ({"event": "x", "customer": {"source_id": "u1"}, "metadata": [1]}, "has to be an object"),
        (b'{"event": ', "not JSON"),
        (b"[]", "a JSON object"),
        ({"event": "x" * 33_000}, "32 KB"),
    ],
)
def test_a_body_that_is_wrong_is_refused_and_the_source_shows_why(
    shop: Program, body: Any, words: str
) -> None:
    refused(shop.call("POST", "/v1/events", body), 400, "invalid_payload", words)
    assert not Contact.objects.exists()
    line = ReceivedEvent.objects.get()
    assert (line.type, line.outcome) == ("events", Outcome.REFUSED)
    assert words in line.reason


def test_an_event_that_cannot_be_used_is_held_told_and_replayed(shop: Program) -> None:
    contact = create_contact(changes={"first_name": "Ann"}, actor=SYSTEM, at=NOW)
    faulty = {"event": "x" * 300, "customer": {"id": f"cust_{contact.pk}"}}
    refused(shop.call("POST", "/v1/events", faulty), 400, "invalid_payload", "more than")
    assert not Event.objects.exists()
    one = HeldEvent.objects.get()
    assert one.code == "name_too_long"

    (done,) = held.replay([one.pk], changes={"event": "short"}, actor=SYSTEM, at=NOW)
    assert done.is_resolved
    assert Event.objects.get().contact_id == contact.pk
    assert Contact.objects.count() == 1


def test_an_event_that_its_schema_refuses_is_held_and_told_with_the_sentence(
    shop: Program,
) -> None:
    definition = EventDefinition.objects.get(pk=define_events(["purchase"])["purchase"].id)
    EventDefinition.objects.update(enforcement="refuse")
    EventProperty.objects.create(
        definition=definition, name="amount", type="number", is_required=True
    )
    said = refused(shop.call("POST", "/v1/events", EVENT), 400, "invalid_payload", "amount")
    one = HeldEvent.objects.get()
    assert (one.code, one.reason) == ("schema_breach", said["details"])
    assert not Event.objects.exists()


def test_a_customer_is_made_changed_and_read(shop: Program) -> None:
    body = {
        "source_id": "u1",
        "name": "Michael Scott",
        "email": "m@example.com",
        "phone": "+48 600 100 200",
        "birthdate": "1965-03-15",
        "address": {
            "city": "Scranton",
            "country": "US",
            "postal_code": "18503",
            "line_1": "1 Main",
        },
        "metadata": {"plan": "gold", "visits": 2.5, "name": "aside"},
        "object": "customer",
    }
    made = shop.call("POST", "/v1/customers", body).json()
    contact = Contact.objects.get()
    assert (contact.first_name, contact.last_name, contact.city) == ("Michael", "Scott", "Scranton")
    assert made["id"] == f"cust_{contact.pk}"
    assert made["object"] == "customer"
    for name in ("source_id", "name", "email", "birthdate"):
        assert made[name] == body[name]
    assert made["address"] == {**body["address"], "line_2": None, "state": None}  # type: ignore[dict-item]
    assert made["metadata"] == {"plan": "gold", "visits": 2.5, "metadata_name": "aside"}
    assert made["summary"]["redemptions"]["total_redeemed"] == 0
    assert made["summary"]["orders"]["total_count"] is None, "orders are events here"

    again = shop.call("POST", "/v1/customers/", {"source_id": "u1", "metadata": {"plan": "silver"}})
    assert again.json()["metadata"]["plan"] == "silver"
    changed = shop.call("PUT", f"/v1/customers/{made['id']}", {"name": "Mike Scott"}).json()
    assert (changed["name"], changed["email"]) == ("Mike Scott", "m@example.com")
    for reference in (made["id"], "u1"):
        assert shop.call("GET", f"/v1/customers/{reference}").json() == changed
    assert Contact.objects.count() == 1
    types = set(ReceivedEvent.objects.values_list("type", "outcome"))
    assert types == {("identify", Outcome.ACCEPTED)}
    assert not Event.objects.exists()


def test_what_cannot_be_done_with_customers_is_said(shop: Program) -> None:
    nameless = create_contact(changes={"first_name": "Ann"}, actor=SYSTEM, at=NOW)
    refused(shop.call("POST", "/v1/customers", {"email": "a@example.com"}), 400, "invalid_payload")
    for reference in ("cust_0", "cust_999999", "nobody", "a/b", "cust_x%00"):
        refused(shop.call("GET", f"/v1/customers/{reference}"), 404, "not_found")
    refused(shop.call("PUT", "/v1/customers/nobody", {"name": "N"}), 404, "not_found")
    path = f"/v1/customers/cust_{nameless.pk}"
    refused(shop.call("PUT", path, {"email": "a@b.co"}), 400, "invalid_payload", "external_id")
    refused(shop.call("PUT", path, {"source_id": "u2"}), 400, "invalid_payload", "stays as it is")
    refused(shop.call("PATCH", path), 405, "method_not_allowed")
    assert shop.call("PUT", path, {}).json()["source_id"] is None


def test_who_may_not_call_is_refused() -> None:
    shop = Program()
    for headers in ({"X-App-Token": ""}, {"X-App-Id": "0"}, {"X-App-Token": f"{shop.key}x"}):
        refused(shop.call("POST", "/v1/events", EVENT, **headers), 401, "unauthorized")
    reader = Program("Reader", scopes=["contacts:read"])
    refused(reader.call("POST", "/v1/events", EVENT), 403, "not_allowed", "contacts:write")
    writer = Program("Writer", scopes=["contacts:write"])
    refused(writer.call("GET", "/v1/customers/u1"), 403, "not_allowed", "contacts:read")
    alone = Program("Alone", connected=False)
    refused(alone.call("GET", "/v1/customers/u1"), 404, "not_found")
    hasty = Program("Hasty", requests_per_minute=1)
    assert hasty.call("POST", "/v1/events", EVENT).status_code == 200
    answer = hasty.call("POST", "/v1/events", EVENT)
    refused(answer, 429, "too_many_requests")
    assert int(answer["Retry-After"]) >= 1
    sources.disable_source("shop", actor=SYSTEM, at=NOW)
    refused(shop.call("POST", "/v1/events", EVENT), 401, "source_disabled", "“Shop”")
    ApiUser.objects.update(enabled=False)
    refused(shop.call("POST", "/v1/events", EVENT), 401, "unauthorized", "disabled")
    assert Event.objects.count() == 1


def test_a_defect_of_ours_is_told_in_the_same_form_and_writes_nothing(
    shop: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_args: Any, **_given: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("integrations.event_log.write_log", fail)
    refused(shop.call("POST", "/v1/events", EVENT), 500, "internal_error", "has been logged")
    assert not Event.objects.exists()


def test_an_api_user_sends_as_one_source_of_the_kind() -> None:
    api_user = Program().api_user.pk
    with pytest.raises(SourceExists, match="“Shop” already"):
        sources.create_source(
            name="Second", kind="voucherify", api_user=api_user, actor=SYSTEM, at=NOW
        )
    with pytest.raises(SourceInvalid, match="Voucherify-compatible"):
        sources.create_source(name="Web", kind="web", api_user=api_user, actor=SYSTEM, at=NOW)
    with pytest.raises(SourceInvalid):
        sources.change_source("shop", values={"kind": "web"}, actor=SYSTEM, at=NOW)
    values = {"kind": "web", "api_user": None}
    assert sources.change_source("shop", values=values, actor=SYSTEM, at=NOW).api_user_id is None


def test_the_api_takes_the_api_user_of_a_source() -> None:
    program = Program(connected=False)

    def api(method: str, path: str, body: Any) -> Any:
        return program.call(method, path, body, Authorization=f"Api-Key {program.key}")

    body = {"name": "Till", "kind": "voucherify", "api_user": program.api_user.pk}
    made = api("POST", "/api/sources/", body)
    assert (made.status_code, made.json()["api_user"]) == (201, program.api_user.pk)
    assert program.call("POST", "/v1/events", EVENT).status_code == 200
    changed = api("PATCH", "/api/sources/till/", {"api_user": None})
    assert changed.json()["api_user"] is None
    unknown = api("PATCH", "/api/sources/till/", {"api_user": 999_999})
    assert unknown.status_code == 400
    assert unknown.json()["errors"][0]["path"] == "api_user"


def test_a_program_has_a_source_of_its_own_from_its_first_call_on() -> None:
    sources.create_source(name="Till", actor=SYSTEM, at=NOW)
    for name, source in (("Alone", "Alone"), ("Till", "Till ({pk})")):
        program = Program(name, connected=False)
        assert program.call("GET", "/v1/customers").status_code == 200
        assert not Source.objects.filter(api_user=program.api_user).exists(), "reading needs none"
        for _n in range(2):
            assert program.call("POST", "/v1/events", EVENT).status_code == 200
        made = Source.objects.get(api_user=program.api_user)
        assert (made.name, made.kind) == (source.format(pk=program.api_user.pk), "voucherify")
        entry = AuditEntry.objects.get(action="source.created", object_id=str(made.pk))
        assert (entry.actor_kind, entry.actor_id) == ("api", program.api_user.pk)


def test_customers_are_listed_and_forgotten(shop: Program) -> None:
    for n in range(3):
        body = {"source_id": f"u{n}", "email": f"{n}@example.com"}
        assert shop.call("POST", "/v1/customers", body).status_code == 200
    page = shop.call("GET", "/v1/customers?limit=2&unknown=1").json()
    assert (page["object"], page["data_ref"], page["total"]) == ("list", "customers", 3)
    assert [one["source_id"] for one in page["customers"]] == ["u2", "u1"]
    page = shop.call("GET", "/v1/customers?limit=2&page=2").json()
    assert [one["source_id"] for one in page["customers"]] == ["u0"]
    assert shop.call("GET", "/v1/customers?email=1@example.com").json()["total"] == 1
    for query in ("limit=0", "limit=101", "limit=x", "page=0", "page=-1", "page=1e3"):
        refused(shop.call("GET", f"/v1/customers?{query}"), 400, "invalid_payload")
    refused(shop.call("GET", "/v1/customers?segment_id=seg_0"), 404, "not_found")
    assert shop.call("DELETE", "/v1/customers/u1").status_code == 204
    refused(shop.call("GET", "/v1/customers/u1"), 404, "not_found")
    assert shop.call("GET", "/v1/customers").json()["total"] == 2
    reader = Program("Reader", scopes=["contacts:read"])
    refused(reader.call("DELETE", "/v1/customers/u2"), 403, "not_allowed")


def test_what_a_customer_did_is_told(shop: Program) -> None:
    for event in ("review_left", "purchase"):
        body = {"event": event, "customer": {"source_id": "u1"}, "metadata": {"rating": 5}}
        assert shop.call("POST", "/v1/events", body).status_code == 200
    page = shop.call("GET", "/v1/customers/u1/activity?limit=1").json()
    assert (page["object"], page["data_ref"], page["has_more"]) == ("list", "data", True)
    assert page["data"][0]["type"] == "customer.custom_event"
    assert page["data"][0]["data"]["metadata"] == {"rating": 5}
    assert shop.call("GET", "/v1/customers/u1/segments").json()["data"] == []
    assert shop.call("GET", "/v1/customers/u1/redeemables").json()["total"] == 0


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE"])
@pytest.mark.parametrize("path", ["loyalties/camp_1/members?limit=1", "orders", "", "x/y/z"])
def test_what_is_not_served_is_not_found(shop: Program, method: str, path: str) -> None:
    refused(shop.call(method, f"/v1/{path}"), 404, "not_found")
    refused(shop.call(method, f"/client/v1/{path}"), 404, "not_found")


def test_the_rest_of_the_limit_is_in_the_headers() -> None:
    program = Program(requests_per_minute=2)
    first = program.call("GET", "/v1/customers")
    assert (first["X-Rate-Limit-Limit"], first["X-Rate-Limit-Remaining"]) == ("2", "1")
    program.call("GET", "/v1/customers")
    last = program.call("GET", "/v1/customers")
    refused(last, 429, "too_many_requests")
    assert last["X-Rate-Limit-Remaining"] == "0"
    assert last["X-Rate-Limit-Retry"] == last["Retry-After"]
