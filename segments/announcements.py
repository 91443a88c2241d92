"""What webhooks hear of segments and exports, in the transactions of the facts."""

from collections.abc import Sequence
from datetime import datetime

from django.utils.translation import gettext_lazy as _

from integrations.announcements import (
    Fact,
    announce,
    announce_rows,
    heard,
    register_type,
)
from integrations.customers import CUSTOMER
from segments import moves
from segments.models import Calculation, Export, MembershipChange, Segment

ENTERED, LEFT = "customer.segment.entered", "customer.segment.left"
REFRESHED, ARCHIVED = "segment.refreshed", "segment.archived"
EXPORT_READY = "export.ready"
_KINDS = {ENTERED: MembershipChange.Kind.ENTERED, LEFT: MembershipChange.Kind.LEFT}

# One fact of each move that the log has for these segments and instants.
_MOVES = f"""
SELECT m.segment_id || ':' || m.contact_id || ':' || (extract(epoch FROM m.at) * 1000000)::bigint
    AS key, m.contact_id, 'segment:' || m.segment_id AS subject, m.at, jsonb_build_object(
    'customer', {CUSTOMER},
    'segment', jsonb_build_object('id', s.key, 'name', s.name)) AS data
FROM unnest(%s::integer[], %s::timestamptz[]) AS w (segment_id, at)
JOIN segments_membershipchange m ON m.segment_id = w.segment_id AND m.at = w.at
JOIN segments_segment s ON s.id = m.segment_id
JOIN contacts_contact c ON c.id = m.contact_id AND c.erased_at IS NULL
WHERE m.kind = %s
"""  # noqa: S608  our own text


def register() -> None:
    """Let webhooks hear of what happens in this room."""
    register_type(ENTERED, _("A customer entered a segment"))
    register_type(LEFT, _("A customer left a segment"))
    register_type(REFRESHED, _("The members of a segment were calculated"), is_of_contact=False)
    register_type(ARCHIVED, _("A segment was archived"), is_of_contact=False)
    register_type(EXPORT_READY, _("The file of an export can be downloaded"), is_of_contact=False)
    moves.register_consumer("webhooks", tell_moves)


def tell_moves(moved: Sequence[moves.Moved]) -> None:
    """Announce who entered and left, set by set. A consumer of `moves`."""
    ids, moments = [pk for pk, _at in moved], [at for _pk, at in moved]
    for type_ in heard(_KINDS):
        announce_rows(type_, _MOVES, [ids, moments, _KINDS[type_]], at=max(moments))


def tell_refreshed(calculation: Calculation, segment: Segment) -> None:
    """Announce a calculation."""
    data = {
        "segment": _shape(segment),
        "calculated_at": calculation.at.isoformat(),
        "members": calculation.member_count,
        "entered": calculation.entered_count,
        "left": calculation.left_count,
        "cause": calculation.cause,
    }
    fact = Fact(str(calculation.pk), data, subject=f"segment:{segment.pk}")
    announce(REFRESHED, [fact], at=calculation.at)


def tell_archived(segment: Segment, *, at: datetime) -> None:
    """Announce that a segment is archived, for good."""
    fact = Fact(str(segment.pk), {"segment": _shape(segment)}, subject=f"segment:{segment.pk}")
    announce(ARCHIVED, [fact], at=at)


def tell_export_ready(export: Export, *, at: datetime) -> None:
    """Announce that the file of an export is there."""
    data = {
        "id": export.pk,
        "segment": None if export.segment is None else _shape(export.segment),
        "format": export.format,
        "rows": export.rows,
        "size": export.size,
        "expires_at": None if export.expires_at is None else export.expires_at.isoformat(),
    }
    announce(EXPORT_READY, [Fact(str(export.pk), data, subject=f"export:{export.pk}")], at=at)


def _shape(segment: Segment) -> dict[str, str]:
    return {"id": segment.key, "name": segment.name}
