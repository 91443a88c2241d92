"""The suppression list over HTTP."""

import pytest

from integrations import suppressions
from integrations.suppressions import Unwanted
from tests.api.conftest import MakeProgram, Program, assert_problem
from tests.factories import NOW, make_contact
from workspace.models import AuditEntry

pytestmark = pytest.mark.django_db
LIST = "/api/suppressions/"


def test_addresses_are_added_found_and_lifted(program: Program) -> None:
    contact = make_contact(email="anna@example.com")
    body = {"addresses": ["Anna@Example.com", "ben@x.pl"], "detail": "asked by phone"}
    assert program.post(LIST, body).json() == {"added": 2}
    assert program.post(LIST, body).json() == {"added": 0}
    (found,) = program.get(f"{LIST}?address=ANNA@example.com").json()["results"]
    assert found | {"id": 1, "at": ""} == {
        "id": 1,
        "channel": "email",
        "address": "anna@example.com",
        "reason": "manual",
        "detail": "asked by phone",
        "contact": contact.pk,
        "at": "",
    }
    one = f"{LIST}{found['id']}/"
    assert program.get(one).json() == found
    assert_problem(program.post(f"{one}lift/", {"why": ""}), 400, "suppression_invalid")
    assert program.post(f"{one}lift/", {"why": "came back"}).status_code == 204
    assert_problem(program.get(one), 404, "suppression_unknown")
    assert AuditEntry.objects.filter(action="suppression.lifted").count() == 1


def test_it_is_filtered(program: Program) -> None:
    suppressions.note([Unwanted("a@x.pl", "bounce"), Unwanted("b@x.pl", "complaint")], at=NOW)
    rows = program.get(f"{LIST}?reason=complaint").json()["results"]
    assert [row["address"] for row in rows] == ["b@x.pl"]
    assert_problem(program.get(f"{LIST}?reason=whim"), 400)


def test_one_fault_keeps_all_out(program: Program) -> None:
    told = assert_problem(
        program.post(LIST, {"addresses": ["a@x.pl", "nobody"]}), 400, "suppression_invalid"
    )
    assert [one["path"] for one in told["errors"]] == ["addresses.1"]
    many = [f"p{number}@x.pl" for number in range(1001)]
    assert_problem(program.post(LIST, {"addresses": many}), 400, "suppression_invalid")
    assert program.get(LIST).json()["results"] == []


def test_scopes_are_asked(make_program: MakeProgram) -> None:
    reader = make_program("integrations:read")
    assert reader.get(LIST).status_code == 200
    assert_problem(reader.post(LIST, {"addresses": ["a@x.pl"]}), 403)
    assert_problem(make_program("contacts:read").get(LIST), 403)
