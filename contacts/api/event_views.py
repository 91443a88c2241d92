"""Events and their definitions in the API."""

from datetime import datetime
from typing import Any

from django.db import transaction
from django.http import Http404
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, PolymorphicProxySerializer, extend_schema
from rest_framework.exceptions import ErrorDetail, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from contacts import event_declarations, event_definitions, event_pages
from contacts.api.event_serializers import (
    EventDefinitionChangeSerializer,
    EventDefinitionCreationSerializer,
    EventDefinitionDetailSerializer,
    EventDefinitionSerializer,
    EventSerializer,
    IncomingEventSerializer,
    RecordedSerializer,
)
from contacts.api.incoming import record_batch
from contacts.event_pages import StoredEvent
from contacts.event_schemas import Declared
from contacts.events import last_event
from contacts.models import EventDefinition
from contacts.survivors import survivor_of
from workspace.api.pages import Ordering, Orderings, Place
from workspace.api.parsing import read_instant
from workspace.api.views import ApiViewSet

BY_TIME: Orderings = {
    "-occurred_at": Ordering(("occurred_at",), is_descending=True),
    "occurred_at": Ordering(("occurred_at",)),
}
WINDOW = [
    OpenApiParameter("since", OpenApiTypes.DATETIME, description="From then on."),
    OpenApiParameter("until", OpenApiTypes.DATETIME, description="Before then."),
]


class EventViewSet(ApiViewSet):
    """What contacts did."""

    action_orderings = {"list": BY_TIME}
    query_names = {"list": ("name", "contact", "since", "until")}
    permissions = {"list": "contacts.view_event", "create": "contacts.add_event"}

    @extend_schema(
        responses=EventSerializer(many=True),
        filters=False,
        parameters=[
            OpenApiParameter("name", str, description="The kind of event."),
            OpenApiParameter("contact", int, description="The id of a contact."),
            *WINDOW,
        ],
    )
    def list(self, request: Request) -> Response:
        """Events, the newest first."""
        return events_page(
            self, name=request.query_params.get("name"), contact_id=_contact_id(request)
        )

    @extend_schema(
        request=PolymorphicProxySerializer(
            component_name="IncomingEvents",
            serializers={
                "one": IncomingEventSerializer,
                "many": IncomingEventSerializer(many=True),
            },
            resource_type_field_name=None,
            many=False,
        ),
        responses={200: RecordedSerializer},
    )
    def create(self, request: Request) -> Response:
        """Record one event, or a list of up to 2500. Each that cannot be used is named."""
        return Response(record_batch(request.data, received_at=timezone.now()))


class EventDefinitionViewSet(ApiViewSet):
    """Kinds of events. They make themselves when an event of a new name comes."""

    queryset = EventDefinition.objects.all()
    lookup_field = "name"
    lookup_value_regex = ".+"
    orderings = {
        "name": Ordering(("name",)),
        "-name": Ordering(("name",), is_descending=True),
    }
    permissions = {
        "list": "contacts.view_eventdefinition",
        "create": "contacts.add_eventdefinition",
        "retrieve": "contacts.view_eventdefinition",
        "partial_update": "contacts.change_eventdefinition",
    }

    @extend_schema(responses=EventDefinitionSerializer(many=True), filters=False)
    def list(self, request: Request) -> Response:
        """The kinds of events, by name, with the properties that were seen."""
        return self.page(EventDefinition.objects.all(), self._summarize)

    @extend_schema(
        request=EventDefinitionCreationSerializer, responses={201: EventDefinitionDetailSerializer}
    )
    def create(self, request: Request) -> Response:
        """Name a kind of event before the first one comes."""
        given = self.read(EventDefinitionCreationSerializer)
        with transaction.atomic():
            known = event_definitions.define_events([given.pop("name")])
            (definition_id,) = (one.id for one in known.values())
            self._change(definition_id, given)
        return Response(self._describe(definition_id), status=201)

    @extend_schema(responses=EventDefinitionDetailSerializer)
    def retrieve(self, request: Request, name: str) -> Response:
        """One kind of event, with its last event."""
        return Response(self._describe(self._find(name)))

    @extend_schema(
        request=EventDefinitionChangeSerializer, responses=EventDefinitionDetailSerializer
    )
    def partial_update(self, request: Request, name: str) -> Response:
        """Change the label, the description or the schema; the name is the sources'."""
        definition_id, given = self._find(name), self.read(EventDefinitionChangeSerializer)
        with transaction.atomic():
            self._change(definition_id, given)
        return Response(self._describe(definition_id))

    def _change(self, definition_id: int, given: dict[str, Any]) -> None:
        at, declared = timezone.now(), given.pop("properties", None)
        event_declarations.declare_schema(
            definition_id,
            properties=None
            if declared is None
            else [
                Declared(one["name"], one["type"], one["required"], one["description"])
                for one in declared
            ],
            enforcement=given.pop("enforcement", None),
            actor=self.actor,
            at=at,
        )
        event_definitions.describe_definition(definition_id, actor=self.actor, at=at, **given)

    def _find(self, name: str) -> int:
        found = EventDefinition.objects.filter(name=name).values_list("pk", flat=True).first()
        if found is None:
            raise Http404
        return found

    def _summarize(self, definitions: Any) -> Any:
        summaries = event_definitions.summarize_definitions([one.pk for one in definitions])
        of = {summary.definition.pk: summary for summary in summaries}
        ordered = [of[definition.pk] for definition in definitions]
        return self.shapes(EventDefinitionSerializer)(ordered)

    def _describe(self, definition_id: int) -> dict[str, Any]:
        (summary,) = event_definitions.summarize_definitions([definition_id])
        event = last_event(definition_id)
        told = None
        if event is not None:
            told = self.shape(
                EventSerializer,
                StoredEvent(
                    contact_id=event.contact_id,
                    name=summary.definition.name,
                    occurred_at=event.occurred_at,
                    received_at=event.received_at,
                    message_id=event.message_id,
                    properties=event.properties,
                ),
            )
        return {**self.shape(EventDefinitionSerializer, summary), "last_event": told}


def events_page(view: ApiViewSet, *, name: str | None, contact_id: int | None) -> Response:
    """A page of events, by the window and the order that the request asks for."""
    since, until = read_instant(view.request, "since"), read_instant(view.request, "until")
    is_ascending = view.ordering() == "occurred_at"

    def fetch(place: Place | None, is_backward: bool, limit: int) -> list[StoredEvent]:
        return event_pages.events_page(
            name=name,
            contact_id=contact_id,
            since=since,
            until=until,
            after=None if place is None else _place(place),
            newest_first=is_ascending == is_backward,
            limit=limit,
        )

    return view.walk(
        fetch,
        lambda event: (event.occurred_at.isoformat(), str(event.contact_id), event.message_id),
        lambda event: view.shape(EventSerializer, event),
    )


def _contact_id(request: Request) -> int | None:
    text = request.query_params.get("contact")
    if text is None:
        return None
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        fault = ErrorDetail("It is the id of a contact, a whole number.", code="invalid")
        raise ValidationError({"contact": [fault]})
    return survivor_of(int(text))


def _place(place: Place) -> event_pages.Place:
    at_text, contact_id, message_id = place
    at = datetime.fromisoformat(at_text)
    if at.tzinfo is None or not contact_id.isdigit() or len(contact_id) > 18:
        raise ValueError(at_text)
    return event_pages.Place(at, int(contact_id), message_id)
