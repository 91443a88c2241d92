"""Exports and their schedules over HTTP."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.utils import timezone

from contacts.models import AttributeDefinition, Contact
from segments import export_schedules, exports
from segments.models import Export, ExportSchedule, Segment
from tests.api.conftest import MakeProgram, Program, assert_problem
from tests.segments.factories import lives_in, make_contacts, make_segment, refresh
from workspace import jobs
from workspace.models import UserGroup

PATH = "/api/exports/"
SCHEDULES = "/api/export-schedules/"


@pytest.fixture(autouse=True)
def _own_folder(settings: Any, tmp_path: Path) -> None:
    settings.EXPORTS_ROOT = tmp_path / "exports"


@pytest.fixture
def poles(db: None) -> Segment:
    """A segment of two of three contacts."""
    make_contacts("Warszawa", "Warszawa", "Paris")
    segment = make_segment(at=timezone.now())
    refresh(segment, as_of=timezone.now())
    return segment


def _made(program: Program, body: dict[str, Any]) -> dict[str, Any]:
    answer = program.post(PATH, body)
    assert answer.status_code == 202, answer.content
    export = Export.objects.get(pk=answer.json()["id"])
    assert export.job_id is not None
    jobs.run(export.job_id)
    told: dict[str, Any] = program.get(f"{PATH}{export.pk}/").json()
    return told


def _fetched(program: Program, export: dict[str, Any]) -> bytes:
    answer = program.get(f"{PATH}{export['id']}/download/")
    assert answer.status_code == 200
    return b"".join(answer.streaming_content)


def test_the_shape_that_outside_clients_rely_on(program: Program, poles: Segment) -> None:
    body = {"segment": "poles", "columns": ["city"], "format": "csv"}
    told = _made(program, body)
    assert {"id", "segment", "columns", "format", "state", "rows", "size", "expires_at"} <= set(
        told
    )
    assert (told["state"], told["rows"], told["segment"]) == ("ready", 2, "poles")
    assert told["download"].endswith(f"{PATH}{told['id']}/download/")
    assert _fetched(program, told) == b"city\r\nWarszawa\r\nWarszawa\r\n"


def test_an_export_says_how_it_is_written(program: Program, poles: Segment) -> None:
    AttributeDefinition.objects.create(key="size", label="Size", type="number")
    Contact.objects.filter(city="Warszawa").update(attributes={"size": 2.5}, first_name="Łucja")
    told = _made(
        program,
        {
            "segment": "poles",
            "columns": ["first_name", "attributes.size"],
            "headers": {"first_name": "Imię"},
            "separator": "semicolon",
            "encoding": "windows-1250",
            "decimal_mark": "comma",
        },
    )
    lines = _fetched(program, told).decode("cp1250").splitlines()
    assert lines[:2] == ["Imię;attributes.size", "Łucja;2,5"]


def test_who_is_to_be_exported_has_to_be_said(program: Program, poles: Segment) -> None:
    assert_problem(program.post(PATH, {}), 400, "invalid")
    assert_problem(program.post(PATH, {"format": "csv"}), 400, "invalid")
    both = {"everyone": True, "segment": "poles"}
    assert_problem(program.post(PATH, both), 400, "invalid")
    assert not Export.objects.exists()
    assert _made(program, {"everyone": True})["everyone"] is True
    assert _made(program, {"columns": ["city"], "format": "jsonl"})["rows"] == 3
    assert _made(program, {"criteria": lives_in("Paris")})["rows"] == 1


def test_criteria_narrow_a_segment_down(program: Program, poles: Segment) -> None:
    Contact.objects.filter(city="Warszawa").update(country="PL")
    lucky = Contact.objects.filter(city="Warszawa").latest("pk")
    Contact.objects.filter(pk=lucky.pk).update(first_name="Ania")
    rule = {"field": "contact.first_name", "operator": "=", "value": "Ania"}
    criteria = {"combinator": "and", "rules": [rule]}
    told = _made(program, {"segment": "poles", "criteria": criteria, "columns": ["id"]})
    assert (told["rows"], told["criteria"]) == (1, criteria)
    assert _fetched(program, told).decode().split() == ["id", str(lucky.pk)]


def test_faults_are_told_all_at_once_at_their_places(program: Program, poles: Segment) -> None:
    body = {
        "segment": "poles",
        "columns": ["shoe"],
        "format": "xlsx",
        "encoding": "iso-8859-2",
        "groups": ["Nobody"],
    }
    found = assert_problem(program.post(PATH, body), 400)["errors"]
    assert {(fault["path"], fault["code"]) for fault in found} == {
        ("columns[0]", "unknown_column"),
        ("encoding", "not_applicable"),
        ("groups[0]", "unknown_group"),
    }
    twice = {"columns": ["city", "email"], "headers": {"city": "x", "email": "x"}}
    found = assert_problem(program.post(PATH, twice), 400)["errors"]
    assert [fault["code"] for fault in found] == ["not_unique"]


def test_segments_out_of_use_are_refused_with_the_reason(program: Program, poles: Segment) -> None:
    poles.readiness_hours, poles.calculated_at = 1, timezone.now() - timedelta(hours=2)
    poles.save()
    assert_problem(program.post(PATH, {"segment": "poles"}), 409, "segment_expired")
    poles.status = Segment.Status.INACTIVE
    poles.save()
    assert_problem(program.post(PATH, {"segment": "poles"}), 409, "segment_inactive")


def test_a_deleted_export_is_gone(program: Program, poles: Segment) -> None:
    told = _made(program, {"segment": "poles"})
    path = f"{PATH}{told['id']}/"
    assert program.delete(path).status_code == 204
    assert list(exports.exports_folder().iterdir()) == []
    assert_problem(program.get(path), 404, "export_unknown")
    assert_problem(program.get(f"{path}download/"), 404, "export_unknown")
    assert_problem(program.delete(path), 404, "export_unknown")
    assert program.get(PATH).json()["results"] == []


def test_deleting_one_that_waits_cancels_it(program: Program, poles: Segment) -> None:
    told = program.post(PATH, {"segment": "poles"}).json()
    program.delete(f"{PATH}{told['id']}/")
    export = Export.objects.select_related("job").get()
    assert export.job is not None
    assert export.job.state == "cancelled"


def test_groups_share_exports(make_program: MakeProgram, poles: Segment) -> None:
    group = Group.objects.create(name="Poland")
    UserGroup.objects.create(group=group, entities=["export"])
    mine, colleague = make_program(groups=(group,)), make_program(groups=(group,))
    other = make_program()
    assert_problem(other.post(PATH, {"segment": "poles"}), 400, "invalid")
    told = _made(mine, {"segment": "poles"})
    assert told["groups"] == ["Poland"], "the only one that it has"
    assert _fetched(colleague, told)
    assert [found["id"] for found in colleague.get(PATH).json()["results"]] == [told["id"]]
    assert_problem(other.get(f"{PATH}{told['id']}/download/"), 404, "export_unknown")
    assert other.get(PATH).json()["results"] == []


def test_a_schedule_is_made_listed_changed_and_deleted(program: Program, poles: Segment) -> None:
    body = {
        "name": "Daily",
        "segment": "poles",
        "columns": ["city"],
        "every": {"amount": 1, "unit": "day"},
    }
    answer = program.post(SCHEDULES, body)
    assert answer.status_code == 201, answer.content
    made = answer.json()
    assert (made["mode"], made["every"]) == ("interval", {"amount": 1, "unit": "day"})
    assert made["enabled"] is True
    path = f"{SCHEDULES}{made['id']}/"
    assert export_schedules.run_due(as_of=timezone.now()) == 1
    told = program.get(path).json()
    assert told["last_export"] == Export.objects.get().pk
    assert program.get(SCHEDULES).json()["results"] == [told]
    changed = program.patch(path, {"mode": "after_refresh", "every": None}).json()
    assert (changed["mode"], changed["every"], changed["next_run_at"]) == (
        "after_refresh",
        None,
        None,
    )
    assert changed["columns"] == ["city"], "what is not named stays"
    assert program.patch(path, {"enabled": False}).json()["enabled"] is False
    assert program.post(f"{path}run/").status_code == 202
    assert program.delete(path).status_code == 204
    assert_problem(program.get(path), 404, "export_schedule_unknown")
    assert Export.objects.count() == 2, "its files stay"


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"segment": "poles"}, "every.amount"),
        ({"segment": "poles", "every": {"amount": 0, "unit": "day"}}, "every.amount"),
        ({"everyone": True, "mode": "after_refresh"}, "segment"),
        ({"every": {"amount": 1, "unit": "day"}}, "everyone"),
    ],
)
def test_a_schedule_that_cannot_be_is_refused(
    program: Program, poles: Segment, body: dict[str, Any], path: str
) -> None:
    found = assert_problem(program.post(SCHEDULES, body), 400)["errors"]
    assert path in [fault["path"] for fault in found]
    assert not ExportSchedule.objects.exists()


def test_a_schedule_is_nobody_elses(make_program: MakeProgram, poles: Segment) -> None:
    group = Group.objects.create(name="Poland")
    mine, colleague = make_program(groups=(group,)), make_program(groups=(group,))
    other = make_program()
    every = {"amount": 1, "unit": "hour"}
    made = mine.post(SCHEDULES, {"segment": "poles", "every": every, "groups": ["Poland"]}).json()
    path = f"{SCHEDULES}{made['id']}/"
    assert colleague.get(path).json()["name"] == "Poles"
    assert_problem(colleague.patch(path, {"enabled": False}), 403, "not_allowed")
    assert_problem(colleague.delete(path), 403, "not_allowed")
    for method in ("GET", "PATCH", "DELETE"):
        answer = other.send(method, path, {} if method == "PATCH" else None)
        assert_problem(answer, 404, "export_schedule_unknown")


def test_people_with_a_session_fetch_their_own(
    staff: Callable[..., Program], poles: Segment
) -> None:
    person = staff("segments.view_export", "segments.export_segment", "segments.view_segment")
    told = _made(person, {"segment": "poles"})
    assert _fetched(person, told)
    assert_problem(staff().get(f"{PATH}{told['id']}/download/"), 403, "not_allowed")
    assert_problem(Program().get(f"{PATH}{told['id']}/download/"), 401)
