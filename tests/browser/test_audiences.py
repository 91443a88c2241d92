"""A segment is sent to Dotdigital as a list, from its page; what became of it stands there."""

import pytest
from playwright.sync_api import Page, expect

from integrations.sandbox.dotdigital import Dotdigital
from tests.browser.looking import serious_faults
from tests.browser.pictures import picture
from tests.contract.cases import Clock
from tests.factories import make_contact
from tests.integrations.metric_uploads.conftest import World, clock, connect, sandbox
from tests.segments.factories import make_segment, refresh
from workspace.models import Website

__all__ = ["clock", "sandbox"]
pytestmark = [pytest.mark.walk, pytest.mark.django_db(transaction=True)]


def test_a_segment_is_sent_to_dotdigital_and_its_list_is_ended(
    logged_in: Page, clock: Clock, sandbox: Dotdigital
) -> None:
    page = logged_in
    segment = make_segment(at=clock.now())
    page.goto(f"/admin/segments/segment/{segment.pk}/audiences/")
    expect(page.get_by_role("heading", name="Sent nowhere yet")).to_be_visible()
    expect(page.get_by_text("No account that keeps lists is connected yet.")).to_be_visible()
    picture(page, "audiences-none")

    website = Website.objects.create(key="main", name="Main")
    world = World(sandbox, clock, connect(sandbox, clock, [website]), [website])
    for name in ("anna", "ben", "cai"):
        make_contact(email=f"{name}@shop.test", city="Warszawa")
    make_contact(city="Warszawa")
    refresh(segment, as_of=clock.now())
    page.reload()
    page.get_by_role("link", name="Send to…").click()
    expect(page.get_by_label("Name of the list there")).to_have_value("Poles")
    picture(page, "audiences-form")
    page.get_by_role("button", name="Send", exact=True).click()
    lists = page.get_by_role("region", name="Lists that mirror this segment")
    expect(lists).to_contain_text("on its way")

    world.run("audiences")
    page.reload()
    expect(lists).to_contain_text("up to date")
    expect(lists).to_contain_text("3 on the list · 1 without an address")
    assert serious_faults(page) == []
    picture(page, "audiences")
    assert world.sandbox.members("Poles") == {f"{n}@shop.test" for n in ("anna", "ben", "cai")}

    lists.get_by_role("button", name="End").click()
    page.get_by_role("button", name="Delete the list there").click()
    expect(lists).to_contain_text("its list is being deleted")
    world.run("audiences")
    page.reload()
    expect(page.get_by_role("heading", name="Sent nowhere yet")).to_be_visible()
    assert world.sandbox.members("Poles") == set()


def test_the_records_of_a_connection_are_looked_at(
    logged_in: Page, clock: Clock, sandbox: Dotdigital
) -> None:
    page = logged_in
    website = Website.objects.create(key="main", name="Main")
    world = World(sandbox, clock, connect(sandbox, clock, [website]), [website])
    for number in range(12):
        world.person(f"c{number}", is_known=number > 3)
    world.run("metrics")
    page.goto(f"/admin/integrations/vendorconnection/{world.connection.pk}/change/")
    panel = page.get_by_role("region", name="Metrics of contacts")
    expect(panel).to_contain_text("8 there")
    picture(page, "dotdigital-connection")
    panel.get_by_role("link", name="Records").click()
    refused = page.get_by_role("region", name="What the vendor did not take")
    expect(refused).to_contain_text("c0@shop.test:main")
    assert serious_faults(page) == []
    picture(page, "dotdigital-records")
    page.get_by_role("button", name="Upload everything again").click()
    page.get_by_role("dialog").get_by_role("button", name="Upload again").click()
    expect(page.get_by_text("12 records are sent again.")).to_be_visible()
