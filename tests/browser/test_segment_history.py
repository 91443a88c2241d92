"""The history of a segment in a real browser: drawn, chosen by keyboard, made into a segment."""

from datetime import timedelta

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from contacts.models import Contact
from segments import lifecycle
from segments.models import Segment
from tests.browser.pictures import picture
from tests.segments.factories import lives_in, make_contacts, make_segment, refresh
from workspace import jobs
from workspace.access import SYSTEM
from workspace.models import Job


@pytest.mark.walk
@pytest.mark.django_db(transaction=True)
def test_the_history_leads_to_who_left_and_to_a_segment_of_them(logged_in: Page) -> None:
    ids = make_contacts(*["Warszawa"] * 5, "Paris")
    now = timezone.now()
    segment = make_segment(name="People of Warszawa", at=now - timedelta(days=4))
    refresh(segment, as_of=now - timedelta(days=3))
    Contact.objects.filter(pk__in=ids[:2]).update(city="Paris")
    refresh(segment, as_of=now - timedelta(days=2))
    wanted = {
        "combinator": "or",
        "rules": [
            *lives_in("Warszawa")["rules"],
            {"field": "contact.lead_score", "operator": ">", "value": 20},
        ],
    }
    lifecycle.update_segment(segment, actor=SYSTEM, at=now - timedelta(hours=30), criteria=wanted)
    Contact.objects.filter(pk=ids[5]).update(city="Warszawa")
    refresh(segment, as_of=now - timedelta(days=1))
    page = logged_in
    page.goto(f"/admin/segments/segment/{segment.pk}/history/?period=7d")
    expect(page.locator("canvas")).to_have_count(2)
    picture(page, "history")

    # By keyboard alone: from the last point one back, then in.
    flow = page.locator("canvas").nth(1)
    flow.focus()
    page.keyboard.press("End")
    page.keyboard.press("ArrowLeft")
    expect(page.get_by_text("3 members, 0 entered, 2 left").last).to_be_visible()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Between two calculations")).to_be_visible()
    expect(page.locator("tbody tr")).to_have_count(2)
    picture(page, "compare")
    page.get_by_role("link", name="Make a segment of these").click()
    picture(page, "make_list")
    page.fill("#id_name", "Moved away")
    page.get_by_role("button", name="Create segment").click()
    expect(page.get_by_text("“Moved away” is being filled.")).to_be_visible()
    for job in Job.objects.filter(state=Job.State.QUEUED, kind="segments.fill_list"):
        jobs.run(job.pk)
    assert Segment.objects.get(name="Moved away").member_count == 2
    # The page that watches the job loads itself again when it is over.
    expect(page.get_by_role("progressbar")).to_have_count(0)

    # Any two of the table, and any moment of the past.
    page.goto(f"/admin/segments/segment/{segment.pk}/history/?period=7d")
    page.locator("input[name=from]").nth(2).check()
    page.get_by_role("button", name="Compare the two chosen").click()
    expect(page.locator("dl.rg-figures dd")).to_have_text(["+1", "−2", "−1"])
    page.get_by_label("Parts of this page").get_by_role("link", name="Members").click()
    then = timezone.localtime(now - timedelta(days=3)) + timedelta(minutes=1)
    page.fill("#as_of", then.strftime("%Y-%m-%dT%H:%M:%S"))
    page.get_by_role("button", name="Look back").click()
    expect(page.get_by_role("heading", name="5 members on")).to_be_visible()
    expect(page.get_by_text("Version 1, in force then")).to_be_visible()
    picture(page, "then")
    page.get_by_role("link", name="All versions").click()
    page.get_by_text("Side by side").click()
    picture(page, "versions")
    page.get_by_role("button", name="Restore version 1").click()
    dialog = page.get_by_role("dialog", name="Restore version 1")
    expect(dialog).to_contain_text("becomes version 3")
    dialog.get_by_role("button", name="Restore", exact=True).click()
    expect(page.get_by_text("Version 1 is in force again, as version 3.")).to_be_visible()
