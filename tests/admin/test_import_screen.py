"""Importing from the screen: a file is looked at, told apart, rehearsed, then given to a worker."""

from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from contacts.jobs import IMPORT_JOB
from contacts.models import Contact
from tests.admin.conftest import MakePerson
from tests.factories import make_attribute, make_contact
from workspace import jobs
from workspace.models import AuditEntry, Job

UPLOAD = "/admin/contacts/contact/import/"
GOOD = (
    "external_id;E-Mail;Vorname;farbe\nA-1;anna@example.com;Anna;green\nA-2;ewa@example.com;Ewa;\n"
)


@pytest.fixture(autouse=True)
def uploads(settings: Any, tmp_path: Path) -> Path:
    """Where uploads are kept in these tests."""
    settings.UPLOADS_ROOT = tmp_path / "uploads"
    return Path(settings.UPLOADS_ROOT)


def upload(client: Client, content: str | bytes, name: str = "people.csv") -> Any:
    data = content.encode() if isinstance(content, str) else content
    return client.post(UPLOAD, {"file": SimpleUploadedFile(name, data)}, follow=True)


def address_of(page: Any) -> str:
    return str(page.redirect_chain[-1][0])


def test_the_preview_tells_how_the_file_is_written_and_guesses_its_columns(admin: Client) -> None:
    page = upload(admin, "external_id;email;Stadt\nA-1;anna@example.com;Łódź\n".encode("cp1250"))
    text = page.content.decode()
    for words in ("Windows-1250", "semicolon", "Łódź", "people.csv"):
        assert words in text, words
    form = page.context["form"]
    chosen = [form[f"column_{position}"].value() for position in range(3)]
    assert chosen == ["external_id", "email", ""]


def test_the_preview_rehearses_and_writes_nothing(admin: Client) -> None:
    make_contact(external_id="A-1", first_name="Anna")
    rows = "external_id,email,birth_date\nA-1,anna@example.com,\nA-2,ewa@example.com,1980-01-01\n"
    page = upload(admin, rows + "A-3,iza@example.com,1980-02-31\n")
    assert page.context["counts"] == {
        "created": "1",
        "updated": "0",
        "unchanged": "1",
        "rejected": "1",
    }
    [(reason, content)] = page.context["faults"]
    assert "birth_date" in reason or "1980-02-31" in reason
    assert "A-3" in content
    assert Contact.objects.count() == 1
    assert not AuditEntry.objects.filter(action="contacts.imported").exists()
    assert not Job.objects.exists()


def test_columns_are_chosen_by_hand_and_the_worker_imports(admin: Client) -> None:
    make_attribute("color", label="Colour")
    page = upload(admin, GOOD)
    chosen = {
        "column_0": "external_id",
        "column_1": "email",
        "column_2": "first_name",
        "column_3": "attributes.color",
    }
    again = admin.post(address_of(page), {**chosen, "check": "1"})
    assert again.context["counts"]["created"] == "2"
    assert not Contact.objects.exists()
    answer = admin.post(address_of(page), {**chosen, "import": "1"})
    job = Job.objects.get(kind=IMPORT_JOB)
    assert answer.headers["Location"] == reverse("admin:workspace_job_change", args=[job.pk])
    assert "people.csv" in job.title
    jobs.run(job.pk)
    anna = Contact.objects.get(first_name="Anna")
    assert anna.attributes == {"color": "green"}
    done = admin.get(answer.headers["Location"]).content.decode()
    assert "succeeded" in done


def test_known_contacts_are_changed_only_where_that_is_wanted(admin: Client) -> None:
    make_contact(external_id="A-1", first_name="Ann")
    page = upload(admin, "external_id,first_name\nA-1,Anna\n")
    assert page.context["counts"]["unchanged"] == "1"
    chosen = {"column_0": "external_id", "column_1": "first_name", "update": "on"}
    again = admin.post(address_of(page), chosen)
    assert again.context["counts"]["updated"] == "1"
    admin.post(address_of(page), {**chosen, "import": "1"})
    jobs.run(Job.objects.get().pk)
    assert Contact.objects.get().first_name == "Anna"


def test_rejected_rows_can_be_downloaded_from_the_job(admin: Client) -> None:
    page = upload(admin, "external_id,birth_date\nA-1,1980-01-01\nA-2,yesterday\n")
    answer = admin.post(
        address_of(page), {"column_0": "external_id", "column_1": "birth_date", "import": "1"}
    )
    job = Job.objects.get()
    jobs.run(job.pk)
    download = reverse("admin:workspace_job_file", args=[job.pk])
    assert download in admin.get(answer.headers["Location"]).content.decode()
    file: Any = admin.get(download)
    text = b"".join(file.streaming_content).decode()
    assert "yesterday" in text
    assert "1980-01-01" not in text


def test_a_file_without_an_identity_says_so_and_imports_nothing(admin: Client) -> None:
    page = upload(admin, "first_name,last_name\nAnna,Nowak\n")
    assert any("external_id" in refusal for refusal in page.context["refusals"])
    answer = admin.post(
        address_of(page), {"column_0": "first_name", "column_1": "last_name", "import": "1"}
    )
    assert answer.status_code == 200
    assert not Job.objects.exists()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("picture.png", b"\x89PNG\r\n\x1a\n" + b"\x00" * 100),
        ("empty.csv", b"\n"),
        ("twice.csv", b"email,email\na@example.com,b@example.com\n"),
        ("broken.xlsx", b"PK\x03\x04 nothing of a workbook"),
    ],
)
def test_what_is_no_table_is_refused_with_a_reason(
    admin: Client, uploads: Path, name: str, content: bytes
) -> None:
    page = upload(admin, content, name)
    assert address_of(page) == UPLOAD
    assert [str(message) for message in page.context["messages"]]
    assert list(uploads.glob("*")) == [], "what cannot be read is not kept"


def test_a_column_given_twice_is_told(admin: Client) -> None:
    page = upload(admin, "a,b\nanna@example.com,ewa@example.com\n")
    again = admin.post(address_of(page), {"column_0": "email", "column_1": "email"})
    assert any("both" in refusal for refusal in again.context["refusals"])


def test_big_files_go_to_the_worker_without_a_rehearsal(admin: Client) -> None:
    rows = "".join(f"A-{n}\n" for n in range(10_500))
    page = upload(admin, f"external_id\n{rows}")
    assert not page.context["is_rehearsed"]
    assert "checked while they are imported" in page.content.decode()
    admin.post(address_of(page), {"column_0": "external_id", "import": "1"})
    assert Job.objects.filter(kind=IMPORT_JOB).exists()


def test_the_upload_of_another_person_is_not_found(admin: Client, make_person: MakePerson) -> None:
    page = upload(admin, GOOD)
    other = make_person("contacts.add_contact", "contacts.change_contact", "contacts.view_contact")
    assert other.get(address_of(page)).status_code == 404
    assert admin.get(f"{UPLOAD}{'x' * 22}/").status_code == 404


def test_importing_needs_the_permission_to_write(make_person: MakePerson) -> None:
    onlooker = make_person("contacts.view_contact")
    assert onlooker.get(UPLOAD).status_code == 403
    page = onlooker.get(reverse("admin:contacts_contact_changelist")).content.decode()
    assert UPLOAD not in page


def test_who_may_only_add_is_not_offered_to_change(make_person: MakePerson) -> None:
    make_contact(external_id="A-1", first_name="Ann")
    adder = make_person("contacts.view_contact", "contacts.add_contact")
    page = upload(adder, "external_id,first_name\nA-1,Anna\n")
    chosen = {"column_0": "external_id", "column_1": "first_name", "update": "on"}
    again = adder.post(address_of(page), chosen)
    assert "update" not in again.context["form"].fields
    assert again.context["counts"]["updated"] == "0"
