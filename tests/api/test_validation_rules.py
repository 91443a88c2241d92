"""Validation rules over HTTP."""

from typing import Any

import pytest
from django.contrib.auth.models import Group

from loyalty.models import ValidationRule
from tests.api.conftest import MakeProgram, Program, assert_problem
from tests.loyalty.rule_cases import every, leaf, make_campaign, make_voucher
from tests.segments.factories import make_segment

pytestmark = pytest.mark.django_db
LIST = "/api/validation-rules/"
DOCUMENT = every(leaf("order.amount", ">=", 5000, "Spend 50.00"))


def make(program: Program, **given: Any) -> Any:
    answer = program.post(LIST, {"name": "Large orders", "document": DOCUMENT, **given})
    assert answer.status_code == 201, answer.content
    return answer.json()


def test_a_rule_has_the_documented_shape(program: Program) -> None:
    body = make(program, message="Sorry")
    assert {name: value for name, value in body.items() if not name.endswith("_at")} == {
        "key": "large-orders",
        "name": "Large orders",
        "description": "",
        "message": "Sorry",
        "document": DOCUMENT,
        "sentence": "Lets through if “Amount of the order, in minor units” is at least 5000.",
        "assignment_count": 0,
    }
    assert program.get(f"{LIST}large-orders/").json() == body
    assert program.get(LIST).json()["results"] == [body]
    assert program.get(f"{LIST}?name=small").json()["results"] == []


def test_it_is_changed_and_deleted_by_key(program: Program) -> None:
    make(program)
    changed = program.patch(f"{LIST}large-orders/", {"document": every()}).json()
    assert (changed["name"], changed["document"]) == ("Large orders", every())
    assert program.delete(f"{LIST}large-orders/").status_code == 204
    assert_problem(program.get(f"{LIST}large-orders/"), 404, "validation_rule_unknown")


def test_faults_are_told_with_their_paths(program: Program) -> None:
    answer = program.post(LIST, {"name": "", "document": every(leaf("order.amount", "?", 1))})
    body = assert_problem(answer, 400, "validation_rule_invalid")
    assert [one["path"] for one in body["errors"]] == ["name", "conditions"]
    assert [one["path"] for one in body["conditions"]] == ["rules[0].operator"]


def test_a_rule_is_assigned_and_taken_away(program: Program) -> None:
    make(program)
    campaign = make_campaign("Cards")
    voucher = make_voucher(campaign, code="ABC")
    where = f"{LIST}large-orders/assignments/"
    first = program.post(where, {"campaign": campaign.key}).json()
    program.post(where, {"voucher": "abc"})
    assert (first["kind"], first["reference"], first["name"]) == ("campaign", campaign.key, "Cards")
    listed = program.get(where).json()
    assert [(one["kind"], one["reference"]) for one in listed] == [
        ("campaign", campaign.key),
        ("voucher", voucher.code),
    ]
    found = program.get(f"{LIST}?campaign={campaign.key}").json()["results"]
    assert [one["assignment_count"] for one in found] == [2]
    assert_problem(program.delete(f"{LIST}large-orders/"), 409, "validation_rule_in_use")
    assert_problem(
        program.post(where, {"campaign": campaign.key}), 409, "validation_rule_assigned_already"
    )
    assert_problem(program.post(where, {"campaign": "none"}), 404, "assigned_unknown")
    assert_problem(program.post(where, {}), 400, "invalid")
    assert program.delete(f"{where}{first['id']}/").status_code == 204
    assert_problem(program.delete(f"{where}{first['id']}/"), 404, "assignment_unknown")


def test_segments_of_other_groups_are_masked(program: Program, make_program: MakeProgram) -> None:
    Group.objects.create(name="Poland")
    make_segment("secret", groups=["Poland"])
    ValidationRule.objects.create(
        key="r", name="R", document=every(leaf("segment", "in", ["secret"]))
    )
    other = make_program("loyalty:read", "segments:read")
    body = other.get(f"{LIST}r/").json()
    assert body["document"]["rules"][0]["value"] == ["hidden:1"]
    assert "Secret" not in body["sentence"]


def test_reading_is_not_writing(make_program: MakeProgram) -> None:
    reader = make_program("loyalty:read")
    assert reader.get(LIST).status_code == 200
    assert_problem(reader.post(LIST, {"name": "x", "document": every()}), 403, "not_allowed")


def test_the_list_asks_no_more_for_more_rules(
    program: Program, django_assert_max_num_queries: Any
) -> None:
    for number in range(3):
        make(program, name=f"Rule {number}")
    with django_assert_max_num_queries(16):
        assert len(program.get(LIST).json()["results"]) == 3
