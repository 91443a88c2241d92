"""Choosing the segments of a mechanism: active ones of one's own user groups (AN-19, AN-24).

What stands there already may stay, also where it went out of use. What somebody of another group
put in, and the actor may not know of, stays whatever he sends: he sees a mask, "hidden:1", in its
place, as in criteria.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from django.db.models import QuerySet
from django.utils.translation import gettext as _

from segments.criteria import MASK
from segments.definitions import Faults
from segments.errors import SegmentArchived, SegmentInactive, SegmentUnknown
from segments.lifecycle import known_segments, require_usable, usable_segments
from segments.masks import Mask
from segments.models import Segment
from workspace.access import Actor

# Whose members stand in a list, and are not calculated from criteria.
LIST_SOURCES = (Segment.Source.CSV, Segment.Source.LIST, Segment.Source.IMPORTED)


def offered_segments(actor: Actor) -> "QuerySet[Segment]":
    """What the field of segments offers."""
    return usable_segments(actor)


def offered_lists(actor: Actor) -> "QuerySet[Segment]":
    """What the field of lists offers: static segments."""
    return usable_segments(actor).filter(source__in=LIST_SOURCES)


def shown_keys(segments: Iterable[Segment], mask: Mask) -> list[str]:
    """The keys of segments as a reader may see them, by key; masks for the others, last."""
    keys = [segment.key for segment in segments]
    seen = sorted(key for key in keys if not mask.hides(key))
    return [*seen, *(f"{MASK}{number + 1}" for number in range(len(keys) - len(seen)))]


def choose_segments(
    keys: Iterable[Any],
    *,
    present: Sequence[Segment],
    actor: Actor,
    faults: Faults,
    path: str = "segments",
) -> list[Segment]:
    """The segments that a mechanism has from now on, where the actor sends these keys.

    Those that are new are locked until the transaction ends, so that nobody takes them out of use
    in the same moment. For `lists` a new one has to be a list.
    """
    mask = Mask(actor)
    hidden = [segment for segment in present if mask.hides(segment.key)]
    mine = {segment.key: segment for segment in present if segment not in hidden}
    masks = {f"{MASK}{number + 1}" for number in range(len(hidden))}
    chosen = {segment.pk: segment for segment in hidden}
    for index, key in enumerate(keys):
        if key in masks:
            continue
        found = mine.get(key) or _new(key, actor, faults, place=f"{path}[{index}]", path=path)
        if found is not None:
            chosen[found.pk] = found
    return list(chosen.values())


def _new(key: Any, actor: Actor, faults: Faults, *, place: str, path: str) -> Segment | None:
    found = known_segments(actor).filter(key=str(key)).first()
    try:
        if found is None:
            raise SegmentUnknown(str(key))
        # One after the other: each is locked, and there are a handful.
        found = require_usable(found, actor=actor)
    except (SegmentUnknown, SegmentInactive, SegmentArchived) as refused:
        faults.add(place, refused.code, str(refused))
        return None
    if path == "lists" and found.source not in LIST_SOURCES:
        message = _("“%(name)s” is no list: it is calculated. Put it among the segments.")
        faults.add(place, "not_a_list", message % {"name": found.name})
        return None
    return found
