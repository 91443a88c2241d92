"""Connections while they are used: whether they work, since when they fail, when they are given up.

Webhooks are made and changed in `webhooks`; here is what their kinds have in common.
"""

from datetime import datetime, timedelta

from django.db.models import Q
from django.utils.translation import gettext as _

from integrations.models import Connection
from workspace import audit
from workspace.access import SYSTEM

# A connection that works is not written at each success: many threads would wait for its row.
_NOTED_EVERY = timedelta(minutes=1)
_REASON_LIMIT = 500


def note_success(connection_id: int, *, at: datetime) -> None:
    """It took something: whatever was wrong is over."""
    stale = Q(last_success_at__isnull=True) | Q(last_success_at__lt=at - _NOTED_EVERY)
    Connection.objects.filter(stale | Q(failing_since__isnull=False), pk=connection_id).update(
        last_success_at=at, failing_since=None
    )


def note_failure(connection_id: int, *, at: datetime) -> None:
    """It did not take something."""
    Connection.objects.filter(pk=connection_id, failing_since__isnull=True).update(failing_since=at)


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
