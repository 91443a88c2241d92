"""Which segments name a tag, an attribute, a consent… in their criteria."""

from django.db.models import TextField
from django.db.models.functions import Cast

from contacts.definitions import Kind
from segments.documents import named_definitions
from segments.models import Segment


def segments_naming(kind: Kind, key: str) -> list[str]:
    """The names of the segments, archived ones not, whose criteria name the definition."""
    # Keys have no letters that JSON escapes: whoever names it has it in the text.
    living = Segment.objects.exclude(status=Segment.Status.ARCHIVED)
    maybe = living.annotate(document=Cast("criteria", TextField())).filter(document__contains=key)
    return [
        name
        for name, document in maybe.order_by("name").values_list("name", "criteria")
        if (kind.value, key) in named_definitions(document)
    ]
