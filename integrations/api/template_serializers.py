"""The shapes of templates in the API."""

from typing import Any

from rest_framework import serializers

from integrations.models import Template, TemplateVariant
from workspace.api.serializers import FaultSerializer, StrictSerializer


def _part() -> serializers.CharField:
    return serializers.CharField(required=False, allow_blank=True, trim_whitespace=False)


class TemplateVariantSerializer(serializers.ModelSerializer[TemplateVariant]):
    """The words of a template in another language; what is empty is as in the template."""

    class Meta:
        model = TemplateVariant
        fields = ("language", "subject", "text", "html", "mjml", "link")
        read_only_fields = fields


class TemplateSerializer(serializers.ModelSerializer[Template]):
    """A message with gaps, in Liquid. A push message has its title in `subject`."""

    variants = TemplateVariantSerializer(many=True, read_only=True)

    class Meta:
        model = Template
        fields = (
            *("key", "name", "channel", "language", "subject", "text", "html", "mjml"),
            *("link", "icon", "variants", "created_at", "updated_at"),
        )
        read_only_fields = fields


class TemplateVariantInputSerializer(StrictSerializer):
    """What a template says in another language; text, HTML and MJML replace each other."""

    language = serializers.CharField()
    subject = _part()
    text = _part()
    html = _part()
    mjml = _part()
    link = _part()


class TemplateChangeSerializer(StrictSerializer):
    """What can be changed of a template; `variants` replace all that there are."""

    name = serializers.CharField(required=False, allow_blank=True)
    language = serializers.CharField(required=False, allow_blank=True)
    subject = _part()
    text = _part()
    html = _part()
    mjml = _part()
    link = _part()
    icon = _part()
    variants = TemplateVariantInputSerializer(many=True, required=False)


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
    language = serializers.CharField(required=False, allow_blank=True)


class TemplatePreviewSerializer(serializers.Serializer[Any]):
    """A template as the contact would get it; `problems` name gaps that stay empty."""

    subject = serializers.CharField()
    text = serializers.CharField()
    html = serializers.CharField()
    link = serializers.CharField()
    icon = serializers.CharField()
    language = serializers.CharField()
    problems = FaultSerializer(many=True)
