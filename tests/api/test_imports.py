"""Files of contacts over HTTP, and contacts that are forgotten."""

from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from django.test.client import BOUNDARY, MULTIPART_CONTENT, encode_multipart
from django.utils import timezone

from contacts.models import Contact, Identity
from tests.api.conftest import MakeProgram, Program, assert_problem
from workspace import job_files, jobs
from workspace.api import parsing
from workspace.models import Job

pytestmark = pytest.mark.django_db
PATH = "/api/contacts/import/"


@pytest.fixture(autouse=True)
def uploads(settings: Any, tmp_path: Path) -> Path:
    settings.UPLOADS_ROOT = tmp_path / "uploads"
    folder: Path = settings.UPLOADS_ROOT
    return folder


def csv(*lines: str) -> BytesIO:
    file = BytesIO("\n".join(lines).encode())
    file.name = "people.csv"
    return file


def send(program: Program, fields: dict[str, Any], **headers: str) -> Any:
    body = encode_multipart(BOUNDARY, fields)
    return program.post(PATH, body, **{"Content-Type": MULTIPART_CONTENT}, **headers)


def finish(program: Program, answer: Any) -> dict[str, Any]:
    assert answer.status_code == 202, answer.content
    address = answer.json()["job"]
    jobs.run(program.get(address).json()["id"])
    body: dict[str, Any] = program.get(address).json()
    return body


def test_a_file_is_imported_by_a_job(
    make_program: MakeProgram, program: Program, uploads: Path
) -> None:
    file = csv("external_id,email,Town", "u-1,a@example.com,Łódź", "u-2,nonsense,Kraków")
    answer = send(program, {"file": file, "columns": '{"Town": "city"}'})
    assert [path.suffix for path in uploads.iterdir()] == [".upload"]
    job = finish(program, answer)
    assert job["state"] == "succeeded", job
    result = job["result"]
    assert (result["created"], result["rejected"]) == (1, 1)
    (contact,) = program.get("/api/contacts/?external_id=u-1").json()["results"]
    assert contact["city"] == "Łódź"
    fetched = program.get(result["rejected_file"])
    assert b"nonsense" in b"".join(fetched.streaming_content)
    onlooker = make_program("workspace:read")
    assert onlooker.get(answer.json()["job"]).status_code == 200
    assert onlooker.get(result["rejected_file"]).status_code == 404, "rows of people"
    assert list(uploads.iterdir()) == [], "the upload is not kept"


def test_without_update_nobody_is_changed(program: Program) -> None:
    for update, town in ((None, "A"), ("false", "B"), ("true", "C")):
        fields = {"file": csv("external_id,city", f"u-1,{town}")}
        finish(program, send(program, {**fields, **({"update": update} if update else {})}))
        expected = "C" if update == "true" else "A"
        assert Contact.objects.get().city == expected


def test_a_file_without_identities_fails_and_changes_nothing(program: Program) -> None:
    job = finish(program, send(program, {"file": csv("city", "Łódź")}))
    assert job["state"] == "failed"
    assert job["message"]
    assert not Contact.objects.exists()


def test_a_file_sent_again_starts_one_job(program: Program) -> None:
    first = send(program, {"file": csv("external_id", "u-1")}, Idempotency_Key="k")
    again = send(program, {"file": csv("external_id", "u-1")}, Idempotency_Key="k")
    assert first.json() == again.json()
    assert Job.objects.count() == 1
    other = send(program, {"file": csv("external_id", "u-2")}, Idempotency_Key="k")
    assert_problem(other, 409, "idempotency_key_reused")


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({}, "file"),
        ({"file": "text"}, "file"),
        ({"file": csv("external_id"), "colour": "red"}, "colour"),
        ({"file": csv("external_id"), "columns": "no json"}, "columns"),
        ({"file": csv("external_id"), "columns": "[1]"}, "columns"),
        ({"file": csv("external_id"), "update": "perhaps"}, "update"),
    ],
)
def test_what_cannot_be_is_400_and_nothing_is_kept(
    program: Program, uploads: Path, fields: dict[str, Any], path: str
) -> None:
    body = assert_problem(send(program, fields), 400)
    assert body["errors"][0]["path"] == path
    assert not Job.objects.exists()
    assert not uploads.exists() or list(uploads.iterdir()) == []


def test_a_file_that_is_too_large_is_413(
    program: Program, uploads: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parsing, "FILE_LIMIT", 100_000)
    assert_problem(send(program, {"file": csv("x" * 200_000)}), 413, "too_large")
    assert_problem(send(program, {"file": csv("x" * 2_000_000)}), 413, "too_large")
    assert list(uploads.iterdir()) == []


def test_uploads_that_no_job_took_are_purged(program: Program, uploads: Path) -> None:
    send(program, {"file": csv("external_id", "u-1")})
    now = timezone.now()
    assert job_files.purge_uploads(now) == {"uploads": 0}
    assert job_files.purge_uploads(now + job_files.UPLOADS_KEPT) == {"uploads": 1}
    assert list(uploads.iterdir()) == []


def test_a_file_that_is_no_form_is_415(program: Program) -> None:
    answer = program.post(PATH, b"external_id\nu-1", **{"Content-Type": "text/csv"})
    assert_problem(answer, 415, "unsupported_media_type")
    assert_problem(program.post(PATH, {}), 415, "unsupported_media_type")


def test_importing_needs_its_scope(make_program: MakeProgram) -> None:
    reader = make_program("contacts:read")
    assert_problem(send(reader, {"file": csv("external_id", "u-1")}), 403, "not_allowed")


def test_a_contact_is_forgotten_with_a_proof(program: Program) -> None:
    contact = program.post("/api/contacts/", {"external_id": "u-1", "city": "Łódź"}).json()["id"]
    event = {"contact": contact, "name": "visit", "occurred_at": "2026-01-01T00:00:00Z"}
    program.post("/api/events/", event)
    proof = program.delete(f"/api/contacts/{contact}/").json()
    assert proof["contact_id"] == contact
    assert proof["deleted"]["contacts_event"] == 1
    assert proof["deleted"]["contacts_identity"] == 1
    assert not any(proof["remaining"].values())
    assert not Identity.objects.exists()
    assert_problem(program.get(f"/api/contacts/{contact}/"), 404, "contact_unknown")
    assert_problem(program.delete(f"/api/contacts/{contact}/"), 404, "contact_unknown")
    answer = program.post("/api/events/", event).json()
    assert answer["rejected"][0]["code"] == "contact_erased"
