"""The timeline in a browser: chosen, turned and growing without the page being loaded anew."""

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import Page, expect

from contacts.events import IncomingEvent, record_events
from tests.browser.looking import serious_faults, settle
from tests.factories import make_contact, make_tag

pytestmark = [pytest.mark.walk, pytest.mark.django_db(transaction=True)]


def test_one_filters_loads_older_ones_and_sees_what_is_new(logged_in: Page) -> None:
    make_tag("vip", label="Very important")
    now = timezone.now()
    anna = make_contact(first_name="Anna", tags=["vip"], at=now - timedelta(days=9))
    events = [
        IncomingEvent(anna.pk, "visit", now - timedelta(hours=n), {"n": f"number {n}."})
        for n in range(60)
    ]
    record_events(events, received_at=now)
    logged_in.goto(reverse("admin:contacts_contact_change", args=[anna.pk]))
    settle(logged_in)
    assert serious_faults(logged_in) == []
    logged_in.evaluate("window.isTheSamePage = true")
    items = logged_in.locator("[data-feed-items] [data-id]")

    expect(items).to_have_count(50)
    logged_in.get_by_role("link", name="Load older").focus()
    logged_in.keyboard.press("Enter")
    expect(items).to_have_count(62)
    days = logged_in.locator("[data-day]").evaluate_all("all => all.map((day) => day.dataset.day)")
    assert days == sorted(set(days), reverse=True), "a day that goes on is one day"

    logged_in.get_by_role("checkbox", name="Tags and categories").focus()
    logged_in.keyboard.press("Space")
    expect(items).to_have_count(1)
    expect(items).to_contain_text("Tag “Very important” given")
    assert logged_in.url.endswith("?kind=label")
    logged_in.get_by_role("link", name="Clear filters").click()
    expect(items).to_have_count(50)
    logged_in.get_by_role("searchbox").fill("NUMBER 59.")
    expect(items).to_have_count(1)
    logged_in.get_by_role("searchbox").fill("")
    expect(items).to_have_count(50)

    came = [IncomingEvent(anna.pk, f"came {n}", timezone.now()) for n in range(2)]
    record_events(came, received_at=timezone.now())
    # As when one comes back to the page, so that nobody waits for the clock.
    logged_in.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    pill = logged_in.get_by_role("button", name="2 new")
    expect(items.first).to_contain_text("visit")
    pill.click()
    expect(items.first).to_contain_text("came")
    expect(pill).to_be_hidden()
    assert logged_in.evaluate("window.isTheSamePage")
