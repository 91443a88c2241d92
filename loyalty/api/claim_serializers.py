"""The shapes of claims, and of how far somebody is, in the API."""

from typing import Any

from rest_framework import serializers

from loyalty.models import Claim
from workspace.api.serializers import StrictSerializer


class ClaimSerializer(serializers.Serializer[Claim]):
    """What a contact claimed, was given, or reached."""

    id = serializers.IntegerField()
    mechanism = serializers.CharField(source="mechanism.key")
    contact = serializers.IntegerField(source="contact_id")
    state = serializers.ChoiceField(choices=Claim.State.choices)
    cause = serializers.CharField()
    cost_points = serializers.IntegerField()
    bonus_points = serializers.IntegerField()
    at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField(allow_null=True)
    used_at = serializers.DateTimeField(allow_null=True)
    revoked_at = serializers.DateTimeField(allow_null=True)
    reason = serializers.CharField()


class ClaimCreationSerializer(StrictSerializer):
    """Who is to have it. One `cause` counts once; without one each request counts."""

    contact = serializers.IntegerField(min_value=1, max_value=2**63 - 1)
    cause = serializers.CharField(required=False, max_length=200)
    expires_at = serializers.DateTimeField(required=False, allow_null=True)


class RevocationSerializer(StrictSerializer):
    """Why it is taken back."""

    reason = serializers.CharField(required=False, allow_blank=True, max_length=300, default="")


class ProgressSerializer(serializers.Serializer[Any]):
    """How far a contact is in a challenge, in the present period; `share` is from 0 to 1."""

    mechanism = serializers.CharField(source="mechanism.key")
    contact = serializers.IntegerField()
    period_on = serializers.DateField()
    value = serializers.DecimalField(max_digits=24, decimal_places=4, coerce_to_string=False)
    threshold = serializers.DecimalField(max_digits=24, decimal_places=4, coerce_to_string=False)
    share = serializers.FloatField()
    reached_at = serializers.DateTimeField(allow_null=True)
