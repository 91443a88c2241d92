"""The forms of a condition's path: who goes it is said by criteria, a time, dates, or a cap.

`criteria` hold for the contact; a `time` is hours of the day on days of the week, a `date` days of
the calendar, both by the clocks of some time zone; a `cap` lets so many go, and no more. Pure, and
about documents without faults.
"""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, time, timedelta
from typing import Any

CRITERIA, TIME, DATE, CAP = FORMS = ("criteria", "time", "date", "cap")
# As the calendar counts them: Monday first.
DAYS: Sequence[str] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
# Whose time zone counts, unless one is named.
CONTACT, JOURNEY = "contact", "journey"
# What a cap counts for.
PERIODS: Sequence[str] = (JOURNEY, "day")


def forms_of(path: Mapping[str, Any]) -> list[str]:
    """The forms that a path has; one, where it has no faults."""
    return [form for form in FORMS if path.get(form) not in (None, "", [], {})]


def form_of(path: Mapping[str, Any]) -> str:
    """The form of a path without faults. Raises IndexError where it has none."""
    return forms_of(path)[0]


def zone_of(path: Mapping[str, Any]) -> str:
    """Whose clocks a path goes by, "contact" or "journey", or the name of a time zone."""
    zone: str = path[form_of(path)].get("zone") or JOURNEY
    return zone


def is_open(path: Mapping[str, Any], local: datetime) -> bool:
    """Whether a path with a time or with dates is open while the clocks show `local`."""
    if form_of(path) == DATE:
        return _is_among(path[DATE], local.date())
    return _is_within(path[TIME], local)


def _is_within(window: Mapping[str, Any], local: datetime) -> bool:
    """`from` counts, `to` does not; a window over midnight is of the day on which it begins."""
    begin, end = _clock(window.get("from")) or time.min, _clock(window.get("to"))
    now, day = local.time(), local.date()
    if end is not None and end < begin:
        if now < end:
            day -= timedelta(days=1)
        elif now < begin:
            return False
    elif now < begin or (end is not None and end <= now):
        return False
    days = window.get("days")
    return not days or DAYS[day.weekday()] in days


def _is_among(days: Mapping[str, Any], day: date) -> bool:
    """Both ends count; one that is not said is open."""
    first, last = (days.get(name) for name in ("from", "to"))
    return (not first or date.fromisoformat(first) <= day) and (
        not last or day <= date.fromisoformat(last)
    )


def _clock(text: str | None) -> time | None:
    return time.fromisoformat(text) if text else None
