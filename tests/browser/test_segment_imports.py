"""Segments of Emarsys chosen in a real browser and read over real HTTP by a worker."""

from collections.abc import Iterator
from ipaddress import ip_network
from typing import Any

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from integrations import outbound
from integrations.connectors.emarsys import client, reading
from integrations.sandbox.emarsys import EmarsysSandbox
from integrations.sandbox.server import running
from integrations.vendors import connections
from segments.models import Segment
from tests.browser.looking import serious_faults, settle
from tests.browser.pictures import picture
from tests.factories import make_contact
from tests.segments.imported.system import make_members
from workspace import jobs
from workspace.access import SYSTEM
from workspace.models import Job


@pytest.fixture
def emarsys(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[EmarsysSandbox]:
    """An Emarsys on this machine whose runs are over as soon as one asks."""
    sandbox = EmarsysSandbox()
    sandbox.run_states = ["waiting", "done"]
    monkeypatch.setattr(reading, "_POLL_FIRST", 0.01)
    with running(sandbox):
        settings.EMARSYS_URL = settings.EMARSYS_AUTH_URL = sandbox.url
        settings.OUTBOUND_ALLOW = [ip_network("127.0.0.0/8")]
        client._tokens.clear()
        yield sandbox
    outbound.hang_up()


def work() -> None:
    """What a worker does with what waits."""
    for job in Job.objects.filter(state=Job.State.QUEUED):
        jobs.run(job.pk)


@pytest.mark.walk
@pytest.mark.django_db(transaction=True)
def test_segments_are_chosen_read_and_looked_at(logged_in: Page, emarsys: EmarsysSandbox) -> None:
    make_members("ann@example.com", "bea@example.com")
    make_contact(email="cid@example.com")
    people = [f"{name}@example.com" for name in ("ann", "bea", "cid", "dan", "eva")]
    vip = emarsys.add_segment("VIP", people)
    readers = emarsys.add_segment("Newsletter readers", people[1:])
    emarsys.add_combined("Readers who are no VIP", [readers], [vip])
    for number in range(6):
        emarsys.add_segment(f"Region {number + 1}", people[:number])
    page = logged_in
    page.goto("/admin/segments/segment/import/")
    expect(page.get_by_role("heading", name="No system is connected")).to_be_visible()
    picture(page, "import-nothing")
    connections.authorize_connection(
        kind="emarsys",
        credentials={"user": "sandbox-client", "secret": "emarsys-sandbox-client-secret"},
        name="Emarsys main",
        actor=SYSTEM,
        at=timezone.now(),
    )

    page.goto("/admin/segments/segment/")
    page.locator(".rg-actions").get_by_role("link", name="Import").click()
    row = page.get_by_role("row", name="VIP", exact=False).last
    expect(row).to_contain_text("5")
    page.get_by_placeholder("Search by name").fill("reg")
    expect(page.get_by_role("row")).to_have_count(7)
    page.get_by_placeholder("Search by name").fill("")
    page.get_by_label("VIP", exact=True).check()
    page.get_by_label("Newsletter readers").check()
    expect(page.get_by_role("button", name="Import (2)")).to_be_visible()
    settle(page)
    assert serious_faults(page) == []
    picture(page, "import-choose")
    page.get_by_role("button", name="Import (2)").click()
    expect(page.get_by_text("2 segments are imported")).to_be_visible()
    work()

    page.goto("/admin/segments/segment/")
    expect(page.get_by_text("imported from Emarsys").first).to_be_visible()
    picture(page, "import-list")
    segment = Segment.objects.get(name="VIP")
    page.goto(f"/admin/segments/segment/{segment.pk}/imported/")
    shown = page.locator("dl.rg-figures dd").all_text_contents()
    assert shown == ["5", "2", "1", "2", "0", "0", "2"]
    page.get_by_role("link", name="not in the base").click()
    expect(page.get_by_text("dan@example.com")).to_be_visible()
    expect(page.get_by_text("cid@example.com")).to_be_hidden()
    settle(page)
    assert serious_faults(page) == []
    picture(page, "imported")

    vip.contact_ids = vip.contact_ids[:1]
    page.get_by_role("button", name="Synchronize now").click()
    page.get_by_role("dialog").get_by_role("button", name="Synchronize now").click()
    expect(page.get_by_text("is being read")).to_be_visible()
    work()
    page.goto(f"/admin/segments/segment/{segment.pk}/change/")
    expect(page.get_by_text("Contacts who are in the segment “VIP” of Emarsys.")).to_be_visible()
    segment.refresh_from_db()
    assert segment.member_count == 1
    picture(page, "imported-overview")
    page.goto("/admin/segments/segment/import/")
    expect(page.get_by_text("Imported as")).to_have_count(2)
