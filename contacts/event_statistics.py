"""How often, first and last: the statistics of events, held against the events themselves.

`contacts.events` keeps them true as events come. Here is what rebuilds them after events were
deleted, and what finds out whether they are true.
"""

from dataclasses import dataclass
from datetime import datetime
from random import Random

from django.db import connection
from django.utils.translation import gettext as _

from workspace import sql
from workspace.checkup import Finding


@dataclass(frozen=True, slots=True)
class Counted:
    """What is said of one contact and one kind of event."""

    event_count: int
    first_at: datetime
    last_at: datetime


@dataclass(frozen=True, slots=True)
class Mismatch:
    """A statistic that is not what counting gives; None where there is none."""

    contact_id: int
    definition_id: int
    stated: Counted | None
    counted: Counted | None


def rebuild_before(cutoff: datetime) -> int:
    """Make the statistics true after all events before `cutoff` were deleted.

    Only those that told of such an event are looked at; returns how many were. Nothing may be
    recorded meanwhile: see `contacts.events.pause_recording`.
    """
    gone = sql.execute("DELETE FROM contacts_eventstatistic WHERE last_at < %s", [cutoff])
    changed = sql.execute(
        "UPDATE contacts_eventstatistic s"
        " SET event_count = n.event_count, first_at = n.first_at, last_at = n.last_at FROM ("
        "  SELECT e.contact_id, e.definition_id, count(*) AS event_count,"
        "    min(e.occurred_at) AS first_at, max(e.occurred_at) AS last_at"
        "  FROM contacts_eventstatistic a"
        "  JOIN contacts_event e USING (contact_id, definition_id)"
        "  WHERE a.first_at < %s AND e.occurred_at >= %s"
        "  GROUP BY e.contact_id, e.definition_id) n"
        " WHERE s.contact_id = n.contact_id AND s.definition_id = n.definition_id",
        [cutoff, cutoff],
    )
    return gone + changed


def find_mismatches(*, sample_size: int = 1000, seed: int | None = None) -> list[Mismatch]:
    """Count the events of some contacts again, chosen by chance; whatever differs.

    Looks at `sample_size` ids between the smallest and the greatest, at the state of one instant.
    """
    [ends] = sql.rows("SELECT min(id) AS first, max(id) AS last FROM contacts_contact")
    if ends["first"] is None:
        return []
    possible = range(ends["first"], ends["last"] + 1)
    chosen = Random(seed).sample(possible, min(sample_size, len(possible)))  # noqa: S311  no secret
    with connection.cursor() as cursor:
        cursor.execute(_COMPARE, [chosen, chosen])
        return [
            Mismatch(contact_id, definition_id, _counted(row[:3]), _counted(row[3:]))
            for contact_id, definition_id, *row in cursor.fetchall()
        ]


def examine_statistics() -> Finding:
    """Whether what is counted of the events of some contacts is what they did."""
    wrong = find_mismatches()
    if not wrong:
        return Finding("statistics", True, _("The events counted are those there are."))
    message = _(
        "%(count)d statistics of events are wrong, the first of contact %(contact)d: please report"
        " it as a defect."
    )
    return Finding(
        "statistics", False, message % {"count": len(wrong), "contact": wrong[0].contact_id}
    )


def _counted(row: list[object]) -> Counted | None:
    match row:
        case [int(event_count), datetime() as first_at, datetime() as last_at]:
            return Counted(event_count, first_at, last_at)
    return None


_COMPARE = """
SELECT contact_id, definition_id, s.event_count, s.first_at, s.last_at,
  n.event_count, n.first_at, n.last_at
FROM (SELECT * FROM contacts_eventstatistic WHERE contact_id = ANY(%s)) s
FULL JOIN (
  SELECT contact_id, definition_id, count(*) AS event_count,
    min(occurred_at) AS first_at, max(occurred_at) AS last_at
  FROM contacts_event WHERE contact_id = ANY(%s) GROUP BY contact_id, definition_id
) n USING (contact_id, definition_id)
WHERE (s.event_count, s.first_at, s.last_at)
  IS DISTINCT FROM (n.event_count, n.first_at, n.last_at)
ORDER BY contact_id, definition_id
"""
