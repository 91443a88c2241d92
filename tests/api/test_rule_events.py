"""Rule-based events and schemas of events over HTTP."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from contacts.models import EventDefinition
from segments.derivation import derive_events
from segments.models import RuleEvent
from tests.api.conftest import MakeProgram, Program, assert_problem
from tests.factories import make_contact

pytestmark = pytest.mark.django_db
LIST = "/api/rule-events/"
THANKS = {
    "combinator": "and",
    "rules": [{"field": "properties.purchaseMessage", "operator": "=", "value": "thank you"}],
}


def make(program: Program, **given: Any) -> Any:
    body = {"name": "thanked", "base": "purchase", "where": THANKS, **given}
    answer = program.post(LIST, body)
    assert answer.status_code == 201, answer.content
    return answer.json()


def buy(program: Program, contact_id: int, properties: dict[str, Any]) -> Any:
    event = {
        "contact": contact_id,
        "name": "purchase",
        "occurred_at": (timezone.now() - timedelta(minutes=1)).isoformat(),
        "properties": properties,
    }
    return program.post("/api/events/", event).json()


def test_a_rule_has_the_documented_shape(program: Program) -> None:
    body = make(program, payload=["product"])
    told = {name: value for name, value in body.items() if not name.endswith("_at")}
    assert told == {
        "name": "thanked",
        "base": "purchase",
        "description": "",
        "where": THANKS,
        "payload": ["product"],
        "namespace": "",
        "identifier": "",
        "enabled": False,
        "unmatched": 0,
    }
    assert body["enabled_at"] is None
    assert program.get(f"{LIST}thanked/").json() == body
    assert program.get(LIST).json()["results"] == [body]


def test_a_purchase_becomes_an_event_of_the_rule(program: Program) -> None:
    anna = make_contact().pk
    make(program)
    assert program.post(f"{LIST}thanked/enable/").json()["enabled"] is True
    assert buy(program, anna, {"purchaseMessage": "thank you"})["accepted"] == 1
    derive_events(timezone.now())
    [event] = program.get("/api/events/?name=thanked").json()["results"]
    assert (event["contact"], event["properties"]) == (anna, {"purchaseMessage": "thank you"})
    assert program.post(f"{LIST}thanked/disable/").json()["enabled"] is False
    assert_problem(program.post(f"{LIST}thanked/enable/", {"now": True}), 400)


def test_a_rule_is_changed_and_deleted_by_name(program: Program) -> None:
    make(program)
    every = {"combinator": "and", "rules": []}
    changed = program.patch(f"{LIST}thanked/", {"where": every, "payload": None}).json()
    assert (changed["where"], changed["payload"]) == (every, None)
    assert_problem(program.patch(f"{LIST}thanked/", {"base": "visit"}), 400)
    assert program.delete(f"{LIST}thanked/").status_code == 204
    assert_problem(program.get(f"{LIST}thanked/"), 404)


def test_faults_are_told_with_their_paths(program: Program) -> None:
    wrong = {"combinator": "and", "rules": [{"field": "contact.city", "operator": "null"}]}
    answer = program.post(LIST, {"name": "a b", "base": "", "where": wrong})
    body = assert_problem(answer, 400)
    assert [fault["path"] for fault in body["criteria"]] == ["rules[0].field"]
    assert {fault["path"] for fault in body["errors"]} == {"name", "base", "where"}
    assert_problem(program.post(LIST, {"name": "preview", "base": "x", "where": THANKS}), 400)
    assert not RuleEvent.objects.exists()


def test_a_preview_counts_and_shows_examples_to_who_may_see_events(
    program: Program, make_program: MakeProgram
) -> None:
    anna = make_contact().pk
    for message in ("thank you", "no", "thank you"):
        buy(program, anna, {"purchaseMessage": message})
    body = {"base": "purchase", "where": THANKS, "payload": []}
    found = program.post(f"{LIST}preview/", body).json()
    assert (found["total"], found["matched"]) == (3, 2)
    assert [(one["contact"], one["properties"]) for one in found["examples"]] == [(anna, {})] * 2
    narrow = make_program("segments:read", "segments:write")
    shown = narrow.post(f"{LIST}preview/", body).json()
    assert (shown["matched"], shown["examples"]) == (2, [])


def test_a_program_without_the_scope_is_refused(make_program: MakeProgram) -> None:
    reader = make_program("segments:read")
    assert reader.get(LIST).status_code == 200
    assert_problem(reader.post(LIST, {"name": "a", "base": "b", "where": THANKS}), 403)
    assert_problem(make_program("contacts:read").get(LIST), 403)


def test_a_schema_is_declared_and_what_breaks_it_is_named(program: Program) -> None:
    anna = make_contact().pk
    rating = {"name": "rating", "type": "number", "required": True}
    body = {"name": "purchase", "properties": [rating], "enforcement": "refuse"}
    told = program.post("/api/event-definitions/", body).json()
    assert told["properties"] == [{**rating, "description": ""}]
    assert (told["enforcement"], told["breaches"]["refused"]) == ("refuse", 0)
    answer = buy(program, anna, {"rating": "5"})
    assert (answer["accepted"], answer["duplicates"]) == (0, 0)
    assert answer["rejected"] == [
        {
            "index": 0,
            "code": "schema_breach",
            "message": "“rating” has to be a number, not a text of digits.",
        }
    ]
    [listed] = program.get("/api/event-definitions/").json()["results"]
    assert listed["breaches"]["refused"] == 1
    [problem] = listed["breaches"]["last_problems"]
    assert (problem["path"], problem["code"]) == ("rating", "wrong_type")
    changed = program.patch("/api/event-definitions/purchase/", {"enforcement": "mark"}).json()
    assert (changed["enforcement"], len(changed["properties"])) == ("mark", 1)
    assert buy(program, anna, {"rating": "5"})["accepted"] == 1


def test_a_faulty_schema_is_refused_and_makes_no_definition(program: Program) -> None:
    body = {
        "name": "visit",
        "properties": [{"name": "a", "type": "colour"}, {"name": "a", "type": "text"}],
    }
    faults = assert_problem(program.post("/api/event-definitions/", body), 400)["errors"]
    assert [(one["path"], one["code"]) for one in faults] == [
        ("properties[0].type", "invalid_choice"),
        ("properties[1].name", "duplicate"),
    ]
    wrong = {"name": "visit", "enforcement": "maybe"}
    assert_problem(program.post("/api/event-definitions/", wrong), 400)
    assert not EventDefinition.objects.exists()
