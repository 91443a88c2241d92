"""The shapes of rule-based events."""

from typing import Any

from rest_framework import serializers

from segments.api.serializers import CriteriaField
from segments.models import RuleEvent
from workspace.api.serializers import StrictSerializer


class RuleEventSerializer(serializers.Serializer[RuleEvent]):
    """A rule-based event."""

    name = serializers.CharField()
    base = serializers.CharField(source="base.name")
    description = serializers.CharField()
    where = CriteriaField()
    payload = serializers.ListField(
        child=serializers.CharField(),
        allow_null=True,
        help_text="The properties that the event takes over; null: all.",
    )
    namespace = serializers.CharField()
    identifier = serializers.CharField()
    enabled = serializers.BooleanField(source="is_enabled")
    enabled_at = serializers.DateTimeField(allow_null=True)
    unmatched = serializers.IntegerField(
        source="unmatched_count",
        help_text="How many base events fitted whose identifier is nobody's identity.",
    )
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()


class _SettingsSerializer(StrictSerializer):
    payload = serializers.ListField(
        child=serializers.CharField(allow_blank=True), required=False, allow_null=True
    )
    namespace = serializers.CharField(required=False, allow_blank=True)
    identifier = serializers.CharField(required=False, allow_blank=True)


class RuleEventChangeSerializer(_SettingsSerializer):
    """What can be changed of a rule-based event."""

    description = serializers.CharField(required=False, allow_blank=True)
    where = CriteriaField(required=False, allow_null=True)


class RuleEventCreationSerializer(RuleEventChangeSerializer):
    """A new rule-based event; it makes nothing before it is enabled."""

    # Checked together with the condition, so that one answer tells all.
    name = serializers.CharField(allow_blank=True)
    base = serializers.CharField(allow_blank=True, trim_whitespace=False)
    where = CriteriaField(allow_null=True)
    enabled = serializers.BooleanField(default=False)


class RulePreviewRequestSerializer(_SettingsSerializer):
    """A rule to try on what came in."""

    base = serializers.CharField(trim_whitespace=False)
    where = CriteriaField(allow_null=True)


class ExampleSerializer(serializers.Serializer[Any]):
    """A base event that fits; `contact` is whose the new event would be, null: nobody's."""

    contact = serializers.IntegerField(source="contact_id", allow_null=True)
    occurred_at = serializers.DateTimeField()
    properties = serializers.DictField()


class RulePreviewSerializer(serializers.Serializer[Any]):
    """What a rule would make of the base events since then; null where counting took too long."""

    total = serializers.IntegerField(allow_null=True)
    matched = serializers.IntegerField(allow_null=True)
    since = serializers.DateTimeField()
    examples = ExampleSerializer(many=True)
