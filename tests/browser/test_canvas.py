"""Journeys drawn in a real browser: by dragging, by plus, by keyboard alone, left as they are."""

from collections.abc import Callable
from typing import Any, Literal

import pytest
import simplejson
from django.utils import timezone
from playwright.sync_api import Page, expect

from contacts.models import EventDefinition
from integrations.models import Template
from journeys import journeys, publishing
from journeys.models import Journey
from journeys.starting_points import STARTING_POINTS
from segments import saved_criteria
from tests.browser.drawing import (
    activity,
    close_panel,
    config_of,
    drag,
    draw_the_use_case,
    drawing_of,
    open_page,
    plus,
    save,
    ways_of,
)
from tests.browser.looking import RULES_OF_LOOKS, dress, serious_faults
from tests.segments.factories import make_segment
from workspace.access import SYSTEM

Draw = Callable[..., Journey]

# Kinds and keys that nobody knows, digits that a binary number would lose, an edge that repeats.
_WHOLE = """{
  "nodes": [
    {"id": "start", "kind": "read_segment", "config": {"segment": "vip", "rate": 1.50}, "x": 0.10},
    {"id": "beam", "kind": "teleport", "config": {"to": [1, 2, 12345678901234567890.5]}, "z": null},
    {"label": "nothing else"}
  ],
  "edges": [{"from": "start", "to": "beam", "color": "red"}, {"from": "start", "to": "beam"}],
  "zoom": 1.0
}"""


@pytest.fixture
def draw(transactional_db: None) -> Draw:
    """A draft with some drawing."""

    def make(drawing: Any = None, name: str = "Tried out", **more: Any) -> Journey:
        at = timezone.now()
        return journeys.create_journey(actor=SYSTEM, at=at, name=name, drawing=drawing, **more)

    return make


@pytest.fixture
def things(transactional_db: None) -> None:
    """What the use case of the French document names."""
    at = timezone.now()
    make_segment("atlanta", name="Atlanta, San Francisco and Seattle, after 1980", at=at)
    for key, channel in (("first", "email"), ("first-push", "push"), ("follow-up", "email")):
        Template.objects.create(key=key, name=f"{key} ({channel})", channel=channel)
    Template.objects.create(key="thank-you", name="Thank you", channel="push")
    EventDefinition.objects.create(name="purchase_thank_you")


@pytest.mark.walk
@pytest.mark.django_db(transaction=True)
def test_the_use_case_of_the_french_document_is_drawn_by_drag_and_plus(
    logged_in: Page, things: None
) -> None:
    page = logged_in
    draw_the_use_case(page)

    expected = {
        ("read_segment", "next", "message"),
        ("message", "next", "reaction"),
        ("message", "next", "reaction_2"),
        ("reaction_2", "timeout", "message_2"),
        ("reaction", "next", "event"),
        ("reaction_2", "next", "event"),
        ("message_2", "next", "event"),
        ("event", "next", "message_3"),
    }
    assert ways_of(drawing_of(page)) == expected
    assert config_of(page, "reaction_2") == {
        "to": "message",
        "reaction": "email_opened",
        "timeout": {"amount": 1, "unit": "day"},
        "timeout_path": True,
    }
    # Nothing stands against it but that no purpose was named.
    expect(page.locator("[data-fault]").first).to_be_attached()
    expect(page.locator('[data-fault][data-severity="error"]')).to_have_count(0)
    before = page.locator("#id_drawing").input_value()
    save(page)
    journey = Journey.objects.get(name="Depending on the reaction")
    assert ways_of(journey.drawing) == expected
    # Saved and opened again it is the same, and published as it is.
    assert drawing_of(page) == simplejson.loads(before, use_decimal=True)
    page.get_by_role("button", name="Publish").click()
    page.locator("#dialog-publish [type=submit]").click()
    expect(page.get_by_text("is published as version 1")).to_be_visible()
    journey.refresh_from_db()
    assert journey.state == "live"


@pytest.mark.walk
@pytest.mark.django_db(transaction=True)
def test_a_journey_is_drawn_by_keyboard_alone(logged_in: Page, things: None, draw: Draw) -> None:
    journey = draw()
    page = logged_in
    open_page(page, journey)
    page.get_by_role("button", name="Read segment").last.focus()
    page.keyboard.press("Enter")
    # The first field of the panel has the focus.
    expect(page.get_by_role("combobox", name="Segment")).to_be_focused()
    page.keyboard.type("Atl")
    expect(page.get_by_role("option").first).to_contain_text("Atlanta")
    page.keyboard.press("Enter")
    page.keyboard.press("Escape")
    page.get_by_role("button", name="List", exact=True).focus()
    page.keyboard.press("Enter")
    entry = page.locator('[data-item="read_segment"]')
    entry.focus()
    page.keyboard.press("+")
    # A letter goes to the next kind that begins with it.
    page.keyboard.press("m")
    expect(page.get_by_role("menuitem", name="Message")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("combobox", name="E-mail")).to_be_focused()
    page.keyboard.press("ArrowDown")
    expect(page.get_by_role("option").first).to_be_visible()
    page.keyboard.type("follow")
    expect(page.get_by_role("option").first).to_contain_text("follow-up")
    page.keyboard.press("Enter")
    page.keyboard.press("Escape")
    expect(page.locator('[data-item="message"]')).to_be_focused()
    page.keyboard.press("+")
    page.keyboard.press("w")
    expect(page.get_by_role("menuitem", name="Wait", exact=True)).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("[data-panel]")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator('[data-item="wait"]')).to_be_focused()
    assert ways_of(drawing_of(page)) == {
        ("read_segment", "next", "message"),
        ("message", "next", "wait"),
    }
    # The message goes; what was before it leads to what was behind it. And back.
    page.keyboard.press("ArrowUp")
    expect(page.locator('[data-item="message"]')).to_be_focused()
    page.keyboard.press("Delete")
    assert ways_of(drawing_of(page)) == {("read_segment", "next", "wait")}
    page.keyboard.press("Control+z")
    assert ("message", "next", "wait") in ways_of(drawing_of(page))
    page.locator("[data-save]").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_text("was saved.")).to_be_visible()
    journey.refresh_from_db()
    kinds = [node["kind"] for node in journey.drawing["nodes"]]
    assert kinds == ["read_segment", "message", "wait"]
    assert journey.drawing["nodes"][1]["config"] == {"email": "follow-up"}


@pytest.mark.django_db(transaction=True)
def test_a_drawing_that_nobody_touches_is_saved_as_it_was(logged_in: Page, draw: Draw) -> None:
    journey = draw(simplejson.loads(_WHOLE, use_decimal=True))
    page = logged_in
    open_page(page, journey)
    expect(activity(page, "beam")).to_contain_text("unknown kind “teleport”")
    shown = page.locator("#id_drawing").input_value()
    page.get_by_label("Name", exact=False).last.fill("Another name")
    save(page)
    journey.refresh_from_db()
    assert journey.name == "Another name"
    assert journey.drawing == simplejson.loads(_WHOLE, use_decimal=True)
    assert journey.draft_number == 1
    assert "12345678901234567890.5" in shown


@pytest.mark.django_db(transaction=True)
def test_faults_are_shown_at_their_activities_and_lead_there(logged_in: Page, draw: Draw) -> None:
    point = next(one for one in STARTING_POINTS if one.key == "reactions")
    journey = draw(point.drawing())
    page = logged_in
    open_page(page, journey)
    expect(activity(page, "start").locator(".jc-bad")).to_be_visible()
    expect(activity(page, "push_opened").locator(".jc-bad")).to_have_count(0)
    page.locator('[data-fault="missing_value"][data-node="bought"]').click()
    expect(page.get_by_role("combobox", name="Event")).to_be_focused()
    page.keyboard.type("purchase")
    page.get_by_role("option").filter(has_text="purchase").click()
    # The server looks again by itself: nobody knows of such an event.
    expect(page.locator('[data-fault="unknown_key"][data-node="bought"]')).to_be_visible()
    expect(page.locator("[data-panel] [data-field=event] .jc-fault")).to_be_visible()


@pytest.mark.walk
@pytest.mark.django_db(transaction=True)
def test_paths_of_a_condition_are_written_with_the_builder_of_segments(
    logged_in: Page, draw: Draw
) -> None:
    criteria = {
        "combinator": "and",
        "rules": [{"field": "contact.city", "operator": "=", "value": "Łódź"}],
    }
    saved_criteria.create_saved_criteria(
        actor=SYSTEM, at=timezone.now(), name="People of Łódź", criteria=criteria
    )
    journey = draw({"nodes": [{"id": "which", "kind": "condition", "config": {}}], "edges": []})
    page = logged_in
    open_page(page, journey)
    activity(page, "which").click()
    panel = page.locator("[data-panel]")
    panel.get_by_role("button", name="Add path").click()
    panel.get_by_label("Name of path 1").fill("from_lodz")
    panel.get_by_role("button", name="Edit criteria").click()
    # The same builder, in which saved criteria are taken over.
    expect(panel.locator("[data-criteria-builder], .cb").first).to_be_visible()
    panel.get_by_label("Saved criteria").select_option(label="People of Łódź")
    expect(panel.get_by_role("combobox", name="Comparison of City")).to_have_value("=")
    assert config_of(page, "which")["paths"] == [{"name": "from_lodz", "criteria": criteria}]
    panel.get_by_role("button", name="Done").click()
    expect(panel.get_by_text("1 criterion")).to_be_visible()
    # A path leads on by its name, and goes on doing so when it is called otherwise.
    close_panel(page)
    plus(page, "which", "Message", way="from_lodz")
    # Its panel may lie over the condition.
    close_panel(page)
    activity(page, "which").click()
    panel.get_by_label("Name of path 1").fill("lodz")
    assert ways_of(drawing_of(page)) == {("which", "lodz", "message")}
    page.get_by_role("button", name="Undo").click()
    assert ways_of(drawing_of(page)) == {("which", "from_lodz", "message")}


@pytest.mark.django_db(transaction=True)
def test_settings_stand_beside_the_drawing(logged_in: Page, draw: Draw) -> None:
    journey = draw(settings={"time_zone": "Europe/Warsaw", "caps": {"messages": 1, "per": {}}})
    page = logged_in
    open_page(page, journey)
    settings = page.get_by_role("group", name="Settings")
    settings.get_by_label("Who was inside may enter again").select_option("after")
    settings.get_by_label("after: amount").fill("7")
    settings.get_by_label("At most so many messages").uncheck()
    settings.get_by_label("Quiet hours").check()
    save(page)
    journey.refresh_from_db()
    assert journey.settings == {
        "time_zone": "Europe/Warsaw",
        "re_entry": {"after": {"amount": 7, "unit": "day"}},
        "quiet_hours": {"from": "21:00", "to": "08:00", "zone": "contact"},
    }


@pytest.mark.walk
@pytest.mark.django_db(transaction=True)
def test_who_draws_what_somebody_else_changed_meanwhile_is_told_and_loses_nothing(
    logged_in: Page, draw: Draw
) -> None:
    journey = draw()
    page = logged_in
    open_page(page, journey)
    page.locator('[data-begin="event_entry"]').click()
    other = {"nodes": [{"id": "other", "kind": "end"}], "edges": []}
    journeys.update_draft(journey, actor=SYSTEM, at=timezone.now(), drawing=other)
    page.locator("[data-save]").click()
    expect(page.get_by_role("alert")).to_contain_text("changed")
    assert [node["id"] for node in drawing_of(page)["nodes"]] == ["event_entry"]
    journey.refresh_from_db()
    assert journey.drawing == other
    page.get_by_role("button", name="Save mine over it").click()
    expect(page.get_by_text("was saved.")).to_be_visible()
    journey.refresh_from_db()
    assert [node["id"] for node in journey.drawing["nodes"]] == ["event_entry"]


@pytest.mark.walk
@pytest.mark.django_db(transaction=True)
def test_activities_are_copied_to_another_journey_moved_and_arranged(
    logged_in: Page, draw: Draw
) -> None:
    point = next(one for one in STARTING_POINTS if one.key == "reactions")
    page = logged_in
    open_page(page, draw(point.drawing()))
    activity(page, "first").click()
    close_panel(page)
    activity(page, "push_opened").click(modifiers=["Shift"])
    page.get_by_role("toolbar").get_by_role("button", name="Copy").click()
    target = draw(name="Another one")
    open_page(page, target)
    page.get_by_role("button", name="Paste", exact=True).click()
    pasted = drawing_of(page)
    assert [node["id"] for node in pasted["nodes"]] == ["first", "push_opened"]
    assert ways_of(pasted) == {("first", "next", "push_opened")}
    # Where somebody puts an activity it stays; arranged, all stand in rows again.
    drag(page, activity(page, "push_opened"), x=120, y=-150)
    moved = {node["id"]: (node["x"], node["y"]) for node in drawing_of(page)["nodes"]}
    assert moved["push_opened"][1] < moved["first"][1] + 200
    page.get_by_role("button", name="Arrange").click()
    arranged = {node["id"]: (node["x"], node["y"]) for node in drawing_of(page)["nodes"]}
    assert arranged["push_opened"][1] > arranged["first"][1]


@pytest.mark.walk
@pytest.mark.django_db(transaction=True)
def test_what_is_published_is_shown_with_counts_and_cannot_be_changed(
    logged_in: Page, draw: Draw
) -> None:
    EventDefinition.objects.create(name="signed_up")
    drawing = {
        "nodes": [
            {"id": "in", "kind": "event_entry", "config": {"event": "signed_up"}},
            {"id": "out", "kind": "end", "label": "That is all"},
        ],
        "edges": [{"from": "in", "to": "out"}],
    }
    journey = draw(drawing)
    publishing.publish(journey, actor=SYSTEM, at=timezone.now())
    page = logged_in
    open_page(page, journey)
    expect(activity(page, "out")).to_contain_text("That is all")
    expect(activity(page, "out").get_by_title("here now")).to_contain_text("here now: 0")
    expect(page.locator(".jc-plus")).to_have_count(0)
    expect(page.locator("[data-save]")).to_have_count(0)
    page.get_by_role("link", name="Draw a new version").click()
    expect(page.locator("[data-save]")).to_be_visible()
    expect(activity(page, "out")).to_be_visible()


_DESK = pytest.param((1280, "light", ()), id="desk")
# Once a night is enough for the same pages again.
_PHONE = pytest.param((360, "dark", RULES_OF_LOOKS), id="phone", marks=pytest.mark.long)


@pytest.mark.walk
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("look", [_DESK, _PHONE])
def test_no_page_of_journeys_has_a_serious_fault(
    logged_in: Page, draw: Draw, look: tuple[int, Literal["light", "dark"], tuple[str, ...]]
) -> None:
    width, theme, rules = look
    page = logged_in
    dress(page, width=width, theme=theme)
    found: dict[str, list[str]] = {}
    for path in ("/admin/journeys/journey/", "/admin/journeys/journey/add/"):
        page.goto(path)
        found[path] = serious_faults(page, rules=rules)
    point = next(one for one in STARTING_POINTS if one.key == "win_back")
    open_page(page, draw(point.drawing()))
    expect(activity(page, "bought")).to_be_visible()
    found["canvas"] = serious_faults(page, rules=rules)
    activity(page, "control").click()
    expect(page.locator("[data-panel]")).to_be_visible()
    # The page around it is as before.
    found["panel"] = serious_faults(page, rules=rules, within=".jc")
    close_panel(page)
    if width < 768:
        page.get_by_role("button", name="Activities").click()
    page.get_by_role("button", name="List", exact=True).click()
    found["list"] = serious_faults(page, rules=rules, within=".jc")
    page.locator('[data-item="miss_you"]').focus()
    page.keyboard.press("+")
    found["menu"] = serious_faults(page, rules=rules, within=".jc-menu")
    assert {place: faults for place, faults in found.items() if faults} == {}
    is_wider = page.evaluate("document.documentElement.scrollWidth > window.innerWidth")
    assert not is_wider
