"""Hours in which nobody is written to: until when a message waits that comes within them."""

from collections.abc import Mapping
from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.conf import settings as django_settings


def quiet_until(at: datetime, quiet_hours: Mapping[str, Any] | None, zone: str) -> datetime | None:
    """When the quiet hours are over that hold at an instant; None where none hold.

    `quiet_hours` are those of a journey's settings: `from` (inclusive) and `to` (exclusive) as
    times of the day in `zone`; they may go over midnight. Where the clock is put back and a time
    comes twice, both count; where it is put forward and the end is skipped, they last longer.
    """
    if not quiet_hours:
        return None
    begin, end = time.fromisoformat(quiet_hours["from"]), time.fromisoformat(quiet_hours["to"])
    local = at.astimezone(zone_of(zone))
    now = local.time().replace(tzinfo=None)
    is_quiet = begin <= now < end if begin <= end else now >= begin or now < end
    if not is_quiet:
        return None
    ends_on = local.date() + timedelta(days=1 if begin > end and now >= begin else 0)
    wanted = datetime.combine(ends_on, end, local.tzinfo)
    first, second = (wanted.replace(fold=fold).astimezone(UTC) for fold in (0, 1))
    # Of an end that comes twice the first one still ahead.
    return first if first > at else second


def quiet_until_of(
    settings: Mapping[str, Any], at: datetime, *, contact_zone: str = ""
) -> datetime | None:
    """The same by the settings of a journey, for a contact who lives in a time zone."""
    quiet = settings.get("quiet_hours")
    if not quiet:
        return None
    zones = [settings.get("time_zone") or "", django_settings.TIME_ZONE]
    if quiet.get("zone") == "contact":
        zones.insert(0, contact_zone)
    return quiet_until(at, quiet, zone_of(*zones).key)


def zone_of(*names: str) -> ZoneInfo:
    """The first of these time zones that exists; UTC where none does."""
    for name in names:
        try:
            return ZoneInfo(name or "-")
        except (ZoneInfoNotFoundError, ValueError, OSError):
            continue
    return ZoneInfo("UTC")
