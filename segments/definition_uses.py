"""Which segments and saved criteria name a tag, an attribute, a consent in their criteria."""

from typing import Any

from django.db.models import QuerySet, TextField
from django.db.models.functions import Cast
from django.utils.translation import pgettext

from contacts.definitions import Kind
from segments.documents import named_definitions
from segments.facts import nameless
from segments.models import SavedCriteria, Segment
from workspace import access
from workspace.access import Actor


def segments_naming(kind: Kind, key: str, actor: Actor) -> list[str]:
    """The names of the segments, archived ones not, whose criteria name the definition.

    Those of other user groups are told of without their names.
    """
    living = Segment.objects.exclude(status=Segment.Status.ARCHIVED)
    return _names(living, kind, key, actor, hidden=nameless())


def saved_criteria_naming(kind: Kind, key: str, actor: Actor) -> list[str]:
    """The names of the saved criteria that name the definition, as `segments_naming`."""
    hidden = pgettext("instead of the name of saved criteria", "saved criteria of another group")
    return _names(SavedCriteria.objects.all(), kind, key, actor, hidden=hidden)


def _names(
    things: "QuerySet[Any]", kind: Kind, key: str, actor: Actor, *, hidden: str
) -> list[str]:
    # Keys have no letters that JSON escapes: whoever names it has it in the text.
    maybe = things.annotate(document=Cast("criteria", TextField())).filter(document__contains=key)
    naming = [
        thing
        for thing in maybe.order_by("name").prefetch_related("groups")
        if (kind.value, key) in named_definitions(thing.criteria)
    ]
    return [thing.name if access.is_visible(thing, actor) else hidden for thing in naming]
