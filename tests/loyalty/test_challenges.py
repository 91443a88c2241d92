"""Challenges count each event once, by the calendar, for who takes part; the goal gives a bonus."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from contacts.events import IncomingEvent, record_events
from contacts.followed_events import follow_events
from contacts.merging import merge_contacts
from loyalty.models import ChallengeProgress, Claim, Mechanism, Member
from loyalty.programme.points import balance
from loyalty.rewards import mechanisms
from loyalty.rewards.challenges import forget_progress, progress_of
from loyalty.rewards.claims import revoke
from segments import lifecycle
from tests.loyalty.mechanisms import filled_segment, make_challenge, make_members
from tests.segments.factories import DAY, HOUR, NOW
from workspace.access import SYSTEM

pytestmark = pytest.mark.django_db


def _happen(contact_id: int, count: int = 1, *, at: datetime = NOW, **properties: Any) -> None:
    """So many purchases, the first at an instant, the others a second later each."""
    events = [
        IncomingEvent(contact_id, "purchase", at + timedelta(seconds=n), properties)
        for n in range(count)
    ]
    record_events(events, received_at=NOW)


def _count(at: datetime = NOW) -> None:
    while follow_events(mechanisms.FOLLOWER, at):
        pass


def _progress(mechanism: Mechanism, contact_id: int, at: datetime = NOW) -> tuple[float, bool]:
    (found,) = progress_of(contact_id, [mechanism], at=at)
    return float(found.value), found.reached_at is not None


def test_events_count_towards_the_goal_and_reaching_it_gives_a_bonus_once() -> None:
    (member,) = make_members()
    made = make_challenge(bonus_points=50)
    _happen(member, 2)
    _count()
    assert (_progress(made, member), balance(member)) == ((2, False), 0)
    _happen(member, 5, at=NOW + HOUR)
    _count()
    assert (_progress(made, member), balance(member)) == ((7, True), 50)
    _count()
    (claim,) = Claim.objects.filter(mechanism=made)
    assert (claim.contact_id, claim.bonus_points, claim.cause) == (member, 50, "reached:1970-01-01")
    made.refresh_from_db()
    assert made.claimed_count == 1


def test_an_event_that_comes_twice_counts_once() -> None:
    (member,) = make_members()
    made = make_challenge()
    event = IncomingEvent(member, "purchase", NOW, {}, "m1")
    for _ in range(2):
        record_events([event], received_at=NOW)
        _count()
    assert _progress(made, member) == (1, False)


def test_a_sum_adds_up_what_is_an_amount() -> None:
    (member,) = make_members()
    made = make_challenge(measure="sum", property="total.gross", threshold="99.5")
    for amount in (40, "30.25", "many", None, -10, 1e300):
        _happen(member, total={"gross": amount})
    _count()
    assert _progress(made, member) == (60.25, False)
    _happen(member, at=NOW + HOUR, total={"gross": "39.25"})
    _count()
    assert _progress(made, member) == (99.5, True)


def test_only_events_that_fit_the_condition_count() -> None:
    (member,) = make_members()
    rule = {"field": "properties.category", "operator": "=", "value": "coffee"}
    made = make_challenge(where={"combinator": "and", "rules": [rule]})
    _happen(member, 2, category="coffee")
    _happen(member, 3, at=NOW + HOUR, category="tea")
    _count()
    assert _progress(made, member) == (2, False)


def test_members_count_from_when_they_joined() -> None:
    member, left, late = make_members(3)
    Member.objects.filter(pk=left).update(left_at=NOW)
    Member.objects.filter(pk=late).update(joined_at=NOW + HOUR)
    made = make_challenge()
    for one in (member, left, late):
        _happen(one)
    _happen(late, at=NOW + HOUR)
    _count()
    assert [_progress(made, one)[0] for one in (member, left, late)] == [1, 0, 1]


def test_only_who_is_in_its_segments_takes_part() -> None:
    inside, outside = make_members(2)
    vip = filled_segment("vip", [inside])
    made = make_challenge()
    mechanisms.update_mechanism(made, actor=SYSTEM, at=NOW, segments=["vip"])
    for one in (inside, outside):
        _happen(one)
    _count()
    assert [_progress(made, one)[0] for one in (inside, outside)] == [1, 0]
    lifecycle.inactivate(vip, actor=SYSTEM, at=NOW)
    _happen(inside, at=NOW + HOUR)
    _count()
    assert _progress(made, inside)[0] == 1, "its last members do not count"


def test_each_period_of_the_calendar_begins_anew(settings: Any) -> None:
    settings.TIME_ZONE = "Europe/Warsaw"
    (member,) = make_members()
    made = make_challenge(period="day", threshold=2, bonus_points=5)
    midnight = datetime.fromisoformat("2026-03-02T00:00:00+01:00")
    _happen(member, 2, at=midnight - timedelta(seconds=1))
    _count()
    assert (_progress(made, member, midnight), balance(member)) == ((1, False), 0)
    _happen(member, at=midnight - HOUR)
    _happen(member, at=midnight + HOUR)
    _count()
    assert (_progress(made, member, midnight), balance(member)) == ((2, True), 10)
    causes = Claim.objects.order_by("cause").values_list("cause", flat=True)
    assert list(causes) == ["reached:2026-03-01", "reached:2026-03-02"]


def test_events_outside_its_time_do_not_count() -> None:
    (member,) = make_members()
    made = make_challenge()
    mechanisms.update_mechanism(made, actor=SYSTEM, at=NOW, starts_at=NOW, ends_at=NOW + HOUR)
    for at in (NOW - timedelta(seconds=1), NOW, NOW + HOUR):
        _happen(member, at=at)
    _count(NOW + DAY)
    assert _progress(made, member) == (1, False)


def test_the_first_to_reach_it_get_what_there_is() -> None:
    first, second, third = make_members(3)
    made = make_challenge(threshold=1, bonus_points=5)
    mechanisms.update_mechanism(made, actor=SYSTEM, at=NOW, stock=2)
    for place, member in enumerate((third, first, second)):
        _happen(member, at=NOW + ((place - 1) % 3) * HOUR)
    _count()
    assert [balance(one) for one in (first, second, third)] == [5, 5, 0]
    assert not _progress(made, third)[1]
    mechanisms.update_mechanism(made, actor=SYSTEM, at=NOW, stock=3)
    _happen(third, at=NOW + DAY)
    _count()
    assert balance(third) == 5


def test_a_bonus_that_is_taken_back_is_not_given_again() -> None:
    (member,) = make_members()
    made = make_challenge(threshold=1, bonus_points=5)
    _happen(member)
    _count()
    revoke(Claim.objects.get(), reason="cheated", actor=SYSTEM, at=NOW)
    _happen(member, at=NOW + HOUR)
    _count()
    made.refresh_from_db()
    assert (balance(member), made.claimed_count, Claim.objects.count()) == (0, 0, 1)


def test_an_inactive_challenge_counts_nothing() -> None:
    (member,) = make_members()
    made = make_challenge()
    mechanisms.inactivate(made, actor=SYSTEM, at=NOW)
    _happen(member)
    mechanisms.activate(made, actor=SYSTEM, at=NOW)
    _happen(member, at=NOW + HOUR)
    _count()
    assert _progress(made, member)[0] == 1


def test_two_who_become_one_are_as_far_as_both_together() -> None:
    survivor, loser = make_members(2)
    made = make_challenge(bonus_points=5)
    _happen(survivor)
    _happen(loser)
    _count()
    merge_contacts(survivor, loser, cause="test", actor=SYSTEM, at=NOW)
    assert _progress(made, survivor)[0] == 2
    assert not ChallengeProgress.objects.filter(contact_id=loser).exists()
    _happen(survivor, at=NOW + HOUR)
    _count()
    assert balance(survivor) == 5


def test_erasure_forgets_how_far_somebody_was() -> None:
    (member,) = make_members()
    make_challenge()
    _happen(member)
    _count()
    assert forget_progress([member]) == 1


def test_a_portion_costs_the_same_however_many_events_it_has() -> None:
    people = make_members(40)
    make_challenge(threshold=1, bonus_points=5)

    def queries(members: list[int]) -> int:
        for member in members:
            _happen(member)
        with CaptureQueriesContext(connection) as captured:
            _count()
        return len(captured)

    assert queries(people[:2]) == queries(people[2:])
