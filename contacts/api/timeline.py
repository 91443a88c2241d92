"""The timeline of a contact in the API: its shape, its filters, its pages."""

from django.utils.translation import gettext as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from contacts.timeline import Filters, Item, Place, page, sources
from workspace.access import Actor
from workspace.api.pages import Place as Texts
from workspace.api.pages import fault
from workspace.api.parsing import read_instant
from workspace.api.views import ApiViewSet

TIMELINE_PARAMETERS = [
    OpenApiParameter(
        "kind",
        str,
        description="Kinds of items, with commas between them: event, segment, consent, label,"
        " score, identity, change, import, loyalty, told,"
        " held. All kinds where none is named.",
    ),
    OpenApiParameter("name", str, description="The kind of event; only events then."),
    OpenApiParameter(
        "segment", str, description="The key of a segment; only what happened in it then."
    ),
    OpenApiParameter(
        "source", str, description="The key of a source of events; only what it sent then."
    ),
    OpenApiParameter("text", str, description="A text that stands somewhere in the item."),
    OpenApiParameter("since", OpenApiTypes.DATETIME, description="From then on."),
    OpenApiParameter("until", OpenApiTypes.DATETIME, description="Before then."),
]
TIMELINE_NAMES = tuple(parameter.name for parameter in TIMELINE_PARAMETERS)
_TEXT_LIMIT = 200


class TimelineItemSerializer(serializers.Serializer[Item]):
    """Something that happened to a contact, or that the contact did."""

    id = serializers.CharField(help_text="The same for the same item, always.")
    kind = serializers.CharField()
    contact = serializers.SerializerMethodField()
    occurred_at = serializers.DateTimeField(source="at")
    title = serializers.CharField(help_text="What happened, in words.")
    text = serializers.CharField(help_text="More of it, in words; may be empty.")
    actor = serializers.CharField(help_text="Who did it, where it was a person or a program.")
    name = serializers.CharField(allow_null=True, help_text="Of an event: its kind.")
    received_at = serializers.DateTimeField(allow_null=True, help_text="Of an event.")
    message_id = serializers.CharField(allow_null=True, help_text="Of an event.")
    properties = serializers.DictField(help_text="Of an event; empty for all others.")
    details = serializers.DictField(
        source="data",
        help_text="The same for programs, by kind; of a segment `segment`, `change` and `cause`.",
    )

    def get_contact(self, item: Item) -> int:
        return int(self.context["contact_id"])


def timeline_page(view: ApiViewSet, *, contact_id: int, actor: Actor) -> Response:
    """A page of the timeline, by the filters and the order that the request asks for."""
    filters = _filters(view.request)
    is_ascending = view.ordering() == "occurred_at"

    def fetch(place: Texts | None, is_backward: bool, limit: int) -> list[Item]:
        return page(
            contact_id,
            actor=actor,
            filters=filters,
            after=None if place is None else _place(place),
            newest_first=is_ascending == is_backward,
            limit=limit,
        )

    context = {**view.get_serializer_context(), "contact_id": contact_id}
    return view.walk(
        fetch,
        lambda item: (item.id,),
        lambda item: TimelineItemSerializer(item, context=context).data,
    )


def _filters(request: Request) -> Filters:
    given = request.query_params
    known = [source.kind for source in sources()]
    kinds = frozenset(kind for kind in given.get("kind", "").split(",") if kind)
    if not kinds <= set(known):
        message = _("kind is one or more of: %(known)s.") % {"known": ", ".join(known)}
        raise fault("kind", "unknown_choice", message)
    text = given.get("text", "")
    if len(text) > _TEXT_LIMIT:
        message = _("text has up to %(limit)d characters.") % {"limit": _TEXT_LIMIT}
        raise fault("text", "too_long", message)
    return Filters(
        kinds=kinds,
        name=given.get("name"),
        segment=given.get("segment"),
        source=given.get("source"),
        since=read_instant(request, "since"),
        until=read_instant(request, "until"),
        text=text,
    )


def _place(place: Texts) -> Place:
    (text,) = place
    return Place.read(text)
