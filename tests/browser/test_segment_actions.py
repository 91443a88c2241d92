"""Actions in a real browser: planned while the segment is in preparation, executed, undone."""

import re

import pytest
from playwright.sync_api import Page, expect

from contacts.models import ContactTag, Tag
from segments.models import SegmentAction
from tests.segments.factories import make_contacts, make_segment
from workspace import jobs
from workspace.models import Job

pytestmark = [pytest.mark.walk, pytest.mark.django_db(transaction=True)]


def _run_jobs() -> None:
    """Do what waits, as a worker would, and what that makes due."""
    while waiting := Job.objects.filter(state=Job.State.QUEUED).order_by("pk").first():
        jobs.run(waiting.pk)


def test_an_action_planned_in_preparation_runs_when_the_segment_is_ready(logged_in: Page) -> None:
    make_contacts("Warszawa", "Warszawa", "Paris")
    segment = make_segment()
    page = logged_in
    page.goto(f"/admin/segments/segment/{segment.pk}/actions/")
    page.get_by_role("link", name="Add action").click()
    expect(page.get_by_label("Tag", exact=True)).to_be_hidden()
    page.get_by_role("radio", name="Add tag").check()
    expect(page.get_by_label("Consent", exact=True)).to_be_hidden()
    page.get_by_label("Tag", exact=True).fill("early-bird")
    page.get_by_role("button", name="See what it does").click()
    look = page.get_by_role("region", name="Add tag early-bird")
    expect(look).to_contain_text("“early-bird” does not exist yet: it is made.")
    expect(look).to_contain_text("It waits until the segment has been calculated.")
    look.get_by_role("button", name="Plan it").click()
    planned = page.get_by_role("region", name="Planned")
    expect(planned).to_contain_text("Add tag “Early bird”")
    assert SegmentAction.objects.get().state == "planned"

    # The segment is calculated: that begins the action by itself.
    _run_jobs()
    page.reload()
    executed = page.get_by_role("region", name="Finished")
    expect(executed).to_contain_text("2 contacts changed")
    assert ContactTag.objects.filter(tag__key="early-bird").count() == 2

    executed.get_by_role("button", name="Undo").click()
    dialog = page.get_by_role("dialog", name=re.compile("Undo"))
    expect(dialog).to_contain_text("is taken from the 2 contacts")
    dialog.get_by_role("button", name="Undo it").click()
    expect(page.get_by_role("progressbar")).to_be_visible()
    _run_jobs()
    expect(page.get_by_text("Undone: 2")).to_be_visible()
    assert not ContactTag.objects.exists()


def test_the_form_works_by_keyboard_alone(logged_in: Page) -> None:
    Tag.objects.create(key="vip", label="VIP")
    segment = make_segment()
    page = logged_in
    page.goto(f"/admin/segments/segment/{segment.pk}/actions/?add=1")
    page.get_by_role("radio", name="Add tag").focus()
    page.keyboard.press("Space")
    page.keyboard.press("ArrowDown")
    expect(page.get_by_role("radio", name="Remove tag")).to_be_checked()
    page.keyboard.press("Tab")
    page.keyboard.type("vip")
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowDown")
    expect(page.get_by_role("radio", name="At a time")).to_be_checked()
    expect(page.get_by_label("Time", exact=True)).to_be_visible()
    page.keyboard.press("ArrowDown")
    expect(page.get_by_role("radio", name="After each refresh")).to_be_checked()
    page.get_by_role("button", name="See what it does").press("Enter")
    expect(page.get_by_role("button", name="Plan it")).to_be_visible()
    page.get_by_role("button", name="Plan it").press("Enter")
    expect(page.get_by_role("region", name="Planned")).to_contain_text("After each refresh")
