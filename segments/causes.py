"""Why contacts entered and left segments, in words for one reader.

The log has a cause as "event:purchase", "tag:vip", "time" or "segment:vip"; a segment or a journey
that the reader may not know of has no name, for people and programs alike.
"""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from django.utils.translation import gettext as _

from contacts.models import (
    AttributeDefinition,
    Category,
    ConsentDefinition,
    EventDefinition,
    MetricDefinition,
    Tag,
)
from segments import things
from segments.members import Change
from segments.models import Segment
from workspace import access
from workspace.access import Actor

KIND = "segment"
# What a cause names, by its first word.
_NAMED: dict[str, tuple[Any, str]] = {
    "event": (EventDefinition, "name"),
    "attribute": (AttributeDefinition, "key"),
    "tag": (Tag, "key"),
    "category": (Category, "key"),
    "consent": (ConsentDefinition, "key"),
    "metric": (MetricDefinition, "key"),
}


class Causes:
    """The causes of some changes in words; a query for each kind of thing that they name."""

    def __init__(self, causes: Iterable[str], actor: Actor) -> None:
        named: dict[str, set[str]] = {}
        for cause in causes:
            kind, _colon, name = cause.partition(":")
            named.setdefault(kind, set()).add(name)
        self._labels: dict[tuple[str, str], str] = {}
        for kind, (model, field) in _NAMED.items():
            # A query for each kind that occurs, six at most.
            for thing in model.objects.filter(**{f"{field}__in": named.get(kind, ())}):
                self._labels[kind, getattr(thing, field)] = str(thing)
        if KIND in named:
            segments = Segment.objects.filter(key__in=named[KIND])
            for key, name in access.visible(segments, actor).values_list("key", "name"):
                self._labels[KIND, key] = name
        self._things = things.kinds()
        for kind in self._things.keys() & named.keys():
            # A query for each kind that occurs; there are hardly more than one.
            for key, name in things.names_of(kind, named[kind], actor).items():
                self._labels[kind, key] = name

    def masked(self, cause: str) -> str:
        """The cause as programs get it; what may not be known of is not named."""
        kind, _colon, name = cause.partition(":")
        return kind if self._may_hide(kind) and (kind, name) not in self._labels else cause

    def words(self, cause: str) -> str:
        """The cause in words."""
        kind, _colon, name = cause.partition(":")
        label = self._labels.get((kind, name), "" if self._may_hide(kind) else name)
        if kind in self._things:
            told = self._things[kind]
            return str(told.because) % {"name": label} if label else str(told.because_nameless)
        if not name or not label:
            return _plain(kind)
        sentence = {
            "event": _("because of the event “%(name)s”"),
            "attribute": _("because “%(name)s” changed"),
            "contact": _("because “%(name)s” changed"),
            "tag": _("because of the tag “%(name)s”"),
            "category": _("because of the category “%(name)s”"),
            "consent": _("because of the consent “%(name)s”"),
            "metric": _("because “%(name)s” changed"),
            KIND: _("because of the segment “%(name)s”"),
        }.get(kind)
        return sentence % {"name": label} if sentence else _plain(kind)

    def _may_hide(self, kind: str) -> bool:
        """Whether things of this kind may be kept from the reader."""
        return kind == KIND or kind in self._things


def masked_changes(found: Iterable[Change], *, actor: Actor) -> list[Change]:
    """Changes with their causes as programs get them."""
    changes = list(found)
    causes = Causes((change.cause for change in changes), actor)
    return [replace(change, cause=causes.masked(change.cause)) for change in changes]


def _plain(cause: str) -> str:
    """A cause that names nothing, in words; one that nobody described is called as it is."""
    words = {
        "event": _("because of an event"),
        "contact": _("because the profile changed"),
        "tag": _("because of a tag"),
        "category": _("because of a category"),
        "consent": _("because of a consent"),
        "metric": _("because a metric changed"),
        "table": _("because of the loyalty programme"),
        KIND: _("because of another segment"),
        "time": _("as time passed"),
        "criteria": _("because the criteria of the segment changed"),
        "changed": _("because the segment was changed"),
        "created": _("when the segment was made"),
        "import": _("by an import, or another change of very many contacts"),
        "merge": _("because two contacts became one"),
        "new": _("when the contact became known"),
        "file": _("because of the file that the segment is from"),
        "list": _("because of the list that the segment is from"),
        "imported": _("by the segment of the other system that this one is imported from"),
        "archived": _("because the segment was archived"),
        "scheduled": _("when the segment was refreshed on time"),
        "requested": _("when somebody refreshed the segment"),
        "refresh": _("when the segment was refreshed"),
        "command": _("when the segment was refreshed by command"),
        "activated": _("because the segment was activated"),
        "audit": _("put right by the nightly audit"),
        "followed": _("as it happened"),
    }
    return words.get(cause, cause)
