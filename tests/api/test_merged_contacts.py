"""Merging contacts over HTTP, and the number of one that was merged."""

import pytest

from contacts.events import IncomingEvent, record_events
from contacts.models import Contact, MetricDefinition, Tag
from segments.models import Segment
from tests.api.conftest import MakeProgram, Program, assert_problem
from tests.factories import NOW, make_consent, make_contact

pytestmark = pytest.mark.django_db


@pytest.fixture
def merged(program: Program) -> tuple[Contact, Contact]:
    """One who stays and one who went into her."""
    make_consent("news")
    stays, goes = make_contact(external_id="u-1", city="Berlin"), make_contact(city="Potsdam")
    record_events([IncomingEvent(goes.pk, "visit", NOW, {}, "m1")], received_at=NOW)
    body = {"into": stays.pk, "evidence": "Same card."}
    answer = program.post(f"/api/contacts/{goes.pk}/merge/", body)
    assert answer.status_code == 200, answer.content
    told = answer.json()
    assert (told["merged"], told["contact"], told["cause"]) == (goes.pk, stays.pk, "api")
    assert told["dropped"] == {"city": "Potsdam"}
    assert told["moved"]["events"] == 1
    return stays, goes


def test_every_address_of_a_merged_contact_answers_the_survivor(
    program: Program, merged: tuple[Contact, Contact]
) -> None:
    stays, goes = merged
    Tag.objects.create(key="vip", label="VIP")
    MetricDefinition.objects.create(key="visits", label="Visits")
    Segment.objects.create(key="all", name="All")
    old = f"/api/contacts/{goes.pk}/"
    assert program.get(old).json()["id"] == stays.pk
    assert program.patch(old, {"first_name": "Ann"}).json()["id"] == stays.pk
    assert program.post(f"{old}tags/", {"keys": ["vip"]}).json()["results"][0]["key"] == "vip"
    assert program.put(f"{old}tags/", {"keys": ["vip"]}).json()["results"][0]["key"] == "vip"
    assert program.put(f"{old}metrics/", {"visits": 3}).json()["visits"] == 3
    consent = {"consent": "news", "state": "granted"}
    assert program.post(f"{old}consents/", consent).json()["states"] == {"news": "granted"}
    assert program.get(f"{old}segments/").status_code == 200
    assert program.get(f"{old}timeline/").json()["results"]
    assert program.put(f"/api/members/{goes.pk}/", {"points": 5}).json()["contact_id"] == stays.pk
    assert program.get(f"/api/members/{goes.pk}/").json()["points"] == 5
    found = program.get(f"/api/segments/all/explain/{goes.pk}/")
    assert found.status_code == 200, found.content
    events = program.get(f"/api/events/?contact={goes.pk}").json()["results"]
    assert [event["contact"] for event in events] == [stays.pk]
    event = {"contact": goes.pk, "name": "visit", "occurred_at": "2026-03-03T12:00:00Z"}
    assert program.post("/api/events/", event).json()["accepted"] == 1
    told = program.get(old).json()
    assert (told["first_name"], told["tags"], told["consents"]) == (
        "Ann",
        ["vip"],
        {"news": "granted"},
    )
    (merge,) = program.get(f"{old}merges/").json()["results"]
    assert (merge["merged"], merge["evidence"]) == (goes.pk, "Same card.")
    assert program.delete(old).json()["contact_id"] == stays.pk
    assert program.get(old).status_code == 404


def test_what_cannot_be_merged_is_refused(program: Program, make_program: MakeProgram) -> None:
    one = make_contact()
    address = f"/api/contacts/{one.pk}/merge/"
    assert_problem(program.post(address, {"into": one.pk}), 409, "merge_refused")
    assert_problem(program.post(address, {"into": 10**12}), 404, "contact_unknown")
    assert program.post(address, {}).status_code == 400
    reader = make_program("contacts:read")
    assert reader.post(address, {"into": make_contact().pk}).status_code == 403
