"""Drawings as one reader may see them: without the keys of what other user groups keep.

As in criteria (`segments.masks`) a mask, "hidden:1", "hidden:2"…, stands in the place of the key of
a segment, a campaign or a journey that the reader may not know of, and of one that there is not,
so that nobody finds out by trying. Who sends a drawing back as he read it changes nothing: what was
behind a mask stays where it was.
"""

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

from django.db.models import QuerySet

from journeys.documents import Slot, copied, slots_of, slots_of_settings
from journeys.drawing.fields import OF_GROUPS, FieldType
from journeys.models import Journey
from loyalty.gift_cards.campaigns import known_campaigns
from segments.criteria import MASK
from segments.masks import Mask
from workspace import access
from workspace.access import Actor

_Walk = Callable[[Any], Any]


class Hiding:
    """What hides things from one reader; asks at most once for each kind, however many drawings."""

    def __init__(self, actor: Actor) -> None:
        self.actor = actor
        self.mask = Mask(actor)

    @cached_property
    def _campaigns(self) -> frozenset[str]:
        return _keys(known_campaigns(self.actor))

    @cached_property
    def _journeys(self) -> frozenset[str]:
        return _keys(access.visible(Journey.objects.all(), self.actor))

    def hides(self, type_: FieldType, key: str) -> bool:
        """Whether the reader may not know of a thing, or there is none of this key."""
        if self.actor.is_admin or type_ not in OF_GROUPS:
            return False
        if type_ == FieldType.SEGMENT:
            return self.mask.hides(key)
        known = self._campaigns if type_ == FieldType.CAMPAIGN else self._journeys
        return key not in known

    def drawing(self, document: Any) -> Any:
        """A drawing as the reader may see it."""
        return self._masked(document, slots_of)

    def settings(self, document: Any) -> Any:
        """Settings as the reader may see them."""
        return self._masked(document, slots_of_settings)

    def lifted_drawing(self, document: Any, saved: Any) -> Any:
        """A drawing that the reader wrote, as it is to be kept in the place of the saved one."""
        return self._lifted(document, saved, slots_of)

    def lifted_settings(self, document: Any, saved: Any) -> Any:
        """Settings that the reader wrote, as they are to be kept in the place of the saved ones."""
        return self._lifted(document, saved, slots_of_settings)

    def _masked(self, document: Any, walk: _Walk) -> Any:
        if self.actor.is_admin:
            return document
        shown, masks = copied(document), dict[tuple[FieldType, str], str]()
        for slot in walk(shown):
            if slot.has_criteria:
                slot.holder[slot.name] = self.mask.of(slot.value)
            elif isinstance(slot.value, str) and self.hides(slot.type, slot.value):
                thing = (slot.type, slot.value)
                slot.holder[slot.name] = masks.setdefault(thing, f"{MASK}{len(masks) + 1}")
        return shown

    def _lifted(self, document: Any, saved: Any, walk: _Walk) -> Any:
        if self.actor.is_admin:
            return document
        kept: Mapping[tuple[str, str], Slot] = {slot.place: slot for slot in walk(saved)}
        shown = {slot.place: slot.value for slot in walk(self._masked(saved, walk))}
        written = copied(document)
        for slot in walk(written):
            if slot.has_criteria:
                slot.holder[slot.name] = self._criteria(slot, kept)
            elif (
                isinstance(slot.value, str)
                and slot.value.startswith(MASK)
                and shown.get(slot.place) == slot.value
            ):
                slot.holder[slot.name] = kept[slot.place].value
        return written

    def _criteria(self, slot: Slot, kept: Mapping[tuple[str, str], Slot]) -> Any:
        """Criteria of an activity that are as they were, wherever in it they stand now."""
        for other in kept.values():
            is_beside = other.has_criteria and other.node == slot.node
            if is_beside and self.mask.is_unchanged(slot.value, other.value):
                return other.value
        return slot.value


def _keys(things: "QuerySet[Any]") -> frozenset[str]:
    return frozenset(things.order_by().values_list("key", flat=True))
