"""Segments in a real browser: written with a live preview, refreshed, looked at."""

import json
import re
from typing import Any, Literal

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from contacts.models import Contact
from segments import membership
from segments.models import Segment
from tests.segments.factories import lives_in, make_contacts, make_segment, refresh
from workspace import jobs
from workspace.models import Job


def _run_jobs() -> None:
    """Do what waits, as a worker would."""
    for job in Job.objects.filter(state=Job.State.QUEUED):
        jobs.run(job.pk)


def _write_as_json(page: Page, criteria: Any) -> None:
    """Write a document by hand, as experts do."""
    page.get_by_role("button", name="As JSON").click()
    page.get_by_label("Criteria as JSON").fill(json.dumps(criteria))


@pytest.mark.walk
@pytest.mark.django_db(transaction=True)
def test_a_segment_is_written_previewed_refreshed_and_its_members_seen(logged_in: Page) -> None:
    make_contacts("Warszawa", "Warszawa", "Kraków")
    page = logged_in
    page.get_by_role("link", name="Segments", exact=True).click()
    page.get_by_role("link", name="Create segment", exact=True).first.click()
    page.fill("#id_start_name", "People of Warszawa")
    page.get_by_role("button", name="Continue").click()
    expect(page.locator("#id_name")).to_have_value("People of Warszawa")
    _write_as_json(page, lives_in("Warszawa"))
    estimate = page.get_by_role("region", name="Estimate")
    expect(estimate).to_contain_text("contacts match now")
    expect(page.locator("[data-estimate-sentence]")).to_contain_text("Warszawa")
    expect(estimate.get_by_role("listitem")).to_have_count(2)
    assert not Segment.objects.exists(), "a preview saves nothing"
    page.get_by_role("button", name="Create segment", exact=True).click()
    expect(page.get_by_text("“People of Warszawa” was saved.")).to_be_visible()
    _run_jobs()
    page.reload()
    expect(page.locator("dl.rg-figures dd").first).to_have_text("2")

    Contact.objects.filter(city="Kraków").update(city="Warszawa")
    page.get_by_role("button", name="Generate segment").click()
    expect(page.get_by_role("progressbar")).to_be_visible()
    _run_jobs()
    # The page watches the job and shows what came of it, without being asked to.
    expect(page.locator("dl.rg-figures dd").first).to_have_text("3")
    page.get_by_role("navigation", name="Parts of this page").get_by_role(
        "link", name="Members", exact=True
    ).click()
    expect(page.locator("tbody tr")).to_have_count(3)
    page.get_by_role("link", name="History").click()
    expect(page.locator("canvas")).to_have_count(2)


@pytest.mark.django_db(transaction=True)
def test_faults_are_told_while_one_writes(logged_in: Page) -> None:
    page = logged_in
    page.goto("/admin/segments/segment/add/?start=blank")
    faulty = {"combinator": "and", "rules": [{"field": "contact.shoe_size", "operator": "null"}]}
    _write_as_json(page, faulty)
    fault = page.get_by_role("region", name="to put right")
    expect(fault).to_contain_text("contact.shoe_size")
    _write_as_json(page, {"combinator": "and", "rules": []})
    expect(fault).to_be_hidden()


@pytest.mark.django_db(transaction=True)
def test_a_dialog_is_closed_by_escape_and_nothing_happens(logged_in: Page) -> None:
    segment = make_segment()
    page = logged_in
    page.goto(f"/admin/segments/segment/{segment.pk}/change/")
    page.get_by_role("button", name="Set inactive").click()
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()
    segment.refresh_from_db()
    assert segment.status == Segment.Status.ACTIVE


def _tab_to(page: Page, words: str) -> None:
    """Press Tab until what has the focus is called `words`."""
    for _press in range(120):
        page.keyboard.press("Tab")
        name = page.evaluate(
            "() => { const e = document.activeElement; return (e.getAttribute('aria-label')"
            " || e.title || e.innerText || (e.labels && e.labels[0] && e.labels[0].innerText)"
            " || '').trim().replace(/\\s+/g, ' ') }"
        )
        if re.fullmatch(words, name):
            visible = page.evaluate(
                "() => getComputedStyle(document.activeElement).outlineStyle !== 'none'"
                " || getComputedStyle(document.activeElement).boxShadow !== 'none'"
            )
            assert visible, f"the focus on {name} cannot be seen"
            return
    pytest.fail(f"{words} cannot be reached by the keyboard")


@pytest.mark.walk
@pytest.mark.django_db(transaction=True)
def test_a_segment_is_made_and_put_away_by_keyboard_alone(page: Page) -> None:
    make_contacts("Warszawa")
    page.goto("/admin/login/")
    page.keyboard.type("ada")
    page.keyboard.press("Tab")
    page.keyboard.type("correct horse battery")
    page.keyboard.press("Enter")
    page.wait_for_url("**/admin/")
    _tab_to(page, r"(\w+ )?Segments")
    page.keyboard.press("Enter")
    page.wait_for_url("**/segments/segment/")
    _tab_to(page, r"(add )?Create segment")
    page.keyboard.press("Enter")
    page.wait_for_url("**/add/")
    _tab_to(page, ".*Blank.*")
    _tab_to(page, "Title")
    page.keyboard.type("By keyboard")
    _tab_to(page, r"Continue.*")
    page.keyboard.press("Enter")
    page.wait_for_url("**/add/?*")
    _tab_to(page, "Create segment")
    page.keyboard.press("Enter")
    page.wait_for_url("**/change/")
    segment = Segment.objects.get()
    assert segment.name == "By keyboard"
    _tab_to(page, r"(\w+ )?Set inactive")
    page.keyboard.press("Enter")
    _tab_to(page, "Set inactive")
    page.keyboard.press("Enter")
    # The page stays; the message beside it goes by itself.
    expect(page.get_by_role("button", name="Set active")).to_be_visible()
    segment.refresh_from_db()
    assert segment.status == Segment.Status.INACTIVE


@pytest.mark.django_db(transaction=True)
def test_the_menu_opens_by_keyboard_on_a_phone(logged_in: Page) -> None:
    page = logged_in
    page.set_viewport_size({"width": 360, "height": 780})
    page.goto("/admin/")
    _tab_to(page, "Menu")
    page.keyboard.press("Enter")
    expect(page.get_by_role("link", name="Contacts", exact=True)).to_be_in_viewport()


@pytest.mark.walk
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("theme", [pytest.param("light", marks=pytest.mark.long), "dark"])
def test_nothing_is_wider_than_a_phone(logged_in: Page, theme: Literal["light", "dark"]) -> None:
    [contact_id, *_others] = make_contacts(*["Warszawa"] * 3)
    Contact.objects.filter(pk=contact_id).update(
        email=f"{'very' * 20}@example.com", last_name="Longname" * 12
    )
    segment = make_segment(name="A segment with a name that is rather long for a phone " * 3)
    refresh(segment, as_of=timezone.now())
    membership.refresh(segment.pk, as_of=timezone.now(), cause="test")
    page = logged_in
    page.set_viewport_size({"width": 360, "height": 780})
    page.emulate_media(color_scheme=theme)
    room = f"/admin/segments/segment/{segment.pk}"
    for path in (
        "/admin/",
        "/admin/contacts/contact/",
        f"/admin/contacts/contact/{contact_id}/change/",
        f"/admin/contacts/contact/{contact_id}/edit/",
        "/admin/segments/segment/",
        *(f"{room}/{part}/" for part in ("change", "members", "history", "changes", "versions")),
        *(f"{room}/{part}/" for part in ("explain", "export")),
        "/admin/workspace/job/",
        "/admin/workspace/apiuser/add/",
        "/admin/workspace/auditentry/",
    ):
        page.goto(path)
        is_dark = "document.documentElement.classList.contains('dark')"
        page.wait_for_function(is_dark if theme == "dark" else f"!{is_dark}")
        if path == f"{room}/change/":
            expect(page.locator(".cb-estimate-sample li")).to_have_count(3)
        width = page.evaluate("() => document.documentElement.scrollWidth")
        assert width <= 360, f"{path} is {width} wide"
