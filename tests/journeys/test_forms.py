"""When a path with a time or with dates is open, by what the clocks show."""

from datetime import datetime
from typing import Any

import pytest

from journeys.drawing.forms import is_open

OFFICE = {"from": "09:00", "to": "17:00", "days": ["mon", "tue", "wed", "thu", "fri"]}
NIGHT = {"from": "22:00", "to": "06:00", "days": ["fri"]}
WEEKEND = {"days": ["sat", "sun"]}


# The 6th of March 2026 is a Friday.
@pytest.mark.parametrize(
    ("window", "local", "expected"),
    [
        (OFFICE, "2026-03-06T08:59:59.999999", False),
        (OFFICE, "2026-03-06T09:00", True),
        (OFFICE, "2026-03-06T16:59:59.999999", True),
        (OFFICE, "2026-03-06T17:00", False),
        (OFFICE, "2026-03-07T12:00", False),
        # Over midnight it is of the day on which it begins.
        (NIGHT, "2026-03-06T05:59", False),
        (NIGHT, "2026-03-06T21:59:59", False),
        (NIGHT, "2026-03-06T22:00", True),
        (NIGHT, "2026-03-07T00:00", True),
        (NIGHT, "2026-03-07T05:59:59.999999", True),
        (NIGHT, "2026-03-07T06:00", False),
        (NIGHT, "2026-03-07T22:00", False),
        (WEEKEND, "2026-03-06T23:59:59.999999", False),
        (WEEKEND, "2026-03-07T00:00", True),
        (WEEKEND, "2026-03-08T23:59:59.999999", True),
        (WEEKEND, "2026-03-09T00:00", False),
        ({"from": "18:00"}, "2026-03-06T17:59:59", False),
        ({"from": "18:00"}, "2026-03-06T23:59:59.999999", True),
        ({"from": "18:00"}, "2026-03-07T00:00", False),
        ({"to": "06:00"}, "2026-03-07T00:00", True),
        ({"to": "06:00"}, "2026-03-07T06:00", False),
        ({"from": "20:00", "to": "00:00"}, "2026-03-06T23:59", True),
        ({"from": "20:00", "to": "00:00"}, "2026-03-07T00:00", False),
    ],
)
def test_a_window_begins_with_its_first_instant_and_ends_before_its_last(
    window: dict[str, Any], local: str, expected: bool
) -> None:
    path = {"name": "it", "time": window}
    assert is_open(path, datetime.fromisoformat(local)) is expected


@pytest.mark.parametrize(
    ("days", "local", "expected"),
    [
        ({"from": "2026-12-01", "to": "2026-12-24"}, "2026-11-30T23:59:59.999999", False),
        ({"from": "2026-12-01", "to": "2026-12-24"}, "2026-12-01T00:00", True),
        ({"from": "2026-12-01", "to": "2026-12-24"}, "2026-12-24T23:59:59.999999", True),
        ({"from": "2026-12-01", "to": "2026-12-24"}, "2026-12-25T00:00", False),
        ({"from": "2026-12-01"}, "2030-01-01T00:00", True),
        ({"from": "2026-12-01"}, "2026-11-30T12:00", False),
        ({"to": "2026-12-24"}, "2020-01-01T00:00", True),
        ({"to": "2026-12-24"}, "2026-12-25T00:00", False),
    ],
)
def test_of_dates_both_ends_count(days: dict[str, Any], local: str, expected: bool) -> None:
    path = {"name": "it", "date": days}
    assert is_open(path, datetime.fromisoformat(local)) is expected
