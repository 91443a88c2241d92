"""The shapes of templates in the API."""

from typing import Any

from rest_framework import serializers

from integrations.models import Template
from workspace.api.serializers import FaultSerializer, StrictSerializer


class TemplateSerializer(serializers.ModelSerializer[Template]):
    """A message with gaps, in Liquid."""

    class Meta:
        model = Template
        fields = (
            *("key", "name", "channel", "subject", "text", "html"),
            *("created_at", "updated_at"),
        )
        read_only_fields = fields


class TemplateChangeSerializer(StrictSerializer):
    """What can be changed of a template."""

    name = serializers.CharField(required=False, allow_blank=True)
    subject = serializers.CharField(required=False, allow_blank=True, trim_whitespace=False)
    text = serializers.CharField(required=False, allow_blank=True, trim_whitespace=False)
    html = serializers.CharField(required=False, allow_blank=True, trim_whitespace=False)


class TemplateCreationSerializer(TemplateChangeSerializer):
    """A new template; without a key one is made of the name."""

    key = serializers.CharField(required=False)
    name = serializers.CharField(default="", allow_blank=True)
    channel = serializers.ChoiceField(
        choices=Template.Channel.choices, default=Template.Channel.EMAIL
    )


class TemplatePreviewRequestSerializer(StrictSerializer):
    """For whom a template is to be looked at; without a contact with examples."""

    contact = serializers.IntegerField(
        required=False, allow_null=True, min_value=1, max_value=2**63 - 1
    )


class TemplatePreviewSerializer(serializers.Serializer[Any]):
    """A template as the contact would get it; `problems` name gaps that stay empty."""

    subject = serializers.CharField()
    text = serializers.CharField()
    html = serializers.CharField()
    problems = FaultSerializer(many=True)
