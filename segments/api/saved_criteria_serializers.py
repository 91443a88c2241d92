"""The shapes of saved criteria in the API."""

from rest_framework import serializers

from segments.api.serializers import CriteriaField, ReadableCriteriaField
from segments.models import SavedCriteria
from workspace.api.serializers import StrictSerializer


class SavedCriteriaSerializer(serializers.Serializer[SavedCriteria]):
    """Criteria kept by name."""

    key = serializers.CharField()
    name = serializers.CharField()
    description = serializers.CharField()
    criteria = ReadableCriteriaField()
    groups = serializers.SerializerMethodField()
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()

    def get_groups(self, saved: SavedCriteria) -> list[str]:
        return sorted(group.name for group in saved.groups.all())


class SavedCriteriaChangeSerializer(StrictSerializer):
    """What can be changed of saved criteria."""

    name = serializers.CharField(required=False, allow_blank=True)
    description = serializers.CharField(required=False, allow_blank=True)
    criteria = CriteriaField(required=False, allow_null=True)
    groups = serializers.ListField(child=serializers.CharField(), required=False)


class SavedCriteriaCreationSerializer(SavedCriteriaChangeSerializer):
    """New saved criteria; without a key one is made of the name."""

    key = serializers.CharField(required=False)
    # Checked together with the criteria, so that one answer tells all.
    name = serializers.CharField(default="", allow_blank=True)
    criteria = CriteriaField(allow_null=True)
