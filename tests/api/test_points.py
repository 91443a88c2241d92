"""Points, earn rules and the programme over HTTP."""

from typing import Any

import pytest

from loyalty.models import EarnRule, PointsPosting
from tests.api.conftest import MakeProgram, Program
from tests.factories import NOW, make_contact
from tests.loyalty.factories import make_member

pytestmark = pytest.mark.django_db
PATH = "/api/points/"
RULE = {
    "key": "buy",
    "name": "Buy",
    "event": "purchase",
    "points_per_unit": "0.5",
    "amount_property": "amount",
}


def post(program: Program, contact_id: int, count: int, **given: Any) -> Any:
    return program.post(PATH, {"contact_id": contact_id, "points": count, "reason": "r", **given})


def test_points_are_posted_listed_and_reversed(program: Program) -> None:
    anna, ben = make_member(), make_member()
    earned = post(program, anna, 10, kind="earned", expires_at="2100-01-01T00:00:00Z")
    assert earned.status_code == 201
    assert {**earned.json(), "id": 0, "at": ""} == {
        "id": 0,
        "contact_id": anna,
        "points": 10,
        "debit": "issued",
        "credit": "member",
        "cause": "earned:0",
        "reason": "r",
        "rule": None,
        "reverses": None,
        "actor": "program 1",
        "at": "",
        "expires_at": "2100-01-01T00:00:00Z",
    }
    assert post(program, anna, 4, kind="spent").json()["points"] == -4
    assert post(program, anna, -1).json()["points"] == -1
    post(program, ben, 1)
    lines = program.get(f"{PATH}?contact={anna}").json()["results"]
    assert [line["points"] for line in lines] == [-1, -4, 10]
    undone = program.post(f"{PATH}{earned.json()['id']}/reverse/", {"reason": "returned"})
    assert (undone.status_code, undone.json()["points"]) == (201, -10)
    again = program.post(f"{PATH}{earned.json()['id']}/reverse/", {"reason": "returned"})
    assert (again.status_code, again.json()["code"]) == (409, "posting_reversed")
    assert program.post(f"{PATH}0/reverse/", {"reason": "x"}).status_code == 404
    assert program.get(f"/api/members/{anna}/").json()["points"] == -5
    assert program.get(f"{PATH}?since=2100-01-01T00:00:00Z").json()["results"] == []


def test_one_may_be_named_by_the_external_id(program: Program) -> None:
    contact = make_contact(external_id="4711")
    program.put(f"/api/members/{contact.pk}/", {})
    body = {"external_id": "4711", "points": 3, "reason": "r"}
    assert program.post(PATH, body).json()["contact_id"] == contact.pk
    assert program.post(PATH, {**body, "external_id": "none"}).status_code == 404
    assert program.post(PATH, {**body, "contact_id": contact.pk}).status_code == 400
    assert program.post(PATH, {"points": 3, "reason": "r"}).status_code == 400


def test_the_same_cause_counts_once(program: Program) -> None:
    anna = make_member()
    first, second = (post(program, anna, 10, cause="till 7") for _time in range(2))
    assert first.json()["id"] == second.json()["id"]
    other = post(program, anna, 11, cause="till 7")
    assert (other.status_code, other.json()["code"]) == (409, "cause_taken")
    assert PointsPosting.objects.count() == 1


def test_refusals_say_what_is_wrong(program: Program) -> None:
    anna, stranger = make_member(5), make_contact().pk
    missing = post(program, anna, 6, kind="spent")
    assert (missing.status_code, missing.json()["code"]) == (409, "points_missing")
    assert "there are 5" in missing.json()["detail"]
    assert post(program, stranger, 1).json()["code"] == "member_missing"
    assert post(program, anna, -1, kind="earned").json()["code"] == "points_invalid"
    assert post(program, anna, 0).json()["errors"][0]["path"] == "points"
    assert (
        post(program, anna, 1, kind="spent", expires_at="2100-01-01T00:00:00Z").status_code == 400
    )
    assert post(program, anna, 1, kind="given").status_code == 400
    assert program.post(PATH, {"contact_id": anna, "points": 1}).status_code == 400


def test_earn_rules_are_made_changed_tried_and_deleted(program: Program) -> None:
    made = program.post("/api/earn-rules/", RULE)
    assert made.status_code == 201
    assert made.json()["in_words"].startswith("For each event “purchase” a member gets 0.5 points")
    path = "/api/earn-rules/buy/"
    assert program.patch(path, {"daily_limit": 100}).json()["daily_limit"] == 100
    assert program.patch(path, {"key": "other"}).status_code == 400
    wrong = program.patch(path, {"points_per_unit": 0})
    assert (wrong.status_code, wrong.json()["code"]) == (400, "earn_rule_invalid")
    assert program.get(f"{path}preview/").json()["points"] == 0
    assert program.get(path).json()["event"] == "purchase"
    assert len(program.get("/api/earn-rules/?event=purchase").json()["results"]) == 1
    assert program.get("/api/earn-rules/?is_enabled=false").json()["results"] == []
    assert program.delete(path).status_code == 204
    assert program.get(path).status_code == 404
    assert not EarnRule.objects.exists()


def test_the_programme_is_read_and_changed(program: Program) -> None:
    path = "/api/programme/"
    assert program.get(path).json() == {"name": "", "tier_window_days": 365, "card_prefix": ""}
    changed = program.patch(path, {"name": "Club", "card_prefix": "99"}).json()
    assert changed == {"name": "Club", "tier_window_days": 365, "card_prefix": "99"}
    assert program.get(path).json() == changed
    assert program.patch(path, {"card_prefix": "x"}).status_code == 400
    contact = make_contact(at=NOW)
    card = program.put(f"/api/members/{contact.pk}/", {}).json()["card_number"]
    assert card.startswith("99")


def test_the_scope_of_loyalty_is_needed(make_program: MakeProgram) -> None:
    anna = make_member()
    reader, stranger = make_program("loyalty:read"), make_program("contacts:write")
    for path in (PATH, "/api/earn-rules/", "/api/programme/", "/api/members/"):
        assert reader.get(path).status_code == 200
        assert stranger.get(path).status_code == 403
    assert post(reader, anna, 1).status_code == 403
    assert reader.post("/api/earn-rules/", RULE).status_code == 403
    assert reader.patch("/api/programme/", {}).status_code == 403
