"""Which segments and saved criteria ask for a kind of event: shown beside it."""

from collections.abc import Collection
from typing import Any

from django.db.models import QuerySet, TextField
from django.db.models.functions import Cast
from django.urls import reverse
from django.utils.translation import gettext_lazy, pgettext

from contacts.event_uses import EventUse, register_event_use
from segments.documents import named_events
from segments.facts import nameless
from segments.models import SavedCriteria, Segment
from workspace import access
from workspace.access import Actor


def _segments(names: Collection[str], actor: Actor) -> dict[str, list[EventUse]]:
    living = Segment.objects.exclude(status=Segment.Status.ARCHIVED)
    return _naming(living, names, actor, page="segment", hidden=nameless())


def _saved_criteria(names: Collection[str], actor: Actor) -> dict[str, list[EventUse]]:
    hidden = pgettext("instead of the name of saved criteria", "saved criteria of another group")
    every = SavedCriteria.objects.all()
    return _naming(every, names, actor, page="savedcriteria", hidden=hidden)


def _naming(
    things: "QuerySet[Any]", names: Collection[str], actor: Actor, *, page: str, hidden: str
) -> dict[str, list[EventUse]]:
    """Those of the things whose criteria name the events; those of other groups without names."""
    asked = set(names)
    maybe = things.annotate(document=Cast("criteria", TextField())).filter(
        document__contains='"event'
    )
    found: dict[str, list[EventUse]] = {}
    may_look = actor.may(f"segments.view_{page}")
    for thing in maybe.order_by("name", "pk").prefetch_related("groups"):
        named = named_events(thing.criteria) & asked
        use = EventUse(hidden, is_hidden=True)
        if named and may_look and access.is_visible(thing, actor):
            url = reverse(f"admin:segments_{page}_change", args=[thing.pk])
            state = thing.get_status_display() if isinstance(thing, Segment) else ""
            use = EventUse(thing.name, url, state)
        for name in named:
            found.setdefault(name, []).append(use)
    return found


def register() -> None:
    """Have them told of beside the events that they ask for."""
    register_event_use("segment", gettext_lazy("Segment"), _segments)
    register_event_use("saved_criteria", gettext_lazy("Saved criteria"), _saved_criteria)
