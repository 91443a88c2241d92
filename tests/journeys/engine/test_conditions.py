"""Paths that are open by the clock, by the calendar, or for so many and no more."""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any

import pytest
from django.db import connection

from contacts.models import Contact
from journeys.engine import tick
from journeys.models import CapCount, JourneyVersion, Lane, Participant, Transition
from journeys.models import TestProfile as Profile
from tests.factories import DAY, HOUR, MINUTE, NOW, make_contact
from tests.journeys.engine.passages import drawing, enter, make_version, node

WORKDAYS = ["mon", "tue", "wed", "thu", "fri"]


def deciding(*paths: dict[str, Any], **given: Any) -> JourneyVersion:
    """A condition right behind the entry, with a path for all others."""
    nodes = [node("which", "condition", paths=list(paths), **{"else": True})]
    return make_version(drawing(nodes, "start > which"), **given)


def decided(**where: Any) -> dict[int, str]:
    found = Transition.objects.filter(node="which", **where).order_by("participant_id")
    return dict(found.values_list("participant__contact_id", "outcome"))


def capped(limit: int, **more: Any) -> dict[str, Any]:
    return {"name": "first", "cap": {"limit": limit, **more}}


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


@pytest.mark.django_db
def test_a_window_is_asked_by_the_clocks_of_the_contact_the_journey_or_a_place() -> None:
    # 16:30 UTC on a Monday: 17:30 in Warsaw, 11:30 in New York, 01:30 on Tuesday in Tokyo.
    paths = [
        {"name": name, "time": {"from": "17:00", "to": "18:00", "days": ["mon"], **zone}}
        for name, zone in (("named", {"zone": "Asia/Tokyo"}), ("theirs", {"zone": "contact"}))
    ]
    ours = {"name": "ours", "time": {"from": "11:00", "to": "12:00"}}
    version = deciding(*paths, ours, time_zone="America/New_York")
    warsaw, tokyo, none = (
        make_contact(time_zone=zone).pk for zone in ("Europe/Warsaw", "Asia/Tokyo", "")
    )
    odd = make_contact().pk
    Contact.objects.filter(pk=odd).update(time_zone="Nowhere/Land")
    when = at("2026-03-02T16:30+00:00")
    enter(version, warsaw, tokyo, none, odd, at=when)
    tick.tick_journey(version.journey_id, as_of=when)
    assert decided() == {warsaw: "theirs", tokyo: "ours", none: "ours", odd: "ours"}
    told = Transition.objects.get(participant__contact_id=warsaw, node="which").data
    assert told == {"zone": "Europe/Warsaw", "local": "2026-03-02T17:30:00"}
    # Who has no zone, or one that nobody knows, has the clocks of the journey.
    again = at("2026-03-02T22:59:59+00:00")
    enter(version, warsaw, none, odd, at=again, cause="event:2")
    tick.tick_journey(version.journey_id, as_of=again)
    assert decided(at=again) == {warsaw: "else", none: "theirs", odd: "theirs"}


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("instant", "outcome"),
    [
        # Clocks in Warsaw go from 02:00 to 03:00 at 01:00 UTC on the 29th of March.
        ("2026-03-29T00:59:59+00:00", "else"),
        ("2026-03-29T01:00:00+00:00", "else"),
        # And from 03:00 back to 02:00 at 01:00 UTC on the 25th of October.
        ("2026-10-25T00:30:00+00:00", "night"),
        ("2026-10-25T01:30:00+00:00", "night"),
        ("2026-10-25T02:00:00+00:00", "else"),
    ],
)
def test_an_hour_that_is_skipped_lets_nobody_through_and_one_that_comes_twice_does_so_twice(
    instant: str, outcome: str
) -> None:
    window = {"from": "02:00", "to": "03:00"}
    version = deciding({"name": "night", "time": window}, time_zone="Europe/Warsaw")
    contact = make_contact().pk
    enter(version, contact, at=at(instant))
    tick.tick_journey(version.journey_id, as_of=at(instant))
    assert decided() == {contact: outcome}


@pytest.mark.django_db
def test_a_worker_that_is_late_sends_nobody_another_way() -> None:
    window = {"name": "office", "time": {"from": "09:00", "to": "17:00", "days": WORKDAYS}}
    version = deciding(window, time_zone="UTC")
    came, later = make_contact().pk, make_contact().pk
    enter(version, came, at=at("2026-03-06T16:59:59+00:00"))
    enter(version, later, at=at("2026-03-06T17:00:00+00:00"))
    tick.tick_journey(version.journey_id, as_of=at("2026-03-07T03:00+00:00"))
    assert decided() == {came: "office", later: "else"}


@pytest.mark.django_db
def test_dates_are_days_of_the_calendar_with_both_ends() -> None:
    december = {"from": "2026-12-01", "to": "2026-12-24"}
    version = deciding({"name": "december", "date": december}, time_zone="Europe/Warsaw")
    instants = {
        "2026-11-30T22:59:59+00:00": "else",
        "2026-11-30T23:00:00+00:00": "december",
        "2026-12-24T22:59:59+00:00": "december",
        "2026-12-24T23:00:00+00:00": "else",
    }
    contacts = {}
    for instant, outcome in instants.items():
        contacts[make_contact().pk] = outcome
        enter(version, max(contacts), at=at(instant))
    tick.tick_journey(version.journey_id, as_of=at("2027-01-01T00:00+00:00"))
    assert decided() == contacts


@pytest.mark.django_db
def test_who_comes_first_goes_first_and_who_finds_it_full_asks_the_next_path() -> None:
    rome = {
        "combinator": "and",
        "rules": [{"field": "contact.city", "operator": "=", "value": "Rome"}],
    }
    version = deciding(capped(2), {"name": "romans", "criteria": rome})
    late, first, roman, second = (
        make_contact(city=city).pk for city in ("Oslo", "Oslo", "Rome", "Oslo")
    )
    for minutes, contact in enumerate((first, second, roman, late)):
        enter(version, contact, at=NOW + minutes * MINUTE)
    tick.tick_journey(version.journey_id, as_of=NOW + HOUR)
    assert decided() == {first: "first", second: "first", roman: "romans", late: "else"}
    told = Transition.objects.filter(node="which").order_by("at").values_list("data", flat=True)
    assert list(told) == [
        {"number": 1, "limit": 2},
        {"number": 2, "limit": 2},
        {"full": ["first"]},
        {"full": ["first"]},
    ]


@pytest.mark.django_db
def test_a_cap_is_exact_over_many_portions_and_ticks_and_versions() -> None:
    version = deciding(capped(7))
    enter(version, *(make_contact().pk for _one in range(10)))
    tick.tick_journey(version.journey_id, as_of=NOW, limit=3)
    assert Counter(decided().values()) == {"first": 7, "else": 3}
    # The next version goes on counting: another label makes no new cards.
    again = deciding(capped(9), at=NOW + HOUR)
    enter(again, *(make_contact().pk for _one in range(4)), at=NOW + HOUR, cause="event:2")
    tick.tick_journey(version.journey_id, as_of=NOW + HOUR, limit=3)
    assert Counter(decided().values()) == {"first": 9, "else": 5}
    assert CapCount.objects.get().count == 9
    # A path of another name is another one.
    other = deciding({"name": "second", "cap": {"limit": 1}}, at=NOW + 2 * HOUR)
    enter(other, make_contact().pk, at=NOW + 2 * HOUR, cause="event:3")
    tick.tick_journey(version.journey_id, as_of=NOW + 2 * HOUR)
    assert Counter(decided().values())["second"] == 1


@pytest.mark.django_db
def test_a_cap_of_each_day_goes_by_the_midnights_of_the_journey() -> None:
    version = deciding(capped(1, per="day"), time_zone="Asia/Kathmandu")
    # Midnight is there at 18:15 UTC.
    moments = ["17:00:00", "18:14:59", "18:15:00", "18:15:01"]
    contacts = [make_contact().pk for _one in moments]
    for contact, moment in zip(contacts, moments, strict=True):
        enter(version, contact, at=at(f"2026-03-02T{moment}+00:00"))
    tick.tick_journey(version.journey_id, as_of=NOW + DAY)
    assert list(decided().values()) == ["first", "else", "first", "else"]
    assert [str(one.day) for one in CapCount.objects.all()] == ["2026-03-02", "2026-03-03"]


@pytest.mark.django_db
def test_a_test_has_its_own_count() -> None:
    live = deciding(capped(1))
    tested = deciding(capped(1), lane=Lane.TEST)
    contact = make_contact().pk
    Profile.objects.create(contact_id=contact)
    enter(tested, contact)
    enter(live, contact)
    tick.tick_journey(live.journey_id, as_of=NOW)
    found = Transition.objects.filter(node="which").values_list("participant__lane", "outcome")
    assert sorted(found) == [(Lane.LIVE, "first"), (Lane.TEST, "first")]


def test_ticks_side_by_side_let_exactly_so_many_through(transactional_db: None) -> None:
    version = deciding(capped(7))
    Contact.objects.bulk_create(Contact() for _one in range(40))
    enter(version, *Contact.objects.values_list("pk", flat=True))
    in_threads(4, lambda: tick.tick_journey(version.journey_id, as_of=NOW, limit=3))
    while tick.tick_journey(version.journey_id, as_of=NOW).has_more:
        pass
    assert Counter(decided().values()) == {"first": 7, "else": 33}
    assert set(Participant.objects.values_list("state", flat=True)) == {"done"}


def in_threads(count: int, work: Callable[[], object]) -> None:
    """Do the same at once, each on a connection of its own."""

    def run(_number: int) -> None:
        try:
            work()
        finally:
            connection.close()

    with ThreadPoolExecutor(count) as pool:
        list(pool.map(run, range(count)))
