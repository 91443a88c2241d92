"""External Authorizations on the screen, in the words that people are told to look for."""

import logging
from collections.abc import Iterator
from ipaddress import ip_network
from typing import Any

import pytest
from django.contrib.messages import get_messages
from django.core.management import call_command
from django.test import Client
from django.urls import reverse

from integrations.admin import authorization_panels
from integrations.admin.authorization_panels import Panel
from integrations.errors import CredentialsRejected
from integrations.models import VendorCall, VendorConnection
from integrations.vendors import connections, leaving, revoking, syncing
from tests.admin.conftest import MakePerson
from tests.factories import NOW
from tests.integrations.vendors.acme import PASSWORD, Acme, acme, connect, make_site
from workspace import encryption
from workspace.access import SYSTEM
from workspace.models import ApiUser, AuditEntry, Job, Website

pytestmark = pytest.mark.django_db
BY: dict[str, Any] = {"actor": SYSTEM, "at": NOW}
ROOM = "admin:integrations_vendorconnection"


@pytest.fixture
def vendor(settings: Any) -> Iterator[Acme]:
    settings.OUTBOUND_ALLOW = [ip_network("127.0.0.0/8")]
    with acme() as sandbox:
        yield sandbox


def page(client: Client, name: str, *args: Any) -> str:
    return client.get(reverse(f"{ROOM}_{name}", args=args)).content.decode()


def do(client: Client, connection: VendorConnection, action: str, **data: Any) -> str:
    """Press a button; what was said after."""
    address = reverse(f"{ROOM}_action", args=[connection.pk, action])
    answer = client.post(address, data, follow=True)
    return " ".join(str(one) for one in get_messages(answer.wsgi_request)) or (
        answer.content.decode()
    )


def typed(**given: Any) -> dict[str, Any]:
    return {
        "credentials.username": "apiuser",
        "credentials.password": PASSWORD,
        "settings.collection": "Figures",
        "settings.pace": "slow",
        "settings.parts": ["a"],
        "settings.days": "30",
        "sync_hours": "24",
        **given,
    }


def test_a_section_says_in_a_word_how_a_system_stands(admin: Client, vendor: Acme) -> None:
    text = page(admin, "changelist")
    assert "Acme" in text
    assert "not connected" in text
    assert "Manage Connections" in text
    connection = connect(make_site())
    assert "first data until" in page(admin, "changelist")
    syncing.run_sync(connection.pk, "metrics", now=lambda: NOW)
    text = page(admin, "changelist")
    assert ">Authorized<" in text
    assert ">Manage<" in text
    connections.note_refused(connection.pk, CredentialsRejected("Nope."), at=NOW)
    assert "Nope." in page(admin, "changelist")


def test_the_window_of_connections_offers_another_to_who_may_add(
    admin: Client, make_person: MakePerson, vendor: Acme
) -> None:
    assert "Add New Acme Connection" in page(admin, "kind", "acme")
    reader = make_person("integrations.view_vendorconnection")
    assert "Add New" not in page(reader, "kind", "acme")
    assert reader.get(reverse(f"{ROOM}_authorize", args=["acme"])).status_code == 403
    assert admin.get(reverse(f"{ROOM}_kind", args=["nothing"])).status_code == 404


def test_authorize_connects_the_account_for_its_websites(admin: Client, vendor: Acme) -> None:
    a, b = make_site("a"), make_site("b")
    address = reverse(f"{ROOM}_authorize", args=["acme"])
    text = admin.get(address).content.decode()
    assert "Settings → Access → API Users." in text
    assert text.index("API password") < text.index("Website(s)") < text.index("Authorize</button>")
    answer = admin.post(address, typed(websites=[a.pk, b.pk]))
    connection = VendorConnection.objects.get()
    assert answer.headers["Location"] == reverse(f"{ROOM}_change", args=[connection.pk])
    assert connection.owner is not None
    assert connection.connection_websites.count() == 2


def test_a_refusal_shows_the_vendors_words_and_keeps_all_but_the_secret(
    admin: Client, vendor: Acme
) -> None:
    make_site("a")
    address = reverse(f"{ROOM}_authorize", args=["acme"])
    data = typed(**{"credentials.password": "wrong-one", "name": "Ours", "settings.days": "7"})
    answer = admin.post(address, data | {"websites": [Website.objects.get().pk]})
    text = answer.content.decode()
    assert "Login failed for apiuser:••••." in text
    assert "wrong-one" not in text
    assert 'value="apiuser"' in text
    assert 'value="Ours"' in text
    assert 'value="7"' in text
    assert "checked" in text
    assert "no-store" in answer.headers["Cache-Control"]
    text = admin.post(address, typed(**{"settings.collection": "a b"})).content.decode()
    assert "A collection has letters and digits only." in text
    assert "Choose at least one website." in text


def test_the_page_of_a_connection_says_what_was_done(admin: Client, vendor: Acme) -> None:
    connection = connect(make_site())
    assert "they are there by" in page(admin, "change", connection.pk)
    for _time in range(2):
        syncing.run_sync(connection.pk, "metrics", now=lambda: NOW)
    text = page(admin, "change", connection.pk)
    assert "1 sent · 3 skipped without email" in text
    assert "1,990 of 2,000 left" in text or "account" in text
    assert "Update Websites" in text
    assert "Revoke Access" in text
    assert "POST http://127.0.0.1" in page(admin, "calls", connection.pk)
    assert "skipped without email" in page(admin, "syncs", connection.pk)


def test_rooms_may_put_cards_on_the_page(admin: Client, vendor: Acme) -> None:
    connection = connect(make_site())
    authorization_panels.register_panel(
        "test", lambda request, one: Panel("Uploads", "<p>seven</p>", [("All", "/all/")])
    )
    try:
        text = page(admin, "change", connection.pk)
    finally:
        authorization_panels._panels.pop("test")
    assert "Uploads" in text
    assert 'href="/all/"' in text


def test_the_trash_can_marks_and_update_websites_asks_before_it_destroys(
    admin: Client, vendor: Acme
) -> None:
    a, b = make_site("a"), make_site("b")
    connection = connect(a, b)
    address = reverse(f"{ROOM}_websites", args=[connection.pk])
    assert "press the trash can" in admin.post(address, follow=True).content.decode()
    question = admin.post(address, {"remove": [a.pk]}).content.decode()
    assert "This is deleted at Acme" in question
    assert "Shop a" in question
    assert "2,500 records" in question
    assert connection.connection_websites.filter(state="attached").count() == 2
    admin.post(address, {"remove": [a.pk], "confirmed": "1"})
    assert "its data are being deleted" in page(admin, "change", connection.pk)
    leaving.run_leaving(connection.pk, sleep=lambda seconds: None)
    text = page(admin, "change", connection.pk)
    assert "its data were deleted" in text
    assert "2,500 records" in text
    last = admin.post(address, {"remove": [b.pk], "confirmed": "1"}, follow=True)
    assert "revoke access" in last.content.decode()
    c = make_site("c")
    assert (
        "The websites are updated."
        in admin.post(address, {"add": [c.pk]}, follow=True).content.decode()
    )


def test_buttons_do_what_they_say(admin: Client, vendor: Acme) -> None:
    connection = connect(make_site())
    assert "takes the credentials" in do(admin, connection, "test_it")
    assert "It is being synchronized." in do(admin, connection, "synchronize")
    assert "Cancel" in page(admin, "change", connection.pk)
    assert "It is paused." in do(admin, connection, "pause")
    assert "It goes on." in do(admin, connection, "resume")
    vendor.password = "another"
    assert "Login failed" in do(admin, connection, "test_it")
    text = page(admin, "change", connection.pk)
    assert "The credentials were refused" in text
    address = reverse(f"{ROOM}_credentials", args=[connection.pk])
    new = {"credentials.username": "apiuser", "credentials.password": "another"}
    assert "has taken the credentials" in admin.post(address, new, follow=True).content.decode()
    assert "Access is revoked" in do(admin, connection, "revoke")
    text = page(admin, "change", connection.pk)
    assert "The records stay in the collection." in text
    admin.post(address, new | {"websites": [Website.objects.get().pk]})
    connection.refresh_from_db()
    assert connection.state == "first_data"
    assert "are being deleted" in do(admin, connection, "revoke", delete_data="on")
    assert "being revoked" in page(admin, "change", connection.pk)
    revoking.revoke_access(connection.pk, **BY)
    assert "is deleted" in do(admin, connection, "delete_it")
    assert not VendorConnection.objects.exists()


def test_settings_are_changed_and_faults_shown(admin: Client, vendor: Acme) -> None:
    connection = connect(make_site())
    address = reverse(f"{ROOM}_settings", args=[connection.pk])
    assert "Dry run" in admin.get(address).content.decode()
    data = {
        "name": "Other", "sync_hours": "6", "settings.collection": "Ours", "settings.pace": "fast",
        "settings.parts": ["b"], "settings.dry": "on", "settings.days": "7",
    }  # fmt: skip
    assert admin.post(address, data).status_code == 302
    connection.refresh_from_db()
    assert (connection.name, connection.sync_hours) == ("Other", 6)
    assert connection.settings == {
        "collection": "Ours", "pace": "fast", "parts": ["b"], "dry": True, "days": 7,
    }  # fmt: skip
    refused = admin.post(address, data | {"settings.collection": "a b"}).content.decode()
    assert "letters and digits only" in refused


def test_a_reader_sees_and_changes_nothing(make_person: MakePerson, vendor: Acme) -> None:
    connection = connect(make_site())
    reader = make_person("integrations.view_vendorconnection")
    text = page(reader, "change", connection.pk)
    assert "Acme GmbH" in text
    for word in ("Revoke Access", "Update Websites", "Test connection", "Renew credentials"):
        assert word not in text
    for name in ("websites", "credentials"):
        assert reader.post(reverse(f"{ROOM}_{name}", args=[connection.pk])).status_code == 403
    settings = reverse(f"{ROOM}_settings", args=[connection.pk])
    assert reader.get(settings).status_code == 200
    assert reader.post(settings).status_code == 403
    assert make_person().get(reverse(f"{ROOM}_changelist")).status_code == 403


def test_a_connection_whose_connector_is_gone_can_be_revoked(admin: Client, settings: Any) -> None:
    settings.OUTBOUND_ALLOW = [ip_network("127.0.0.0/8")]
    with acme():
        connection = connect(make_site())
    assert "no connector for the system" in page(admin, "change", connection.pk)
    assert "Access is revoked" in do(admin, connection, "revoke")


def test_refused_credentials_are_said_on_the_first_page(
    admin: Client, make_person: MakePerson, vendor: Acme
) -> None:
    connection = connect(make_site())
    connections.note_refused(connection.pk, CredentialsRejected("Nope."), at=NOW)
    assert "Acme GmbH" in admin.get("/admin/").content.decode()
    assert "Acme GmbH" not in make_person().get("/admin/").content.decode()


def test_credentials_are_nowhere_but_in_the_database_and_there_encrypted(
    admin: Client, vendor: Acme, caplog: pytest.LogCaptureFixture, settings: Any
) -> None:
    caplog.set_level(logging.DEBUG)
    connection = connect(make_site("a"), make_site("b"))
    job = syncing.request_sync(connection.pk, **BY)
    syncing.run_sync(connection.pk, "metrics", now=lambda: NOW)
    do(admin, connection, "test_it")
    vendor.password = "another"
    with pytest.raises(CredentialsRejected):
        syncing.run_sync(connection.pk, "metrics", now=lambda: NOW)
    leaving.remove_websites(connection.pk, websites=[Website.objects.get(key="a")], **BY)
    said = [
        *(page(admin, name, connection.pk) for name in ("change", "calls", "syncs", "settings")),
        page(admin, "credentials", connection.pk),
        page(admin, "changelist"),
        caplog.text,
        str(list(AuditEntry.objects.values())),
        str(list(VendorCall.objects.values())),
        str(list(Job.objects.values())),
        str(list(connection.syncs.values())),
        str(list(VendorConnection.objects.values())),
        repr(job.arguments),
    ]
    for text in said:
        assert PASSWORD not in text
        assert "s%E2%82%ACcret" not in text
        assert "€" not in text
    sealed = VendorConnection.objects.get().sealed_secret
    settings.FIELD_ENCRYPTION_KEYS = [
        "YW5vdGhlci1rZXktZm9yLXRlc3RzLXdpdGgtMzJieXQ=", *settings.FIELD_ENCRYPTION_KEYS,
    ]  # fmt: skip
    call_command("rotate_encryption", verbosity=0)
    after = VendorConnection.objects.get().sealed_secret
    assert after != sealed
    settings.FIELD_ENCRYPTION_KEYS = settings.FIELD_ENCRYPTION_KEYS[:1]
    assert PASSWORD.split('"')[1] in encryption.unseal(after)


def test_websites_are_added_changed_and_kept_while_needed(admin: Client, vendor: Acme) -> None:
    room = "admin:workspace_website"
    admin.post(reverse(f"{room}_add"), {"name": "Shop", "key": "", "domain": "https://S.example/"})
    website = Website.objects.get()
    assert (website.key, website.domain) == ("shop", "s.example")
    change = reverse(f"{room}_change", args=[website.pk])
    refused = admin.post(change, {"name": "Shop", "domain": "not a domain"}).content.decode()
    assert "write it as www.example.com" in refused
    admin.post(change, {"name": "Store", "domain": ""})
    website.refresh_from_db()
    assert (website.name, website.domain, website.key) == ("Store", "", "shop")
    connection = connect(website)
    delete = reverse(f"{room}_action", args=[website.pk, "delete_unused"])
    assert "is in use" in admin.post(delete, follow=True).content.decode()
    revoking.revoke_access(connection.pk, **BY)
    revoking.delete_connection(connection.pk, **BY)
    admin.post(delete)
    assert not Website.objects.exists()


def test_our_own_api_users_have_the_four_fields_and_saving_leads_back(admin: Client) -> None:
    # Behaviour AT-13: description, password (a key here), rate limit, status.
    address = reverse("admin:workspace_apiuser_add")
    text = admin.get(address).content.decode()
    for name in ("description", "requests_per_minute", "enabled"):
        assert f'name="{name}"' in text
    data = {"name": "Shop", "description": "Ours", "requests_per_minute": "60", "enabled": "on"}
    shown = admin.post(address, data).content.decode()
    assert "regulars_" in shown
    assert f'href="{reverse("admin:workspace_apiuser_changelist")}"' in shown
    change = reverse("admin:workspace_apiuser_change", args=[ApiUser.objects.get().pk])
    saved = admin.post(change, {**data, "_save": "Save"})
    assert saved.headers["Location"] == reverse("admin:workspace_apiuser_changelist")
