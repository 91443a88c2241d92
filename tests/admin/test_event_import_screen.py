"""Importing events from the screen: the columns are told apart, a worker imports them."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from contacts.jobs import EVENT_IMPORT_JOB
from contacts.models import Event
from tests.admin.conftest import MakePerson
from tests.factories import make_contact
from workspace import jobs
from workspace.models import Job

UPLOAD = "/admin/contacts/eventdefinition/import/"
ROWS = (
    "external_id,at,quantity,amount\n"
    "A-1,2026-01-02,2,29.33\nA-1,2026-01-02,2,29.33\nA-9,2026-01-02,1,5\n"
)


@pytest.fixture(autouse=True)
def uploads(settings: Any, tmp_path: Path) -> Path:
    """Where uploads are kept in these tests."""
    settings.UPLOADS_ROOT = tmp_path / "uploads"
    return Path(settings.UPLOADS_ROOT)


def upload(client: Client, content: str) -> Any:
    file = SimpleUploadedFile("purchases.csv", content.encode())
    return client.post(UPLOAD, {"file": file}, follow=True)


def chosen(page: Any, **changed: str) -> dict[str, str]:
    form = page.context["form"]
    return {name: form[name].value() or "" for name in form.fields} | changed


def test_who_and_when_are_guessed_and_the_rest_are_properties(admin: Client) -> None:
    page = upload(admin, ROWS)
    assert list(chosen(page).values()) == ["", "contact", "time", "property", "property"]
    assert Event.objects.count() == 0


def test_the_worker_imports_what_was_chosen(admin: Client, uploads: Path) -> None:
    contact = make_contact(external_id="A-1")
    page = upload(admin, ROWS)
    address = page.redirect_chain[-1][0]
    answer = admin.post(address, chosen(page, event="purchase", column_2=""))
    job = Job.objects.get(kind=EVENT_IMPORT_JOB)
    assert answer["Location"] == f"/admin/workspace/job/{job.pk}/change/"
    done = jobs.run(job.pk)
    assert done is not None
    assert {name: done.result[name] for name in ("accepted", "duplicates", "rejected")} == {
        "accepted": 2,
        "duplicates": 0,
        "rejected": 1,
    }
    found = Event.objects.filter(contact=contact, definition__name="purchase")
    assert [event.properties for event in found] == [{"amount": Decimal("29.33")}] * 2
    assert list(uploads.iterdir()) == [], "the upload is not kept"
    assert admin.get(answer["Location"]).status_code == 200


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"event": ""}, "This field is required"),
        ({"column_0": ""}, "Choose the one column that says whose events these are."),
        ({"column_1": "property"}, "Choose the one column that says when they happened."),
        ({"column_2": "contact"}, "Choose the one column that says whose events these are."),
    ],
)
def test_what_is_missing_is_said_and_nothing_starts(
    admin: Client, changed: dict[str, str], words: str
) -> None:
    page = upload(admin, ROWS)
    address = page.redirect_chain[-1][0]
    answer = admin.post(address, chosen(page, **{"event": "purchase", **changed}))
    assert words in answer.content.decode()
    assert not Job.objects.exists()


def test_what_is_no_table_is_refused_with_a_reason(admin: Client) -> None:
    page = upload(admin, "a,a\n1,2\n")
    assert page.redirect_chain[-1][0] == UPLOAD
    assert "messages" in page.context
    assert not Job.objects.exists()


def test_importing_needs_the_permission_to_add_events(make_person: MakePerson) -> None:
    assert make_person("contacts.view_eventdefinition").get(UPLOAD).status_code == 403
    assert make_person("contacts.add_event").get(UPLOAD).status_code == 200
