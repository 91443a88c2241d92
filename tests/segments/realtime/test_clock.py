"""Time alone turns people in and out, at the second, and after a downtime all the same."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from contacts.events import IncomingEvent, record_events
from contacts.models import Contact
from segments.models import Following, MembershipChange, Segment
from segments.realtime import clock, following, state
from tests.segments.factories import (
    DAY,
    HOUR,
    NOW,
    make_contacts,
    make_segment,
    member_ids,
    refresh,
)
from tests.segments.realtime.test_following import SECOND, live
from workspace import jobs
from workspace.models import Job

pytestmark = pytest.mark.django_db


def lately(operator: str = "inLast", amount: int = 1, unit: str = "hour") -> dict[str, Any]:
    rule = {
        "field": "event.visit",
        "measure": {"function": "count"},
        "operator": ">=",
        "value": 1,
        "where": {
            "combinator": "and",
            "rules": [
                {
                    "field": "occurred_at",
                    "operator": operator,
                    "value": {"amount": amount, "unit": unit},
                }
            ],
        },
    }
    return {"combinator": "and", "rules": [rule]}


def visit(contact_id: int, at: datetime) -> None:
    record_events([IncomingEvent(contact_id, "visit", at)], received_at=NOW)
    while following.follow(NOW):
        pass


def test_who_did_something_lately_leaves_when_it_is_no_longer_lately() -> None:
    (ania,) = make_contacts("Brno")
    segment = live("lately", lately())
    visit(ania, NOW)
    assert member_ids(segment) == {ania}
    clock.tick(NOW + HOUR - SECOND)
    assert member_ids(segment) == {ania}
    clock.tick(NOW + HOUR)
    assert member_ids(segment) == set()
    change = MembershipChange.objects.get(kind="left")
    assert (change.cause, change.at) == ("time", NOW + HOUR)


def test_what_was_told_before_it_happens_counts_when_it_does() -> None:
    (ania,) = make_contacts("Brno")
    segment = live("lately", lately())
    visit(ania, NOW + 10 * SECOND)
    assert member_ids(segment) == set()
    clock.tick(NOW + 9 * SECOND)
    assert member_ids(segment) == set()
    clock.tick(NOW + 10 * SECOND)
    assert member_ids(segment) == {ania}


def test_after_a_downtime_the_same_look_catches_up() -> None:
    ania, bartek = make_contacts("Brno", "Brno")
    segment = live("lately", lately())
    visit(ania, NOW)
    # Comes and goes while nobody looks.
    visit(bartek, NOW + HOUR)
    clock.tick(NOW + 5 * HOUR)
    assert member_ids(segment) == set()
    assert Following.objects.get().followed_until == NOW + 5 * HOUR


def test_very_many_at_once_are_left_to_a_full_refresh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "LIMIT", 2)
    people = make_contacts(*["Brno"] * 3)
    segment = live("lately", lately())
    for contact_id in people:
        visit(contact_id, NOW)
    clock.tick(NOW + 2 * HOUR)
    assert len(member_ids(segment)) == 3
    assert not state.is_live(Segment.objects.get())
    job = Job.objects.get()
    assert job.arguments["cause"] == "time"
    job.arguments["as_of"] = (NOW + 2 * HOUR).isoformat()
    job.save()
    jobs.run(job.pk)
    assert member_ids(segment) == set()
    assert state.is_live(Segment.objects.get())


def test_windows_of_whole_days_are_refreshed_in_full_when_the_date_changes() -> None:
    Contact.objects.create(birth_date=datetime(1980, 3, 10, tzinfo=UTC).date())
    rule = {
        "field": "contact.birth_date",
        "operator": "anniversaryInNext",
        "value": {"amount": 7, "unit": "day"},
    }
    segment = live("birthdays", {"combinator": "and", "rules": [rule]})
    assert member_ids(segment) == set()
    clock.tick(NOW + HOUR)
    assert not Job.objects.exists()
    clock.tick(NOW + DAY)
    clock.tick(NOW + DAY + SECOND)
    assert Job.objects.get().arguments["cause"] == "time"


def test_a_clock_that_is_put_back_asks_again() -> None:
    (ania,) = make_contacts("Brno")
    segment = live("lately", lately())
    clock.tick(NOW + 2 * HOUR)
    visit(ania, NOW + HOUR)
    assert Following.objects.get().followed_until == NOW
    clock.tick(NOW + HOUR)
    assert member_ids(segment) == {ania}


def test_the_segment_stays_ready_while_somebody_looks() -> None:
    segment = live(readiness_hours=1)
    for minutes in range(1, 200):
        clock.tick(NOW + timedelta(minutes=minutes))
    segment.refresh_from_db()
    assert segment.calculation_state(at=NOW + timedelta(minutes=200)) == "ready"
    assert segment.calculated_at is not None
    assert segment.calculated_at >= NOW + timedelta(minutes=198)
    assert segment.calculations.count() == 1, "history has what moved"


def test_an_idle_look_is_cheap(django_assert_max_num_queries: Any) -> None:
    for number in range(5):
        segment = make_segment(f"s{number}", lately(amount=number + 1), refresh_mode="realtime")
        refresh(segment)
    clock.tick(NOW + 40 * SECOND)
    with django_assert_max_num_queries(12):
        clock.tick(NOW + 41 * SECOND)


def test_each_segment_is_looked_at_from_where_it_was_looked_at_last() -> None:
    (ania,) = make_contacts("Brno")
    early, late = live("early", lately()), live("late", lately(amount=4))
    visit(ania, NOW)
    refresh(late, as_of=NOW + 2 * HOUR)
    clock.tick(NOW + 3 * HOUR)
    assert (member_ids(early), member_ids(late)) == (set(), {ania})
    assert set(Following.objects.values_list("followed_until", flat=True)) == {NOW + 3 * HOUR}


def test_a_date_that_a_segment_was_refreshed_after_asks_for_no_other_refresh() -> None:
    rule = {
        "field": "contact.birth_date",
        "operator": "anniversaryInNext",
        "value": {"amount": 7, "unit": "day"},
    }
    birthdays = {"combinator": "and", "rules": [rule]}
    before, after = live("before", birthdays), live("after", birthdays)
    refresh(after, as_of=NOW + DAY)
    clock.tick(NOW + DAY + SECOND)
    assert Job.objects.get().subject == f"segment:{before.pk}"
