"""Journeys on the screen: the list, the draft, versions, what the canvas asks for, the buttons."""

import json
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.test import Client
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries

from contacts.models import AttributeDefinition
from integrations.models import Template
from journeys import journeys, publishing
from journeys.choices import find_choices, names_in
from journeys.models import Journey
from segments.criteria import MASK
from tests.admin.conftest import MakePerson
from tests.factories import NOW, make_attribute, make_tag
from tests.journeys.drawings import drawing, edge, french, in_a_row, node
from tests.journeys.workspace import furnish, make_journey, put_in
from tests.segments.factories import make_segment
from workspace.access import SYSTEM, Actor, actor_of_user
from workspace.exactjson import exact_dumps
from workspace.models import User, UserGroup

pytestmark = pytest.mark.django_db
_VIEW = ("journeys.view_journey",)
_DRAW = (*_VIEW, "journeys.change_journey", "journeys.add_journey")


def _address(name: str, *args: Any) -> str:
    return reverse(f"admin:journeys_journey_{name}", args=args)


def _page(client: Client, name: str, *args: Any, query: str = "") -> str:
    answer = client.get(_address(name, *args) + query)
    assert answer.status_code == 200, answer
    return answer.content.decode()


def _sent(journey: Journey, **changes: Any) -> dict[str, Any]:
    """The form of the draft, as a browser sends it back."""
    told = {
        "name": journey.name,
        "description": journey.description,
        "drawing": exact_dumps(journey.drawing),
        "settings": exact_dumps(journey.settings),
        "draft_number": journey.draft_number,
    }
    return {**told, **changes}


def _act(client: Client, journey: Journey, action: str) -> list[str]:
    """Press a button; what the page says then."""
    answer = client.post(_address("action", journey.pk, action), follow=True)
    assert answer.status_code == 200, answer
    return [str(message) for message in answer.context["messages"]]


def _actor(client: Client) -> Actor:
    return actor_of_user(User.objects.get(pk=client.session["_auth_user_id"]))


@pytest.fixture
def hidden() -> Any:
    """A segment of a group, in which the person is not."""
    group = Group.objects.create(name="Poland")
    UserGroup.objects.create(group=group, entities=[UserGroup.Entity.SEGMENT])
    return make_segment("poles-only", name="Kept from others", groups=["Poland"])


def test_the_list_says_how_each_stands(admin: Client) -> None:
    furnish()
    journey = make_journey(name="Running")
    version = publishing.publish(journey, actor=SYSTEM, at=NOW)
    for outcome, to_place, count in (("entered", 0, 1200), ("refused:inside", -1, 7)):
        version.passages.create(hour=NOW, node="", outcome=outcome, to_place=to_place, count=count)
    version.passages.create(hour=NOW, node="thanks", outcome="next", to_place=-1, count=200)
    version.passages.create(hour=NOW, node="thanks", outcome="failed", to_place=-1, count=3)
    make_journey(name="Only drawn")
    page = _page(admin, "changelist")
    assert "Running" in page
    assert "Only drawn" in page
    for figure in ("997", "200", "3"):
        assert f">{figure}<" in page
    assert "Only drawn" not in _page(admin, "changelist", query="?state__exact=live")
    assert "Running" not in _page(admin, "changelist", query="?q=Only")


def test_an_empty_list_teaches(admin: Client) -> None:
    assert "Draw it, test it with your own address, publish it." in _page(admin, "changelist")


def test_a_new_journey_is_a_draft_with_the_drawing_that_it_begins_with(admin: Client) -> None:
    assert "Win back" in _page(admin, "add")
    answer = admin.post(_address("add"), {"name": "Mine", "start": "win_back"})
    journey = Journey.objects.get()
    assert answer["Location"] == _address("change", journey.pk)
    assert (journey.name, journey.state) == ("Mine", "draft")
    assert [one["kind"] for one in journey.drawing["nodes"]][:2] == ["segment_entry", "split"]
    assert journey.settings == {"re_entry": {"after": {"amount": 13, "unit": "week"}}}
    assert (
        "required" in admin.post(_address("add"), {"name": "", "start": "blank"}).content.decode()
    )


def test_without_a_script_the_drawing_is_an_indented_list(admin: Client) -> None:
    page = _page(admin, "change", make_journey().pk)
    without = page[page.index("<noscript>") :]
    assert "margin-inline-start: 1.25rem" in without
    assert "goes on at “Wait for an event”" in without


def test_who_may_only_look_changes_nothing(make_person: MakePerson) -> None:
    viewer, journey = make_person(*_VIEW), make_journey()
    page = _page(viewer, "change", journey.pk)
    assert 'name="drawing"' not in page
    assert "data-save" not in page
    assert viewer.post(_address("change", journey.pk), _sent(journey)).status_code == 403
    assert viewer.post(_address("faults", journey.pk)).status_code == 200
    assert viewer.get(_address("add")).status_code == 403
    assert viewer.post(_address("action", journey.pk, "publish")).status_code == 403


def test_a_draft_is_saved_with_its_settings_and_what_is_not_there_any_more_goes(
    make_person: MakePerson,
) -> None:
    client = make_person(*_DRAW)
    journey = make_journey(settings={"re_entry": "never", "time_zone": "Europe/Warsaw"})
    changed = in_a_row(node("in", "event_entry"), node("out", "end"))
    sent = _sent(
        journey,
        name="Renamed",
        drawing=exact_dumps({**changed, "zoom": 1}),
        settings='{"time_zone": "Europe/Warsaw"}',
    )
    assert client.post(_address("change", journey.pk), sent).status_code == 302
    journey.refresh_from_db()
    assert journey.name == "Renamed"
    assert journey.drawing == {**changed, "zoom": 1}
    assert journey.settings == {"time_zone": "Europe/Warsaw"}


def test_an_outdated_draft_is_refused_and_comes_back_as_it_was_sent(admin: Client) -> None:
    journey = make_journey()
    journeys.update_draft(journey, actor=SYSTEM, at=NOW, drawing={"nodes": [], "edges": []})
    mine = in_a_row(node("mine", "event_entry"), node("out", "end"))
    answer = admin.post(_address("change", journey.pk), _sent(journey, drawing=exact_dumps(mine)))
    page = answer.content.decode()
    assert "Save mine over it" in page
    assert "&quot;mine&quot;" in page
    journey.refresh_from_db()
    assert journey.drawing == {"nodes": [], "edges": []}
    # Sent again with the number that the page has now it is kept.
    again = _sent(journey, drawing=exact_dumps(mine))
    assert f'name="draft_number" value="{journey.draft_number}"' in page
    assert admin.post(_address("change", journey.pk), again).status_code == 302


@pytest.mark.parametrize("text", ["[", "[1]", '"words"'])
def test_what_is_no_drawing_is_told_so(admin: Client, text: str) -> None:
    journey = make_journey()
    answer = admin.post(_address("change", journey.pk), _sent(journey, drawing=text))
    assert answer.status_code == 200
    assert 'role="alert"' in answer.content.decode()
    faults = admin.post(_address("faults", journey.pk), {"drawing": text}).json()["faults"]
    assert any(fault["severity"] == "error" for fault in faults)


@pytest.mark.parametrize("document", [{"nodes": 5}, {"nodes": [{"id": "a", "kind": []}, 7]}])
def test_the_page_of_a_draft_opens_whatever_is_wrong_with_it(admin: Client, document: Any) -> None:
    journey = make_journey(document)
    assert "data-journey-canvas" in _page(admin, "change", journey.pk)
    _act(admin, journey, "publish")
    journey.refresh_from_db()
    assert journey.state == "draft"


def test_the_canvas_is_told_every_fault_of_what_is_not_saved(admin: Client) -> None:
    furnish()
    journey = make_journey()
    body = {
        "drawing": exact_dumps(french(segment="nowhere")),
        "settings": '{"caps": {"messages": 0}}',
    }
    faults = admin.post(_address("faults", journey.pk), body).json()["faults"]
    found = {(fault["node"], fault["path"], fault["code"]) for fault in faults}
    assert ("start", "config.segment", "unknown_key") in found
    assert ("", "caps.messages", "wrong_type") in found
    assert admin.get(_address("faults", journey.pk)).status_code == 405


def test_publishing_is_refused_with_the_faults_and_done_without(admin: Client) -> None:
    furnish()
    journey = make_journey(in_a_row(node("in", "event_entry"), node("out", "end")))
    _act(admin, journey, "publish")
    journey.refresh_from_db()
    assert journey.state == "draft"
    journeys.update_draft(journey, actor=SYSTEM, at=NOW, drawing=french())
    assert _act(admin, journey, "publish") == ["“Use case” is published as version 1."]
    # Now the version is shown, and the draft of the next one has a page of its own.
    page = _page(admin, "change", journey.pk)
    assert 'name="drawing"' not in page
    assert "It never changes." in page
    assert 'name="drawing"' in _page(admin, "draft", journey.pk)
    assert "dialog-publish" in _page(admin, "draft", journey.pk)
    assert "dialog-publish" not in page
    assert "?version=1" in _page(admin, "versions", journey.pk)
    assert "It never changes." in _page(admin, "versions", journey.pk, query="?version=1")
    for wrong in ("2", "x", "99999999999"):
        answer = admin.get(f"{_address('versions', journey.pk)}?version={wrong}")
        assert answer.status_code == 404


def test_stopping_says_whom_it_takes_out_before(admin: Client) -> None:
    furnish()
    journey = make_journey()
    version = publishing.publish(journey, actor=SYSTEM, at=NOW)
    waiting = next(number for number, ids in enumerate(version.places) if "bought" in ids)
    for _person in range(3):
        put_in(version, waiting)
    page = _page(admin, "change", journey.pk)
    assert "3 contacts are inside and are taken out at once." in page
    assert "Wait for an event" in page
    assert _act(admin, journey, "stop") == ["“Use case” is stopped."]
    journey.refresh_from_db()
    assert journey.state == "stopped"
    # There is no next version of it, so there is no draft.
    assert admin.get(_address("draft", journey.pk)).status_code == 302


def test_a_journey_is_paused_resumed_closed_copied_and_a_draft_deleted(admin: Client) -> None:
    furnish()
    journey = make_journey()
    publishing.publish(journey, actor=SYSTEM, at=NOW)
    for action, state in (("pause", "paused"), ("resume", "live"), ("close", "closed")):
        _act(admin, journey, action)
        journey.refresh_from_db()
        assert journey.state == state
    _act(admin, journey, "copy")
    copy = Journey.objects.get(name="Use case_copy")
    assert copy.drawing == journey.drawing
    _act(admin, copy, "remove")
    assert list(Journey.objects.all()) == [journey]


def test_counts_are_told_for_each_activity_of_a_version(
    admin: Client, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    furnish()
    journey = make_journey()
    version = publishing.publish(journey, actor=SYSTEM, at=NOW)
    put_in(version, next(n for n, ids in enumerate(version.places) if "bought" in ids))
    version.passages.create(hour=NOW, node="first", outcome="next", to_place=1, count=5)
    with django_assert_max_num_queries(12):
        nodes = admin.get(_address("counts", journey.pk)).json()["nodes"]
    assert nodes["bought"]["waiting"] == 1
    # The figure leads to those who stand there.
    people = admin.get(nodes["bought"]["url"]).content.decode()
    assert people.count("/participants/") > _page(
        admin, "participants", journey.pk, query="?node=first"
    ).count("/participants/")
    assert nodes["first"]["passed"] == {"next": 5}
    assert admin.get(f"{_address('counts', journey.pk)}?version=7").json() == {"nodes": {}}


def test_what_can_be_chosen_is_found_by_typing(admin: Client) -> None:
    furnish()
    make_tag("vip", label="Very important")
    make_attribute("renewal", "date")
    make_attribute("colour", "text")
    ask = reverse("admin:journeys_choices")

    def found(source: str, text: str = "") -> list[str]:
        choices = admin.get(ask, {"source": source, "q": text}).json()["choices"]
        return [choice["value"] for choice in choices]

    assert found("segment", "sou") == ["south"]
    assert found("template:email") == ["first-message", "follow-up"]
    assert found("template:push", "thank") == ["thank-you"]
    assert found("event", "THANK") == ["purchase_thank_you"]
    assert found("tag", "important") == ["vip"]
    assert found("attribute") == ["colour", "renewal"]
    assert found("date") == ["attribute.renewal"]
    assert found("journey") == []
    assert found("nothing") == []


def test_who_may_not_know_of_a_thing_is_not_offered_it_nor_told_its_name(
    make_person: MakePerson, hidden: Any
) -> None:
    client = make_person(*_DRAW)
    actor = _actor(client)
    assert find_choices("segment", "", actor=actor) == []
    assert [one.value for one in find_choices("segment", "kept", actor=SYSTEM)] == ["poles-only"]
    journey = make_journey(french(segment="poles-only"))
    page = _page(client, "change", journey.pk)
    assert "poles-only" not in page
    assert "Kept from others" not in page
    assert f"{MASK}1" in page
    # Saved as it was shown it is as it was.
    shown = journey.drawing | {
        "nodes": [
            node("start", "read_segment", segment=f"{MASK}1") if one["id"] == "start" else one
            for one in journey.drawing["nodes"]
        ]
    }
    sent = _sent(journey, name="Renamed", drawing=exact_dumps(shown))
    assert client.post(_address("change", journey.pk), sent).status_code == 302
    journey.refresh_from_db()
    assert journey.name == "Renamed"
    assert journey.drawing == french(segment="poles-only")


def test_what_a_drawing_names_is_called_by_its_name(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    furnish()
    make_tag("vip", label="Very important")
    drawn = drawing(
        *french()["nodes"],
        node("tag", "update", add_tag="vip", consent={"key": "newsletter", "state": "granted"}),
        edge("thanks", "tag"),
    )
    settings = {"exit": {"event": "visited"}}
    # One query for each source: segment, templates of two channels, event, tag, consent.
    with django_assert_num_queries(6):
        names = names_in(drawn, settings, actor=SYSTEM)
    assert names["segment"] == {"south": "South"}
    assert names["template:push"]["thank-you"] == Template.objects.get(key="thank-you").name
    assert names["event"].keys() == {"purchase_thank_you", "visited"}
    assert names["tag"] == {"vip": "Very important"}
    assert "newsletter" in names["consent"]


def test_a_journey_of_another_group_is_none(make_person: MakePerson) -> None:
    group = Group.objects.create(name="Poland")
    UserGroup.objects.create(group=group, entities=[UserGroup.Entity.JOURNEY])
    journey = make_journey(name="Kept from others", groups=["Poland"])
    outsider = make_person(*_DRAW, "journeys.publish_journey")
    assert "Kept from others" not in _page(outsider, "changelist")
    # The admin answers as for what is not there: with a way back to its first page.
    for name in ("change", "draft", "versions", "counts"):
        assert outsider.get(_address(name, journey.pk)).status_code in {302, 404}
    assert outsider.post(_address("faults", journey.pk)).status_code == 404
    assert outsider.post(_address("action", journey.pk, "publish")).status_code == 404
    insider = make_person(*_DRAW, groups=(group,))
    assert "Kept from others" in _page(insider, "changelist")
    config = _page(insider, "change", journey.pk)
    found = config.partition('<script id="drawing-config" type="application/json">')[2]
    told = json.loads(found.partition("</script>")[0])
    assert told["catalog"]["kinds"]
    assert told["urls"]["faults"] == _address("faults", journey.pk)


def test_statistics_say_who_went_through_what_was_sent_and_what_came_of_it(admin: Client) -> None:
    furnish()
    goal = {"event": "purchase_thank_you"}
    journey = make_journey(settings={"goal": goal})
    version = publishing.publish(journey, actor=SYSTEM, at=NOW)
    for node_id, outcome, to_place, count in (
        ("", "entered", 0, 2000),
        ("", "refused:inside", -1, 7),
        ("email_opened", "next", 3, 1111),
        ("email_opened", "timeout", 2, 444),
        ("thanks", "next", -1, 333),
        ("thanks", "failed", -1, 2),
    ):
        version.passages.create(
            hour=NOW, node=node_id, outcome=outcome, to_place=to_place, count=count
        )
    # Those of the control group bought less often; that is no chance.
    for number in range(40):
        put_in(
            version,
            is_control=number % 2 == 0,
            goal_at=NOW if number % 2 else None,
            contact=None,
        )
    page = _page(admin, "statistics", journey.pk)
    for words in ("2,000", "1,555", "on timeout 444", "is inside already", "went to the end"):
        assert words in page
    assert "percentage points beside the control group" in page
    # In the last day nothing of that happened.
    lately = _page(admin, "statistics", journey.pk, query="?period=live")
    assert "1,555" not in lately
    assert admin.get(f"{_address('statistics', journey.pk)}?version=9").status_code == 404
    assert admin.get(_address("statistics", make_journey(name="Drawn").pk)).status_code == 404


def test_who_failed_is_counted_by_the_reason_and_brought_back(admin: Client) -> None:
    furnish()
    journey = make_journey()
    version = publishing.publish(journey, actor=SYSTEM, at=NOW)
    for problem in ("No such tag.", "No such tag.", "Too long."):
        put_in(version, state="failed", finished_at=NOW, problem=problem)
    alone = put_in(version, state="failed", finished_at=NOW, problem="Alone.")
    text = _page(admin, "participants", journey.pk)
    assert "No such tag." in text
    assert "Bring 4 participants back" in text
    bring = _address("bring_back", journey.pk)
    one = _page(admin, "participant", journey.pk, alone.pk)
    assert f'action="{bring}"' in one
    answer = admin.post(bring, {"participant": alone.pk}, follow=True)
    assert [str(told) for told in answer.context["messages"]] == ["1 participant was brought back."]
    alone.refresh_from_db()
    assert alone.state == "ready"
    told = {"version": version.number, "node": "elsewhere"}
    answer = admin.post(bring, told, follow=True)
    assert [str(told) for told in answer.context["messages"]] == [
        "0 participants were brought back."
    ]
    admin.post(bring, {"version": version.number, "node": ""})
    assert set(version.participants.values_list("state", flat=True)) == {"ready"}
    assert "Could not go on" not in _page(admin, "participants", journey.pk)


def test_who_may_not_publish_sees_why_and_brings_nobody_back(make_person: MakePerson) -> None:
    furnish()
    journey = make_journey()
    version = publishing.publish(journey, actor=SYSTEM, at=NOW)
    one = put_in(version, state="failed", finished_at=NOW, problem="No such tag.")
    reader = make_person(*_VIEW)
    for text in (
        _page(reader, "participants", journey.pk),
        _page(reader, "participant", journey.pk, one.pk),
    ):
        assert "No such tag." in text
        assert "dialog-back" not in text
    assert reader.post(_address("bring_back", journey.pk), {}).status_code == 403
    assert reader.get(_address("bring_back", journey.pk)).status_code == 405


def test_a_journey_says_what_names_it_and_where_it_stands_still(admin: Client) -> None:
    furnish()
    journey = make_journey(key="use-case")
    rule = {"field": "journey.goal", "operator": "in", "value": ["use-case"]}
    make_segment("reached", {"combinator": "and", "rules": [rule]}, name="Reached it")
    assert "Reached it" in _page(admin, "change", journey.pk)
    assert any("Reached it" in told for told in _act(admin, journey, "remove"))
    gone = {"field": "attribute.gone", "operator": "=", "value": "x"}
    make_attribute("gone")
    Journey.objects.update(settings={"exit": {"criteria": {"combinator": "and", "rules": [gone]}}})
    journey.refresh_from_db()
    publishing.publish(journey, actor=SYSTEM, at=NOW)
    assert "stands still" not in _page(admin, "change", journey.pk)
    AttributeDefinition.objects.all().delete()
    assert "stands still at “exit”" in _page(admin, "change", journey.pk)
