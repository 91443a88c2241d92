"""The shapes of definitions in the API. What may be said is checked by `contacts.definitions`."""

from rest_framework import serializers

from contacts.models import AttributeDefinition
from workspace.api.serializers import StrictSerializer

_TRANSLATIONS = 'The words in other languages: `{"pl": {"label": "…", "description": "…"}}`.'


class LabelChangeSerializer(StrictSerializer):
    """What can be changed of a tag or category."""

    label = serializers.CharField(required=False)  # type: ignore[assignment]  # a field


class LabelDefinitionSerializer(StrictSerializer):
    """A tag or category."""

    key = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment]  # a field


class DescribedChangeSerializer(LabelChangeSerializer):
    """What can be changed of something with a description."""

    description = serializers.CharField(required=False, allow_blank=True)


class DescribedDefinitionSerializer(LabelDefinitionSerializer):
    """A definition with a description."""

    description = serializers.CharField(required=False, allow_blank=True)


class ConsentChangeSerializer(DescribedChangeSerializer):
    """What can be changed of a consent."""

    is_public = serializers.BooleanField(required=False)
    translations = serializers.JSONField(required=False, help_text=_TRANSLATIONS)


class ConsentDefinitionSerializer(DescribedDefinitionSerializer):
    """Something that contacts may allow; the description is what they read."""

    is_public = serializers.BooleanField(
        required=False, help_text="Whether it is on the page where contacts choose what they get."
    )
    translations = serializers.JSONField(required=False, help_text=_TRANSLATIONS)


class AttributeChangeSerializer(DescribedChangeSerializer):
    """What can be changed of an attribute."""

    choices = serializers.ListField(child=serializers.CharField(), required=False)


class AttributeDefinitionSerializer(DescribedDefinitionSerializer):
    """A custom attribute. Without choices any value of its type will do."""

    type = serializers.ChoiceField(choices=AttributeDefinition.Type.choices, default="text")
    choices = serializers.ListField(child=serializers.CharField(), required=False)
