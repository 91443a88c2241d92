"""The first page: figures, what runs, next steps, and the demo workspace with its way out."""

from django.test import Client
from django.urls import reverse
from django.utils import timezone

from contacts.models import Contact
from tests.admin.conftest import MakePerson
from tests.admin.workspace import furnish
from tests.segments.factories import make_segment
from workspace import jobs
from workspace.access import SYSTEM

INDEX = "/admin/"


def test_an_empty_workspace_names_the_next_steps(admin: Client) -> None:
    page = admin.get(INDEX)
    titles = [step["title"] for step in page.context["steps"]]
    assert titles == [
        "Bring your customers",
        "Send what they do",
        "Make a segment",
        "Connect a program",
    ]
    assert not any(step["is_done"] for step in page.context["steps"])


def test_steps_are_those_that_one_may_take(make_person: MakePerson) -> None:
    page = make_person("segments.add_segment").get(INDEX)
    assert [step["title"] for step in page.context["steps"]] == ["Make a segment"]


def test_a_workspace_in_use_shows_figures_segments_and_jobs(admin: Client) -> None:
    furnish(3)
    jobs.start("segments.refresh", title="Refresh everything", actor=SYSTEM)
    page = admin.get(INDEX)
    figures = {figure["name"]: figure["value"] for figure in page.context["figures"]}
    assert figures == {
        "Contacts": "3",
        # An order, and cards that were given and redeemed.
        "Events in 30 days": "9",
        "Active segments": "3",
        "Received in the last hour": "6",
        "Held events": "3",
        "Owed on gift cards": "120.00\N{NO-BREAK SPACE}USD",
    }
    assert page.context["steps"] == []
    text = page.content.decode()
    for words in ("A0", "Refresh everything", '<canvas class="chart"'):
        assert words in text, words


def test_running_jobs_are_watched_and_counted_in_the_menu(admin: Client) -> None:
    job = jobs.start("segments.refresh", title="Refresh everything", actor=SYSTEM)
    text = admin.get(INDEX).content.decode()
    assert f'data-job="{reverse("admin:workspace_job_progress", args=[job.pk])}"' in text
    state = admin.get(reverse("admin:workspace_job_progress", args=[job.pk])).json()
    assert state["state"] == "queued"
    assert not state["is_finished"]
    assert state["text"] == "Waits for a worker."
    jobs.cancel(job, actor=SYSTEM, at=timezone.now())
    state = admin.get(reverse("admin:workspace_job_progress", args=[job.pk])).json()
    assert (state["state"], state["is_finished"]) == ("cancelled", True)


def test_demo_data_are_told_and_removed_by_one_button(admin: Client) -> None:
    Contact.objects.create(first_name="Invented", is_demo=True)
    own = Contact.objects.create(first_name="Anna")
    make_segment()
    page = admin.get(INDEX).content.decode()
    assert "This workspace holds demo data: 1 invented" in page
    assert "This cannot be undone" in page
    remove = reverse("demo_remove")
    assert remove in page
    assert admin.get(remove).status_code == 405
    admin.post(remove)
    assert list(Contact.objects.all()) == [own]
    assert "demo data:" not in admin.get(INDEX).content.decode()


def test_only_administrators_remove_demo_data(make_person: MakePerson) -> None:
    Contact.objects.create(first_name="Invented", is_demo=True)
    person = make_person("contacts.view_contact", "contacts.delete_contact")
    assert "demo data" not in person.get(INDEX).content.decode()
    person.post(reverse("demo_remove"))
    assert Contact.objects.count() == 1
