"""When a card may be used: ISO 8601 durations, days of the week, times that come again.

Calendars are local: days and weekdays are those of the workspace's time zone, and a day that is
23 hours long because the clocks change is still one day.
"""

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import isodate
from django.utils import timezone
from django.utils.translation import gettext as _

from loyalty.errors import DurationInvalid
from loyalty.models import Campaign

# Longer ones are mistakes, and would leave the calendar.
_LIMIT = timedelta(days=366 * 100)
_EPOCH = datetime(2000, 1, 1)  # noqa: DTZ001  for comparison of lengths only


def parse_duration(text: str) -> Any:
    """A duration as ISO 8601 writes it ("P24D", "PT12H", "P1M"): of isodate, or a timedelta.

    Raises DurationInvalid for what is none, is not longer than nothing, or is beyond a century.
    """
    message = _(
        "“%(text)s” is no duration: write it as ISO 8601 has it, such as P24D for 24 days, PT12H"
        " for 12 hours or P1M for a month."
    ) % {"text": text[:40]}
    try:
        duration = isodate.parse_duration(text)
        length = (_EPOCH + duration) - _EPOCH
    except (ValueError, TypeError, OverflowError, ArithmeticError) as error:
        raise DurationInvalid(message) from error
    if not timedelta(0) < length <= _LIMIT:
        raise DurationInvalid(message)
    return duration


def add_duration(at: datetime, duration: Any, *, times: int = 1) -> datetime:
    """The instant so long after `at`: days, months and years by the calendar of the workspace."""
    clock = duration if isinstance(duration, timedelta) else None
    if clock is not None and clock % timedelta(days=1):
        # Hours are hours, also in the night when clocks change.
        days, rest = divmod(clock * times, timedelta(days=1))
        return _by_calendar(at, timedelta(days=days)) + rest
    return _by_calendar(at, duration * times)


def expiry_at_publication(campaign: Campaign, *, at: datetime) -> datetime | None:
    """When a card that is published now is over, by the campaign's validity after publication.

    Fixed then: later changes of the campaign do not touch it. None where the campaign has no such
    validity; its end holds for all its cards all the same.
    """
    if not campaign.valid_after_publication:
        return None
    return add_duration(at, parse_duration(campaign.valid_after_publication))


def is_usable_now(campaign: Campaign, *, since: datetime, at: datetime) -> bool:
    """Whether the weekday and the times that come again let a card of the campaign be used.

    These times count from the campaign's beginning, or where it has none from `since`.
    """
    if campaign.weekdays and at.astimezone(_zone()).isoweekday() not in campaign.weekdays:
        return False
    if not campaign.validity_interval or not campaign.validity_duration:
        return True
    return _is_within(
        campaign.starts_at or since,
        interval=parse_duration(campaign.validity_interval),
        duration=parse_duration(campaign.validity_duration),
        at=at,
    )


def months_later(at: datetime, months: int) -> datetime:
    """The same day so many calendar months later, or the last of a month that is shorter."""
    return _by_calendar(at, isodate.Duration(months=months))


def _is_within(start: datetime, *, interval: Any, duration: Any, at: datetime) -> bool:
    if at < start:
        return False
    length = (_EPOCH + interval) - _EPOCH
    # Months differ in length: from one too early on, the next ones are looked at.
    number = max(0, int((at - start) / length) - 1)
    while add_duration(start, interval, times=number + 1) <= at:
        number += 1
    return at < add_duration(add_duration(start, interval, times=number), duration)


def _by_calendar(at: datetime, duration: Any) -> datetime:
    zone = _zone()
    local = at.astimezone(zone).replace(tzinfo=None)
    # A wall time that the change of clocks leaves out becomes the one an hour later.
    later: datetime = local + duration
    return later.replace(tzinfo=zone).astimezone(UTC)


def _zone() -> ZoneInfo:
    zone = timezone.get_default_timezone()
    assert isinstance(zone, ZoneInfo), "Django makes it of a name"
    return zone
