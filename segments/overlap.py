"""How segments overlap: how many contacts are in each combination of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from django.utils.translation import gettext as _

from segments.models import Segment
from workspace import sql
from workspace.errors import InputInvalid, Problem

SEGMENT_LIMIT = 6

# Each contact gets a bit for each segment that it is in. The members of a segment lie in the order
# of contacts in the index, so the server merges the segments in one pass and keeps nothing.
_MEMBERS = (
    "SELECT contact_id, %s AS bit FROM segments_membership WHERE segment_id = %s"
    " ORDER BY contact_id"
)
_COMBINATIONS = """
SELECT mask, count(*) AS contacts
FROM (SELECT sum(bit) AS mask FROM ({members}) member GROUP BY contact_id) contact
GROUP BY mask
"""
# A hash table of a million contacts does not fit the server's memory, and helpers would sort.
_MERGED = {
    "enable_hashagg": "off",
    "max_parallel_workers_per_gather": "0",
    "work_mem": "64MB",
}


@dataclass(frozen=True, slots=True)
class Overlap:
    """How many contacts are in all of these segments, and how many of them in no other given.

    `share` is `count` of those who are in at least one of the segments asked for, 0 to 1.
    """

    keys: tuple[str, ...]
    count: int
    only: int
    share: float = 0.0


@dataclass(frozen=True, slots=True)
class Pair:
    """How alike two segments are.

    `jaccard` is how many are in both, of those in at least one of the two; 0 to 1, and 0 where
    both are empty. `share_of_first` of the first are in the second, too, and the other way round.
    """

    keys: tuple[str, str]
    count: int
    jaccard: float
    share_of_first: float
    share_of_second: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """Segments held against each other; `total` contacts are in at least one of them."""

    total: int
    sets: tuple[Overlap, ...]
    pairs: tuple[Pair, ...]


def overlap(segments: Sequence[Segment]) -> list[Overlap]:
    """Every combination of one to all of `segments`, the smaller ones first.

    Raises InputInvalid for none, more than six, or one given twice.
    """
    return list(compare(segments).sets)


def compare(segments: Sequence[Segment]) -> Comparison:
    """Every combination of `segments`, and every pair of them. One pass over their members.

    Raises InputInvalid for none, more than six, or one given twice.
    """
    keys = [segment.key for segment in segments]
    if not 1 <= len(keys) <= SEGMENT_LIMIT or len(set(keys)) < len(keys):
        message = _("Name one to %(limit)d different segments.") % {"limit": SEGMENT_LIMIT}
        raise InputInvalid(message, problems=[Problem("keys", "invalid", message)])
    exactly = _count([segment.pk for segment in segments])
    total = sum(exactly.values())
    sets = tuple(
        _set(keys, chosen, exactly, total)
        for size in range(1, len(keys) + 1)
        for chosen in combinations(range(len(keys)), size)
    )
    counts = {found.keys: found.count for found in sets}
    return Comparison(
        total, sets, tuple(_pair(one, other, counts) for one, other in combinations(keys, 2))
    )


def _count(ids: Sequence[int]) -> dict[int, int]:
    """How many contacts are in exactly the segments of each mask, a bit for each segment."""
    members = " UNION ALL ".join(f"({_MEMBERS})" for _id in ids)
    params = [part for place, one in enumerate(ids) for part in (1 << place, one)]
    with sql.local_settings(_MERGED):
        rows = sql.rows(_COMBINATIONS.format(members=members), params)
    return {int(row["mask"]): row["contacts"] for row in rows}


def _set(
    keys: Sequence[str], chosen: Sequence[int], exactly: Mapping[int, int], total: int
) -> Overlap:
    mask = sum(1 << place for place in chosen)
    count = sum(n for other, n in exactly.items() if other & mask == mask)
    named = tuple(keys[place] for place in chosen)
    return Overlap(named, count, exactly.get(mask, 0), _share(count, total))


def _pair(one: str, other: str, counts: Mapping[tuple[str, ...], int]) -> Pair:
    both, first, second = counts[(one, other)], counts[(one,)], counts[(other,)]
    return Pair(
        (one, other),
        both,
        jaccard=_share(both, first + second - both),
        share_of_first=_share(both, first),
        share_of_second=_share(both, second),
    )


def _share(part: int, whole: int) -> float:
    return round(part / whole, 6) if whole else 0.0
