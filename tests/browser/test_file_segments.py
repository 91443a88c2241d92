"""A segment from a file in a real browser: uploaded, told apart, read by a worker, downloaded."""

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from contacts.models import Identity
from segments.models import Segment
from tests.browser.pictures import picture
from tests.factories import make_contact
from workspace import jobs
from workspace.models import Job

FILE = """Kunde;Kontakt;Stadt
Anna Nowak; ANNA@example.com;Łódź
Ewa Kos;ewa@example.com;Kraków
Ewa Kos;ewa@example.com;Kraków
Nobody;nobody@example.com;Gdańsk
Broken;not an address;Gdynia
"""


@pytest.fixture(autouse=True)
def _own_folders(settings: Any, tmp_path: Path) -> None:
    settings.VAR = tmp_path / "var"
    settings.UPLOADS_ROOT = tmp_path / "var" / "uploads"


@pytest.mark.walk
@pytest.mark.django_db(transaction=True)
def test_a_segment_is_made_of_a_file_and_what_did_not_match_is_downloaded(
    logged_in: Page, tmp_path: Path
) -> None:
    make_contact(email="anna@example.com", first_name="Anna")
    ewa = make_contact(email="ewa@example.com", first_name="Ewa")
    Identity.objects.create(namespace="crm", value="Ewa Kos", contact=ewa)
    file = tmp_path / "Spring fair.csv"
    file.write_text(FILE, "utf-8")
    page = logged_in
    page.goto("/admin/segments/segment/")
    page.get_by_role("link", name="Create segment from a file").click()
    page.set_input_files("#id_file", str(file))
    picture(page, "upload")
    page.get_by_role("button", name="Look at it").click()

    # The column is found by itself; another choice is tried at once.
    expect(page.locator("#id_column")).to_have_value("1")
    expect(page.locator("#id_identity")).to_have_value("email")
    figures = page.locator("dl.rg-figures")
    expect(figures).to_contain_text("Of 5 rows")
    expect(figures.locator("dd").first).to_have_text("2")
    picture(page, "columns")
    page.select_option("#id_column", "0")
    page.select_option("#id_identity", "crm")
    expect(figures.locator("dd").first).to_have_text("1")
    expect(page.locator("#id_identity")).to_be_focused()
    page.select_option("#id_identity", "email")
    page.select_option("#id_column", "1")
    expect(figures.locator("dd").first).to_have_text("2")
    expect(page.locator("#id_name")).to_have_value("Spring fair")
    page.get_by_role("button", name="Create segment", exact=True).click()

    expect(page.get_by_text("No file is read yet")).to_be_visible()
    expect(page.get_by_role("progressbar")).to_be_visible()
    for job in Job.objects.filter(state=Job.State.QUEUED):
        jobs.run(job.pk)
    # The page watches the job and shows what came of it.
    expect(page.get_by_role("heading", name="Spring fair.csv")).to_be_visible()
    shown = page.locator("dl.rg-figures dd:not(.rg-note)").all_text_contents()
    assert shown == ["5", "2", "1", "1", "1", "2"]
    picture(page, "read")
    with page.expect_download() as fetched:
        page.get_by_role("link", name="Download what did not match").click()
    content = Path(fetched.value.path()).read_text("utf-8-sig")
    assert "nobody@example.com" in content
    assert "anna" not in content.lower()
    page.get_by_label("Parts of this page").get_by_role("link", name="Overview").click()
    expect(page.get_by_text("Contacts who are in the file “Spring fair.csv”").first).to_be_visible()
    picture(page, "overview")
    assert Segment.objects.get().member_count == 2
