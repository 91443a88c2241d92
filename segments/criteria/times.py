"""ISO values, and steps of the clock and the calendar in the workspace's time zone.

Wall times that a clock change names twice or skips are read with the smaller offset from UTC,
as PostgreSQL reads them, so that steps taken here and in SQL meet.
"""

import re
from datetime import UTC, date, datetime, time, timedelta, timezone
from zoneinfo import ZoneInfo

from .syntax import Duration, Unit

FIRST_INSTANT = datetime.min.replace(tzinfo=UTC)
LAST_INSTANT = datetime.max.replace(tzinfo=UTC)

_ISO = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})"
    r"(?:[T ]([0-9]{2}):([0-9]{2})(?::([0-9]{2})(?:\.([0-9]{1,6}))?)?"
    r"(?:(Z)|([+-])([0-9]{2}):?([0-9]{2}))?)?"
)
_FIXED = {
    Unit.MINUTE: timedelta(minutes=1),
    Unit.HOUR: timedelta(hours=1),
    Unit.DAY: timedelta(days=1),
    Unit.WEEK: timedelta(weeks=1),
}
_MONTHS = {Unit.MONTH: 1, Unit.YEAR: 12}


def read_iso(text: str) -> date | datetime | None:
    """The date, wall time (naive) or instant (aware) that `text` writes; None if it is none."""
    found = _ISO.fullmatch(text)
    if found is None:
        return None
    year, month, day, hour, minute, second, fraction, z, sign, off_hour, off_minute = found.groups()
    try:
        on = date(int(year), int(month), int(day))
        if hour is None:
            return on
        micros = int((fraction or "").ljust(6, "0"))
        at = datetime.combine(on, time(int(hour), int(minute), int(second or 0), micros))
        if z:
            return at.replace(tzinfo=UTC)
        if sign is None:
            return at
        if int(off_minute) > 59:
            return None
        offset = timedelta(hours=int(off_hour), minutes=int(off_minute))
        return at.replace(tzinfo=timezone(-offset if sign == "-" else offset))
    except ValueError:
        return None


def to_instant(value: date | datetime, zone: ZoneInfo) -> datetime:
    """The instant meant by `value`: a date is its first moment in `zone`. In UTC.

    What falls out of the years 1 to 9999 is the end of the calendar.
    """
    if not isinstance(value, datetime):
        return _first_moment(value, zone)
    if value.tzinfo is None:
        return _of_wall_time(value, zone) or _end_near(value)
    try:
        return value.astimezone(UTC)
    except OverflowError:
        return _end_near(value)


def to_date(value: date | datetime, zone: ZoneInfo) -> date:
    """The date meant by `value`: that of an instant is its date in `zone`."""
    if not isinstance(value, datetime):
        return value
    if value.tzinfo is None:
        return value.date()
    try:
        return value.astimezone(zone).date()
    except OverflowError:
        return _end_near(value).date()


def step_instant(
    start: datetime, duration: Duration, zone: ZoneInfo, *, back: bool
) -> datetime | None:
    """`start` moved by `duration`; None where that leaves the calendar."""
    amount = -duration.amount if back else duration.amount
    try:
        if duration.unit in _FIXED:
            return start.astimezone(UTC) + amount * _FIXED[duration.unit]
        wall = start.astimezone(zone).replace(tzinfo=None)
        on = _shift_months(wall.date(), amount * _MONTHS[duration.unit])
        return None if on is None else _of_wall_time(datetime.combine(on, wall.time()), zone)
    except OverflowError:
        return None


def step_date(start: date, duration: Duration, *, back: bool) -> date | None:
    """`start` moved by `duration` (day or longer); None where that leaves the calendar."""
    amount = -duration.amount if back else duration.amount
    if duration.unit in _MONTHS:
        return _shift_months(start, amount * _MONTHS[duration.unit])
    try:
        return start + amount * _FIXED[duration.unit]
    except OverflowError:
        return None


def months_of(duration: Duration) -> int | None:
    """The calendar months that `duration` is long; None where it is a fixed length."""
    return duration.amount * _MONTHS[duration.unit] if duration.unit in _MONTHS else None


def seconds_of(duration: Duration) -> int:
    """The length of a duration that is not counted in months."""
    return duration.amount * int(_FIXED[duration.unit].total_seconds())


def anniversaries(today: date, days: int) -> list[str]:
    """The `MM-DD` of birth whose anniversary falls on `today` or one of the `days - 1` after it."""
    found: list[str] = []
    # A year holds every anniversary: one that was today returns in at most 366 days.
    for ahead in range(min(days, 366)):
        try:
            day = today + timedelta(days=ahead)
        except OverflowError:
            break
        found.append(f"{day.month:02}-{day.day:02}")
        if (day.month, day.day) == (2, 28) and (day + timedelta(days=1)).month == 3:
            found.append("02-29")
    return found


def _shift_months(start: date, months: int) -> date | None:
    """The same day so many months on, or the last day of a month that is too short."""
    year, month = divmod(start.year * 12 + start.month - 1 + months, 12)
    if not 1 <= year <= 9999:
        return None
    for day in range(start.day, 27, -1):
        try:
            return date(year, month + 1, day)
        except ValueError:
            continue
    return date(year, month + 1, start.day)


def _of_wall_time(wall: datetime, zone: ZoneInfo) -> datetime | None:
    """The instant at which clocks in `zone` show `wall`; None outside the calendar."""
    readings = (wall.replace(tzinfo=zone, fold=fold) for fold in (0, 1))
    offset = min(reading.utcoffset() or timedelta() for reading in readings)
    try:
        return (wall - offset).replace(tzinfo=UTC)
    except OverflowError:
        return None


def _first_moment(day: date, zone: ZoneInfo) -> datetime:
    """The first instant of `day` in `zone`, where midnight may be skipped or come twice."""
    midnight = datetime.combine(day, time())
    early, late = (midnight.replace(tzinfo=zone, fold=fold).utcoffset() for fold in (0, 1))
    offset = max(early or timedelta(), late or timedelta())
    try:
        first = (midnight - offset).replace(tzinfo=UTC)
        # Where midnight is skipped, that is still the day before: the day begins at the change.
        last = first + abs((early or timedelta()) - (late or timedelta()))
        while first < last and first.astimezone(zone).date() < day:
            first += timedelta(minutes=1)
    except OverflowError:
        return _end_near(midnight)
    return first


def _end_near(value: datetime) -> datetime:
    return FIRST_INSTANT if value.year < 5000 else LAST_INSTANT
