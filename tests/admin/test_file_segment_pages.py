"""Segments from files on the screen: a file is looked at, told apart, then given to a worker."""

from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from contacts.models import Identity
from segments.models import ContactList, Segment
from tests.admin.conftest import MakePerson
from tests.factories import make_contact
from tests.segments.factories import make_segment, member_ids
from workspace import jobs
from workspace.models import AuditEntry, Job

UPLOAD = reverse("admin:segments_segment_add_from_file")
FILE = "name;Mail\nAnna;ANNA@example.com\nNobody;x@example.com\nBroken;nonsense\n"
MAY = ("segments.add_segment", "segments.view_segment", "segments.change_segment")


@pytest.fixture(autouse=True)
def uploads(settings: Any, tmp_path: Path) -> Path:
    """Where uploads are kept in these tests."""
    settings.VAR = tmp_path / "var"
    settings.UPLOADS_ROOT = tmp_path / "var" / "uploads"
    return Path(settings.UPLOADS_ROOT)


def upload(client: Client, content: str | bytes = FILE, *, to: str = UPLOAD) -> Any:
    data = content.encode() if isinstance(content, str) else content
    return client.post(to, {"file": SimpleUploadedFile("fair.csv", data)}, follow=True)


def address_of(page: Any) -> str:
    return str(page.redirect_chain[-1][0])


def create(client: Client, page: Any, **given: str) -> Any:
    chosen = {"column": "1", "identity": "email", "has_header": "on", "refresh_mode": "once"}
    return client.post(
        address_of(page), {**chosen, "name": "Fair", "create": "1", **given}, follow=True
    )


def made(client: Client, content: str = FILE) -> Segment:
    create(client, upload(client, content))
    jobs.run(Job.objects.latest("pk").pk)
    return Segment.objects.latest("pk")


def test_the_list_leads_to_it(admin: Client) -> None:
    page = admin.get(reverse("admin:segments_segment_changelist")).content.decode()
    assert UPLOAD in page


def test_the_file_is_looked_at_and_its_column_guessed(admin: Client) -> None:
    make_contact(email="anna@example.com")
    page = upload(admin, "Größe;Kontakt\nM;anna@example.com\nL;x@example.com\n".encode("cp1252"))
    text = page.content.decode()
    for words in ("Windows-1252", "semicolon", "Größe", "fair.csv", "guessed from the file"):
        assert words in text, words
    keys = page.context["keys"]
    assert (keys["column"].value(), keys["identity"].value()) == ("1", "email")
    trial = page.context["trial"]
    assert (trial["rows"], trial["matched"], trial["share"]) == ("2", "1", 50)
    assert page.context["form"]["name"].value() == "fair"
    assert not Segment.objects.exists()


def test_another_choice_is_tried_and_what_was_typed_stays(admin: Client) -> None:
    contact = make_contact(email="anna@example.com")
    Identity.objects.create(namespace="crm", value="Anna", contact=contact)
    page = upload(admin)
    again = admin.post(
        address_of(page),
        {"column": "0", "identity": "crm", "has_header": "on", "name": "Mine", "check": "1"},
    )
    assert again.context["trial"]["matched"] == "1"
    assert again.context["form"]["name"].value() == "Mine"
    assert not Segment.objects.exists()


def test_a_worker_reads_it_and_the_page_tells_what_came_of_it(admin: Client) -> None:
    anna = make_contact(email="anna@example.com").pk
    page = create(admin, upload(admin), readiness_hours="12")
    segment = Segment.objects.get()
    assert address_of(page) == reverse("admin:segments_segment_file", args=[segment.pk])
    assert "A worker is at it" in page.content.decode()
    assert (segment.source, segment.readiness_hours) == ("csv", 12)
    jobs.run(Job.objects.get().pk)
    assert member_ids(segment) == {anna}
    text = admin.get(address_of(page)).content.decode()
    for words in ("Not in the base", "Duplicates", "Faulty", "Download what did not match"):
        assert words in text, words
    overview = admin.get(reverse("admin:segments_segment_change", args=[segment.pk]))
    assert "Contacts who are in the file “fair.csv”" in overview.content.decode()
    listed = admin.get(reverse("admin:segments_segment_changelist")).content.decode()
    assert "description" in listed


def test_what_did_not_match_is_downloaded_and_logged(
    admin: Client, make_person: MakePerson
) -> None:
    segment = made(admin)
    url = reverse(
        "admin:segments_segment_unmatched", args=[segment.pk, ContactList.objects.get().pk]
    )
    answer = admin.get(url)
    assert answer["Content-Disposition"].startswith("attachment")
    content = b"".join(answer.streaming_content).decode("utf-8-sig")  # type: ignore[attr-defined]
    assert "Row 3: It is not in the base.,Nobody,x@example.com" in content
    assert AuditEntry.objects.filter(action="segment.unmatched_downloaded").count() == 1
    other = make_person(*MAY)
    assert other.get(url).status_code == 404
    page = other.get(reverse("admin:segments_segment_file", args=[segment.pk])).content.decode()
    assert "Download what did not match" not in page


def test_a_name_is_needed_and_faults_stand_beside_their_fields(admin: Client) -> None:
    page = create(admin, upload(admin), name="")
    assert page.context["form"].errors["name"]
    assert not Segment.objects.exists()
    wrong = create(admin, upload(admin), key="from-file")
    assert wrong.context["form"].errors["key"]


def test_a_file_that_cannot_be_read_is_refused_at_once(admin: Client, uploads: Path) -> None:
    page = upload(admin, "mail\nx@example.com".encode("utf-16"))
    assert address_of(page) == UPLOAD
    assert "UTF-16" in page.content.decode()
    assert not list(uploads.iterdir())


def test_a_file_is_replaced(admin: Client) -> None:
    make_contact(email="anna@example.com")
    ewa = make_contact(email="ewa@example.com").pk
    segment = made(admin)
    page = upload(
        admin, "ewa@example.com\n", to=reverse("admin:segments_segment_file", args=[segment.pk])
    )
    assert page.context["keys"]["has_header"].value() is False
    assert page.context["trial"]["matched"] == "1"
    admin.post(address_of(page), {"column": "0", "identity": "email", "create": "1"})
    jobs.run(Job.objects.latest("pk").pk)
    segment.refresh_from_db()
    assert member_ids(segment) == {ewa}
    assert segment.version_number == 2


def test_it_needs_the_permission_and_the_group(
    admin: Client, make_person: MakePerson, scoped_group: Group
) -> None:
    reader = make_person("segments.view_segment")
    assert reader.get(UPLOAD).status_code == 403
    outsider = make_person(*MAY)
    page = create(outsider, upload(outsider))
    assert not Segment.objects.exists()
    assert page.status_code == 200
    create(admin, upload(admin), groups="Poland")
    segment = Segment.objects.get()
    assert (
        outsider.get(reverse("admin:segments_segment_file", args=[segment.pk])).status_code == 404
    )
    assert reader.post(reverse("admin:segments_segment_file", args=[segment.pk])).status_code == 404


def test_only_segments_from_files_have_the_page(admin: Client) -> None:
    segment = make_segment()
    assert admin.get(reverse("admin:segments_segment_file", args=[segment.pk])).status_code == 404
    overview = admin.get(reverse("admin:segments_segment_change", args=[segment.pk]))
    assert (
        reverse("admin:segments_segment_file", args=[segment.pk]) not in overview.content.decode()
    )
