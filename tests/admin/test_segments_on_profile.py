"""A contact's profile shows the segments that he is in, to who may know of them."""

import pytest
from django.contrib.auth.models import Group
from django.test import Client
from django.urls import reverse

from segments import lifecycle
from segments.models import Segment
from tests.admin.conftest import MakePerson
from tests.segments.factories import NOW, lives_in, make_contacts, make_segment, refresh
from workspace.access import SYSTEM
from workspace.models import UserGroup

pytestmark = pytest.mark.django_db
_LOOKS = ("contacts.view_contact", "segments.view_segment")


def _shown(client: Client, contact_id: int) -> list[str]:
    page = client.get(reverse("admin:contacts_contact_change", args=[contact_id]))
    assert page.status_code == 200
    (panel,) = (p for p in page.context["panels"] if p["key"] == "segments")
    return [segment.name for segment, _since, _badge in panel["data"]["rows"]]


@pytest.fixture
def ania() -> int:
    (contact_id,) = make_contacts("Warszawa")
    return contact_id


def _in_it(key: str, **given: object) -> Segment:
    segment = make_segment(key, lives_in("Warszawa"), name=key.title(), **given)  # type: ignore[arg-type]
    refresh(segment)
    return segment


def test_who_meets_the_criteria_has_the_segment_on_the_profile(admin: Client, ania: int) -> None:
    _in_it("capital")
    refresh(make_segment("elsewhere", lives_in("Kraków"), name="Elsewhere"))
    assert _shown(admin, ania) == ["Capital"]


def test_an_inactive_one_stays_and_an_archived_one_is_gone(admin: Client, ania: int) -> None:
    segment = lifecycle.inactivate(_in_it("capital"), actor=SYSTEM, at=NOW)
    assert _shown(admin, ania) == ["Capital"]
    lifecycle.archive(segment, actor=SYSTEM, at=NOW)
    assert _shown(admin, ania) == []


def test_people_outside_its_groups_do_not_see_it(make_person: MakePerson, ania: int) -> None:
    group = Group.objects.create(name="Poland")
    UserGroup.objects.create(group=group)
    _in_it("secret", groups=["Poland"])
    _in_it("open")
    assert _shown(make_person(*_LOOKS), ania) == ["Open"]
    assert _shown(make_person(*_LOOKS, groups=(group,)), ania) == ["Open", "Secret"]
