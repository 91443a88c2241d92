"""The shapes of suppressed addresses in the API."""

from typing import Any

from rest_framework import serializers

from integrations.models import Suppression
from workspace.api.serializers import StrictSerializer


class SuppressionSerializer(serializers.ModelSerializer[Suppression]):
    """An address that nothing is sent to; of an erased contact only its digest (`sha256:…`)."""

    contact = serializers.IntegerField(source="contact_id", allow_null=True)

    class Meta:
        model = Suppression
        fields = ("id", "channel", "address", "reason", "detail", "contact", "at")
        read_only_fields = fields


class SuppressionCreationSerializer(StrictSerializer):
    """Addresses to which nothing is to be sent, and why; up to a thousand."""

    addresses = serializers.ListField(child=serializers.CharField(), min_length=1)
    detail = serializers.CharField(required=False, allow_blank=True, default="")


class SuppressionsAddedSerializer(serializers.Serializer[Any]):
    """How many of the addresses were not suppressed by hand before."""

    added = serializers.IntegerField()


class SuppressionLiftSerializer(StrictSerializer):
    """Why the address may be written to again; the audit trail keeps it."""

    why = serializers.CharField(allow_blank=True)
