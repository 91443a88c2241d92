"""An account at another system in a real browser: connected, its website removed, revoked."""

from collections.abc import Iterator
from ipaddress import ip_network
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from integrations.models import VendorConnection
from integrations.vendors import leaving, syncing
from tests.browser.looking import RULES_OF_LOOKS, dress, faults_by_path, serious_faults, settle
from tests.browser.pictures import picture
from tests.integrations.vendors.acme import PASSWORD, Acme, acme, connect, make_site

pytestmark = [pytest.mark.walk, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def vendor(settings: Any) -> Iterator[Acme]:
    settings.OUTBOUND_ALLOW = [ip_network("127.0.0.0/8")]
    with acme() as sandbox:
        yield sandbox


def test_an_account_is_connected_a_website_removed_and_access_revoked(
    logged_in: Page, vendor: Acme
) -> None:
    page = logged_in
    make_site("a")
    make_site("b")
    page.goto("/admin/integrations/vendorconnection/")
    picture(page, "authorizations-none")
    section = page.get_by_role("region", name="Acme")
    expect(section).to_contain_text("not connected")
    section.get_by_role("link", name="Manage Connections").click()
    page.get_by_role("link", name="Add New Acme Connection").click()

    page.get_by_label("API username").fill("apiuser")
    page.get_by_label("API password").fill("wrong-one")
    summary = page.locator("[data-drop] summary")
    summary.focus()
    summary.press("Enter")
    page.get_by_label("Shop a").check()
    page.get_by_label("Shop b").check()
    picture(page, "authorize-typed")
    page.get_by_role("button", name="Authorize").click()
    expect(page.get_by_role("alert").first).to_contain_text("Login failed for apiuser")
    picture(page, "authorize-refused")
    assert serious_faults(page) == []
    expect(page.get_by_label("API password")).to_have_value("")
    expect(page.locator("[data-drop-text]")).to_have_text("Shop a, Shop b")
    page.get_by_label("API password").fill(PASSWORD)
    page.get_by_role("button", name="Authorize").click()
    expect(page.get_by_text("first data until").first).to_be_visible()

    connection = VendorConnection.objects.get()
    for _time in range(3):
        syncing.run_sync(connection.pk, "metrics")
    page.reload()
    settle(page)
    picture(page, "authorization")
    page.locator(".rg-trash").first.click()
    picture(page, "authorization-marked")
    page.get_by_role("button", name="Update Websites").click()
    expect(page.get_by_text("2,500 records")).to_be_visible()
    picture(page, "authorization-leaving")
    assert serious_faults(page) == []
    page.get_by_role("button", name="Delete the data").click()
    expect(page.get_by_text("its data are being deleted").first).to_be_visible()
    picture(page, "authorization-being-left")
    leaving.run_leaving(connection.pk, sleep=lambda seconds: None)
    page.reload()
    expect(page.get_by_text("its data were deleted").first).to_be_visible()

    page.get_by_role("button", name="Revoke Access").click()
    dialog = page.get_by_role("dialog", name="Revoke Access")
    expect(dialog).to_contain_text("The records stay in the collection.")
    picture(page, "authorization-revoke")
    dialog.get_by_role("button", name="Revoke Access").click()
    expect(page.get_by_text("the credentials were deleted").first).to_be_visible()
    picture(page, "authorization-revoked")
    connection.refresh_from_db()
    assert (connection.state, connection.sealed_secret) == ("revoked", "")


def test_no_page_of_external_authorizations_has_a_serious_fault(
    logged_in: Page, vendor: Acme
) -> None:
    connection = connect(make_site("a"), make_site("b"))
    for _time in range(3):
        syncing.run_sync(connection.pk, "metrics")
    room = "/admin/integrations/vendorconnection"
    paths = [
        f"{room}/",
        f"{room}/kind/acme/",
        f"{room}/kind/acme/add/",
        *(
            f"{room}/{connection.pk}/{name}/"
            for name in ("change", "syncs", "calls", "settings", "credentials")
        ),
        "/admin/workspace/website/",
    ]
    found = faults_by_path(logged_in, paths)
    dress(logged_in, width=360, theme="dark")
    looks = faults_by_path(logged_in, paths, rules=RULES_OF_LOOKS)
    assert (found, looks) == ({}, {})
