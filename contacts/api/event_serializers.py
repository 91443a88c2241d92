"""The shapes of events and their definitions in the API."""

from typing import Any

from rest_framework import serializers

from contacts.event_definitions import NAME_LIMIT, Summary
from contacts.events import MESSAGE_ID_LIMIT
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


class EventDefinitionCreationSerializer(EventDefinitionChangeSerializer):
    """A kind of event, before the first one comes."""

    name = serializers.CharField(max_length=NAME_LIMIT, trim_whitespace=False)
