"""Which segments name a tag, an attribute, a consent… in their criteria."""

from django.db.models import TextField
from django.db.models.functions import Cast

from contacts.definitions import Kind
from segments.documents import named_definitions
from segments.facts import nameless
from segments.models import Segment
from workspace import access
from workspace.access import Actor


def segments_naming(kind: Kind, key: str, actor: Actor) -> list[str]:
    """The names of the segments, archived ones not, whose criteria name the definition.

    Those of other user groups are told of without their names.
    """
    # Keys have no letters that JSON escapes: whoever names it has it in the text.
    living = Segment.objects.exclude(status=Segment.Status.ARCHIVED)
    maybe = living.annotate(document=Cast("criteria", TextField())).filter(document__contains=key)
    naming = [
        segment
        for segment in maybe.order_by("name").prefetch_related("groups")
        if (kind.value, key) in named_definitions(segment.criteria)
    ]
    return [segment.name if access.is_visible(segment, actor) else nameless() for segment in naming]
