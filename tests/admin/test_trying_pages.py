"""Trying journeys out on the screen: test profiles, the page of a test, its log."""

import copy
import json
import re
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from contacts.events import IncomingEvent, record_events
from contacts.models import EventDefinition
from journeys import models
from journeys.engine.tick import tick_journey
from journeys.entrances import enter_many
from journeys.journeys import create_journey, update_draft
from journeys.models import Lane
from journeys.publishing import publish
from journeys.trying import profiles
from tests.admin.conftest import MakePerson
from tests.admin.journey_workspace import furnish_journey
from tests.factories import DAY, make_contact
from tests.loyalty.gift_cards import make_campaign
from tests.segments.factories import make_contacts, make_segment, refresh
from workspace import jobs
from workspace.access import SYSTEM

pytestmark = pytest.mark.django_db


def marked() -> set[int]:
    return set(models.TestProfile.objects.values_list("contact_id", flat=True))


def test_a_button_on_the_profile_marks_and_unmarks(admin: Client) -> None:
    contact = make_contact(email="eva@example.com")
    page = reverse("admin:contacts_contact_change", args=[contact.pk])
    mark = reverse("admin:journeys_testprofile_mark", args=[contact.pk])
    unmark = reverse("admin:journeys_testprofile_unmark", args=[contact.pk])
    assert mark in admin.get(page).content.decode()
    assert admin.get(mark).status_code == 405
    shown = admin.post(mark, follow=True).content.decode()
    assert "test profile" in shown
    assert unmark in shown
    assert mark not in shown
    people = reverse("admin:contacts_contact_changelist")
    assert "eva@example.com" in admin.get(f"{people}?test_profile=yes").content.decode()
    assert "eva@example.com" not in admin.get(f"{people}?test_profile=no").content.decode()
    listed = admin.get(reverse("admin:journeys_testprofile_changelist")).content.decode()
    assert "eva@example.com" in listed
    admin.post(unmark)
    assert marked() == set()


def test_the_page_adds_all_of_a_segment(admin: Client) -> None:
    ids = make_contacts("Warszawa", "Warszawa")
    refresh(make_segment("poles"))
    url = reverse("admin:journeys_testprofile_from_segment")
    assert "Poles (2)" in admin.get(url).content.decode()
    answer = admin.post(url, {"segment": "poles"}, follow=True).content.decode()
    assert "2 contacts are test profiles now" in answer
    assert marked() == set(ids)
    page = admin.get(reverse("admin:journeys_testprofile_change", args=[ids[0]]))
    assert "No test profile any more" in page.content.decode()
    action = reverse("admin:journeys_testprofile_action", args=[ids[0], "remove"])
    admin.post(action)
    assert marked() == {ids[1]}


def test_who_may_only_look_sees_no_button(make_person: MakePerson) -> None:
    client = make_person("contacts.view_contact", "journeys.view_testprofile")
    contact = make_contact()
    page = client.get(reverse("admin:contacts_contact_change", args=[contact.pk]))
    assert "testprofile/mark" not in page.content.decode()
    assert client.post(f"/admin/journeys/testprofile/mark/{contact.pk}/").status_code == 403
    assert client.get(reverse("admin:journeys_testprofile_from_segment")).status_code == 403


def make_welcome(**given: Any) -> models.Journey:
    """A draft that begins with a signup and waits for a purchase."""
    for name in ("signup", "purchase"):
        definition, _is_new = EventDefinition.objects.get_or_create(name=name)
        definition.properties.get_or_create(name="order", type="number")
    drawing = {
        "nodes": [
            {"id": "start", "kind": "event_entry", "config": {"event": "signup"}},
            {
                "id": "bought",
                "kind": "event",
                "label": "Bought something",
                "config": {"event": "purchase", "timeout": {"amount": 1, "unit": "week"}},
            },
            {"id": "end", "kind": "end", "config": {}},
        ],
        "edges": [{"from": "start", "to": "bought"}, {"from": "bought", "to": "end"}],
    }
    values = {"name": "Welcome", "drawing": drawing, **given}
    return create_journey(actor=SYSTEM, at=timezone.now(), **values)


def page(client: Client, name: str, *args: Any, query: str = "") -> str:
    answer = client.get(reverse(f"admin:journeys_journey_{name}", args=args) + query)
    assert answer.status_code == 200, answer
    return answer.content.decode()


def test_the_page_of_a_test_leads_from_the_switch_to_the_end(admin: Client) -> None:
    journey, contact = make_welcome(), make_contact(email="eva@example.com")
    profiles.mark([contact.pk], actor=SYSTEM, at=timezone.now())
    url = reverse("admin:journeys_journey_test", args=[journey.pk])
    shown = page(admin, "test", journey.pk)
    assert 'aria-checked="false"' in shown
    assert "Nothing is wrong with the draft" in shown
    begun = admin.post(url, {"do": "start", "wait_seconds": "12"}, follow=True).content.decode()
    assert 'aria-checked="true"' in begun
    assert "every wait lasts 12 seconds" in begun
    body = {"do": "trigger", "contact": contact.pk, "event": "signup", "properties": '{"order": 7}'}
    assert "1 profile enters" in admin.post(url, body, follow=True).content.decode()
    tick_journey(journey.pk, as_of=timezone.now())
    log = page(admin, "test", journey.pk, query="?part=log")
    assert "Entered by a triggered event. Then on to “Bought something”." in log
    assert "eva@example.com" in log
    assert "&quot;order&quot;: 7" in log
    assert "<html" not in log
    wrong = admin.post(url, {**body, "properties": "{"}, follow=True).content.decode()
    assert "The code is no JSON" in wrong
    assert "1 passages" in page(admin, "test", journey.pk)
    ended = admin.post(url, {"do": "end"}, follow=True).content.decode()
    assert "The test ended" in ended
    assert not models.Participant.objects.exists()
    assert admin.get(f"{url}?part=log").status_code == 204


def test_faults_stand_against_a_test_and_are_listed(admin: Client) -> None:
    drawing = {"nodes": [{"id": "a", "kind": "wait", "label": "Rest", "config": {}}], "edges": []}
    journey = make_welcome(drawing=drawing)
    shown = page(admin, "test", journey.pk)
    assert "stand against a test" in shown
    assert "<strong>Rest</strong>" in shown
    url = reverse("admin:journeys_journey_test", args=[journey.pk])
    answer = admin.post(url, {"do": "start", "wait_seconds": "10"}, follow=True).content.decode()
    assert "fault" in answer
    assert not models.JourneyVersion.objects.exists()


def test_who_may_not_test_does_not_open_the_pages(make_person: MakePerson) -> None:
    journey = make_welcome()
    client = make_person("journeys.view_journey")
    for name in ("test", "rehearsal", "explain"):
        url = reverse(f"admin:journeys_journey_{name}", args=[journey.pk])
        assert client.get(url).status_code == 403
    assert "Test" not in page(client, "participants", journey.pk).split("rg-tabs")[1][:600]


def test_participants_are_listed_filtered_and_each_is_explained(admin: Client) -> None:
    journey = make_welcome()
    at = timezone.now()
    publish(journey, actor=SYSTEM, at=at)
    people = [make_contact(email=f"p{n}@example.com").pk for n in range(3)]
    enter_many(
        journey.pk,
        lane=Lane.LIVE,
        contact_ids=people,
        causes=["event:1", "event:2", "event:3"],
        moments=[at] * 3,
        contexts=[{"entry": {"name": "signup"}}] * 3,
    )
    tick_journey(journey.pk, as_of=at + DAY)
    tick_journey(journey.pk, as_of=at + 8 * DAY)
    shown = page(admin, "participants", journey.pk)
    assert shown.count("@example.com") == 3
    assert "Nobody." in page(admin, "participants", journey.pk, query="?node=bought")
    assert "Nobody." in page(admin, "participants", journey.pk, query="?state=nonsense")
    assert "p2@" in page(admin, "participants", journey.pk, query="?state=done&version=1")
    participant = models.Participant.objects.order_by("pk")[0]
    one = page(admin, "participant", journey.pk, participant.pk)
    assert "Entered by an event. Then on to “Bought something”." in one
    assert "The time of “Bought something” was over, and nothing had happened." in one
    assert "It is over since" in one
    profile = admin.get(reverse("admin:contacts_contact_change", args=[people[0]]))
    address = reverse("admin:journeys_journey_participant", args=[journey.pk, participant.pk])
    assert address in profile.content.decode()
    other = reverse("admin:journeys_journey_participant", args=[journey.pk, 999_999])
    assert admin.get(other).status_code == 404


def test_the_page_explains_why_a_contact_is_not_on_the_journey(admin: Client) -> None:
    journey = make_welcome()
    make_contact(email="eva@example.com")
    publish(journey, actor=SYSTEM, at=timezone.now())
    shown = page(admin, "explain", journey.pk, query="?contact=eva@example.com")
    assert "was never on the journey" in shown
    assert "“signup” never happened" in shown
    assert "There is no contact" in page(admin, "explain", journey.pk, query="?contact=nobody@x.y")
    assert "Name a contact" in page(admin, "explain", journey.pk)


def config_of(shown: str, name: str) -> Any:
    """What the canvas of this name was told."""
    found = re.search(f'<script id="{name}-config" type="application/json">(.*?)</script>', shown)
    assert found is not None
    return json.loads(found[1])


def test_who_gets_more_than_the_cap_and_what_cards_cost_is_listed(
    admin: Client, make_person: MakePerson
) -> None:
    eva, campaign = make_contact(first_name="Eva"), make_campaign("Reviews", count=2)
    journey = furnish_journey([eva])
    rehearsal = models.Rehearsal.objects.get()
    assert rehearsal.result is not None
    rehearsal.result["gift_cards"]["campaigns"][0] |= {"campaign": campaign.key, "left": None}
    rehearsal.save()
    shown = page(admin, "rehearsal", journey.pk)
    assert "Eva" in shown
    assert "Held back by the cap" in shown
    assert "no code was left" in shown
    assert "as many as are asked for" in shown
    assert "Reviews" in shown
    # Who may see no contacts reads numbers, who knows nothing of the campaign no name.
    campaign.groups.add(Group.objects.create(name="Others"))
    client = make_person("journeys.view_journey", "journeys.test_journey")
    told = page(client, "rehearsal", journey.pk)
    assert "Eva" not in told
    assert f"#{eva.pk}" in told
    assert "Reviews" not in told


def test_the_canvas_of_a_test_shows_who_stands_where(
    admin: Client, make_person: MakePerson
) -> None:
    journey = furnish_journey([make_contact(), make_contact()])
    shown = page(admin, "test", journey.pk)
    config = config_of(shown, "tested_drawing")
    assert (config["read_only"], config["counts_every_seconds"]) == (True, 2)
    address = config["urls"]["counts"]
    assert admin.get(address).json()["nodes"] == config["counts"]
    assert config["counts"]["rest"]["waiting"] == 2
    assert config["counts"]["dice"]["messages"] == 2
    assert make_person("journeys.view_journey").get(address).status_code == 403
    admin.post(reverse("admin:journeys_journey_test", args=[journey.pk]), {"do": "end"})
    assert admin.get(address).json() == {"nodes": {}}


def test_a_draft_is_rehearsed_and_its_figures_shown(admin: Client) -> None:
    journey = make_welcome()
    at = timezone.now() - 3 * DAY
    for number in range(3):
        contact = make_contact(email=f"p{number}@example.com")
        record_events([IncomingEvent(contact.pk, "signup", at, {})], received_at=at)
    url = reverse("admin:journeys_journey_rehearsal", args=[journey.pk])
    assert "What would this draft have done?" in page(admin, "rehearsal", journey.pk)
    admin.post(url, {"days": "30"})
    rehearsal = models.Rehearsal.objects.get()
    assert "data-job" in page(admin, "rehearsal", journey.pk)
    assert rehearsal.job_id is not None
    jobs.run(rehearsal.job_id)
    shown = page(admin, "rehearsal", journey.pk)
    assert "Activity by activity" in shown
    assert "No message would be sent." in shown
    config = config_of(shown, "rehearsed_drawing")
    assert config["read_only"]
    assert config["counts"]["start"]["passed"] == {"next": 3}
    assert config["counts"]["bought"]["waiting"] == 3
    assert "passed 3" in shown.partition("<noscript>")[2]
    edited = config_of(page(admin, "change", journey.pk), "drawing")
    assert edited["counts"] == config["counts"]
    assert edited["counts_of"].startswith("Figures of a rehearsal from")
    # Where activities are put, and what they are called, is nothing to the engine.
    moved = copy.deepcopy(journey.drawing)
    moved["nodes"][1] |= {"x": 7, "y": 8, "label": "Buys"}
    update_draft(journey, actor=SYSTEM, at=timezone.now(), drawing=moved)
    assert "counts" in config_of(page(admin, "change", journey.pk), "drawing")
    assert "The draft was changed since" not in page(admin, "rehearsal", journey.pk)
    update_draft(journey, actor=SYSTEM, at=timezone.now(), settings={"re_entry": "never"})
    assert "The draft was changed since" in page(admin, "rehearsal", journey.pk)
    shown = page(admin, "change", journey.pk)
    assert "counts" not in config_of(shown, "drawing")
    assert "was of an older drawing" in shown
    refused = admin.post(url, {"days": "900"}, follow=True).content.decode()
    assert "from 1 to 92 days" in refused
