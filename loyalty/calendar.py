"""Days, weeks, months and years as the workspace's calendar has them."""

from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from django.conf import settings

from loyalty.models import Mechanism

Period = Mechanism.Period


def period_on(period: str, at: datetime) -> date:
    """The first day of the period in which an instant lies; weeks begin on Monday.

    Without a period all time is one, which begins on the first day of 1970.
    """
    day = at.astimezone(ZoneInfo(settings.TIME_ZONE)).date()
    match period:
        case Period.DAY:
            return day
        case Period.WEEK:
            return day - timedelta(days=day.weekday())
        case Period.MONTH:
            return day.replace(day=1)
        case Period.YEAR:
            return day.replace(month=1, day=1)
    return date(1970, 1, 1)


def period_start(period: str, at: datetime) -> datetime:
    """The first instant of the period in which `at` lies."""
    return datetime.combine(period_on(period, at), time(), ZoneInfo(settings.TIME_ZONE))
