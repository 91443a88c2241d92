"""Trying journeys out on the screen: test profiles, the page of a test, its log."""

import pytest
from django.test import Client
from django.urls import reverse

from journeys import models
from tests.admin.conftest import MakePerson
from tests.factories import make_contact
from tests.segments.factories import make_contacts, make_segment, refresh

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
