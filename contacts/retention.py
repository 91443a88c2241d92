"""How long we remember what contacts did, and what only helped us to count it once."""

from datetime import UTC, datetime, timedelta

from django.conf import settings
from django.db import OperationalError
from django.utils.translation import gettext as _

from contacts import event_statistics, metric_marks, touches
from contacts.events import TABLE, pause_recording
from contacts.rejections import rejections_root
from workspace import partitions, retention, sql
from workspace.errors import Busy

# One message id counts once for at least 7 days.
MESSAGES_KEPT = timedelta(days=8)
REJECTIONS_KEPT = timedelta(days=30)
# Whoever reads events waits while a month is dropped, and so do all who come after them.
_LOCK_TIMEOUT = "10s"


def purge_events(as_of: datetime) -> dict[str, int]:
    """Forget the events older than EVENT_RETENTION_DAYS; keeps the statistics of the rest exact.

    Months that are over by then are dropped, the rest of the oldest month is deleted. When a
    contact was last seen stays known. Raises Busy where somebody reads events for too long.
    """
    if settings.EVENT_RETENTION_DAYS is None:
        return {"events": 0, "months": 0}
    try:
        cutoff = as_of.astimezone(UTC) - timedelta(days=settings.EVENT_RETENTION_DAYS)
    except OverflowError:
        return {"events": 0, "months": 0}
    try:
        with sql.local_settings({"lock_timeout": _LOCK_TIMEOUT}):
            pause_recording()
            months = [month for month in partitions.months(TABLE) if month.ends_at <= cutoff]
            # A month that is dropped has no triggers.
            metric_marks.mark_events_before(cutoff)
            event_count = _delete_rest(cutoff)
            if months:
                counted = "SELECT count(*) FROM contacts_event WHERE occurred_at < %s"
                event_count += sql.one(counted, [months[-1].ends_at])
            event_statistics.rebuild_before(cutoff)
            if event_count:
                touches.touch_everyone(["event:*"])
            # Last, because from here on nobody can read events until the transaction ends.
            for month in months:
                partitions.drop_month(TABLE, month)
    except OperationalError as error:
        message = _("Events are being read at length; the next round tries again.")
        raise Busy(message) from error
    return {"events": event_count, "months": len(months)}


def _delete_rest(cutoff: datetime) -> int:
    """Delete the events before `cutoff` in its month, and those that lie in no month at all."""
    begins_at = cutoff.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return sql.execute(
        "DELETE FROM contacts_event WHERE occurred_at >= %s AND occurred_at < %s",
        [begins_at, cutoff],
    ) + sql.execute("DELETE FROM contacts_event_default WHERE occurred_at < %s", [cutoff])


def purge_messages(as_of: datetime) -> dict[str, int]:
    """Forget the message ids that sources sent long ago."""
    statement = "DELETE FROM contacts_seenmessage WHERE seen_at < %s"
    return {"messages": sql.execute(statement, [as_of - MESSAGES_KEPT])}


def purge_rejections(as_of: datetime) -> dict[str, int]:
    """Remove the files of rows that imports could not use."""
    limit = (as_of - REJECTIONS_KEPT).timestamp()
    old = [path for path in rejections_root().glob("*.csv") if path.stat().st_mtime < limit]
    for path in old:
        path.unlink(missing_ok=True)
    return {"rejected_files": len(old)}


def register() -> None:
    """Have these called in each round."""
    retention.register("events", purge_events)
    retention.register("messages", purge_messages)
    retention.register("rejections", purge_rejections)
    retention.register("touches", touches.collapse_old)
    retention.register("metric_marks", metric_marks.collapse_old)
