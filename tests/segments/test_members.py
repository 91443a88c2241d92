"""Reading memberships: pages, past moments, the segments of one contact."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import Group

from contacts.models import Contact, Identity
from segments import lifecycle
from segments.members import (
    Change,
    changes_of_contact,
    changes_page,
    members_page,
    segments_of_contact,
)
from segments.models import Segment
from segments.past import members_at
from tests.segments.factories import DAY, NOW, lives_in, make_contacts, make_segment, refresh
from workspace.access import SYSTEM, actor_of_user
from workspace.models import User

pytestmark = pytest.mark.django_db


def _moved(segment: Segment) -> tuple[int, int, int]:
    """Ania is in from NOW on, Bartek for a day, Celine from tomorrow on."""
    ania, bartek, celine = make_contacts("Warszawa", "Warszawa", "Paris")
    refresh(segment)
    Contact.objects.filter(pk=bartek).update(city="Paris")
    Contact.objects.filter(pk=celine).update(city="Warszawa")
    refresh(segment, as_of=NOW + DAY, cause="moved")
    return ania, bartek, celine


def test_members_come_by_pages_in_both_directions() -> None:
    ids = make_contacts(*["Warszawa"] * 5, "Paris")[:5]
    Contact.objects.filter(pk=ids[0]).update(email="a@example.com")
    Identity.objects.create(namespace="user_id", value="u-1", contact_id=ids[0])
    segment = make_segment()
    refresh(segment)
    first = members_page(segment, limit=2)
    assert [member.contact_id for member in first] == ids[:2]
    assert (first[0].external_id, first[0].email) == ("u-1", "a@example.com")
    assert (first[1].external_id, first[1].email) == (None, "")
    assert first[0].entered_at == NOW
    second = members_page(segment, after=ids[1], limit=2)
    assert [member.contact_id for member in second] == ids[2:4]
    back = members_page(segment, before=ids[2], limit=2)
    assert [member.contact_id for member in back] == ids[:2]
    assert [m.contact_id for m in members_page(segment, before=ids[4], limit=2)] == ids[2:4]
    assert members_page(segment, after=ids[4], limit=2) == []


def test_changes_come_by_pages_in_the_order_of_time() -> None:
    segment = make_segment()
    ania, bartek, celine = _moved(segment)
    everything = [
        Change(ania, "entered", NOW, "test"),
        Change(bartek, "entered", NOW, "test"),
        Change(bartek, "left", NOW + DAY, "moved"),
        Change(celine, "entered", NOW + DAY, "moved"),
    ]
    assert changes_page(segment, limit=10) == everything
    assert changes_page(segment, newest_first=True, limit=10) == everything[::-1]
    for newest_first in (False, True):
        found, after = list[Change](), None
        while page := changes_page(segment, after=after, newest_first=newest_first, limit=1):
            found += page
            after = (page[-1].at, page[-1].contact_id, page[-1].kind)
        assert found == (everything[::-1] if newest_first else everything)
    assert changes_page(segment, kind="left", limit=10) == [everything[2]]
    assert changes_page(segment, since=NOW + DAY, limit=10) == everything[2:]
    assert changes_page(segment, until=NOW + DAY, limit=10) == everything[:2]


def test_who_was_in_at_a_past_moment_is_read_from_the_log() -> None:
    segment = make_segment()
    ania, bartek, celine = _moved(segment)
    assert members_at(segment, at=NOW - timedelta(seconds=1), limit=10) == []
    assert members_at(segment, at=NOW, limit=10) == [ania, bartek]
    assert members_at(segment, at=NOW + DAY, limit=10) == [ania, celine]
    assert members_at(segment, at=NOW, after=ania, limit=10) == [bartek]
    assert members_at(segment, at=NOW, limit=1) == [ania]


def test_the_segments_of_a_contact_are_those_that_one_may_know_of() -> None:
    (ania,) = make_contacts("Warszawa")
    Group.objects.create(name="Poland")
    open_, hidden = make_segment("open"), make_segment("hidden", groups=["Poland"])
    refresh(make_segment("elsewhere", lives_in("Paris")))
    refresh(open_)
    refresh(hidden, as_of=NOW + DAY)
    pierre = actor_of_user(User.objects.create_user("pierre"))
    assert segments_of_contact(ania, actor=SYSTEM) == [(hidden, NOW + DAY), (open_, NOW)]
    assert segments_of_contact(ania, actor=pierre) == [(open_, NOW)]
    seen = changes_of_contact(ania, actor=pierre, limit=5)
    assert [(segment.key, change.kind) for segment, change in seen] == [("open", "entered")]
    assert len(changes_of_contact(ania, actor=SYSTEM, limit=5)) == 2


def test_an_archived_segment_is_on_no_profile() -> None:
    (ania,) = make_contacts("Warszawa")
    segment = make_segment()
    refresh(segment)
    lifecycle.inactivate(segment, actor=SYSTEM, at=NOW)
    assert len(segments_of_contact(ania, actor=SYSTEM)) == 1
    lifecycle.archive(segment, actor=SYSTEM, at=NOW + DAY)
    assert segments_of_contact(ania, actor=SYSTEM) == []
    assert members_at(segment, at=NOW, limit=5) == [ania], "its past stays"
