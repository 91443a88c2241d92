"""Saved criteria over HTTP."""

from typing import Any

import pytest
from django.contrib.auth.models import Group

from segments.models import SavedCriteria
from tests.api.conftest import MakeProgram, Program, assert_problem
from tests.segments.factories import is_in, lives_in, make_segment
from workspace.models import UserGroup

pytestmark = pytest.mark.django_db
LIST = "/api/saved-criteria/"


def make(program: Program, name: str = "Of Oslo", criteria: Any = None, **given: Any) -> Any:
    body = {"name": name, "criteria": criteria or lives_in("Oslo"), **given}
    answer = program.post(LIST, body)
    assert answer.status_code == 201, answer.content
    return answer.json()


def test_saved_criteria_have_the_documented_shape(program: Program) -> None:
    body = make(program, key="oslo", description="Where we began")
    assert {name: value for name, value in body.items() if not name.endswith("_at")} == {
        "key": "oslo",
        "name": "Of Oslo",
        "description": "Where we began",
        "criteria": lives_in("Oslo"),
        "groups": [],
    }
    assert program.get(f"{LIST}oslo/").json() == body
    assert program.get(LIST).json()["results"] == [body]


def test_they_are_changed_and_deleted_by_key(program: Program) -> None:
    make(program, key="oslo")
    changed = program.patch(f"{LIST}oslo/", {"criteria": lives_in("Bergen")}).json()
    assert (changed["name"], changed["criteria"]) == ("Of Oslo", lives_in("Bergen"))
    assert program.delete(f"{LIST}oslo/").status_code == 204
    assert_problem(program.get(f"{LIST}oslo/"), 404)


def test_faults_are_told_with_their_paths(program: Program) -> None:
    wrong = {"combinator": "and", "rules": [{"field": "contact.shoe", "operator": "null"}]}
    body = assert_problem(program.post(LIST, {"name": "", "criteria": wrong}), 400)
    assert [fault["path"] for fault in body["criteria"]] == ["rules[0].field"]
    assert {fault["path"] for fault in body["errors"]} == {"name", "criteria"}
    assert_problem(program.post(LIST, {"name": "x", "criteria": wrong, "colour": 1}), 400)
    assert not SavedCriteria.objects.exists()


def test_the_same_request_again_makes_nothing_twice(program: Program) -> None:
    body = {"name": "Of Oslo", "criteria": lives_in("Oslo")}
    first = program.post(LIST, body, Idempotency_Key="a")
    assert program.post(LIST, body, Idempotency_Key="a").json() == first.json()
    assert SavedCriteria.objects.count() == 1


def test_lists_are_filtered_by_name(program: Program) -> None:
    make(program, "Of Oslo")
    make(program, "Of Bergen")
    found = program.get(f"{LIST}?name=berg").json()["results"]
    assert [one["name"] for one in found] == ["Of Bergen"]


def test_scopes_are_those_of_segments(make_program: MakeProgram, program: Program) -> None:
    make(program, key="oslo")
    reader = make_program("segments:read")
    assert reader.get(f"{LIST}oslo/").status_code == 200
    assert_problem(reader.post(LIST, {"name": "x", "criteria": lives_in("Oslo")}), 403)
    assert_problem(reader.delete(f"{LIST}oslo/"), 403)
    assert_problem(make_program("contacts:write").get(LIST), 403)


def test_outside_ones_groups_there_are_none(make_program: MakeProgram) -> None:
    poland = Group.objects.create(name="Poland")
    UserGroup.objects.create(group=poland, entities=["segment"])
    insider, outsider = make_program(groups=(poland,)), make_program()
    make(insider, "Secret plan", key="secret", groups=["Poland"])
    assert outsider.get(LIST).json()["results"] == []
    missing = assert_problem(outsider.get(f"{LIST}none/"), 404)
    hidden = assert_problem(outsider.get(f"{LIST}secret/"), 404)
    assert hidden["detail"].replace("secret", "none") == missing["detail"]
    assert_problem(outsider.patch(f"{LIST}secret/", {"name": "x"}), 404)
    assert_problem(outsider.delete(f"{LIST}secret/"), 404)


def test_a_hidden_segment_is_masked_in_what_is_read(
    make_program: MakeProgram, program: Program
) -> None:
    poland = Group.objects.create(name="Poland")
    UserGroup.objects.create(group=poland, entities=["segment"])
    make_segment("secret", groups=["Poland"])
    insider = make_program(groups=(poland,))
    make(insider, key="open", criteria=is_in("secret"), groups=["Poland"])
    SavedCriteria.objects.get().groups.clear()
    read = program.get(f"{LIST}open/").json()
    assert read["criteria"] == is_in("hidden:1")
