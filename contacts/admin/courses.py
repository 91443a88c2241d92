"""How many events of each kind happened on each of the last days."""

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from django.conf import settings
from django.core.cache import cache

from contacts.models import Event
from workspace import sql
from workspace.admin.lists import estimated_count

DAYS = 30
_REMEMBERED_SECONDS = 300
_REMEMBERED_FROM = 200_000


def daily_courses(*, until: datetime) -> dict[int, list[int]]:
    """For each event definition its number of events on each of the last days, oldest first.

    Days are those of the workspace's time zone. Counted anew each time while events are few;
    over many the figures may be some minutes old.
    """
    if estimated_count(Event) < _REMEMBERED_FROM:
        return _count(until)
    days = course_days(until=until)
    key = f"contacts-courses-{days[-1].isoformat()}"
    known: dict[int, list[int]] | None = cache.get(key)
    if known is None:
        known = _count(until)
        cache.set(key, known, _REMEMBERED_SECONDS)
    return known


def course_days(*, until: datetime) -> list[date]:
    """The days of a course, oldest first."""
    last = until.astimezone(_zone()).date()
    return [last - timedelta(days=back) for back in range(DAYS - 1, -1, -1)]


def _count(until: datetime) -> dict[int, list[int]]:
    days = course_days(until=until)
    since = datetime.combine(days[0], datetime.min.time(), _zone())
    places = {day: place for place, day in enumerate(days)}
    courses: dict[int, list[int]] = {}
    counted = sql.rows(
        "SELECT definition_id, (occurred_at AT TIME ZONE %s)::date AS day, count(*) AS events"
        " FROM contacts_event WHERE occurred_at >= %s AND occurred_at <= %s GROUP BY 1, 2",
        [settings.TIME_ZONE, since, until],
    )
    for row in counted:
        course = courses.setdefault(row["definition_id"], [0] * DAYS)
        course[places[row["day"]]] = row["events"]
    return courses


def _zone() -> ZoneInfo:
    return ZoneInfo(settings.TIME_ZONE)
