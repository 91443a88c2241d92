"""Segments of other systems: chosen, read, brought up to date, missed, let go (AN-25 to AN-29)."""

from datetime import timedelta

import pytest
from django.core import mail

from contacts import erasure
from integrations.errors import PermanentError, TemporaryError
from integrations.vendors import importers
from loyalty.models import Member
from segments import health, lifecycle
from segments.errors import ImportRefused, SegmentNotImported
from segments.imported import importing, offers
from segments.models import Finding, Membership, MembershipChange, Segment, SkippedKey
from tests.factories import DAY, HOUR, NOW, make_contact
from tests.segments.factories import member_ids, refresh
from tests.segments.imported.system import System, connect, make_members, sync, take
from workspace.access import SYSTEM
from workspace.models import AuditEntry, User

pytestmark = pytest.mark.django_db

ANN, BEA, CID = "ann@example.com", "bea@example.com", "cid@example.com"


def test_only_loyalty_members_come_in_and_nobody_is_created(system: System) -> None:
    ann, bea = make_members(ANN, BEA)
    make_contact(email=CID)
    system.segments["vip"] = [ANN.upper(), f" {BEA} ", CID, "dan@example.com", "no address", BEA]
    connection = connect()
    (segment,) = take(connection, "vip")
    sync(connection)
    assert member_ids(segment) == {ann, bea}
    imported = segment.imported
    imported.refresh_from_db()
    assert (imported.source_count, imported.matched_count) == (6, 2)
    assert (imported.non_member_count, imported.unknown_count) == (1, 1)
    assert (imported.unreadable_count, imported.duplicate_count) == (1, 1)
    skipped = SkippedKey.objects.filter(segment=imported).order_by("place")
    assert list(skipped.values_list("place", "key", "reason")) == [
        (3, CID, "non_member"),
        (4, "dan@example.com", "unknown"),
        (5, "no address", "unreadable"),
    ]


def test_who_comes_and_goes_there_comes_and_goes_here(system: System) -> None:
    ann, bea, cid = make_members(ANN, BEA, CID)
    connection = connect()
    system.segments["vip"] = [ANN, BEA]
    (segment,) = take(connection, "vip")
    sync(connection)
    system.segments["vip"] = [BEA, CID]
    sync(connection, at=NOW + DAY)
    assert member_ids(segment) == {bea, cid}
    changes = MembershipChange.objects.filter(segment=segment, at__gte=NOW + HOUR)
    assert set(changes.values_list("contact_id", "kind", "cause")) == {
        (ann, "left", "imported"),
        (cid, "entered", "imported"),
    }
    assert Membership.objects.get(segment=segment, contact_id=bea).entered_at == NOW
    segment.refresh_from_db()
    assert segment.version_number == 1, "other people there are no other definition here"


def test_who_joins_the_programme_comes_in_before_the_next_reading(system: System) -> None:
    system.segments["vip"] = [ANN]
    contact = make_contact(email=ANN)
    connection = connect()
    (segment,) = take(connection, "vip")
    sync(connection)
    assert member_ids(segment) == set()
    Member.objects.create(contact_id=contact.pk, joined_at=NOW)
    refresh(segment, as_of=NOW + HOUR)
    assert member_ids(segment) == {contact.pk}


def test_all_contacts_come_in_where_somebody_says_so(system: System) -> None:
    system.segments["vip"] = [ANN]
    contact = make_contact(email=ANN)
    connection = connect()
    (segment,) = take(connection, "vip", members_only=False)
    sync(connection)
    assert member_ids(segment) == {contact.pk}


def test_a_reading_that_breaks_off_leaves_the_old_members(system: System) -> None:
    ann, bea = make_members(ANN, BEA)
    connection = connect()
    system.segments["vip"] = [ANN, BEA]
    (segment,) = take(connection, "vip")
    sync(connection)
    system.segments["vip"] = [CID, "x@example.com", "y@example.com", "z@example.com"]
    system.breaks_off["vip"] = TemporaryError("It hung up.")
    with pytest.raises(TemporaryError):
        sync(connection, at=NOW + DAY)
    assert member_ids(segment) == {ann, bea}
    segment.imported.refresh_from_db()
    segment.refresh_from_db()
    assert segment.imported.error == segment.failure == "It hung up."
    assert segment.imported.last_sync_at == NOW
    del system.breaks_off["vip"]
    sync(connection, at=NOW + DAY + HOUR)
    segment.refresh_from_db()
    assert (member_ids(segment), segment.failure) == (set(), "")


def test_one_that_fails_does_not_keep_the_others(system: System) -> None:
    (ann,) = make_members(ANN)
    system.segments |= {"bad": [ANN], "good": [ANN]}
    connection = connect()
    bad, good = take(connection, "bad", "good")
    system.fails["bad"] = PermanentError("No.")
    with pytest.raises(PermanentError, match="1 of 2 segments"):
        sync(connection)
    assert (member_ids(bad), member_ids(good)) == (set(), {ann})


def test_what_was_read_before_a_failure_is_not_read_again(system: System) -> None:
    system.segments |= {"bad": [ANN], "good": [ANN]}
    connection = connect()
    take(connection, "bad", "good")
    system.fails["bad"] = TemporaryError("Later.")
    with pytest.raises(TemporaryError):
        sync(connection)
    system.asked.clear()
    system.fails.clear()
    sync(connection, at=NOW + HOUR)
    assert system.asked == ["bad"]
    system.asked.clear()
    sync(connection, at=NOW + 2 * HOUR)
    assert sorted(system.asked) == ["bad", "good"], "somebody wants it now"


def test_a_vendor_that_never_answers_is_left_in_peace(system: System) -> None:
    names = ["a", "b", "c", "d"]
    system.segments |= {name: [ANN] for name in names}
    connection = connect()
    take(connection, *names)
    system.fails |= {name: TemporaryError("Silence.") for name in names}
    with pytest.raises(TemporaryError):
        sync(connection)
    assert len(system.asked) == 2


def test_one_that_is_missing_there_is_inactive_and_keeps_its_members(system: System) -> None:
    (ann,) = make_members(ANN)
    owner = User.objects.create_user("olga", "olga@example.com", is_superuser=True, is_staff=True)
    system.segments["vip"] = [ANN]
    connection = connect()
    (segment,) = take(connection, "vip", mail_findings=False)
    lifecycle.update_segment(segment, actor=SYSTEM, at=NOW, owner=owner)
    sync(connection)
    kept = system.segments.pop("vip")
    sync(connection, at=NOW + DAY)
    segment.refresh_from_db()
    assert (segment.status, member_ids(segment)) == (Segment.Status.INACTIVE, {ann})
    (told,) = health.findings_of(segment, actor=SYSTEM)
    assert told.kind == Finding.Kind.MISSING
    assert "Vip" in told.message
    assert [one.to for one in mail.outbox] == [["olga@example.com"]]
    sync(connection, at=NOW + 2 * DAY)
    assert len(mail.outbox) == 1, "it is told once"
    system.segments["vip"] = kept
    sync(connection, at=NOW + 3 * DAY)
    segment.refresh_from_db()
    assert segment.status == Segment.Status.ACTIVE
    assert not Finding.objects.exists()
    assert segment.imported.missing_since is None


def test_one_that_is_inactive_by_hand_is_not_read(system: System) -> None:
    system.segments["vip"] = [ANN]
    connection = connect()
    (segment,) = take(connection, "vip")
    lifecycle.inactivate(segment, actor=SYSTEM, at=NOW)
    sync(connection)
    assert system.asked == []
    segment.refresh_from_db()
    with pytest.raises(SegmentNotImported):
        importing.request_sync(segment, actor=SYSTEM, at=NOW)


def test_one_that_is_no_more_imported_stays_as_it_is(system: System) -> None:
    (ann,) = make_members(ANN)
    system.segments["vip"] = [ANN]
    connection = connect()
    (segment,) = take(connection, "vip")
    sync(connection)
    importing.stop_importing(segment, actor=SYSTEM, at=NOW)
    system.segments["vip"] = []
    sync(connection, at=NOW + DAY)
    assert (segment.status, member_ids(segment)) == (Segment.Status.ACTIVE, {ann})
    with pytest.raises(SegmentNotImported):
        importing.request_sync(segment, actor=SYSTEM, at=NOW)
    (again,) = take(connection, "vip")
    assert again.pk != segment.pk
    assert AuditEntry.objects.filter(action="segment.import_stopped").count() == 1


def test_stopped_in_the_midst_of_a_reading_it_keeps_what_it_had(system: System) -> None:
    make_members(ANN)
    system.segments["vip"] = [ANN]
    connection = connect()
    (segment,) = take(connection, "vip")
    fetch = system.fetch_members

    def stop_meanwhile(run: object, remote_id: str) -> object:
        yield from fetch(run, remote_id)  # type: ignore[arg-type]  # a run is not looked at
        importing.stop_importing(segment, actor=SYSTEM, at=NOW)

    importers.register_importer(
        connection.kind,
        importers.Importer(system.list_segments, stop_meanwhile),  # type: ignore[arg-type]
    )
    sync(connection)
    assert member_ids(segment) == set()


def test_nothing_is_imported_where_one_of_them_cannot_be(system: System) -> None:
    system.segments |= {"vip": [], "new": []}
    connection = connect()
    take(connection, "vip")
    with pytest.raises(ImportRefused) as refused:
        take(connection, "new", "vip", "gone")
    codes = {(problem.path, problem.code) for problem in refused.value.problems}
    assert codes == {("segments[1]", "imported_already"), ("segments[2]", "unknown_segment")}
    assert Segment.objects.count() == 1


def test_one_whose_segment_is_archived_can_be_imported_anew(system: System) -> None:
    system.segments["vip"] = [ANN]
    connection = connect()
    (first,) = take(connection, "vip")
    lifecycle.inactivate(first, actor=SYSTEM, at=NOW)
    lifecycle.archive(first, actor=SYSTEM, at=NOW)
    (offer,) = offers.offers(connection, actor=SYSTEM)
    assert not offer.is_imported
    (second,) = take(connection, "vip")
    sync(connection)
    second.refresh_from_db()
    assert second.calculated_at == NOW


def test_offers_are_counted_until_the_time_is_over(system: System) -> None:
    system.segments |= {"a": [ANN], "b": [ANN, BEA]}
    connection = connect()
    found = offers.offers(connection, actor=SYSTEM)
    assert [one.remote.count for one in found] == [None, None]
    far, past = NOW + timedelta(days=9999), NOW - timedelta(days=9999)
    counted = offers.counted(connection, found, actor=SYSTEM, until=far)
    assert [one.remote.count for one in counted] == [1, 2]
    assert offers.counted(connection, found, actor=SYSTEM, until=past) == found


def test_who_asks_for_one_gets_that_one_only(system: System) -> None:
    system.segments |= {"a": [ANN], "b": [ANN]}
    connection = connect()
    _first, second = take(connection, "a", "b")
    sync(connection)
    system.asked.clear()
    importing.request_sync(second, actor=SYSTEM, at=NOW + HOUR)
    sync(connection, at=NOW + HOUR, only_requested=True)
    assert system.asked == ["b"]
    sync(connection, at=NOW + HOUR, only_requested=True)
    assert system.asked == ["b"], "it was served"


def test_erased_contacts_leave_also_the_list_of_those_left_out(system: System) -> None:
    contact = make_contact(email=CID)
    system.segments["vip"] = [CID, "dan@example.com"]
    connection = connect()
    take(connection, "vip")
    sync(connection)
    erasure.erase_contact(contact.pk, actor=SYSTEM, at=NOW)
    assert list(SkippedKey.objects.values_list("key", flat=True)) == ["dan@example.com"]
