"""Segments compared in a real browser: by typing names, by keyboard, in a narrow window."""

import pytest
from playwright.sync_api import Page, expect

from segments.models import Membership
from tests.segments.factories import NOW, make_contacts, make_segment

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def segments(transactional_db: None) -> None:
    """Two segments that share half of their members, and one apart."""
    a, b, c, d = make_contacts("A", "B", "C", "D")
    for key, name, ids in (
        ("big", "Big spenders", (a, b)),
        ("new", "New ones", (b, c)),
        ("far", "Far away", (d,)),
    ):
        segment = make_segment(key, name=name)
        Membership.objects.bulk_create(
            Membership(segment=segment, contact_id=one, entered_at=NOW) for one in ids
        )


@pytest.mark.walk
def test_segments_are_compared_and_a_combination_becomes_a_segment(
    segments: None, logged_in: Page
) -> None:
    logged_in.goto("/admin/segments/segment/overlap/")
    for name in ("Big spenders", "New ones", "Far away"):
        logged_in.get_by_role("combobox", name="segment").fill(name)
        logged_in.get_by_role("button", name="Add").click()
        expect(logged_in.get_by_role("link", name=f"Leave {name} out")).to_be_visible()
    sentence = "in Big spenders and New ones and no other: 1 (25.0 %)"
    column = logged_in.get_by_role("link", name=sentence)
    tip = column.locator(".rg-upset-tip")
    logged_in.mouse.move(0, 0)
    expect(tip).to_have_css("opacity", "0")
    logged_in.keyboard.press("Tab")
    column.focus()
    logged_in.keyboard.press("Shift+Tab")
    logged_in.keyboard.press("Tab")
    expect(tip).to_have_css("opacity", "1")
    logged_in.keyboard.press("Enter")
    logged_in.wait_for_url("**/segments/segment/add/?criteria=**")
    value = logged_in.locator("[name=criteria]").input_value()
    assert '"notIn"' in value
    assert '"far"' in value


def test_the_plot_scrolls_in_a_narrow_window_and_the_page_does_not(
    segments: None, logged_in: Page
) -> None:
    logged_in.set_viewport_size({"width": 360, "height": 800})
    logged_in.goto("/admin/segments/segment/overlap/?keys=big,new,far")
    expect(logged_in.get_by_role("heading", name="Combinations")).to_be_visible()
    wide = logged_in.evaluate("document.documentElement.scrollWidth")
    assert wide <= 360
    box = logged_in.locator(".rg-upset-box")
    assert box.evaluate("one => one.scrollWidth > one.clientWidth")
