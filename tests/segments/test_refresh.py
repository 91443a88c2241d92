"""Members are computed, compared with what was, and written as the difference."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from contacts.models import AttributeDefinition, Contact
from loyalty.models import Member
from segments import membership
from segments.errors import CriteriaRefused, RefreshTimedOut, SegmentInactive
from segments.models import Calculation, MembershipChange, Segment
from tests.segments.factories import (
    DAY,
    HOUR,
    NOW,
    has_attribute,
    holds,
    is_in,
    lives_in,
    make_contacts,
    make_segment,
    member_ids,
    refresh,
)

pytestmark = pytest.mark.django_db


def _log(segment: Segment) -> list[tuple[int, str, datetime]]:
    changes = MembershipChange.objects.filter(segment=segment).order_by("at", "contact_id")
    return list(changes.values_list("contact_id", "kind", "at"))


def test_who_fits_enters_and_who_no_more_fits_leaves() -> None:
    ania, bartek, celine = make_contacts("Warszawa", "Warszawa", "Paris")
    segment = make_segment()
    first = refresh(segment)
    assert (first.member_count, first.entered_count, first.left_count) == (2, 2, 0)
    assert member_ids(segment) == {ania, bartek}
    Contact.objects.filter(pk=ania).update(city="Paris")
    Contact.objects.filter(pk=celine).update(city="Warszawa")
    second = refresh(segment, as_of=NOW + DAY, cause="moved")
    assert (second.member_count, second.entered_count, second.left_count) == (2, 1, 1)
    assert member_ids(segment) == {bartek, celine}
    assert _log(segment) == [
        (ania, "entered", NOW),
        (bartek, "entered", NOW),
        (ania, "left", NOW + DAY),
        (celine, "entered", NOW + DAY),
    ]
    assert MembershipChange.objects.filter(cause="moved").count() == 2


def test_members_keep_the_moment_they_entered() -> None:
    make_contacts("Warszawa")
    segment = make_segment()
    refresh(segment)
    refresh(segment, as_of=NOW + DAY)
    assert [found.entered_at for found in segment.membership_set.all()] == [NOW]


def test_a_refresh_tells_the_segment_and_its_history() -> None:
    make_contacts("Warszawa", "Warszawa", "Paris")
    segment = make_segment()
    done = refresh(segment)
    assert segment.member_count == 2
    assert segment.calculated_at == NOW
    assert segment.refresh_requested_at is None
    assert segment.calculation_state(at=NOW) == "ready"
    history = Calculation.objects.get(segment=segment)
    told = (history.at, history.member_count, history.entered_count, history.left_count)
    assert told == (NOW, 2, 2, 0)
    assert float(history.milliseconds) == pytest.approx(done.milliseconds)
    assert history.version_number == 1


def test_nothing_is_written_about_who_stayed() -> None:
    make_contacts("Warszawa")
    segment = make_segment()
    refresh(segment)
    again = refresh(segment, as_of=NOW + HOUR)
    assert (again.member_count, again.entered_count, again.left_count) == (1, 0, 0)
    assert len(_log(segment)) == 1


def test_the_log_stays_in_order_when_somebody_evaluates_as_of_an_earlier_moment() -> None:
    (ania,) = make_contacts("Warszawa")
    segment = make_segment()
    refresh(segment)
    Contact.objects.update(city="Paris")
    refresh(segment, as_of=NOW)
    Contact.objects.update(city="Warszawa")
    refresh(segment, as_of=NOW - 400 * DAY)
    step = timedelta(microseconds=1)
    assert _log(segment) == [
        (ania, "entered", NOW),
        (ania, "left", NOW + step),
        (ania, "entered", NOW + 2 * step),
    ]
    assert segment.calculated_at == NOW - 400 * DAY


def test_a_failed_refresh_leaves_yesterdays_members_and_says_why() -> None:
    definition = AttributeDefinition.objects.create(key="color", label="Color")
    Contact.objects.create(attributes={"color": "red"})
    segment = make_segment(criteria=has_attribute("color", "red"))
    refresh(segment)
    definition.delete()
    with pytest.raises(CriteriaRefused):
        refresh(segment, as_of=NOW + DAY)
    segment.refresh_from_db()
    assert "color" in segment.failure
    assert segment.failed_at == NOW + DAY
    assert segment.calculated_at == NOW
    assert segment.member_count == 1
    assert len(member_ids(segment)) == 1
    AttributeDefinition.objects.create(key="color", label="Color")
    refresh(segment, as_of=NOW + 2 * DAY)
    again = Segment.objects.get()
    assert again.failure == ""
    assert again.failed_at is None


def test_a_refresh_that_takes_too_long_is_stopped(
    monkeypatch: pytest.MonkeyPatch, slow_fact: str
) -> None:
    monkeypatch.setattr(membership, "REFRESH_LIMIT_SECONDS", 0.1)
    make_contacts("Slough")
    segment = make_segment(criteria=holds(slow_fact))
    with pytest.raises(RefreshTimedOut):
        refresh(segment)
    segment.refresh_from_db()
    assert "stopped" in segment.failure
    assert segment.failed_at == NOW
    assert member_ids(segment) == set()


def test_an_inactive_segment_is_not_refreshed() -> None:
    segment = make_segment()
    Segment.objects.update(status="inactive")
    with pytest.raises(SegmentInactive):
        refresh(segment)
    segment.refresh_from_db()
    assert segment.failure == ""


def test_segments_come_after_those_that_they_name() -> None:
    (ania,) = make_contacts("Warszawa")
    make_segment("zz-base")
    make_segment("mm-middle", is_in("zz-base"))
    make_segment("aa-top", is_in("mm-middle"))
    ids = Segment.objects.values_list("pk", flat=True)
    done = list(membership.refresh_many(ids, as_of=NOW, cause="test"))
    assert [found.segment_key for found in done] == ["zz-base", "mm-middle", "aa-top"]
    assert all(member_ids(segment) == {ania} for segment in Segment.objects.all())


def test_one_that_fails_does_not_keep_the_others() -> None:
    definition = AttributeDefinition.objects.create(key="color", label="Color")
    make_segment("bad", has_attribute("color", "red"))
    make_segment("good")
    definition.delete()
    ids = Segment.objects.values_list("pk", flat=True)
    done = list(membership.refresh_many(ids, as_of=NOW, cause="test"))
    assert isinstance(done[0], membership.RefreshFailed)
    assert isinstance(done[1], membership.Refreshed)


def test_members_only_leaves_out_who_is_not_in_the_loyalty_programme() -> None:
    ania, bartek = make_contacts("Warszawa", "Warszawa")
    Member.objects.create(contact_id=ania, joined_at=NOW - DAY)
    assert bartek
    segment = make_segment(members_only=True)
    refresh(segment)
    assert member_ids(segment) == {ania}


def test_erased_contacts_are_in_no_segment_and_in_no_log() -> None:
    ania, bartek = make_contacts("Warszawa", "Warszawa")
    segment = make_segment()
    refresh(segment)
    assert membership.forget_contacts([ania]) == 2
    segment.refresh_from_db()
    assert segment.member_count == 1
    assert member_ids(segment) == {bartek}
    assert [found[0] for found in _log(segment)] == [bartek]


def test_a_count_that_was_wrong_is_put_right() -> None:
    make_contacts("Warszawa", "Warszawa")
    segment = make_segment()
    refresh(segment)
    Segment.objects.update(member_count=77)
    refresh(segment, as_of=NOW + HOUR)
    assert segment.member_count == 2


def test_a_refresh_costs_the_same_number_of_statements_for_few_and_many() -> None:
    segment = make_segment(criteria=lives_in("Warszawa"))
    refresh(segment)
    counts = []
    for days, people in ((1, 1), (2, 50)):
        make_contacts(*["Warszawa"] * people)
        with CaptureQueriesContext(connection) as statements:
            done = refresh(segment, as_of=NOW + days * DAY)
        assert done.entered_count == people
        counts.append(len(statements))
    assert counts[0] == counts[1]


def test_long_ago_has_its_own_month_in_the_log() -> None:
    make_contacts("Warszawa")
    segment = make_segment()
    refresh(segment, as_of=datetime(1998, 7, 1, tzinfo=UTC))
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM segments_membershipchange_1998_07")
        assert cursor.fetchone() == (1,)
