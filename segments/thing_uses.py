"""What names a thing of an upper floor in its criteria: told beside it, asked before it goes.

As with the uses of segments (`segments.uses`), whatever keeps criteria registers how to find those
that name a thing: segments and saved criteria here, rooms on floors above in their modules.
"""

from collections.abc import Callable, Iterable
from typing import Any

from django.db.models import QuerySet, TextField
from django.db.models.functions import Cast
from django.urls import reverse
from django.utils.translation import gettext_lazy

from segments.documents import named_things
from segments.models import SavedCriteria, Segment
from segments.things import kinds_of_fields
from segments.uses import Use, told_to
from workspace import access
from workspace.access import Actor

FindNaming = Callable[[str, str], Iterable[Use]]

_kinds: dict[str, tuple[Any, FindNaming]] = {}


def register_thing_use(kind: str, label: Any, find: FindNaming) -> None:
    """Let `find(kind of thing, key)` tell which "segment"s, say, name a thing; once for each.

    `label` is what people call one of them. A constant number of queries.
    """
    if _kinds.setdefault(kind, (label, find))[1] is not find:
        raise ValueError(f"Two finders are registered for {kind}.")


def uses_of_thing(thing: str, key: str, *, actor: Actor) -> list[Use]:
    """What names a thing, kind after kind, by name; what the actor may not know of by its number.

    `thing` is the word for its kind ("journey").
    """
    return [
        use
        for kind, (label, find) in _kinds.items()
        for use in told_to(actor, find(thing, key), kind=kind, label=label)
    ]


def names_thing(document: Any, thing: str, key: str) -> bool:
    """Whether a criteria document names a thing."""
    return (thing, key) in named_things(document, kinds_of_fields())


def _naming(things: "QuerySet[Any]", thing: str, key: str) -> list[Any]:
    # Keys have no letters that JSON escapes: whoever names it has it in the text.
    maybe = things.annotate(document=Cast("criteria", TextField())).filter(
        document__contains=f'"{key}"'
    )
    return [
        one for one in maybe.prefetch_related("groups") if names_thing(one.criteria, thing, key)
    ]


def _segments(thing: str, key: str) -> list[Use]:
    living = Segment.objects.exclude(status=Segment.Status.ARCHIVED)
    return [
        Use(
            one.name,
            key=one.key,
            url=reverse("admin:segments_segment_change", args=[one.pk]),
            state=one.get_status_display(),
            is_visible=_knows(one, "segments.view_segment"),
        )
        for one in _naming(living, thing, key)
    ]


def _saved_criteria(thing: str, key: str) -> list[Use]:
    return [
        Use(
            one.name,
            key=one.key,
            url=reverse("admin:segments_savedcriteria_change", args=[one.pk]),
            is_visible=_knows(one, "segments.view_savedcriteria"),
        )
        for one in _naming(SavedCriteria.objects.all(), thing, key)
    ]


def _knows(one: Any, permission: str) -> Callable[[Actor], bool]:
    return lambda actor: actor.may(permission) and access.is_visible(one, actor)


def register() -> None:
    """Have segments and saved criteria told of beside what they name. May be called again."""
    register_thing_use("segment", gettext_lazy("Segment"), _segments)
    register_thing_use("saved_criteria", gettext_lazy("Saved criteria"), _saved_criteria)
