"""The pages of files, versions and the past have no serious fault; axe looks, in the dark."""

from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone
from playwright.sync_api import Page

from segments import files, lifecycle
from segments.models import Segment
from tests.browser.looking import dress, serious_faults, settle
from tests.factories import make_contact
from tests.segments.factories import HOUR, lives_in, make_contacts, make_segment, refresh
from workspace.access import SYSTEM


@pytest.mark.long
@pytest.mark.django_db(transaction=True)
def test_no_page_of_files_and_the_past_has_a_serious_fault(
    logged_in: Page, settings: Any, tmp_path: Path
) -> None:
    settings.VAR = tmp_path / "var"
    settings.UPLOADS_ROOT = tmp_path / "var" / "uploads"
    now = timezone.now()
    make_contacts("Warszawa", "Kraków")
    make_contact(email="anna@example.com")
    segment = make_segment(at=now - 3 * HOUR)
    refresh(segment, as_of=now - 2 * HOUR)
    lifecycle.update_segment(
        segment, actor=SYSTEM, at=now - HOUR, criteria=lives_in("Warszawa", "Kraków")
    )
    refresh(segment, as_of=now - HOUR)
    first, last = segment.calculations.order_by("pk").values_list("pk", flat=True)
    file = tmp_path / "fair.csv"
    file.write_text("name;email\nAnna;anna@example.com\nX;x@example.com\n")
    made = files.create_segment(file, file_name="fair.csv", actor=SYSTEM, at=now, name="Fair")
    fair = Segment.objects.get(key=made.segment)
    page = logged_in
    dress(page, width=1280, theme="dark")
    room = f"/admin/segments/segment/{segment.pk}"
    then = (now - 2 * HOUR).strftime("%Y-%m-%dT%H:%M:%S")
    found: dict[str, list[str]] = {}

    def look() -> None:
        settle(page)
        if faults := serious_faults(page):
            found[page.url] = faults

    for path in (
        f"{room}/history/?period=all",
        f"{room}/history/compare/?from={first}&to={last}",
        f"{room}/make-list/?kind=entered&from={first}&to={last}",
        f"{room}/members/?as_of={then}",
        f"{room}/versions/",
        f"/admin/segments/segment/{fair.pk}/file/",
        f"/admin/segments/segment/{fair.pk}/change/",
        f"/admin/segments/segment/{fair.pk}/versions/",
        "/admin/segments/segment/add-from-file/",
    ):
        page.goto(path)
        look()
    page.set_input_files("#id_file", str(file))
    page.get_by_role("button", name="Look at it").click()
    look()
    assert found == {}, "\n".join(f"{path}\n  " + "\n  ".join(f) for path, f in found.items())
