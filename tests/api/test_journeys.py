"""Journeys over HTTP."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.utils import timezone

from journeys.engine.tick import tick_all
from journeys.models import Entrance, Journey, Participant
from tests.api.conftest import MakeProgram, Program, assert_problem
from tests.factories import NOW, make_contact
from tests.journeys.drawings import DAY, french, in_a_row, node
from tests.journeys.workspace import furnish, put_in
from tests.segments.factories import is_in, make_segment

pytestmark = pytest.mark.django_db
LIST = "/api/journeys/"
WAIT = node("wait", "wait", duration=DAY)


@pytest.fixture(autouse=True)
def workspace() -> None:
    """What the use case names."""
    furnish()


def make(program: Program, drawing: Any = None, **given: Any) -> Any:
    body = {"key": "use-case", "name": "Use case", "drawing": drawing or french(), **given}
    answer = program.post(LIST, body)
    assert answer.status_code == 201, answer.content
    return answer.json()


def publish(program: Program, key: str = "use-case") -> Any:
    answer = program.post(f"{LIST}{key}/publish/", {})
    assert answer.status_code == 200, answer.content
    return answer.json()


def test_a_journey_has_the_documented_shape(program: Program) -> None:
    body = make(program, re_entry={"after": DAY}, caps={"messages": 2, "per": DAY})
    assert {name: value for name, value in body.items() if not name.endswith("ed_at")} == {
        "key": "use-case",
        "name": "Use case",
        "description": "",
        "state": "draft",
        "version": None,
        "draft_number": 1,
        "groups": [],
        "drawing": french(),
        "re_entry": {"after": DAY},
        "timeout": None,
        "exit": None,
        "goal": None,
        "caps": {"messages": 2, "per": DAY},
        "quiet_hours": None,
        "starts_at": None,
        "ends_at": None,
        "time_zone": None,
        "delivery": "at_least_once",
    }
    assert program.get(f"{LIST}use-case/").json() == body
    assert program.get(LIST).json()["results"] == [body]


def test_what_the_canvas_keeps_comes_back_as_it_was(program: Program) -> None:
    drawing = french()
    drawing["nodes"][0] |= {"x": 12.5, "y": -3, "colour": None}
    drawing["zoom"] = 0.75
    assert make(program, drawing)["drawing"] == drawing


def test_journeys_are_searched_and_filtered(program: Program) -> None:
    make(program)
    make(program, key="welcome", name="Hello")
    publish(program)

    def found(query: str) -> list[str]:
        return [one["key"] for one in program.get(f"{LIST}?{query}").json()["results"]]

    assert found("search=hell") == ["welcome"]
    assert found("search=USE") == ["use-case"]
    assert found("state=live") == ["use-case"]
    assert found("state=live&state=draft") == ["use-case", "welcome"]
    assert found("ordering=-key") == ["welcome", "use-case"]
    assert_problem(program.get(f"{LIST}?state=odd"), 400)


def test_a_draft_is_changed_part_by_part(program: Program) -> None:
    make(program, time_zone="UTC")
    changed = program.patch(
        f"{LIST}use-case/", {"timeout": DAY, "drawing": in_a_row(WAIT), "draft_number": 1}
    ).json()
    assert (changed["timeout"], changed["time_zone"], changed["draft_number"]) == (DAY, "UTC", 2)
    assert changed["drawing"] == in_a_row(WAIT)
    assert program.patch(f"{LIST}use-case/", {"time_zone": None}).json()["time_zone"] is None
    refused = program.patch(f"{LIST}use-case/", {"name": "x", "draft_number": 1})
    assert_problem(refused, 409, "journey_draft_changed")


def test_what_there_is_not_is_refused(program: Program) -> None:
    problem = assert_problem(program.post(LIST, {"name": "x", "colour": 1}), 400)
    assert problem["errors"][0]["path"] == "colour"
    assert_problem(program.post(LIST, {"name": ""}), 400, "journey_invalid")
    assert_problem(program.post(LIST, {"name": "x", "drawing": [1]}), 400, "journey_invalid")
    assert_problem(program.get(f"{LIST}nothing/"), 404, "journey_unknown")
    assert_problem(program.get(f"{LIST}nothing/versions/"), 404)
    assert not Journey.objects.exists()


def test_validating_tells_all_faults_and_saves_nothing(program: Program) -> None:
    make(program)
    sound = program.post(f"{LIST}use-case/validate/", {})
    assert (sound.status_code, sound.json()) == (200, {"is_sound": True, "faults": []})
    wrong = in_a_row(node("start", "read_segment", segment="nowhere"), node("it", "message"))
    asked = {"drawing": wrong, "timeout": "long"}
    found = program.post(f"{LIST}use-case/validate/", asked).json()
    assert found["is_sound"] is False
    told = {(one["node"], one["path"], one["code"], one["severity"]) for one in found["faults"]}
    assert told == {
        ("", "timeout", "bad_duration", "error"),
        ("start", "config.segment", "unknown_key", "error"),
        ("it", "config.email", "missing_value", "error"),
        ("it", "config.purpose", "no_purpose", "warning"),
    }
    assert program.get(f"{LIST}use-case/").json()["drawing"] == french()


def test_faults_of_criteria_come_with_their_list(program: Program) -> None:
    rule = {"field": "contact.nothing", "operator": "=", "value": 1}
    criteria = {"combinator": "and", "rules": [rule]}
    condition = node("if", "condition", paths=[{"name": "a", "criteria": criteria}])
    make(program, in_a_row(node("start", "read_segment", segment="south"), condition))
    (fault,) = program.post(f"{LIST}use-case/validate/", {}).json()["faults"]
    assert (fault["path"], fault["code"]) == ("config.paths[0].criteria", "criteria")
    assert fault["criteria"][0]["path"] == "rules[0].field"


def test_faults_stand_against_publishing(program: Program) -> None:
    make(program, in_a_row(WAIT))
    problem = assert_problem(program.post(f"{LIST}use-case/publish/", {}), 400, "drawing_invalid")
    assert [one["code"] for one in problem["faults"]] == ["no_entry"]
    assert [one["code"] for one in problem["errors"]] == ["no_entry"]


def test_a_journey_is_published_paused_closed_and_stopped(program: Program) -> None:
    make(program)
    live = publish(program)
    assert (live["state"], live["version"]) == ("live", 1)
    for verb, state in (
        ("pause", "paused"),
        ("resume", "live"),
        ("close", "closed"),
        ("stop", "stopped"),
    ):
        answer = program.post(f"{LIST}use-case/{verb}/")
        assert (answer.status_code, answer.json()["state"]) == (200, state)
    refused = program.post(f"{LIST}use-case/publish/", {})
    assert_problem(refused, 409, "journey_wrong_state")
    assert_problem(program.delete(f"{LIST}use-case/"), 409, "journey_wrong_state")


def test_versions_stay_as_they_were(program: Program) -> None:
    make(program)
    publish(program)
    program.patch(f"{LIST}use-case/", {"delivery": "at_most_once"})
    assert publish(program)["version"] == 2
    second, first = program.get(f"{LIST}use-case/versions/").json()["results"]
    assert [(one["number"], one["is_open"]) for one in (first, second)] == [(1, False), (2, True)]
    assert [one["delivery"] for one in (first, second)] == ["at_least_once", "at_most_once"]
    assert first["drawing"] == french()
    page = program.get(f"{LIST}use-case/versions/?page_size=1").json()
    assert [one["number"] for one in page["results"]] == [2]
    assert page["next"]


def test_a_copy_and_the_end_of_a_draft(program: Program) -> None:
    make(program)
    copy = program.post(f"{LIST}use-case/copy/", {})
    assert (copy.status_code, copy.json()["name"]) == (201, "Use case_copy")
    named = program.post(f"{LIST}use-case/copy/", {"name": "Other"}).json()
    assert (named["key"], named["drawing"]) == ("other", french())
    assert program.delete(f"{LIST}other/").status_code == 204
    assert_problem(program.get(f"{LIST}other/"), 404)


def test_the_same_key_publishes_once(program: Program) -> None:
    make(program)
    headers = {"Idempotency_Key": "once"}
    first = program.post(f"{LIST}use-case/publish/", {}, **headers)
    again = program.post(f"{LIST}use-case/publish/", {}, **headers)
    assert first.json() == again.json()
    assert again.json()["version"] == 1


def enter(*people: Any) -> None:
    """They enter, and the engine moves them as far as they go."""
    now = timezone.now()
    journey = Journey.objects.get(key="use-case")
    Entrance.objects.bulk_create(
        Entrance(journey=journey, contact=one, cause=f"test:{one.pk}", at=now) for one in people
    )
    tick_all(as_of=now)


def test_figures_and_participants(program: Program) -> None:
    make(program, in_a_row(node("start", "event_entry", event="visited"), WAIT))
    assert_problem(program.get(f"{LIST}use-case/statistics/"), 404, "journey_version_unknown")
    publish(program)
    anna, jan = make_contact(), make_contact()
    enter(anna, jan)
    figures = program.get(f"{LIST}use-case/statistics/").json()
    assert (figures["version"], figures["entered"], figures["inside"]) == (1, 2, 2)
    assert figures["nodes"]["wait"]["waiting"] == 2
    assert figures["nodes"]["start"]["passed"] == {"next": 2}
    assert figures["messages"] == {}
    live = program.get(f"{LIST}use-case/statistics/?period=live&version=1").json()
    assert (live["entered"], live["since"] is None) == (2, False)
    assert_problem(program.get(f"{LIST}use-case/statistics/?period=odd"), 400)
    assert_problem(program.get(f"{LIST}use-case/statistics/?version=9"), 404)

    url = f"{LIST}use-case/participants/"
    found = program.get(url).json()["results"]
    assert [one["contact_id"] for one in found] == [jan.pk, anna.pk]
    assert (found[0]["state"], found[0]["nodes"]) == ("waiting", ["wait"])
    assert program.get(f"{url}?contact={anna.pk}").json()["results"] == found[1:]
    assert program.get(f"{url}?node=wait&state=waiting").json()["results"] == found
    assert program.get(f"{url}?node=start").json()["results"] == []
    assert program.get(f"{url}?state=done").json()["results"] == []
    one = program.get(f"{url}{found[0]['id']}/").json()
    assert [(step["outcome"], step["cause"]) for step in one["steps"]] == [("entered", "entered")]
    assert_problem(program.get(f"{url}999/"), 404, "participant_unknown")


def test_stopping_says_first_whom_it_takes_out(program: Program) -> None:
    make(program, in_a_row(node("start", "event_entry", event="visited"), WAIT))
    publish(program)
    enter(make_contact(), make_contact())
    foreseen = program.get(f"{LIST}use-case/stop/").json()
    assert foreseen == {"inside": 2, "by_node": {"wait": 2}, "messages": 0}
    assert program.post(f"{LIST}use-case/stop/").status_code == 200
    tick_all(as_of=timezone.now() + timedelta(seconds=1))
    outcomes = Participant.objects.values_list("outcome", flat=True)
    assert set(outcomes) == {"stopped"}


def test_reading_and_writing_are_rights_of_their_own(make_program: MakeProgram) -> None:
    writer, reader = make_program("journeys:write"), make_program("journeys:read")
    make(make_program())
    assert_problem(writer.get(LIST), 403)
    assert reader.get(LIST).status_code == 200
    assert reader.post(f"{LIST}use-case/validate/", {}).status_code == 200
    for path in ("", "use-case/publish/", "use-case/stop/", "use-case/copy/"):
        assert_problem(reader.post(f"{LIST}{path}", {}), 403)
    assert_problem(reader.patch(f"{LIST}use-case/", {"name": "x"}), 403)


def test_people_publish_only_with_their_permission(staff: Callable[..., Program]) -> None:
    author = staff("journeys.view_journey", "journeys.add_journey", "journeys.change_journey")
    author.client.handler.enforce_csrf_checks = False
    make(author)
    assert_problem(author.post(f"{LIST}use-case/publish/", {}), 403, "not_allowed")


def test_other_groups_find_nothing(make_program: MakeProgram, program: Program) -> None:
    poland, france = (Group.objects.create(name=name) for name in ("Poland", "France"))
    insider, outsider = make_program(groups=(poland,)), make_program(groups=(france,))
    make_segment("polish", groups=["Poland"])
    make(insider, french("polish"), groups=["Poland"])
    make(
        insider, french("polish"), key="open", re_entry="never", goal={"criteria": is_in("polish")}
    )
    assert [one["key"] for one in insider.get(LIST).json()["results"]] == ["open", "use-case"]
    assert [one["key"] for one in outsider.get(LIST).json()["results"]] == ["open"]
    for verb in ("", "versions/", "statistics/", "participants/", "stop/"):
        assert_problem(outsider.get(f"{LIST}use-case/{verb}"), 404, "journey_unknown")
    seen = outsider.get(f"{LIST}open/").json()
    assert "polish" not in str(seen)
    assert seen["drawing"]["nodes"][0]["config"]["segment"] == "hidden:1"
    back = {"drawing": seen["drawing"], "goal": seen["goal"], "name": "Other"}
    assert outsider.patch(f"{LIST}open/", back).status_code == 200
    kept = insider.get(f"{LIST}open/").json()
    assert (kept["name"], kept["draft_number"]) == ("Other", 1)
    assert kept["drawing"] == french("polish")


def test_who_failed_is_brought_back_over_http(program: Program, make_program: MakeProgram) -> None:
    make(program)
    publish(program)
    version = Journey.objects.get().versions.get()
    several = [
        put_in(version, state="failed", finished_at=NOW, problem="No such tag.")
        for _one in range(3)
    ]
    address = f"{LIST}use-case/participants/bring-back/"
    foreseen = program.get(f"{address}?version=1").json()
    reason = {"version": 1, "node": "first", "problem": "No such tag.", "count": 3}
    assert foreseen == {"count": 3, "reasons": [reason], "left": {}}
    assert_problem(program.post(address, {}), 400)
    assert_problem(program.post(address, {"everyone": True, "node": "first"}), 400)
    assert_problem(program.post(address, {"participants": [10**9]}), 404, "participant_unknown")
    assert_problem(program.post(address, {"version": 9}), 404, "journey_version_unknown")
    answer = program.post(address, {"participants": [several[0].pk]})
    assert answer.json() == {"count": 1, "left": {}}
    assert program.post(address, {"everyone": True}).json() == {"count": 2, "left": {}}
    reader = make_program("journeys:read")
    assert_problem(reader.post(address, {"everyone": True}), 403)
    assert reader.get(address).json()["count"] == 0
    program.post(f"{LIST}use-case/stop/")
    assert_problem(program.post(address, {"everyone": True}), 409, "journey_wrong_state")


def test_what_names_a_journey_is_told_and_holds_it(program: Program) -> None:
    make(program)
    rule = {"field": "journey.inside", "operator": "in", "value": ["use-case"]}
    make_segment("inside", {"combinator": "and", "rules": [rule]}, name="On it")
    (use,) = program.get(f"{LIST}use-case/uses/").json()["uses"]
    assert (use["kind"], use["key"], use["name"]) == ("segment", "inside", "On it")
    answer = program.send("DELETE", f"{LIST}use-case/")
    assert_problem(answer, 409, "journey_in_use")
