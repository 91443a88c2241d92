"""Trying journeys out over HTTP: test profiles, tests, what a participant went through."""

from typing import Any

import pytest

from journeys import models
from tests.api.conftest import MakeProgram, Program
from tests.factories import make_contact
from tests.segments.factories import make_contacts, make_segment, refresh

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
