"""Checks that fields of activities, paths of conditions and settings have in common."""

import re
from datetime import date, datetime
from decimal import Decimal
from typing import Any, TypeGuard

from journeys.drawing.durations import read_duration
from journeys.drawing.faults import Place, gettext_noop
from journeys.drawing.known import Known

TEXT_LIMIT = 10_000
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_CLOCK = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]")


def is_missing(value: Any) -> bool:
    """Whether nothing stands in a field: no key, null, an empty text, or nothing in it."""
    return value is None or value in ("", [], {})


def is_text(value: Any) -> TypeGuard[str]:
    """Whether it is a text of a length that people write, which can be kept."""
    return isinstance(value, str) and len(value) <= TEXT_LIMIT


def is_whole(value: Any) -> TypeGuard[int]:
    """Whether it is a whole number, whichever type JSON gave it."""
    if isinstance(value, bool):
        return False
    if isinstance(value, Decimal | float):
        exact = Decimal(value)
        return exact.is_finite() and abs(exact) < 10**18 and exact == int(exact)
    return isinstance(value, int)


def check_duration(value: Any, path: str, place: Place) -> None:
    """Note where a value is no duration."""
    if read_duration(value) is None:
        message = gettext_noop(
            "A duration is a whole amount from 1 and a unit: second, minute, hour, day or week."
        )
        place.add(path, "bad_duration", message)


def check_clock(value: Any, path: str, place: Place) -> None:
    """Note where a value is no time of day, as "09:00"."""
    if not isinstance(value, str) or not _CLOCK.fullmatch(value):
        place.add(path, "wrong_type", gettext_noop("A time of day is wanted, as 09:00."))


def check_of_whom(value: Any, path: str, place: Place) -> None:
    """Note where it is not said whose time zone counts: "contact", or "journey" by default."""
    if value is not None and (not isinstance(value, str) or value not in {"contact", "journey"}):
        message = gettext_noop("The time zone is that of the “contact” or of the “journey”.")
        place.add(path, "wrong_type", message)


def check_instant(value: Any, path: str, place: Place) -> None:
    """Note where a value is no time in ISO 8601."""
    if read_instant(value) is None:
        message = gettext_noop("A date and time are wanted, as 2026-05-01T09:00:00+02:00.")
        place.add(path, "wrong_type", message)


def read_instant(value: Any) -> datetime | None:
    """A time in ISO 8601, without a zone where it names none; None where it is none."""
    if not isinstance(value, str) or len(value) > 40:
        return None
    try:
        found = datetime.fromisoformat(value)
        # Such as cannot be told in another zone.
        return found if 2 <= found.year <= 9998 else None
    except ValueError:
        return None


def read_date(value: Any) -> date | None:
    """A day, as 2026-12-24; None where it is none."""
    if not isinstance(value, str) or not _DATE.fullmatch(value):
        return None
    try:
        return date.fromisoformat(value)
    except ValueError:
        return None


def check_criteria(value: Any, path: str, place: Place, known: Known) -> None:
    """Note what is wrong with a criteria document: one fault, with all of theirs in it."""
    if problems := known.check_criteria(value, f"{place.node}:{path}"):
        message = gettext_noop("{reason}")
        place.add(path, "criteria", message, criteria=problems, reason=problems[0].message)


def check_where(value: Any, path: str, place: Place, known: Known) -> None:
    """Note what is wrong with the conditions on an event."""
    if problems := known.check_where(value):
        message = gettext_noop("{reason}")
        place.add(path, "criteria", message, criteria=problems, reason=problems[0].message)
