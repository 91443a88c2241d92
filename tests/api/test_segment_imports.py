"""Segments of other systems over HTTP: what can be imported, and where imported ones come from."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import Group

from integrations.errors import TemporaryError
from integrations.models import VendorConnection
from tests.api.conftest import MakeProgram, Program, assert_problem
from tests.factories import make_contact
from tests.segments.imported.system import System, connect, make_members, registered
from workspace import jobs
from workspace.models import UserGroup

pytestmark = pytest.mark.django_db

PATH = "/api/imports/faraway/"
ANN, BEA = "ann@example.com", "bea@example.com"


@pytest.fixture
def system() -> Iterator[System]:
    with registered() as made:
        made.segments |= {"vip": [ANN, BEA], "new": [ANN]}
        yield made


@pytest.fixture
def connection(system: System) -> VendorConnection:
    return connect()


def finish(program: Program, answer: Any) -> dict[str, Any]:
    """The job that the answer names, after it was done."""
    assert answer.status_code == 202, answer.content
    address = answer.json()["job"]
    jobs.run(program.get(address).json()["id"])
    body: dict[str, Any] = program.get(address).json()
    return body


def test_the_segments_of_the_other_system_are_listed(
    program: Program, connection: VendorConnection
) -> None:
    body = program.get(f"{PATH}?counts=true").json()
    assert (body["next"], body["previous"]) == (None, None)
    assert body["results"] == [
        {
            "id": name.lower(),
            "connection": connection.pk,
            "name": name,
            "kind": "segment",
            "count": count,
            "is_imported": False,
            "segment": None,
        }
        for name, count in (("New", 1), ("Vip", 2))
    ]
    assert [one["count"] for one in program.get(PATH).json()["results"]] == [None, None]


def test_they_come_page_by_page_there_and_back(
    program: Program, connection: VendorConnection
) -> None:
    first = program.get(f"{PATH}?page_size=1").json()
    second = program.get(first["next"]).json()
    assert [one["id"] for one in (*first["results"], *second["results"])] == ["new", "vip"]
    assert second["next"] is None
    assert program.get(second["previous"]).json()["results"] == first["results"]


def test_the_same_request_again_imports_nothing_twice(
    program: Program, connection: VendorConnection
) -> None:
    said = [program.post(PATH, {"segments": ["vip"]}, Idempotency_Key="k-1") for _turn in range(2)]
    assert [one.status_code for one in said] == [202, 202]
    assert said[0].json() == said[1].json()


def test_segments_are_imported_by_a_job(program: Program, connection: VendorConnection) -> None:
    (ann,) = make_members(ANN)
    make_contact(email=BEA)
    answer = program.post(PATH, {"connection": connection.pk, "segments": ["vip"]})
    assert answer.json()["segments"] == ["vip"]
    job = finish(program, answer)
    assert (job["state"], job["result"]["matched"]) == ("succeeded", 1), job
    shape = program.get("/api/segments/vip/").json()
    assert (shape["source"], shape["members_only"]) == ("imported", True)
    told = shape["imported"]
    assert told == program.get("/api/segments/vip/import/").json()
    assert told["system"] == "faraway"
    counts = ("source_count", "matched", "skipped_non_members", "skipped_unknown")
    assert [told[name] for name in counts] == [2, 1, 1, 0]
    members = program.get("/api/segments/vip/members/").json()["results"]
    assert [one["contact"]["id"] for one in members] == [ann]
    skipped = program.get("/api/segments/vip/import/skipped/").json()["results"]
    assert skipped == [{"place": 2, "key": BEA, "reason": "non_member"}]
    listed = {one["id"]: one for one in program.get(PATH).json()["results"]}
    assert (listed["vip"]["is_imported"], listed["vip"]["segment"]) == (True, "vip")
    again = program.post(PATH, {"segments": ["vip"]})
    assert_problem(again, 400, "import_refused")
    assert again.json()["errors"][0]["path"] == "segments[0]"


def test_an_imported_segment_is_read_on_request_until_that_is_stopped(
    program: Program, connection: VendorConnection, system: System
) -> None:
    make_members(ANN, BEA)
    finish(program, program.post(PATH, {"segments": ["vip"]}))
    system.segments["vip"] = [ANN]
    finish(program, program.post("/api/segments/vip/import/sync/"))
    assert program.get("/api/segments/vip/").json()["calculation"]["members"] == 1
    stopped = program.post("/api/segments/vip/import/stop/")
    assert stopped.json()["stopped_at"] is not None
    assert_problem(program.post("/api/segments/vip/import/sync/"), 409, "segment_not_imported")
    assert program.get("/api/segments/vip/").json()["calculation"]["members"] == 1


def test_criteria_of_an_imported_segment_cannot_be_written(
    program: Program, connection: VendorConnection
) -> None:
    finish(program, program.post(PATH, {"segments": ["vip"]}))
    criteria = {
        "combinator": "and",
        "rules": [{"field": "contact.city", "operator": "=", "value": "Kraków"}],
    }
    answer = program.patch("/api/segments/vip/", {"criteria": criteria})
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["code"] == "not_from_criteria"


def test_a_system_that_does_not_answer_is_told_as_that(
    program: Program, connection: VendorConnection, system: System
) -> None:
    system.fails[""] = TemporaryError("Faraway is down.")
    assert_problem(program.get(PATH), 503, "temporarily_unavailable")
    assert_problem(program.post(PATH, {"segments": ["vip"]}), 503, "temporarily_unavailable")


def test_where_there_are_more_connections_one_has_to_be_named(
    program: Program, connection: VendorConnection
) -> None:
    other = connect("Another shop")
    assert program.get(PATH).status_code == 400
    [row, *_others] = program.get(f"{PATH}?connection={other.pk}").json()["results"]
    assert row["connection"] == other.pk
    assert program.get(f"{PATH}?connection=x").status_code == 400
    assert program.get("/api/imports/nowhere/").status_code == 400
    assert_problem(program.get("/api/imports/nowhere/?connection=1"), 404, "connection_unknown")


def test_a_group_is_required_where_segments_belong_to_groups(
    make_program: MakeProgram, connection: VendorConnection
) -> None:
    poland, france = (Group.objects.create(name=name) for name in ("Poland", "France"))
    for group in (poland, france):
        UserGroup.objects.create(group=group, entities=["segment"])
    pole, frenchman = make_program(groups=(poland,)), make_program(groups=(france,))
    refused = pole.post(PATH, {"segments": ["vip"]})
    assert refused.json()["errors"][0]["path"] == "groups"
    finish(pole, pole.post(PATH, {"segments": ["vip"], "groups": ["Poland"]}))
    key = pole.get("/api/segments/").json()["results"][0]["key"]
    for path in ("", "import/", "import/skipped/"):
        assert frenchman.get(f"/api/segments/{key}/{path}").status_code == 404
    for path in ("import/sync/", "import/stop/"):
        assert frenchman.post(f"/api/segments/{key}/{path}").status_code == 404
    listed = {one["id"]: one for one in frenchman.get(PATH).json()["results"]}
    assert (listed["vip"]["is_imported"], listed["vip"]["segment"]) == (True, None)


def test_a_program_needs_the_scope(make_program: MakeProgram, connection: VendorConnection) -> None:
    reader = make_program("segments:read")
    assert reader.get(PATH).status_code == 403
    assert reader.post(PATH, {"segments": ["vip"]}).status_code == 403
