"""Until when nobody is disturbed, also where the clock changes."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from journeys.messages.quiet_hours import quiet_until, zone_of

NIGHT = {"from": "21:00", "to": "08:00"}
WARSAW = "Europe/Warsaw"


def at(text: str, *, fold: int = 0) -> datetime:
    """A time in Warsaw."""
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(WARSAW), fold=fold).astimezone(UTC)


@pytest.mark.parametrize(
    ("now", "until"),
    [
        ("2026-03-02 20:59:59", None),
        ("2026-03-02 21:00:00", "2026-03-03 08:00"),
        ("2026-03-02 23:59:59", "2026-03-03 08:00"),
        ("2026-03-03 00:00:00", "2026-03-03 08:00"),
        ("2026-03-03 07:59:59", "2026-03-03 08:00"),
        ("2026-03-03 08:00:00", None),
        ("2026-03-03 12:00:00", None),
    ],
)
def test_a_night_goes_over_midnight(now: str, until: str | None) -> None:
    assert quiet_until(at(now), NIGHT, WARSAW) == (until and at(until))


@pytest.mark.parametrize(
    ("now", "until"),
    [
        ("2026-03-02 11:59:59", None),
        ("2026-03-02 12:00:00", "2026-03-02 14:00"),
        ("2026-03-02 13:59:59", "2026-03-02 14:00"),
        ("2026-03-02 14:00:00", None),
    ],
)
def test_a_siesta_is_within_a_day(now: str, until: str | None) -> None:
    assert quiet_until(at(now), {"from": "12:00", "to": "14:00"}, WARSAW) == (until and at(until))


def test_without_quiet_hours_nobody_waits() -> None:
    assert quiet_until(at("2026-03-02 23:00"), None, WARSAW) is None


def test_the_night_in_which_clocks_go_forward_is_an_hour_shorter() -> None:
    begin = at("2026-03-28 21:00")
    until = quiet_until(begin, NIGHT, WARSAW)
    assert until == at("2026-03-29 08:00")
    assert until - begin == timedelta(hours=10)


def test_the_night_in_which_clocks_go_back_is_an_hour_longer() -> None:
    begin = at("2026-10-24 21:00")
    until = quiet_until(begin, NIGHT, WARSAW)
    assert until == at("2026-10-25 08:00")
    assert until - begin == timedelta(hours=12)


def test_an_end_that_is_skipped_comes_later() -> None:
    # There is no half past two in this night: from two it is three at once.
    until = quiet_until(at("2026-03-29 01:45"), {"from": "21:00", "to": "02:30"}, WARSAW)
    assert until == at("2026-03-29 03:30")


def test_of_an_end_that_comes_twice_the_next_one_counts() -> None:
    quiet = {"from": "21:00", "to": "02:30"}
    first, again = at("2026-10-25 02:30"), at("2026-10-25 02:30", fold=1)
    assert quiet_until(at("2026-10-25 01:00"), quiet, WARSAW) == first
    assert quiet_until(at("2026-10-25 02:45"), quiet, WARSAW) is None
    assert quiet_until(at("2026-10-25 02:10", fold=1), quiet, WARSAW) == again


_HOURS = st.sampled_from(["00:00", "01:59", "02:00", "02:30", "03:00", "08:00", "21:00", "23:59"])


@given(
    begin=_HOURS,
    end=_HOURS,
    zone=st.sampled_from(["UTC", WARSAW, "America/New_York", "Asia/Kathmandu", "Pacific/Apia"]),
    now=st.integers(0, 365 * 24 * 60).map(
        lambda minutes: datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes)
    ),
)
@example(begin="21:00", end="02:30", zone=WARSAW, now=datetime(2026, 3, 29, 0, 45, tzinfo=UTC))
def test_quiet_hours_end_within_a_day_and_are_over_then(
    begin: str, end: str, zone: str, now: datetime
) -> None:
    quiet = {"from": begin, "to": end}
    until = quiet_until(now, quiet, zone)
    if until is not None:
        assert now < until <= now + timedelta(hours=25)
        assert quiet_until(until, quiet, zone) is None


def test_the_first_zone_that_exists_counts() -> None:
    assert zone_of("", "Nowhere/Town", WARSAW, "UTC").key == WARSAW
    assert zone_of("", "../etc").key == "UTC"
