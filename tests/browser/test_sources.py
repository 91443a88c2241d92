"""A source in a real browser: added, heard, watched live, and what went wrong mended."""

import base64
import json
from collections.abc import Mapping
from urllib.request import Request, urlopen

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from integrations import digestion, inbox
from integrations.admin import debugging
from integrations.models import Source
from integrations.sources import create_source
from tests.browser.looking import RULES_OF_LOOKS, dress, faults_by_path, serious_faults, settle
from tests.browser.pictures import picture
from workspace.access import SYSTEM

pytestmark = [pytest.mark.walk, pytest.mark.django_db(transaction=True)]


def _send(address: str, write_key: str, *messages: Mapping[str, object]) -> None:
    """Send over HTTP, as a library does, and have it digested."""
    secret = base64.b64encode(f"{write_key}:".encode()).decode()
    request = Request(  # To the server of this test.
        f"{address}/v1/batch",
        json.dumps({"batch": messages}).encode(),
        {"Authorization": f"Basic {secret}", "Content-Type": "application/json"},
    )
    with urlopen(request, timeout=10) as answer:
        assert answer.status == 200
    digestion.digest(timezone.now())


def test_a_source_is_added_heard_and_what_went_wrong_is_mended(
    logged_in: Page, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = logged_in
    page.goto("/admin/integrations/source/")
    page.get_by_role("link", name="Add source").first.click()
    page.get_by_role("link", name="Server").click()
    expect(page.get_by_label("Name")).to_have_value("Shop server")
    page.get_by_role("button", name="Create source").click()
    expect(page.get_by_role("heading", name="Waiting for the first event…")).to_be_visible()
    write_key = page.locator("#write-key").inner_text().strip()
    page.get_by_role("tab", name="curl").press("ArrowRight")
    expect(page.get_by_role("tabpanel", name="Python")).to_contain_text(write_key)

    _send(address, write_key, {"type": "identify", "userId": "M-1", "traits": {"city": "Scranton"}})
    expect(page.get_by_role("heading", name="It works")).to_be_visible()

    page.get_by_role("link", name="Open the live debugger").click()
    rows = page.get_by_role("list", name="Events, the newest first").get_by_role("listitem")
    expect(rows).to_have_count(1)
    first = rows.first.get_by_role("button")
    first.focus()
    _send(address, write_key, {"type": "track", "userId": "M-1", "properties": {"rating": 5}})
    expect(rows).to_have_count(2)
    expect(rows.nth(1).get_by_role("button")).to_be_focused()
    expect(rows.first).to_contain_text("not used")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Enter")
    expect(rows.first).to_contain_text("A track needs an “event”")
    page.keyboard.press("Escape")
    expect(rows.first.get_by_role("button")).to_be_focused()
    page.keyboard.press("Enter")

    rows.first.get_by_role("link", name="Fix and replay").click()
    page.get_by_label("Name of the event").fill("review_left")
    page.get_by_role("button", name="Fix and replay").click()
    expect(page.get_by_text("It was replayed and is used now.")).to_be_visible()

    page.goto(f"/admin/integrations/source/{Source.objects.get().pk}/debugger/")
    expect(rows.first).to_contain_text("review_left")
    expect(rows.first).to_contain_text("accepted")
    page.get_by_label("Outcome").select_option("refused")
    expect(rows).to_have_count(1)
    _send(address, write_key, {"type": "track", "userId": "M-1", "event": "order_placed"})
    page.get_by_label("Outcome").select_option("")
    expect(rows).to_have_count(4)
    page.get_by_role("button", name="Pause").click()
    _send(address, write_key, {"type": "track", "userId": "M-1", "event": "late"})
    page.wait_for_timeout(1300)
    expect(rows).to_have_count(4)
    page.get_by_role("button", name="Resume").click()
    expect(rows).to_have_count(5)
    monkeypatch.setattr(debugging, "_ARRIVALS", 2)
    _send(
        address,
        write_key,
        *({"type": "track", "userId": "M-1", "event": f"e{n}"} for n in range(5)),
    )
    more = page.get_by_role("button", name="More arrived here: show them")
    more.click()
    expect(more).to_have_count(0)
    expect(rows).to_have_count(10)
    assert [name[:2] for name in page.locator(".rg-live-name").all_inner_texts()[:6]] == [
        *("e4", "e3", "e2", "e1", "e0", "la"),
    ]
    picture(page, "debugger")


@pytest.mark.long
def test_no_page_of_sources_has_a_serious_fault(logged_in: Page) -> None:
    page, now = logged_in, timezone.now()
    source, _key = create_source(name="Shop", actor=SYSTEM, at=now)
    hook, _key = create_source(name="Segment", kind="webhook", actor=SYSTEM, at=now)
    messages = [
        {"type": "identify", "userId": "A-1", "traits": {"city": "Kraków", "birthday": "never"}},
        {"type": "track", "userId": "A-1", "event": "review_left", "properties": {"rating": 5}},
        {"type": "track", "userId": "A-1"},
    ]
    inbox.receive(
        source_id=source.pk,
        call="batch",
        body=json.dumps({"batch": messages}),
        event_count=3,
        received_at=now,
    )
    digestion.digest(now)
    room = "/admin/integrations/source"
    held = source.held_events.earliest("pk")
    paths = [
        *(f"{room}/", f"{room}/add/", f"{room}/add/?kind=server", f"{room}/{hook.pk}/setup/"),
        *(
            f"{room}/{source.pk}/{slug}/"
            for slug in ("change", "setup", "debugger", "held", "traits", "settings")
        ),
        "/admin/integrations/heldevent/",
        f"/admin/integrations/heldevent/{held.pk}/change/",
    ]
    dress(page, width=1280, theme="light")
    found = faults_by_path(page, paths)
    for width, theme in ((1280, "dark"), (360, "light")):
        dress(page, width=width, theme="dark" if theme == "dark" else "light")
        found |= faults_by_path(page, paths, rules=RULES_OF_LOOKS)
    page.goto(f"{room}/{source.pk}/debugger/")
    page.locator(".rg-live-open").first.click()
    page.locator(".rg-live-detail:not([aria-busy])").wait_for()
    settle(page)
    if faults := serious_faults(page):
        found["the debugger with an event open"] = faults
    for path in paths:
        page.goto(path)
        settle(page)
        if page.evaluate("() => document.documentElement.scrollWidth") > 360:
            found[f"wider than a phone: {path}"] = []
    assert found == {}
