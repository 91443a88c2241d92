"""Rule-based events and schemas in a browser: with the keyboard alone, and for everybody."""

from datetime import timedelta

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from contacts.event_declarations import declare_schema
from contacts.event_schemas import Declared
from contacts.events import IncomingEvent, record_events
from contacts.models import EventDefinition
from segments.models import RuleEvent
from segments.rule_events import create_rule_event
from tests.browser.looking import RULES_OF_LOOKS, dress, faults_by_path, settle
from tests.browser.pictures import picture
from tests.factories import make_contact
from workspace.access import SYSTEM


@pytest.fixture
def purchases(transactional_db: None) -> None:
    """Three purchases, two of which say thank you."""
    now = timezone.now()
    contact = make_contact(email="anna@example.com").pk
    messages = ("thank you", "no", "thank you")
    record_events(
        [
            IncomingEvent(
                contact,
                "purchase",
                now - timedelta(hours=number + 1),
                {"purchaseMessage": message, "product": {"name": "tea"}, "amount": number},
            )
            for number, message in enumerate(messages)
        ],
        received_at=now,
    )


_FOCUSED = """(() => {
  const at = document.activeElement;
  return (at.getAttribute("aria-label") || at.labels?.[0]?.innerText || at.innerText || "").trim();
})()"""


def _tab_to(page: Page, name: str, *, backwards: bool = False) -> None:
    """Press Tab until what has the focus is called so; its icon may stand before the name."""
    for _ in range(80):
        page.keyboard.press("Shift+Tab" if backwards else "Tab")
        if str(page.evaluate(_FOCUSED)).splitlines()[-1:] == [name]:
            return
    raise AssertionError(f"the keyboard does not reach “{name}”")


@pytest.mark.walk
@pytest.mark.django_db(transaction=True)
def test_a_rule_is_made_with_the_keyboard_and_shows_how_many_fit(
    purchases: None, logged_in: Page
) -> None:
    page = logged_in
    page.goto("/admin/segments/ruleevent/add/")
    page.keyboard.type("purchase")
    picture(page, "rule-base")
    page.keyboard.press("Enter")
    settle(page)
    page.locator("#id_name").focus()
    page.keyboard.type("thanked")
    _tab_to(page, "Property")
    page.keyboard.press("Enter")
    page.get_by_role("combobox", name="Property of purchase").focus()
    page.keyboard.type("purchaseMessage")
    page.keyboard.press("Escape")
    _tab_to(page, "Value of purchaseMessage")
    page.keyboard.type("thank you")
    page.keyboard.press("Escape")
    _tab_to(page, "Test", backwards=True)
    page.keyboard.press("Enter")
    expect(page.get_by_text("of 3 base events of the last 7 days fit")).to_be_visible()
    assert page.locator(".rg-matched").inner_text() == "2"
    settle(page)
    picture(page, "rule-tested")
    page.keyboard.press("Control+s")
    expect(page.get_by_text("“thanked” was saved.")).to_be_visible()
    settle(page)
    picture(page, "rule-saved")
    rule = RuleEvent.objects.get()
    assert rule.where["rules"][0]["field"] == "properties.purchaseMessage"
    assert (rule.is_enabled, rule.payload) == (True, None)


@pytest.mark.long
@pytest.mark.django_db(transaction=True)
def test_the_pages_of_events_have_no_serious_fault(purchases: None, logged_in: Page) -> None:
    page = logged_in
    kind = EventDefinition.objects.get(name="purchase")
    declare_schema(
        kind.pk,
        properties=[Declared("amount", "number", True), Declared("product.name", "date")],
        enforcement="mark",
        actor=SYSTEM,
        at=timezone.now(),
    )
    where = {"combinator": "and", "rules": []}
    rule = create_rule_event(
        name="bought", base="purchase", where=where, enabled=True, actor=SYSTEM, at=timezone.now()
    )
    events = "/admin/contacts/eventdefinition"
    rules = "/admin/segments/ruleevent"
    paths = {
        "events": f"{events}/",
        "event": f"{events}/{kind.pk}/change/",
        "schema": f"{events}/{kind.pk}/schema/",
        "rules": f"{rules}/",
        "rule-new": f"{rules}/add/",
        "rule": f"{rules}/{rule.pk}/change/",
    }
    dress(page, width=1280, theme="light")
    assert faults_by_path(page, paths.values()) == {}
    dress(page, width=360, theme="dark")
    assert faults_by_path(page, paths.values(), rules=RULES_OF_LOOKS) == {}
    for name, path in paths.items():
        page.goto(path)
        settle(page)
        picture(page, name)
