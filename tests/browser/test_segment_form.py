"""The form of a segment in a real browser: beginning, generating, counting, not losing anything."""

import json
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone
from playwright.sync_api import Dialog, Page, expect

from segments.models import SavedCriteria, Segment
from segments.saved_criteria import create_saved_criteria
from tests.segments.factories import lives_in, make_contacts, make_segment, refresh
from workspace import jobs
from workspace.access import SYSTEM
from workspace.models import Job

pytestmark = pytest.mark.django_db(transaction=True)
ADD = "/admin/segments/segment/add/"


def _form_of(segment: Segment) -> str:
    return f"/admin/segments/segment/{segment.pk}/change/"


def _write(page: Page, criteria: Any) -> None:
    """What the builder does when somebody edits."""
    page.evaluate(
        """text => { const area = document.getElementById('id_criteria'); area.value = text;
           area.dispatchEvent(new Event('input', { bubbles: true })) }""",
        json.dumps(criteria),
    )


def _run_jobs() -> None:
    """Do what waits, as a worker would."""
    for job in Job.objects.filter(state=Job.State.QUEUED):
        jobs.run(job.pk)


@pytest.mark.walk
def test_generating_with_unsaved_changes_asks_and_saves(logged_in: Page) -> None:
    make_contacts("Warszawa", "Oslo", "Oslo")
    segment = make_segment()
    _run_jobs()
    page = logged_in
    page.goto(_form_of(segment))
    expect(page.locator("[data-unsaved]")).to_be_hidden()
    _write(page, lives_in("Oslo"))
    expect(page.locator("[data-unsaved]")).to_be_visible()

    page.get_by_role("button", name="Generate segment").click()
    dialog = page.get_by_role("dialog", name="Save and generate?")
    expect(dialog).to_contain_text("not saved")
    dialog.get_by_role("button", name="Cancel").click()
    segment.refresh_from_db()
    assert segment.criteria == lives_in("Warszawa")

    page.get_by_role("button", name="Generate segment").click()
    dialog.get_by_role("button", name="Save and continue").click()
    expect(page.get_by_text("is being generated")).to_be_visible()
    segment.refresh_from_db()
    assert segment.criteria == lives_in("Oslo")
    _run_jobs()
    # The page watches the calculation, and shows what came of it.
    expect(page.locator("[data-member-count]")).to_have_text("2")
    page.get_by_role("button", name="Refresh count").click()
    expect(page.locator("[data-count-told]")).to_contain_text("2 records")


@pytest.mark.walk
def test_a_calculation_that_ends_does_not_take_away_what_is_being_written(logged_in: Page) -> None:
    make_contacts("Warszawa")
    segment = make_segment()
    page = logged_in
    page.goto(_form_of(segment))
    expect(page.get_by_role("progressbar")).to_be_visible()
    page.fill("#id_description", "Half written")
    _run_jobs()
    expect(page.locator("[data-count-told]")).to_contain_text("1 record")
    expect(page.locator("#id_description")).to_have_value("Half written")


def test_generating_what_is_saved_does_not_ask(logged_in: Page) -> None:
    segment = make_segment()
    _run_jobs()
    page = logged_in
    page.goto(_form_of(segment))
    page.get_by_role("button", name="Generate segment").click()
    expect(page.get_by_text("is being generated")).to_be_visible()
    segment.refresh_from_db()
    assert segment.refresh_requested_at is not None
    assert segment.version_number == 1


@pytest.mark.walk
def test_leaving_with_unsaved_changes_asks(logged_in: Page) -> None:
    segment = make_segment(name="Poles")
    refresh(segment)
    page = logged_in
    page.goto(_form_of(segment))
    page.fill("#id_description", "Half written")
    page.get_by_role("link", name="History").click()
    dialog = page.get_by_role("dialog", name="Leave without saving?")
    expect(dialog).to_be_visible()
    expect(dialog.get_by_role("button", name="Stay on this page")).to_be_focused()
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(page.locator("#id_description")).to_have_value("Half written")

    # The browser asks in its own words where no link is followed.
    asked: list[str] = []

    def agree(question: Dialog) -> None:
        asked.append(question.type)
        question.accept()

    page.once("dialog", agree)
    page.reload()
    assert asked == ["beforeunload"]

    page.goto(_form_of(segment))
    page.fill("#id_description", "Half written")
    page.get_by_role("link", name="History").click()
    dialog.get_by_role("button", name="Leave without saving").click()
    page.wait_for_url("**/history/")


def test_leaving_what_is_saved_or_changed_back_does_not_ask(logged_in: Page) -> None:
    segment = make_segment()
    page = logged_in
    page.goto(_form_of(segment))
    page.fill("#id_description", "x")
    page.fill("#id_description", "")
    page.get_by_role("link", name="History").click()
    page.wait_for_url("**/history/")
    page.goto(_form_of(segment))
    page.fill("#id_description", "Written")
    page.keyboard.press("Control+s")
    expect(page.get_by_text("was saved")).to_be_visible()
    page.get_by_role("link", name="History").click()
    page.wait_for_url("**/history/")
    segment.refresh_from_db()
    assert segment.description == "Written"


@pytest.mark.walk
def test_a_segment_begins_with_a_template_that_was_searched(logged_in: Page) -> None:
    make_contacts("Oslo")
    page = logged_in
    page.goto(ADD)
    page.get_by_label("Search templates").fill("seven days birthday")
    expect(page.locator("[data-template]:visible")).to_have_count(1)
    page.keyboard.press("Enter")
    expect(page.locator("#id_start_name")).to_have_value("Birthday next week")
    expect(page.locator("[data-start-count]")).to_contain_text("0 contacts match now")
    page.get_by_label("Search templates").fill("nonsense")
    expect(page.get_by_text("No template is called so.")).to_be_visible()
    page.get_by_label("Search templates").fill("")
    page.fill("#id_start_name", "Cakes")
    page.get_by_role("button", name="Continue").click()
    expect(page.locator("#id_name")).to_have_value("Cakes")
    assert "csrf" not in page.url
    page.get_by_role("button", name="Create segment and add action").click()
    page.wait_for_url("**/actions/?add=1")
    rules = Segment.objects.get(name="Cakes").criteria["rules"]
    assert rules[0]["operator"] == "anniversaryInNext"


@pytest.mark.walk
def test_criteria_are_kept_and_begun_with(logged_in: Page) -> None:
    segment = make_segment()
    page = logged_in
    page.goto(_form_of(segment))
    page.get_by_role("button", name="Save criteria").click()
    dialog = page.get_by_role("dialog", name="Save criteria")
    dialog.get_by_label("Name").fill("Of the capital")
    dialog.get_by_role("button", name="Save criteria").click()
    expect(page.get_by_role("link", name="Of the capital")).to_be_visible()
    assert SavedCriteria.objects.get().criteria == lives_in("Warszawa")

    page.goto(ADD)
    page.get_by_text("Criteria that you or others kept").click()
    page.get_by_role("button", name="Continue").click()
    expect(page.locator("#id_name")).to_have_value("Of the capital")
    assert json.loads(page.locator("#id_criteria").input_value()) == lives_in("Warszawa")


@pytest.mark.walk
def test_saved_criteria_are_inserted_beside_or_instead(logged_in: Page) -> None:
    make_contacts("Warszawa", "Oslo")
    create_saved_criteria(
        actor=SYSTEM,
        at=timezone.now(),
        name="Dear ones",
        criteria={
            "combinator": "and",
            "rules": [{"field": "contact.lead_score", "operator": ">=", "value": Decimal("0.10")}],
        },
    )
    segment = make_segment()
    page = logged_in
    page.goto(_form_of(segment))
    dialog = page.get_by_role("dialog", name="Insert criteria")
    for way, count in (("Add beside", 2), ("Replace", 1)):
        page.get_by_role("button", name="Insert criteria").click()
        dialog.get_by_label("Criteria").select_option("Dear ones")
        dialog.get_by_role("button", name=way).click()
        written = page.locator("#id_criteria").input_value()
        assert len(json.loads(written)["rules"]) == count
        assert "0.10" in written, "numbers keep their digits"
    expect(page.locator("[data-estimate-sentence]")).to_contain_text("Lead score")
    expect(page.locator("[data-unsaved]")).to_be_visible()


def test_an_interval_is_asked_for_where_there_is_one(logged_in: Page) -> None:
    page = logged_in
    page.goto(f"{ADD}?start=blank&name=Often")
    expect(page.locator("[data-interval]")).to_be_hidden()
    page.get_by_label("Every so often").check()
    page.get_by_label("Every", exact=True).fill("6")
    page.get_by_label("Unit").select_option("hour")
    page.get_by_role("button", name="Create segment", exact=True).click()
    page.wait_for_url("**/change/")
    segment = Segment.objects.get()
    assert (segment.refresh_amount, segment.refresh_unit) == (6, "hour")


@pytest.mark.walk
def test_the_pages_fit_a_phone(logged_in: Page) -> None:
    make_contacts("Oslo")
    segment = make_segment(name="A segment with a name that is rather long " * 3)
    page = logged_in
    page.set_viewport_size({"width": 360, "height": 780})
    room = f"/admin/segments/segment/{segment.pk}"
    for path in (
        ADD,
        f"{ADD}?start=blank",
        f"{room}/settings/",
        "/admin/segments/savedcriteria/add/",
    ):
        page.goto(path)
        width = page.evaluate("() => document.documentElement.scrollWidth")
        assert width <= 360, f"{path} is {width} pixels wide"
