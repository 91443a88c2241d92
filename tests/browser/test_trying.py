"""A draft tested in a real browser: the switch, the form of the trigger, the log that grows."""

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from contacts.models import EventDefinition
from journeys.engine.tick import tick_journey
from journeys.journeys import create_journey
from journeys.models import Journey
from journeys.trying import profiles
from tests.admin.journey_workspace import put_rehearsal
from tests.browser.looking import RULES_OF_LOOKS, dress, serious_faults
from tests.factories import make_contact
from tests.loyalty.gift_cards import make_campaign
from workspace.access import SYSTEM


@pytest.fixture
def welcome(transactional_db: None) -> Journey:
    """A draft that begins with a signup and waits for a purchase; Eva is a test profile."""
    for name in ("signup", "purchase"):
        definition = EventDefinition.objects.create(name=name)
        definition.properties.create(name="order", type="number", is_required=True)
    drawing = {
        "nodes": [
            {"id": "start", "kind": "event_entry", "config": {"event": "signup"}},
            {
                "id": "bought",
                "kind": "event",
                "label": "Bought something",
                "config": {
                    "event": "purchase",
                    "same": {"properties.order": "entry.properties.order"},
                    "timeout": {"amount": 1, "unit": "week"},
                },
            },
            {"id": "end", "kind": "end", "config": {}},
        ],
        "edges": [{"from": "start", "to": "bought"}, {"from": "bought", "to": "end"}],
    }
    at = timezone.now()
    eva = make_contact(email="eva@example.com", first_name="Eva", last_name="Nowak")
    profiles.mark([eva.pk], actor=SYSTEM, at=at)
    return create_journey(actor=SYSTEM, at=at, name="Welcome", drawing=drawing)


@pytest.mark.walk
def test_a_draft_is_tested_from_the_switch_to_the_end(logged_in: Page, welcome: Journey) -> None:
    page = logged_in
    page.goto(f"/admin/journeys/journey/{welcome.pk}/test/")
    switch = page.get_by_role("switch", name="Test")
    expect(switch).to_have_attribute("aria-checked", "false")
    switch.click()
    page.get_by_role("button", name="Start the test").click()
    expect(switch).to_have_attribute("aria-checked", "true")
    # The field writes into the code.
    page.get_by_label("order *").fill("7")
    code = page.get_by_label("Properties as JSON")
    expect(code).to_have_value('{\n  "order": 7\n}')
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_text("1 profile enters")).to_be_visible()
    tick_journey(welcome.pk, as_of=timezone.now())
    # It grows by itself, and so do the counts on the canvas.
    expect(page.get_by_text("Then on to “Bought something”.")).to_be_visible()
    waits = page.locator("[data-activity=bought]").get_by_title("here now")
    expect(waits).to_contain_text("here now: 1")
    page.locator("[data-trigger-event]").select_option("purchase")
    page.get_by_label("order *").fill("7")
    page.get_by_role("button", name="Send").click()
    tick_journey(welcome.pk, as_of=timezone.now())
    expect(page.get_by_text("What “Bought something” waited for happened.")).to_be_visible()
    assert serious_faults(page) == []
    dress(page, width=360, theme="dark")
    page.goto(f"/admin/journeys/journey/{welcome.pk}/test/")
    assert serious_faults(page, rules=RULES_OF_LOOKS) == []
    overflow = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert page.evaluate(overflow) <= 0
    switch.click()
    page.get_by_role("button", name="End it and empty it").click()
    expect(page.get_by_text("The test ended")).to_be_visible()
    expect(switch).to_have_attribute("aria-checked", "false")


@pytest.mark.walk
def test_figures_of_a_rehearsal_stand_on_what_was_rehearsed_and_on_nothing_else(
    logged_in: Page, welcome: Journey
) -> None:
    put_rehearsal(welcome, [make_contact()], make_campaign(count=1))
    page = logged_in
    page.goto(f"/admin/journeys/journey/{welcome.pk}/rehearsal/")
    bought = page.locator("[data-activity=bought]")
    expect(bought.get_by_title("passed")).to_contain_text("1")
    expect(bought.get_by_title("messages")).to_contain_text("1")
    expect(bought.get_by_title("gift cards")).to_contain_text("1")
    expect(page.locator("[data-item=bought]")).to_contain_text("passed 1, messages 1, gift cards 1")
    page.goto(f"/admin/journeys/journey/{welcome.pk}/change/")
    expect(page.get_by_text("Figures of a rehearsal from")).to_be_visible()
    expect(bought.get_by_title("passed")).to_be_visible()
    # Once something else is drawn they are put aside, and come back with it.
    page.locator("[data-activity=end]").click()
    page.get_by_role("button", name="Remove", exact=True).first.click()
    expect(page.get_by_text("before these changes")).to_be_visible()
    expect(bought.get_by_title("passed")).to_have_count(0)
    page.get_by_role("button", name="Undo").click()
    expect(bought.get_by_title("passed")).to_be_visible()
