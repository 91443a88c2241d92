"""How segments overlap: how many contacts are in each combination of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from django.utils.translation import gettext as _

from segments.models import Segment
from workspace import sql
from workspace.errors import InputInvalid, Problem

SEGMENT_LIMIT = 6

# One pass over the memberships: each contact gets a bit for each segment that it is in.
_COMBINATIONS = """
SELECT mask, count(*) AS contacts FROM (
  SELECT bit_or(1 << (w.place - 1)::int) AS mask
  FROM unnest(%s::int[]) WITH ORDINALITY AS w (segment_id, place)
  JOIN segments_membership m ON m.segment_id = w.segment_id
  GROUP BY m.contact_id) contact
GROUP BY mask
"""


@dataclass(frozen=True, slots=True)
class Overlap:
    """How many contacts are in all of these segments, and how many of them in no other given."""

    keys: tuple[str, ...]
    count: int
    only: int


def overlap(segments: Sequence[Segment]) -> list[Overlap]:
    """Every combination of one to all of `segments`, the smaller ones first.

    Raises InputInvalid for none, more than six, or one given twice.
    """
    keys = [segment.key for segment in segments]
    if not 1 <= len(keys) <= SEGMENT_LIMIT or len(set(keys)) < len(keys):
        message = _("Name one to %(limit)d different segments.") % {"limit": SEGMENT_LIMIT}
        raise InputInvalid(message, problems=[Problem("keys", "invalid", message)])
    found = sql.rows(_COMBINATIONS, [[segment.pk for segment in segments]])
    exactly = {row["mask"]: row["contacts"] for row in found}
    told = []
    for size in range(1, len(keys) + 1):
        for chosen in combinations(range(len(keys)), size):
            mask = sum(1 << place for place in chosen)
            count = sum(n for other, n in exactly.items() if other & mask == mask)
            told.append(Overlap(tuple(keys[p] for p in chosen), count, exactly.get(mask, 0)))
    return told
