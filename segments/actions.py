"""Actions on the members of a segment: planned, executed, cancelled, undone."""

from collections.abc import Iterable

from django.db.models import QuerySet

from segments.models import Segment, SegmentAction
from workspace import access, sql
from workspace.access import Actor

PERMISSION = "segments.run_actions_segment"
_UNFINISHED = (SegmentAction.State.PLANNED, SegmentAction.State.RUNNING)
_SAID = (*_UNFINISHED, SegmentAction.State.DONE)

# By the runs that keep their changes, of which there are few: the table has no index by contact.
_FORGET = """
DELETE FROM segments_segmentactionchange WHERE (run_id, contact_id) IN (
  SELECT r.id, c.id FROM segments_segmentactionrun r CROSS JOIN unnest(%s::bigint[]) AS c (id)
  WHERE r.changes_kept)
"""


def known_actions(actor: Actor) -> "QuerySet[SegmentAction]":
    """The actions on segments that the actor may know of."""
    segments = access.visible(Segment.objects.all(), actor)
    return SegmentAction.objects.filter(segment__in=segments.values("pk"))


def kinds_by_segment(segment_ids: Iterable[int]) -> dict[int, list[str]]:
    """The kinds of actions planned, running and done on each of these segments; one query.

    Each kind once, in the order of `SegmentAction.Kind`; a segment without actions has none.
    """
    kinds: dict[int, set[str]] = {pk: set() for pk in segment_ids}
    found = SegmentAction.objects.filter(segment_id__in=kinds, state__in=_SAID).order_by()
    for segment_id, kind in found.values_list("segment_id", "kind").distinct():
        kinds[segment_id].add(kind)
    return {pk: [kind for kind in SegmentAction.Kind.values if kind in kinds[pk]] for pk in kinds}


def forget_contacts(contact_ids: list[int]) -> int:
    """Forget what runs changed of erased contacts; returns how many rows went."""
    return sql.execute(_FORGET, [contact_ids])
