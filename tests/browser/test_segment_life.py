"""The life of a segment in a real browser: taken out of use, archived, renewed, its row's menu."""

import re
from datetime import timedelta
from typing import Literal

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from segments import membership
from segments.models import Segment
from tests.browser.looking import dress, serious_faults, settle
from tests.segments.factories import is_in, lives_in, make_contacts, make_segment


def _calculated(key: str, **given: object) -> Segment:
    criteria = given.pop("criteria", lives_in("Warszawa"))
    segment = make_segment(key, criteria, at=timezone.now(), **given)  # type: ignore[arg-type]
    membership.refresh(segment.pk, as_of=timezone.now(), cause="test")
    segment.refresh_from_db()
    return segment


@pytest.mark.walk
@pytest.mark.django_db(transaction=True)
def test_a_segment_is_inactivated_and_archived_after_it_was_said_what_uses_it(
    logged_in: Page,
) -> None:
    make_contacts("Warszawa", "Warszawa", "Kraków")
    base = _calculated("base", name="Base")
    _calculated("above", criteria=is_in("base"), name="Above")
    page = logged_in
    page.goto("/admin/segments/segment/")
    row = page.locator("tr", has=page.get_by_role("link", name="Base", exact=True))
    row.get_by_role("button", name="Commands of Base").click()
    expect(page.get_by_role("link", name="Delete (archive)")).to_have_count(0)
    row.get_by_role("link", name="Set inactive").click()

    # The address names the dialog: it is open, and says what uses the segment.
    dialog = page.get_by_role("dialog", name="Set inactive")
    expect(dialog).to_contain_text("1 thing uses it, and goes on with its last members:")
    expect(dialog.get_by_role("link", name="Above")).to_have_attribute(
        "href", re.compile("/admin/segments/segment/")
    )
    dialog.get_by_role("button", name="Set inactive").click()
    expect(page.get_by_text("“Base” is inactive.")).to_be_visible()

    page.get_by_role("button", name="Archive", exact=True).click()
    dialog = page.get_by_role("dialog", name="Archive")
    expect(dialog).to_contain_text("All 2 members leave “Base”")
    expect(dialog).to_contain_text("2 contacts are in both, and may leave it")
    dialog.get_by_role("button", name="Archive for ever").click()
    expect(page.get_by_text("“Base” is archived.")).to_be_visible()
    base.refresh_from_db()
    assert (base.status, base.member_count) == ("archived", 0)
    expect(page.get_by_role("button", name="Set active")).to_have_count(0)

    page.goto("/admin/segments/segment/?section=archive")
    expect(page.get_by_role("link", name="Base", exact=True)).to_be_visible()
    expect(page.get_by_role("link", name="Above", exact=True)).to_have_count(0)


@pytest.mark.walk
@pytest.mark.django_db(transaction=True)
def test_the_menu_of_a_row_works_by_keyboard_and_renews_what_expires(logged_in: Page) -> None:
    make_contacts("Warszawa")
    segment = _calculated("vip", name="VIPs", readiness_hours=6)
    Segment.objects.filter(pk=segment.pk).update(
        calculated_at=timezone.now() - timedelta(hours=2, minutes=5)
    )
    page = logged_in
    page.goto("/admin/segments/segment/?section=ready")
    expect(page.get_by_text(re.compile("expires in 3.hours"))).to_be_visible()
    opener = page.get_by_role("button", name="Commands of VIPs")
    opener.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("link", name="Add action")).to_be_focused()
    page.keyboard.press("ArrowDown")
    expect(page.get_by_role("link", name="List of actions")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.get_by_role("link", name="List of actions")).to_be_hidden()
    expect(opener).to_be_focused()

    page.get_by_role("button", name="Renew").click()
    expect(page.get_by_text("“VIPs” is being refreshed.")).to_be_visible()
    assert "section=ready" in page.url
    segment.refresh_from_db()
    assert segment.refresh_requested_at is not None


@pytest.mark.django_db(transaction=True)
@pytest.mark.long
@pytest.mark.parametrize(("width", "theme"), [(1280, "light"), (360, "dark")])
def test_warnings_menus_and_dialogs_have_no_serious_fault_for_who_reads_otherwise(
    logged_in: Page, width: int, theme: Literal["light", "dark"]
) -> None:
    make_contacts("Warszawa")
    nobody = {"field": "contact.lead_score", "operator": "null"}
    bad = _calculated(
        "bad", criteria={"combinator": "and", "rules": [nobody]}, name="Bad", readiness_hours=6
    )
    _calculated("above", criteria=is_in("bad"), name="Above")
    make_segment("new", name="New", at=timezone.now())
    page = logged_in
    dress(page, width=width, theme=theme)
    page.goto("/admin/segments/segment/")
    page.get_by_role("button", name="Commands of Bad").click()
    expect(page.get_by_role("link", name="Set inactive")).to_be_visible()
    assert serious_faults(page) == []
    for path in (
        "/admin/segments/segment/?section=preparation",
        f"/admin/segments/segment/{bad.pk}/change/",
        f"/admin/segments/segment/{bad.pk}/change/#dialog-set_inactive",
        "/admin/",
    ):
        page.goto("about:blank")
        page.goto(path)
        settle(page)
        assert serious_faults(page) == [], path
