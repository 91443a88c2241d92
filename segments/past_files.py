"""Who was in a segment, came or went, as a small file at once; long ones go by a fixed list."""

from datetime import datetime
from typing import BinaryIO

from django.utils.translation import gettext as _

from segments import exports, past
from segments.errors import PastTooLong, SegmentUnknown
from segments.export_columns import DEFAULT_COLUMNS
from segments.fixed_lists import Choice
from workspace import access, audit
from workspace.access import Actor

ROWS_AT_ONCE = 50_000


def count(choice: Choice) -> int:
    """How many are chosen. Raises PastForgotten."""
    if choice.kind == "members":
        return past.count_at(choice.segment, at=choice.until)
    flow = past.flow_between(choice.segment, since=choice.since, until=choice.until)
    return flow.entered if choice.kind == "entered" else flow.left


def write_file(choice: Choice, stream: BinaryIO, *, actor: Actor, at: datetime) -> int:
    """Write those who are chosen to a stream, as CSV, and note it in the audit trail.

    Returns how many there are. Raises NotAllowed, SegmentUnknown, PastNotYet, PastForgotten, and
    PastTooLong where they are too many to wait for.
    """
    access.require(actor, "segments.export_segment")
    if not access.is_visible(choice.segment, actor):
        raise SegmentUnknown(choice.segment.key)
    past.check_moment(choice.segment, at=choice.until, now=at)
    found = count(choice)
    if found > ROWS_AT_ONCE:
        message = _(
            "These are %(count)d contacts; %(limit)d are the most for a file at once. Make a"
            " segment of them, and export that."
        )
        raise PastTooLong(message % {"count": found, "limit": ROWS_AT_ONCE})
    query = choice.query()
    text = (
        f"FROM ({query.text}) q JOIN contacts_contact c ON c.id = q.contact_id"
        " WHERE c.erased_at IS NULL ORDER BY c.id"
    )
    source = exports.Source(text, query.params, dict(query.settings))
    written = exports.write_contacts(stream, source, columns=DEFAULT_COLUMNS, file_format="csv")
    audit.record(
        actor=actor,
        action="segment.past_downloaded",
        subject=choice.segment,
        changes={"who": [None, choice.title], "rows": [None, written.rows]},
        at=at,
    )
    return written.rows
