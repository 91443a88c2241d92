"""Suppressed addresses on the screen."""

from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from contacts.erasure import erase_contact
from integrations import suppressions
from integrations.bounces.heard import Told, hear
from integrations.models import Suppression
from integrations.suppressions import Unwanted, suppressed_addresses
from tests.admin.conftest import MakePerson
from tests.factories import NOW, make_contact
from workspace import jobs
from workspace.access import SYSTEM
from workspace.models import Job

LIST = "admin:integrations_suppression_changelist"
ADD = "admin:integrations_suppression_add"


def lift_address(row: Suppression) -> str:
    return reverse("admin:integrations_suppression_action", args=[row.pk, "lift"])


def test_addresses_are_written_down(admin: Client) -> None:
    admin.post(reverse(ADD), {"addresses": "Anna@x.pl\r\n ben@x.pl;", "detail": "by phone"})
    assert suppressed_addresses(["anna@x.pl", "ben@x.pl"]).keys() == {"anna@x.pl", "ben@x.pl"}
    page = admin.post(reverse(ADD), {"addresses": "nobody"}).content.decode()
    assert "is not an e-mail address" in page
    assert "Give an e-mail address" in admin.post(reverse(ADD), {}).content.decode()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("content", "added", "rejected"),
    [
        ("name;email\nAnna;anna@x.pl\nBen;ben@x.pl\nEve;nobody\n", 2, 1),
        ("anna@x.pl\nben@x.pl\n", 2, 0),
        ("who,where\nAnna,anna@x.pl\n", 1, 0),
    ],
)
def test_a_file_is_read_by_a_worker(
    admin: Client, settings: Any, tmp_path: Any, content: str, added: int, rejected: int
) -> None:
    settings.UPLOADS_ROOT = tmp_path
    file = SimpleUploadedFile("gone.csv", content.encode())
    admin.post(reverse(ADD), {"file": file, "detail": "from the old shop"})
    job = Job.objects.get(kind="integrations.suppress_file")
    if job.state == Job.State.QUEUED:
        jobs.run(job.pk)
    job.refresh_from_db()
    assert (job.result["added"], job.result["rejected"]) == (added, rejected)
    assert Suppression.objects.filter(detail="from the old shop").count() == added
    assert list(tmp_path.iterdir()) == []


def test_an_address_is_found_seen_and_lifted(admin: Client) -> None:
    contact = make_contact(email="anna@x.pl", first_name="Anna")
    hear([Told("hard_bounce", "anna@x.pl", "postmark", "1", NOW, "", "550 gone")], at=NOW)
    row = Suppression.objects.get()
    page = admin.get(f"{reverse(LIST)}?q=ANNA").content.decode()
    assert "anna@x.pl" in page
    assert f"/{contact.pk}/change" in page
    assert "anna@x.pl" not in admin.get(f"{reverse(LIST)}?q=ben").content.decode()
    one = admin.get(reverse("admin:integrations_suppression_change", args=[row.pk]))
    assert "550 gone" in one.content.decode()
    assert "postmark" in one.content.decode()
    admin.post(lift_address(row), {"why": ""})
    assert Suppression.objects.exists()
    admin.post(lift_address(row), {"why": "new mailbox"})
    assert not Suppression.objects.exists()
    reports = admin.get(reverse("admin:integrations_mailreport_changelist")).content.decode()
    assert "550 gone" in reports


def test_of_an_erased_contact_nothing_is_shown(admin: Client) -> None:
    contact = make_contact(email="anna@x.pl")
    suppressions.note([Unwanted("anna@x.pl", "complaint")], at=NOW)
    erase_contact(contact.pk, actor=SYSTEM, at=NOW)
    page = admin.get(reverse(LIST)).content.decode()
    assert "erased contact" in page
    assert "erased contact" in admin.get(f"{reverse(LIST)}?q=anna@x.pl").content.decode()


def test_it_stands_on_the_timeline(admin: Client) -> None:
    contact = make_contact(email="anna@x.pl")
    suppressions.note([Unwanted("anna@x.pl", "bounce", "550 gone")], at=NOW)
    page = admin.get(reverse("admin:contacts_contact_timeline", args=[contact.pk]))
    assert "Nothing is sent to anna@x.pl any more" in page.content.decode()


def test_who_may_only_look_changes_nothing(make_person: MakePerson) -> None:
    suppressions.note([Unwanted("a@x.pl", "bounce")], at=NOW)
    row = Suppression.objects.get()
    reader = make_person("integrations.view_suppression")
    assert reader.get(reverse(LIST)).status_code == 200
    assert reader.get(reverse(ADD)).status_code == 403
    assert reader.post(lift_address(row), {"why": "x"}).status_code == 403
    assert make_person("integrations.view_template").get(reverse(LIST)).status_code == 403
