"""The shapes of definitions in the API. What may be said is checked by `contacts.definitions`."""

from rest_framework import serializers

from contacts.models import AttributeDefinition
from workspace.api.serializers import StrictSerializer


class LabelChangeSerializer(StrictSerializer):
    """What can be changed of a tag or category."""

    label = serializers.CharField(required=False)  # type: ignore[assignment]  # a field


class LabelDefinitionSerializer(StrictSerializer):
    """A tag or category."""

    key = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment]  # a field


class ConsentChangeSerializer(LabelChangeSerializer):
    """What can be changed of a consent."""

    description = serializers.CharField(required=False, allow_blank=True)


class ConsentDefinitionSerializer(LabelDefinitionSerializer):
    """Something that contacts may allow; the description is what they read."""

    description = serializers.CharField(required=False, allow_blank=True)


class AttributeChangeSerializer(ConsentChangeSerializer):
    """What can be changed of an attribute."""

    choices = serializers.ListField(child=serializers.CharField(), required=False)


class AttributeDefinitionSerializer(ConsentDefinitionSerializer):
    """A custom attribute. Without choices any value of its type will do."""

    type = serializers.ChoiceField(choices=AttributeDefinition.Type.choices, default="text")
    choices = serializers.ListField(child=serializers.CharField(), required=False)
