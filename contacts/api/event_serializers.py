"""The shapes of events and their definitions in the API."""

from typing import Any

from rest_framework import serializers

from contacts.event_definitions import NAME_LIMIT, Summary
from contacts.events import MESSAGE_ID_LIMIT
from contacts.models import EventDefinition, EventProperty
from workspace.api.serializers import StrictSerializer


class EventSerializer(serializers.Serializer[Any]):
    """An event as it is stored."""

    contact = serializers.IntegerField(source="contact_id")
    name = serializers.CharField()
    occurred_at = serializers.DateTimeField()
    received_at = serializers.DateTimeField()
    message_id = serializers.CharField()
    properties = serializers.DictField()


class IncomingEventSerializer(serializers.Serializer[Any]):
    """An event as it is sent; either `contact` or `external_id` names the contact."""

    contact = serializers.IntegerField(required=False)
    external_id = serializers.CharField(required=False)
    name = serializers.CharField(max_length=NAME_LIMIT)
    occurred_at = serializers.DateTimeField()
    message_id = serializers.CharField(
        required=False,
        max_length=MESSAGE_ID_LIMIT,
        help_text="An event with the same contact, message id and time counts once.",
    )
    properties = serializers.DictField(required=False)


class RejectedSerializer(serializers.Serializer[Any]):
    """An event that was not recorded: its place in the list, and why."""

    index = serializers.IntegerField()
    code = serializers.CharField()
    message = serializers.CharField()


class RecordedSerializer(serializers.Serializer[Any]):
    """What became of the events."""

    accepted = serializers.IntegerField()
    duplicates = serializers.IntegerField()
    rejected = RejectedSerializer(many=True)


class EventFaultSerializer(serializers.Serializer[Any]):
    """A fault of an event: the property, its code, and a sentence."""

    path = serializers.CharField()
    code = serializers.CharField()
    message = serializers.CharField()


class PropertySerializer(serializers.Serializer[Any]):
    """A declared property; `name` is a way through objects, as "product.name"."""

    name = serializers.CharField()
    type = serializers.ChoiceField(choices=EventProperty.Type.choices)
    required = serializers.BooleanField(  # type: ignore[assignment]  # a field of the shape
        source="is_required"
    )
    description = serializers.CharField()


class DeclaringSerializer(StrictSerializer):
    """A property to declare."""

    name = serializers.CharField(allow_blank=True)
    type = serializers.CharField()
    required = serializers.BooleanField(  # type: ignore[assignment]  # a field of the shape
        default=False
    )
    description = serializers.CharField(default="", allow_blank=True)


class BreachesSerializer(serializers.Serializer[Any]):
    """How many events broke the schema since it is checked, and what was wrong with the last."""

    marked = serializers.IntegerField(source="marked_count")
    refused = serializers.IntegerField(source="refused_count")
    last_at = serializers.DateTimeField(allow_null=True)
    last_problems = EventFaultSerializer(many=True)


class EventDefinitionSerializer(serializers.Serializer[Summary]):
    """A kind of event: which properties were seen, how often it happened, and when last."""

    name = serializers.CharField(source="definition.name")
    label = serializers.CharField(  # type: ignore[assignment]  # a field, not the serializer's own
        source="definition.label"
    )
    description = serializers.CharField(source="definition.description")
    schema = serializers.DictField(
        source="definition.schema",
        child=serializers.ListField(child=serializers.CharField()),
        help_text="The JSON types that each property was seen with.",
    )
    properties = PropertySerializer(many=True)
    enforcement = serializers.ChoiceField(
        source="definition.enforcement",
        choices=EventDefinition.Enforcement.choices,
        help_text="What becomes of events that break what `properties` declare.",
    )
    breaches = BreachesSerializer()
    events = serializers.IntegerField(source="event_count")
    contacts = serializers.IntegerField(source="contact_count")
    last_at = serializers.DateTimeField(allow_null=True)


class EventDefinitionDetailSerializer(EventDefinitionSerializer):
    """A kind of event with its last event."""

    last_event = EventSerializer(allow_null=True)


class EventDefinitionChangeSerializer(StrictSerializer):
    """What people say of a kind of event."""

    label = serializers.CharField(  # type: ignore[assignment]  # a field, not the serializer's own
        required=False, allow_blank=True, max_length=120
    )
    description = serializers.CharField(required=False, allow_blank=True, max_length=10_000)
    properties = DeclaringSerializer(
        many=True, required=False, help_text="All of them: those that are not named go."
    )
    enforcement = serializers.CharField(required=False, help_text="“accept”, “mark” or “refuse”.")


class EventDefinitionCreationSerializer(EventDefinitionChangeSerializer):
    """A kind of event, before the first one comes."""

    name = serializers.CharField(max_length=NAME_LIMIT, trim_whitespace=False)
