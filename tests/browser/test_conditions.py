"""Paths of a condition by the clock, by the calendar and for so many, drawn in a real browser."""

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from journeys import journeys
from journeys.models import Journey
from tests.browser.drawing import (
    activity,
    close_panel,
    config_of,
    drawing_of,
    open_page,
    plus,
    save,
    ways_of,
)
from tests.browser.looking import RULES_OF_LOOKS, dress, serious_faults
from tests.browser.pictures import picture
from workspace.access import SYSTEM

OFFICE = {
    "name": "office",
    "time": {"from": "09:00", "to": "17:00", "days": ["tue", "sat"], "zone": "Asia/Tokyo"},
}
DECEMBER = {"name": "december", "date": {"from": "2026-12-01", "zone": "contact"}}
FIRST = {"name": "first", "cap": {"limit": 50, "per": "day"}}


@pytest.fixture
def journey(transactional_db: None) -> Journey:
    """A draft with a condition that has no path yet."""
    return journeys.create_journey(
        actor=SYSTEM,
        at=timezone.now(),
        name="When they come",
        drawing={"nodes": [{"id": "which", "kind": "condition", "config": {}}], "edges": []},
    )


@pytest.mark.walk
@pytest.mark.django_db(transaction=True)
def test_a_condition_asks_the_clock_the_calendar_and_how_many(
    logged_in: Page, journey: Journey
) -> None:
    page = logged_in
    open_page(page, journey)
    activity(page, "which").click()
    panel = page.locator("[data-panel]")
    for number, name in enumerate(("office", "december", "first"), start=1):
        panel.get_by_role("button", name="Add path").click()
        panel.get_by_label(f"Name of path {number}").fill(name)
    panel.get_by_label("Who goes the way office").select_option("time")
    # It begins with working hours: of those days some are taken away, and others added.
    for day in ("Mon", "Wed", "Thu", "Fri", "Sat"):
        panel.get_by_role("group", name="office: days").get_by_text(day).click()
    panel.get_by_label("office: whose clock").select_option("named")
    panel.get_by_label("office: time zone").fill("Asia/Tokyo")
    panel.get_by_label("Who goes the way december").select_option("date")
    panel.get_by_label("december: first day").fill("2026-12-01")
    panel.get_by_label("december: last day").fill("")
    panel.get_by_label("december: whose clock").select_option("contact")
    panel.get_by_label("Who goes the way first").select_option("cap")
    panel.get_by_label("first: how many at most").fill("50")
    panel.get_by_label("first: counted").select_option("day")
    assert config_of(page, "which")["paths"] == [OFFICE, DECEMBER, FIRST]
    # The server looks at it by itself, and says what is wrong and where.
    panel.get_by_label("first: how many at most").fill("0")
    expect(panel.get_by_text("A whole number from 1 to 1000000000 is wanted here.")).to_be_visible()
    panel.get_by_label("first: how many at most").fill("50")
    picture(page, "condition")
    close_panel(page)
    plus(page, "which", "End", way="december")
    assert ways_of(drawing_of(page)) == {("which", "december", "end")}
    save(page)
    journey.refresh_from_db()
    assert journey.drawing["nodes"][0]["config"]["paths"] == [OFFICE, DECEMBER, FIRST]
    # Going back to criteria takes the cap away, and undoing it brings it again.
    activity(page, "which").click()
    panel.get_by_label("Who goes the way first").select_option("criteria")
    assert config_of(page, "which")["paths"][2]["criteria"]["rules"] == []
    page.get_by_role("button", name="Undo").click()
    assert config_of(page, "which")["paths"][2] == FIRST


@pytest.mark.walk
@pytest.mark.django_db(transaction=True)
def test_its_panel_can_be_read_on_a_phone_and_in_the_dark(
    logged_in: Page, journey: Journey
) -> None:
    journey.drawing["nodes"][0]["config"] = {"paths": [OFFICE, DECEMBER, FIRST], "else": True}
    journey.save()
    page = logged_in
    dress(page, width=360, theme="dark")
    open_page(page, journey)
    activity(page, "which").click()
    expect(page.get_by_label("first: how many at most")).to_have_value("50")
    assert serious_faults(page, within=".jc", rules=RULES_OF_LOOKS) == []
    is_wider = page.evaluate("document.documentElement.scrollWidth > window.innerWidth")
    assert not is_wider
    dress(page, width=1280, theme="light")
    open_page(page, journey)
    activity(page, "which").click()
    expect(page.get_by_label("first: how many at most")).to_have_value("50")
    assert serious_faults(page, within=".jc") == []


@pytest.mark.django_db(transaction=True)
def test_a_builder_in_a_panel_that_closes_is_taken_away_whole(
    logged_in: Page, journey: Journey
) -> None:
    page = logged_in
    open_page(page, journey)
    page.evaluate(
        """() => {
          const { mount } = window.criteriaBuilder;
          window.builders = [];
          window.criteriaBuilder.mount = (element) => {
            window.builders.push(element);
            mount(element);
          };
        }"""
    )
    activity(page, "which").click()
    panel = page.locator("[data-panel]")
    panel.get_by_role("button", name="Add path").click()
    for _time in range(2):
        panel.get_by_role("button", name="Edit criteria").click()
        expect(panel.locator(".cb").first).to_be_visible()
        panel.get_by_role("button", name="Done").click()
        expect(panel.locator(".cb")).to_have_count(0)
    left = page.evaluate(
        "() => window.builders.map((one) => [one.childElementCount, 'mounted' in one.dataset])"
    )
    assert left == [[0, False], [0, False]]
