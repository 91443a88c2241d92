"""Actions on segments over HTTP."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.utils import timezone

from contacts.models import ConsentDefinition, Contact, ContactTag, Tag
from segments import action_runs, lifecycle
from segments.models import Segment, SegmentAction
from tests.api.conftest import MakeProgram, Program, assert_problem
from tests.segments.factories import do_work, make_contacts, make_segment, refresh
from workspace.access import SYSTEM
from workspace.models import Job

pytestmark = pytest.mark.django_db
POLES = "/api/segments/poles/actions/"


@pytest.fixture
def poles() -> Segment:
    """Two people in Warszawa, calculated; a tag and a consent to give them."""
    Tag.objects.create(key="vip", label="VIP")
    ConsentDefinition.objects.create(key="newsletter", label="Newsletter")
    make_contacts("Warszawa", "Warszawa", "Paris")
    segment = make_segment()
    refresh(segment, as_of=timezone.now())
    return segment


def _plan(program: Program, **given: Any) -> dict[str, Any]:
    body = {"kind": "add_tag", "key": "vip", "when": "now", **given}
    answer = program.post(POLES, body)
    assert answer.status_code == 201, answer.content
    planned: dict[str, Any] = answer.json()
    return planned


def _work() -> None:
    do_work(at=timezone.now())


def test_an_action_has_the_promised_shape(program: Program, poles: Segment) -> None:
    made = _plan(program)
    assert {name: made[name] for name in ("segment", "kind", "key", "when", "state")} == {
        "segment": "poles",
        "kind": "add_tag",
        "key": "vip",
        "when": "now",
        "state": "running",
    }
    assert made["author"] == "program 1"
    _work()
    shown = program.get(f"{POLES}{made['id']}/").json()
    assert shown["state"] == "done"
    (run,) = shown["runs"]
    counts = {name: run[name] for name in ("state", "members", "changed", "unchanged", "skipped")}
    assert counts == {"state": "done", "members": 2, "changed": 2, "unchanged": 0, "skipped": {}}
    assert program.get(run["job"]).json()["state"] == "succeeded"


def test_while_the_segment_is_in_preparation_the_action_is_planned(program: Program) -> None:
    Tag.objects.create(key="vip", label="VIP")
    make_contacts("Warszawa")
    segment = make_segment()
    made = _plan(program)
    assert (made["state"], made["runs"]) == ("planned", [])
    refresh(segment, as_of=timezone.now())
    action_runs.run_due(as_of=timezone.now())
    _work()
    assert program.get(f"{POLES}{made['id']}/").json()["state"] == "done"
    assert ContactTag.objects.count() == 1


def test_a_time_and_after_each_refresh_are_said_as_they_were_given(
    program: Program, poles: Segment
) -> None:
    at = (timezone.now() + timedelta(hours=3)).replace(microsecond=0)
    told = _plan(program, when=at.isoformat())["when"]
    assert datetime.fromisoformat(told) == at
    assert _plan(program, when="after_refresh")["when"] == "after_refresh"


def test_each_kind_is_taken_with_the_fields_of_the_contract(
    program: Program, poles: Segment
) -> None:
    for kind in SegmentAction.Kind:
        key = {"export": None}.get(kind, "newsletter" if "consent" in kind else "vip")
        if "category" in kind:
            continue
        assert _plan(program, kind=kind.value, key=key)["state"] == "running", kind


def test_an_export_action_says_what_the_file_is(program: Program, poles: Segment) -> None:
    file = {"columns": ["id", "email"], "format": "jsonl"}
    made = _plan(program, kind="export", key=None, export=file)
    assert made["export"] == file
    _work()
    (run,) = program.get(f"{POLES}{made['id']}/").json()["runs"]
    assert program.get(f"/api/exports/{run['export']}/").json()["rows"] == 2


@pytest.mark.parametrize(
    ("body", "path", "code"),
    [
        ({"kind": "add_tag", "key": "unheard-of"}, "key", "unknown_key"),
        ({"kind": "add_tag"}, "key", "required"),
        ({"kind": "dance", "key": "vip"}, "kind", "invalid_choice"),
        ({"key": "vip"}, "kind", "required"),
        ({"kind": "add_tag", "key": "vip", "when": "soon"}, "when", "invalid_choice"),
        ({"kind": "add_tag", "key": "vip", "when": "2999-01-01T10:00"}, "when", "invalid_choice"),
        ({"kind": "add_tag", "key": "vip", "when": "2001-01-01T10:00Z"}, "when", "in_the_past"),
        ({"kind": "add_tag", "key": "vip", "loud": True}, "loud", "unknown_field"),
        ({"kind": "export", "export": {"columns": ["nose"]}}, "export.columns[0]", "unknown"),
    ],
)
def test_faults_are_400_with_their_place(
    program: Program, poles: Segment, body: dict[str, Any], path: str, code: str
) -> None:
    problem = assert_problem(program.post(POLES, body), 400)
    assert problem["errors"][0]["path"] == path
    assert problem["errors"][0]["code"].startswith(code)
    assert not SegmentAction.objects.exists()


def test_a_segment_that_cannot_be_used_is_409_by_name(program: Program, poles: Segment) -> None:
    body = {"kind": "add_tag", "key": "vip"}
    Segment.objects.update(calculated_at=timezone.now() - timedelta(hours=2), readiness_hours=1)
    assert_problem(program.post(POLES, body), 409, "segment_expired")
    segment = lifecycle.inactivate(poles, actor=SYSTEM, at=timezone.now())
    assert_problem(program.post(POLES, body), 409, "segment_inactive")
    lifecycle.archive(segment, actor=SYSTEM, at=timezone.now())
    assert_problem(program.post(POLES, body), 409, "segment_archived")


def test_a_repeated_post_plans_once(program: Program, poles: Segment) -> None:
    body = {"kind": "add_tag", "key": "vip"}
    first = program.post(POLES, body, Idempotency_Key="once")
    again = program.post(POLES, body, Idempotency_Key="once")
    assert first.json() == again.json()
    assert SegmentAction.objects.count() == 1


def test_actions_are_listed_the_newest_first_and_filtered(program: Program, poles: Segment) -> None:
    one, two = _plan(program), _plan(program, kind="remove_tag", when="after_refresh")
    other = make_segment("other")
    program.post(f"/api/segments/{other.key}/actions/", {"kind": "add_tag", "key": "vip"})
    listed = program.get(POLES).json()
    assert [action["id"] for action in listed["results"]] == [two["id"], one["id"]]
    planned = program.get(f"{POLES}?state=planned").json()["results"]
    assert [action["id"] for action in planned] == [two["id"]]
    assert_problem(program.get(f"/api/segments/other/actions/{one['id']}/"), 404)


def test_a_list_costs_the_same_however_long_it_is(
    program: Program, poles: Segment, django_assert_max_num_queries: Callable[..., Any]
) -> None:
    for _turn in range(5):
        _plan(program)
    with django_assert_max_num_queries(12):
        assert len(program.get(POLES).json()["results"]) == 5


def test_cancel_and_then_it_is_over(program: Program, poles: Segment) -> None:
    made = _plan(program, when="after_refresh")
    cancelled = program.post(f"{POLES}{made['id']}/cancel/").json()
    assert cancelled["state"] == "cancelled"
    assert "program 1" in cancelled["message"]
    assert_problem(program.post(f"{POLES}{made['id']}/cancel/"), 409, "action_finished")


def test_undo_is_a_job_that_takes_back_what_was_given(program: Program, poles: Segment) -> None:
    made = _plan(program)
    _work()
    answer = program.post(f"{POLES}{made['id']}/undo/")
    assert answer.status_code == 202
    _work()
    job = program.get(answer.json()["job"]).json()
    assert (job["state"], job["result"]["undone"]) == ("succeeded", 2)
    assert not ContactTag.objects.exists()
    (run,) = program.get(f"{POLES}{made['id']}/").json()["runs"]
    assert run["undone"] == 2
    assert_problem(program.post(f"{POLES}{made['id']}/undo/"), 409, "action_not_undoable")


def test_consents_of_a_program_are_written_with_its_reason(
    program: Program, poles: Segment
) -> None:
    made = _plan(program, kind="add_consent", key="newsletter", reason="Signed at the fair")
    assert made["reason"] == "Signed at the fair"
    _work()
    contact = Contact.objects.filter(city="Warszawa").first()
    assert contact is not None
    (line,) = program.get(f"/api/contacts/{contact.pk}/consents/").json()["results"][:1]
    assert (line["reason"], line["source"]) == ("Signed at the fair", "segment_action")


def test_other_groups_get_404_and_readers_403(make_program: MakeProgram, poles: Segment) -> None:
    group = Group.objects.create(name="Poland")
    poles.groups.add(group)
    insider, outsider = make_program(groups=(group,)), make_program()
    made = _plan(insider)
    body = {"kind": "add_tag", "key": "vip"}
    for answer in (
        outsider.get(POLES),
        outsider.post(POLES, body),
        outsider.get(f"{POLES}{made['id']}/"),
        outsider.post(f"{POLES}{made['id']}/cancel/"),
        outsider.post(f"{POLES}{made['id']}/undo/"),
    ):
        assert_problem(answer, 404)
    reader = make_program("segments:read", groups=(group,))
    assert reader.get(POLES).status_code == 200
    assert_problem(reader.post(POLES, body), 403)
    assert_problem(reader.post(f"{POLES}{made['id']}/cancel/"), 403)


def test_people_need_the_permission_to_run_actions(
    staff: Callable[..., Program], poles: Segment
) -> None:
    body = {"kind": "add_tag", "key": "vip"}
    viewer = staff("segments.view_segment")
    assert_problem(viewer.post(POLES, body), 403)
    runner = staff("segments.view_segment", "segments.run_actions_segment")
    assert runner.post(POLES, body).status_code == 201
    assert_problem(runner.post(POLES, {"kind": "export"}), 403)
    assert Job.objects.filter(kind=action_runs.RUN_JOB).count() == 1
