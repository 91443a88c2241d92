"""Mechanisms, claims and eligibility over HTTP."""

from typing import Any

import pytest
from django.contrib.auth.models import Group

from contacts.models import Contact
from segments import lifecycle
from tests.api.conftest import MakeProgram, Program
from tests.loyalty.mechanisms import (
    filled_segment,
    give_points,
    make_challenge,
    make_mechanism,
    make_members,
)
from tests.segments.factories import NOW
from workspace.access import SYSTEM
from workspace.models import UserGroup

pytestmark = pytest.mark.django_db
_ROOM = "/api/mechanisms/"


@pytest.fixture
def program(make_program: MakeProgram) -> Program:
    return make_program()


@pytest.fixture
def poland() -> Group:
    group = Group.objects.create(name="Poland")
    UserGroup.objects.create(group=group)
    return group


def _made(program: Program, **body: Any) -> Any:
    answer = program.post(_ROOM, {"kind": "reward", "name": "Mug", **body})
    assert answer.status_code == 201, answer.json()
    return answer.json()


def test_a_mechanism_is_made_and_shown(program: Program) -> None:
    filled_segment("vip", [])
    told = _made(
        program,
        segments=["vip"],
        restricted_message="VIPs.",
        stock=3,
        settings={"type": "physical"},
    )
    assert told["key"] == "mug"
    assert (told["status"], told["segments"], told["left"]) == ("active", ["vip"], 3)
    assert program.get(f"{_ROOM}mug/").json() == told
    assert program.get(f"{_ROOM}?kind=reward&segment=vip").json()["results"] == [told]
    assert program.get(f"{_ROOM}?kind=offer").json()["results"] == []
    assert program.get(f"{_ROOM}?segment=nobody").json()["results"] == []


def test_every_fault_is_told_with_its_path(program: Program) -> None:
    body = {"kind": "challenge", "segments": ["gone"], "settings": {"event": "x"}, "stock": -1}
    answer = program.post(_ROOM, body)
    assert (answer.status_code, answer.json()["code"]) == (400, "mechanism_invalid")
    paths = {error["path"] for error in answer.json()["errors"]}
    assert paths == {"name", "segments[0]", "settings.threshold", "stock"}
    answer = program.post(_ROOM, {"kind": "reward", "name": "Mug", "color": "red"})
    assert answer.json()["errors"][0]["code"] == "unknown_field"


def test_its_life_over_http(program: Program) -> None:
    _made(program, status="draft")
    assert program.post(f"{_ROOM}mug/activate/").json()["status"] == "active"
    answer = program.post(f"{_ROOM}mug/archive/")
    assert (answer.status_code, answer.json()["code"]) == (409, "mechanism_not_inactive")
    assert program.post(f"{_ROOM}mug/inactivate/").json()["status"] == "inactive"
    assert program.patch(f"{_ROOM}mug/", {"name": "Cup"}).json()["name"] == "Cup"
    assert program.post(f"{_ROOM}mug/archive/").json()["status"] == "archived"
    answer = program.post(f"{_ROOM}mug/activate/")
    assert (answer.status_code, answer.json()["code"]) == (409, "mechanism_archived")


def test_scopes_and_groups_are_minded(make_program: MakeProgram, poland: Group) -> None:
    make_mechanism(groups=["Poland"])
    reader, outsider = make_program("loyalty:read", groups=(poland,)), make_program()
    assert reader.get(f"{_ROOM}mug/").status_code == 200
    assert reader.post(f"{_ROOM}mug/inactivate/").status_code == 403
    assert make_program("contacts:read").get(_ROOM).status_code == 403
    for answer in (
        outsider.get(f"{_ROOM}mug/"),
        outsider.patch(f"{_ROOM}mug/", {"name": "Cup"}),
        outsider.get(f"{_ROOM}mug/claims/"),
        outsider.post(f"{_ROOM}mug/claims/", {"contact": 1}),
        outsider.get(f"{_ROOM}mug/progress/?contact=1"),
    ):
        assert (answer.status_code, answer.json()["code"]) == (404, "mechanism_unknown")
    assert outsider.get(_ROOM).json()["results"] == []


def test_a_hidden_segment_is_a_mask_that_may_be_sent_back(
    make_program: MakeProgram, poland: Group
) -> None:
    filled_segment("theirs", [], groups=["Poland"])
    filled_segment("ours", [])
    make_mechanism(segments=["theirs", "ours"])
    outsider = make_program()
    assert outsider.get(f"{_ROOM}mug/").json()["segments"] == ["ours", "hidden:1"]
    told = outsider.patch(f"{_ROOM}mug/", {"segments": ["hidden:1"]}).json()
    assert told["segments"] == ["hidden:1"]
    answer = outsider.patch(f"{_ROOM}mug/", {"segments": ["theirs"]})
    assert answer.json()["errors"][0]["code"] == "segment_unknown"
    known = make_program(groups=(poland,)).get(f"{_ROOM}mug/").json()
    assert known["segments"] == ["theirs"]


def test_eligibility_says_which_and_why(program: Program) -> None:
    member, other = make_members(2)
    vip = filled_segment("vip", [member])
    make_mechanism(segments=["vip"], restricted_message="For VIPs.")
    make_mechanism("secret", segments=["vip"], hide_restricted=True)

    def asked(contact_id: int, query: str = "") -> list[Any]:
        answer = program.get(f"/api/contacts/{contact_id}/eligibility/{query}")
        found: list[Any] = answer.json()["results"]
        return found

    mug = {"mechanism": "mug", "name": "Mug", "kind": "reward"}
    assert [one["eligible"] for one in asked(member)] == [True, True]
    assert asked(other) == [
        {**mug, "eligible": False, "reason": "not_in_segment", "message": "For VIPs."}
    ]
    assert len(asked(other, "?include_hidden=true")) == 2
    lifecycle.inactivate(vip, actor=SYSTEM, at=NOW)
    assert asked(member)[0]["reason"] == "segment_inactive"
    stranger = Contact.objects.create().pk
    assert [one["reason"] for one in asked(stranger)] == ["not_member"]
    assert program.get("/api/contacts/4711/eligibility/").status_code == 404
    assert program.get(f"/api/contacts/{member}/eligibility/?include_hidden=yes").status_code == 400


def test_claims_are_made_used_and_taken_back(program: Program) -> None:
    (member,) = make_members()
    give_points(member, 10)
    make_mechanism(cost_points=10, stock=5)
    body = {"contact": member, "cause": "order:1"}
    made = program.post(f"{_ROOM}mug/claims/", body)
    assert made.status_code == 201
    told = made.json()
    assert (told["state"], told["cost_points"], told["contact"]) == ("claimed", 10, member)
    assert program.post(f"{_ROOM}mug/claims/", body).json()["id"] == told["id"]
    answer = program.post(f"{_ROOM}mug/claims/", {"contact": member})
    assert (answer.status_code, answer.json()["code"]) == (409, "points_missing")
    one = f"{_ROOM}mug/claims/{told['id']}/"
    assert program.post(f"{one}use/").json()["state"] == "used"
    taken = program.post(f"{one}revoke/", {"reason": "broken"}).json()
    assert (taken["state"], taken["reason"]) == ("revoked", "broken")
    assert program.post(f"{one}use/").json()["code"] == "claim_revoked"
    assert program.get(f"{_ROOM}mug/claims/?state=revoked").json()["results"] == [taken]
    assert program.get(f"{_ROOM}mug/claims/?contact={member + 1}").json()["results"] == []
    make_mechanism("other")
    answer = program.get(f"{_ROOM}other/claims/{told['id']}/")
    assert (answer.status_code, answer.json()["code"]) == (404, "claim_unknown")


def test_progress_is_told_of_challenges(program: Program) -> None:
    (member,) = make_members()
    make_challenge()
    make_mechanism()
    told = program.get(f"{_ROOM}buyer/progress/?contact={member}").json()
    assert (told["value"], told["threshold"], told["share"]) == (0, 3, 0)
    assert program.get(f"{_ROOM}mug/progress/?contact={member}").json()["code"] == "not_a_challenge"
    assert program.get(f"{_ROOM}buyer/progress/").status_code == 400


def test_uses_of_a_segment_name_the_mechanism_and_what_it_will_do(program: Program) -> None:
    filled_segment("vip", [])
    filled_segment("gold", [])
    make_mechanism(segments=["vip"])
    make_mechanism("any", segments=["vip", "gold"])
    uses = program.get("/api/segments/vip/uses/").json()["uses"]
    assert {use["key"]: use["effect"] for use in uses} == {
        "mug": "nobody may have it any more",
        "any": "it goes on with the members of one other segment",
    }
