"""Trying journeys out over HTTP: test profiles, tests, what a participant went through."""

from typing import Any

import pytest
from django.utils import timezone

from contacts.events import IncomingEvent, record_events
from contacts.models import EventDefinition
from journeys import models
from journeys.engine.tick import tick_journey
from journeys.journeys import create_journey
from journeys.publishing import publish
from tests.api.conftest import MakeProgram, Program
from tests.factories import DAY, make_contact
from tests.segments.factories import make_contacts, make_segment, refresh
from workspace import jobs
from workspace.access import SYSTEM

pytestmark = pytest.mark.django_db


def marked() -> set[int]:
    return set(models.TestProfile.objects.values_list("contact_id", flat=True))


def test_the_api_lists_adds_and_removes_test_profiles(program: Program) -> None:
    ids = make_contacts("Warszawa", "Warszawa", "Paris")
    refresh(make_segment("poles"))
    answer = program.post("/api/test-profiles/", {"contact_ids": [ids[2]]})
    assert (answer.status_code, answer.json()) == (201, {"added": [ids[2]]})
    assert program.post("/api/test-profiles/", {"segment": "poles"}).json() == {"added": ids[:2]}
    listed = program.get("/api/test-profiles/").json()["results"]
    assert [row["contact_id"] for row in listed] == ids
    assert program.delete(f"/api/test-profiles/{ids[0]}/").status_code == 204
    assert marked() == set(ids[1:])
    bodies: list[dict[str, Any]] = [{}, {"segment": "poles", "contact_ids": ids}]
    for body in (*bodies, {"contact_ids": []}):
        assert program.post("/api/test-profiles/", body).status_code == 400
    assert program.post("/api/test-profiles/", {"segment": "nobody"}).status_code == 404
    assert program.post("/api/test-profiles/", {"contact_ids": [999_999]}).status_code == 404


def test_the_scope_of_journeys_is_needed(make_program: MakeProgram) -> None:
    reader = make_program("journeys:read")
    assert reader.get("/api/test-profiles/").status_code == 200
    body = {"contact_ids": [make_contact().pk]}
    assert reader.post("/api/test-profiles/", body).status_code == 403
    assert make_program("contacts:read").get("/api/test-profiles/").status_code == 403


def make_welcome() -> models.Journey:
    """A draft that begins with a signup and waits for a purchase."""
    for name in ("signup", "purchase"):
        EventDefinition.objects.get_or_create(name=name)
    drawing = {
        "nodes": [
            {"id": "start", "kind": "event_entry", "config": {"event": "signup"}},
            {
                "id": "bought",
                "kind": "event",
                "config": {"event": "purchase", "timeout": {"amount": 1, "unit": "week"}},
            },
            {"id": "end", "kind": "end", "config": {}},
        ],
        "edges": [{"from": "start", "to": "bought"}, {"from": "bought", "to": "end"}],
    }
    return create_journey(actor=SYSTEM, at=timezone.now(), name="Welcome", drawing=drawing)


def test_a_draft_is_tested_over_http(program: Program) -> None:
    journey = make_welcome()
    path = f"/api/journeys/{journey.key}/test/"
    contact = make_contact()
    program.post("/api/test-profiles/", {"contact_ids": [contact.pk]})
    assert program.get(path).json()["is_running"] is False
    assert program.post(f"{path}stop/").json()["code"] == "journey_test_not_running"
    started = program.post(path, {"wait_seconds": 12})
    assert (started.status_code, started.json()["wait_seconds"]) == (201, 12)
    assert program.post(path, {"wait_seconds": 3}).json()["errors"][0]["path"] == "wait_seconds"
    body = {"contact_ids": [contact.pk], "event": "signup", "properties": {"plan": "gold"}}
    assert program.post(f"{path}profiles/", {"random": 1}).status_code == 409
    assert program.post(f"{path}trigger/", body).json() == {"entered": 1, "signalled": 0}
    tick_journey(journey.pk, as_of=timezone.now())
    (row,) = program.get(path).json()["profiles"]
    assert (row["phase"], row["at"]) == ("running", ["bought"])
    assert row["context"]["entry"]["properties"] == {"plan": "gold"}
    assert program.post(f"{path}trigger/", {**body, "event": "nothing"}).status_code == 409
    assert program.post(f"{path}stop/").status_code == 204
    assert program.get(path).json()["profiles"] == []
    assert program.get("/api/journeys/nobody/test/").status_code == 404


def test_a_rehearsal_is_asked_for_done_and_read_over_http(program: Program) -> None:
    journey = make_welcome()
    contact = make_contact()
    at = timezone.now() - 3 * DAY
    record_events([IncomingEvent(contact.pk, "signup", at, {})], received_at=at)
    path = f"/api/journeys/{journey.key}/rehearsals/"
    answer = program.post(path, {"days": 7, "reactions": {"email_opened": 20}})
    assert answer.status_code == 202
    assert answer.json()["result"] is None
    assert program.post(path).json()["code"] == "rehearsal_running"
    waiting = models.Rehearsal.objects.get().job
    assert waiting is not None
    job = jobs.run(waiting.pk)
    assert job is not None
    assert (job.state, job.result["contacts"]) == ("succeeded", 1)
    found = program.get(f"{path}{answer.json()['id']}/").json()
    assert found["result"]["nodes"]["bought"]["waiting"] == 1
    assert [row["id"] for row in program.get(path).json()["results"]] == [found["id"]]
    assert program.get(f"{path}999/").status_code == 404
    wrong = program.post(path, {"days": 0, "reactions": {"email_read": 1, "push_opened": 101}})
    paths = {fault["path"] for fault in wrong.json()["errors"]}
    assert paths == {"days", "reactions.email_read", "reactions.push_opened"}


def test_why_a_contact_is_not_on_a_journey_is_told_over_http(program: Program) -> None:
    journey, contact = make_welcome(), make_contact()
    path = f"/api/journeys/{journey.key}/explain/{contact.pk}/"
    assert program.get(path).json()["reasons"][0]["code"] == "never_published"
    publish(journey, actor=SYSTEM, at=timezone.now())
    answer = program.get(path).json()
    assert answer["is_inside"] is False
    assert answer["reasons"][0]["code"] == "no_event"
    assert program.get(f"/api/journeys/{journey.key}/explain/999999/").status_code == 404


def test_testing_needs_the_scope_to_write_journeys(make_program: MakeProgram) -> None:
    reader, journey = make_program("journeys:read"), make_welcome()
    path = f"/api/journeys/{journey.key}/"
    assert reader.get(f"{path}test/").status_code == 200
    assert reader.post(f"{path}test/").status_code == 403
    assert reader.post(f"{path}rehearsals/").status_code == 403
