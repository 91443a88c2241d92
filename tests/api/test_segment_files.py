"""Segments from files over HTTP."""

from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.test.client import BOUNDARY, MULTIPART_CONTENT, encode_multipart

from segments.models import Segment
from tests.api.conftest import MakeProgram, Program, assert_problem
from tests.factories import make_contact
from tests.segments.factories import make_segment
from workspace import jobs
from workspace.models import Job, UserGroup

pytestmark = pytest.mark.django_db
PATH = "/api/segments/from-file/"


@pytest.fixture(autouse=True)
def uploads(settings: Any, tmp_path: Path) -> Path:
    settings.VAR = tmp_path / "var"
    folder: Path = settings.VAR / "uploads"
    settings.UPLOADS_ROOT = folder
    return folder


def send(program: Program, path: str, *lines: str, **fields: Any) -> Any:
    file = BytesIO("\n".join(lines).encode())
    file.name = "list.csv"
    body = encode_multipart(BOUNDARY, {"file": file, **fields})
    return program.post(path, body, **{"Content-Type": MULTIPART_CONTENT})


def finish(program: Program, answer: Any) -> dict[str, Any]:
    assert answer.status_code == 202, answer.content
    address = answer.json()["job"]
    jobs.run(program.get(address).json()["id"])
    body: dict[str, Any] = program.get(address).json()
    return body


def members(program: Program, key: str) -> list[int]:
    found = program.get(f"/api/segments/{key}/members/").json()["results"]
    return [member["contact"]["id"] for member in found]


def test_a_segment_is_made_of_a_file_by_a_job(program: Program, uploads: Path) -> None:
    anna = make_contact(email="anna@example.com").pk
    answer = send(
        *(program, PATH, "Adres", "ANNA@example.com", "x@example.com", "nonsense"),
        name="Fair",
        column="Adres",
        identity="email",
        refresh='{"mode": "interval", "every": {"amount": 1, "unit": "day"}}',
        readiness_hours="48",
    )
    assert answer.json()["segment"] == "fair"
    waiting = program.get("/api/segments/fair/").json()
    assert (waiting["source"], waiting["calculation"]["state"]) == ("csv", "waiting")
    assert program.get("/api/segments/fair/file/").status_code == 404
    job = finish(program, answer)
    assert job["state"] == "succeeded", job
    assert job["result"] == {
        "segment": "fair",
        "rows": 3,
        "matched": 1,
        "not_in_base": 1,
        "duplicates": 0,
        "faulty": 1,
        "members": 1,
    }
    assert members(program, "fair") == [anna]
    shape = program.get("/api/segments/fair/").json()
    assert shape["refresh"] == {"mode": "interval", "every": {"amount": 1, "unit": "day"}}
    assert shape["readiness_hours"] == 48
    assert shape["criteria"] == {"combinator": "and", "rules": []}
    assert not list(uploads.iterdir())
    file = program.get("/api/segments/fair/file/").json()
    assert {name: file[name] for name in ("name", "column", "identity", "matched")} == {
        "name": "list.csv",
        "column": "Adres",
        "identity": "email",
        "matched": 1,
    }
    fetched = program.get("/api/segments/fair/file/unmatched/")
    assert b"x@example.com" in b"".join(fetched.streaming_content)


def test_another_file_takes_the_place_of_the_first(program: Program) -> None:
    make_contact(email="anna@example.com")
    ewa = make_contact(email="ewa@example.com").pk
    finish(program, send(program, PATH, "email", "anna@example.com", name="Fair"))
    job = finish(program, send(program, "/api/segments/fair/file/", "email", "ewa@example.com"))
    assert job["state"] == "succeeded", job
    assert members(program, "fair") == [ewa]
    assert program.get("/api/segments/fair/").json()["version"] == 2


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"name": "A", "column": "missing"}, "column"),
        ({"name": "A", "identity": "No Name"}, "identity"),
        ({"name": "A", "groups": "Nobody's"}, "groups[0]"),
        ({"name": "A", "key": "from-file"}, "key"),
        ({"name": "A", "refresh": "daily"}, "refresh"),
        ({"name": "A", "colour": "red"}, "colour"),
        ({}, "name"),
    ],
)
def test_what_is_wrong_is_told_at_its_place_and_nothing_is_left(
    program: Program, uploads: Path, fields: dict[str, str], path: str
) -> None:
    answer = send(program, PATH, "email", "x@example.com", **fields)
    assert answer.status_code == 400, answer.content
    assert [fault["path"] for fault in answer.json()["errors"]] == [path]
    assert not Segment.objects.exists()
    assert not Job.objects.exists()
    assert not [file for file in uploads.iterdir() if file.suffix == ".upload"]


def test_the_unmatched_are_for_the_program_that_sent_them(
    program: Program, make_program: MakeProgram
) -> None:
    finish(program, send(program, PATH, "email", "x@example.com", name="Fair"))
    other = make_program("segments:read", "segments:write")
    assert other.get("/api/segments/fair/file/").status_code == 200
    assert_problem(other.get("/api/segments/fair/file/unmatched/"), 404, "unmatched_gone")


def test_a_segment_of_criteria_has_no_file(program: Program) -> None:
    make_segment("poles")
    assert_problem(program.get("/api/segments/poles/file/"), 409, "segment_not_from_file")
    answer = send(program, "/api/segments/poles/file/", "email", "x@example.com")
    assert_problem(answer, 409, "segment_not_from_file")


def test_files_of_other_groups_do_not_exist(make_program: MakeProgram) -> None:
    group = Group.objects.create(name="Poland")
    UserGroup.objects.create(group=group, entities=["segment"])
    program = make_program(groups=(group,))
    finish(program, send(program, PATH, "email", "x@example.com", name="Fair", groups="Poland"))
    other = make_program("segments:read", "segments:write")
    for path in ("file/", "file/unmatched/"):
        assert other.get(f"/api/segments/fair/{path}").status_code == 404
    answer = send(other, "/api/segments/fair/file/", "email", "x@example.com")
    assert answer.status_code == 404


def test_it_needs_the_right_scope(make_program: MakeProgram) -> None:
    reader = make_program("segments:read")
    assert send(reader, PATH, "email", "x@example.com", name="A").status_code == 403
