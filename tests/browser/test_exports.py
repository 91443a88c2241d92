"""An export in a real browser: columns ordered by mouse and by keyboard, the file fetched."""

from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from contacts.models import Contact
from segments.models import Export, ExportSchedule
from tests.segments.factories import make_contacts, make_segment, refresh
from workspace import jobs
from workspace.models import Job

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _own_folder(settings: Any, tmp_path: Path) -> None:
    settings.EXPORTS_ROOT = tmp_path / "exports"


def _run_jobs() -> None:
    """Do what waits, as a worker would."""
    for job in Job.objects.filter(state=Job.State.QUEUED):
        jobs.run(job.pk)


def _poles() -> None:
    make_contacts("Warszawa", "Warszawa", "Paris")
    Contact.objects.filter(city="Warszawa").update(first_name="Ania", email="ania@example.com")
    refresh(make_segment(name="Poles", at=timezone.now()), as_of=timezone.now())


def _order(page: Page) -> list[str]:
    return page.locator("[data-chosen] [data-name]").all_inner_texts()


def _drag(page: Page, label: str, onto: str) -> None:
    """Take a column by its handle to the place of another."""
    box = page.get_by_role("button", name=f"Move {label}", exact=True).bounding_box()
    target = page.locator(f'[data-chosen] li[data-label="{onto}"]').bounding_box()
    assert box is not None
    assert target is not None
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(target["x"] + 10, target["y"] + target["height"] / 2 + 2, steps=8)
    page.mouse.move(target["x"] + 10, target["y"] + 2, steps=4)
    page.mouse.up()


@pytest.mark.walk
def test_columns_are_ordered_by_mouse_and_by_keyboard_and_the_file_is_fetched(
    logged_in: Page,
) -> None:
    _poles()
    page = logged_in
    page.goto("/admin/segments/segment/")
    page.get_by_role("link", name="Poles").first.click()
    page.locator(".rg-actions").get_by_role("link", name="Export", exact=True).click()
    expect(page.get_by_label("Segment", exact=True)).to_have_value("poles")
    expect(page.locator("[data-export-preview] [data-count]")).to_have_text("2")

    # Chosen by searching and pressing Enter.
    page.get_by_label("Available", exact=True).fill("city")
    page.keyboard.press("Enter")
    assert _order(page) == ["Id", "External id", "E-mail", "First name", "Last name", "City"]
    for label in ("External id", "Last name"):
        page.get_by_role("button", name=f"Take out: {label}").click()
    assert _order(page) == ["Id", "E-mail", "First name", "City"]

    _drag(page, "City", "E-mail")
    assert _order(page) == ["Id", "City", "E-mail", "First name"]

    page.get_by_role("button", name="Move First name", exact=True).focus()
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowUp")
    assert _order(page) == ["First name", "Id", "City", "E-mail"]
    expect(page.locator("[data-announce]")).to_have_text("First name is now at place 1")
    expect(page.get_by_role("button", name="Move First name", exact=True)).to_be_focused()
    page.get_by_role("button", name="Move down: Id").click()
    assert _order(page) == ["First name", "City", "Id", "E-mail"]

    page.get_by_label("Heading of City").fill("Town")
    expect(page.locator("[data-table] th").nth(1)).to_have_text("Town")
    expect(page.locator("[data-table] tbody tr").first).to_contain_text("Ania")
    page.get_by_label("Separator", exact=True).select_option("semicolon")
    page.get_by_role("button", name="Create", exact=True).click()
    expect(page.get_by_role("progressbar")).to_be_visible()
    _run_jobs()
    with page.expect_download() as fetched:
        page.get_by_role("link", name="Download").first.click()
    lines = fetched.value.path().read_text().splitlines()
    assert lines[0] == "first_name;Town;id;email"
    assert lines[1].startswith("Ania;Warszawa;")
    assert fetched.value.suggested_filename.startswith("Poles-")


def test_the_form_shows_only_what_has_a_say(logged_in: Page) -> None:
    _poles()
    page = logged_in
    page.goto("/admin/segments/export/add/")
    separator, unfitting = (
        page.get_by_label("Separator", exact=True),
        page.get_by_label("Letters that"),
    )
    expect(separator).to_be_visible()
    expect(unfitting).to_be_hidden()
    page.get_by_label("Encoding", exact=True).select_option("windows-1252")
    expect(unfitting).to_be_visible()
    page.locator("#id_format").select_option("xlsx")
    expect(separator).to_be_hidden()
    expect(page.locator("[data-export-preview] [data-count]")).to_have_text("3")
    entered = page.get_by_role("button", name="Add the column Entered", exact=True)
    expect(entered).to_be_disabled()
    page.get_by_label("Segment", exact=True).select_option("poles")
    expect(entered).to_be_enabled()
    expect(page.locator("[data-export-preview] [data-count]")).to_have_text("2")
    page.get_by_role("button", name="All", exact=True).click()
    assert "Entered" in _order(page)
    page.get_by_role("button", name="Usual", exact=True).click()
    assert len(_order(page)) == 5

    page.get_by_label("Every so often").check()
    page.get_by_label("Every", exact=True).fill("2")
    page.get_by_label("Name of the schedule").fill("For the agency")
    page.get_by_role("button", name="Create", exact=True).click()
    expect(page.get_by_text("every 2 days")).to_be_visible()
    assert ExportSchedule.objects.get().name == "For the agency"


@pytest.mark.walk
def test_a_file_is_deleted_from_the_list_after_a_dialog(logged_in: Page) -> None:
    _poles()
    page = logged_in
    page.goto("/admin/segments/export/add/?segment=poles")
    page.get_by_role("button", name="Create", exact=True).click()
    expect(page.get_by_role("progressbar")).to_be_visible()
    _run_jobs()
    # In a page of its own: the one that watches the job turns to its result by itself.
    page = page.context.new_page()
    page.goto("/admin/segments/export/")
    page.get_by_role("button", name="Delete file now").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("The file with 2 rows")
    dialog.get_by_role("button", name="Delete for ever").click()
    expect(page.get_by_text("The file was deleted.")).to_be_visible()
    assert Export.objects.get().state == "deleted"


@pytest.mark.walk
def test_the_form_fits_a_phone(logged_in: Page) -> None:
    _poles()
    page = logged_in
    page.set_viewport_size({"width": 360, "height": 740})
    for address in ("/admin/segments/export/add/?segment=poles", "/admin/segments/export/"):
        page.goto(address)
        width = page.evaluate("() => document.documentElement.scrollWidth")
        assert width <= 360, address
