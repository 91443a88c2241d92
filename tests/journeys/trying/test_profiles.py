"""Test profiles: who is one, and what becomes of the mark."""

import pytest

from contacts.erasure import erase_contact
from contacts.errors import ContactUnknown
from contacts.merging import merge_contacts
from journeys import models
from journeys.errors import TooManyProfiles
from journeys.trying import profiles
from segments.errors import SegmentInactive
from segments.lifecycle import inactivate
from tests.factories import NOW, make_contact
from tests.segments.factories import make_contacts, make_segment, refresh
from workspace.access import SYSTEM, actor_of_user
from workspace.errors import NotAllowed
from workspace.models import AuditEntry, User

pytestmark = pytest.mark.django_db


def marked() -> set[int]:
    return set(models.TestProfile.objects.values_list("contact_id", flat=True))


def test_contacts_are_marked_once_and_the_trail_says_who_did_it() -> None:
    one, other = make_contact().pk, make_contact().pk
    assert profiles.mark([other, one], actor=SYSTEM, at=NOW) == [one, other]
    assert profiles.mark([one], actor=SYSTEM, at=NOW) == []
    assert marked() == {one, other} == profiles.are_profiles([one, other, 999_999])
    entries = AuditEntry.objects.filter(action="test_profile.added")
    assert sorted(int(entry.object_id) for entry in entries) == [one, other]
    assert profiles.unmark([one, 999_999], actor=SYSTEM, at=NOW) == [one]
    assert marked() == {other}
    assert AuditEntry.objects.get(action="test_profile.removed").object_id == str(one)


def test_nobody_is_marked_where_one_is_unknown_or_erased() -> None:
    there, gone = make_contact(), make_contact()
    erase_contact(gone.pk, actor=SYSTEM, at=NOW)
    for unknown in (gone.pk, 999_999):
        with pytest.raises(ContactUnknown):
            profiles.mark([there.pk, unknown], actor=SYSTEM, at=NOW)
    assert marked() == set()


def test_who_lacks_the_permission_marks_nobody() -> None:
    someone = actor_of_user(User.objects.create_user("reader", is_staff=True))
    contact = make_contact()
    with pytest.raises(NotAllowed):
        profiles.mark([contact.pk], actor=someone, at=NOW)
    with pytest.raises(NotAllowed):
        profiles.unmark([contact.pk], actor=someone, at=NOW)


def test_all_of_a_small_segment_are_marked_in_as_many_queries_as_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ids = make_contacts("Warszawa", "Warszawa", "Paris")
    segment = make_segment()
    refresh(segment)
    assert profiles.mark_members(segment, actor=SYSTEM, at=NOW) == ids[:2]
    assert profiles.mark_members(segment, actor=SYSTEM, at=NOW) == []
    monkeypatch.setattr(profiles, "SEGMENT_LIMIT", 1)
    with pytest.raises(TooManyProfiles, match="More than 1"):
        profiles.mark_members(segment, actor=SYSTEM, at=NOW)
    inactivate(segment, actor=SYSTEM, at=NOW)
    with pytest.raises(SegmentInactive):
        profiles.mark_members(segment, actor=SYSTEM, at=NOW)


def test_the_survivor_of_a_merge_is_a_test_profile_and_an_erased_contact_is_none() -> None:
    survivor, loser = make_contact(), make_contact()
    profiles.mark([loser.pk], actor=SYSTEM, at=NOW)
    merge_contacts(survivor.pk, loser.pk, actor=SYSTEM, at=NOW, cause="test")
    assert marked() == {survivor.pk}
    # The number of who was merged leads to the survivor.
    assert profiles.mark([loser.pk], actor=SYSTEM, at=NOW) == []
    erase_contact(survivor.pk, actor=SYSTEM, at=NOW)
    assert marked() == set()
