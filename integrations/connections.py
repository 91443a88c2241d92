"""Connections while they are used: whether they work, since when they fail, when they are given up.

Webhooks are made and changed in `webhooks`; here is what their kinds have in common.
"""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Q
from django.utils.translation import gettext as _

from integrations.models import Connection
from workspace import audit, sql
from workspace.access import SYSTEM

# A connection that works is not written at each success: many threads would wait for its row.
_NOTED_EVERY = timedelta(minutes=1)
_REASON_LIMIT = 500
# So many failures in a row, then it rests: for half a minute, and twice as long after each try that
# fails, up to ten minutes.
FAILURES = 5
REST, REST_LIMIT = timedelta(seconds=30), timedelta(minutes=10)
# However long another side asks us to wait, it is tried once in this time.
_PAUSE_LIMIT = timedelta(hours=1)
_RESTS = {"most": FAILURES, "rest": REST, "limit": REST_LIMIT}

_FAILED = """
UPDATE integrations_connection SET failing_since = coalesce(failing_since, %(at)s),
  failures = least(failures + 1, 1000),
  breaker_until = greatest(%(at)s::timestamptz + %(pause)s::interval,
    CASE WHEN failures + 1 >= %(most)s THEN %(at)s::timestamptz
      + least(%(rest)s::interval * 2 ^ least(failures + 1 - %(most)s, 10), %(limit)s) END)
WHERE id = %(id)s AND breaker_until IS NOT DISTINCT FROM %(seen)s::timestamptz
  AND (breaker_until IS NULL OR breaker_until <= %(at)s)
"""


def note_success(connection_id: int, *, at: datetime, took: bool = True) -> None:
    """It answers: what was wrong is over, and it rests no more. `took`: it took something."""
    found = Connection.objects.filter(pk=connection_id)
    troubled = Q(failing_since__isnull=False) | Q(breaker_until__isnull=False) | Q(failures__gt=0)
    well: dict[str, Any] = {"failing_since": None, "failures": 0, "breaker_until": None}
    if took:
        stale = Q(last_success_at__isnull=True) | Q(last_success_at__lt=at - _NOTED_EVERY)
        found.filter(stale | troubled).update(last_success_at=at, **well)
    else:
        found.filter(troubled).update(**well)


def note_failure(
    connection_id: int, *, at: datetime, seen: datetime | None, pause: timedelta | None = None
) -> None:
    """It did not take something. After `FAILURES` in a row it rests, each time twice as long.

    `seen` is until when it rested as whoever tried saw it: those who began before it rested, and
    those who try while it rests, do not make it rest for longer. It rests for `pause` in any case
    where it asked for that itself.
    """
    if pause is not None:
        pause = min(pause, _PAUSE_LIMIT)
    sql.execute(_FAILED, {"id": connection_id, "at": at, "seen": seen, "pause": pause, **_RESTS})


def try_again(connection_ids: Collection[int]) -> None:
    """Let connections that rest be tried at once: somebody asked for it. They may rest again."""
    Connection.objects.filter(pk__in=connection_ids, breaker_until__isnull=False).update(
        breaker_until=None
    )


def disable_failing(connection_id: int, *, attempts: int, error: str, at: datetime) -> bool:
    """Ask a connection no more that took nothing at the last attempt; false where it was disabled.

    What waits for it goes on waiting, until somebody enables it or drops that.
    """
    connection = Connection.objects.select_for_update().get(pk=connection_id)
    if not connection.is_enabled:
        return False
    words = _("A delivery failed at each of %(count)d attempts, at last so: %(error)s")
    reason = (words % {"count": attempts, "error": error})[:_REASON_LIMIT]
    connection.is_enabled = False
    connection.disabled_at = at
    connection.disabled_reason = reason
    connection.save(update_fields=["is_enabled", "disabled_at", "disabled_reason"])
    audit.record(
        actor=SYSTEM,
        action=f"{connection.kind}.disabled",
        subject=connection,
        # As its own screen names it.
        object_type=f"integrations.{connection.kind}",
        changes={"is_enabled": [True, False], "disabled_reason": ["", reason]},
        at=at,
    )
    return True
