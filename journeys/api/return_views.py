"""Bringing back in the API those who could not go on; the verb is in `journeys.returning`."""

from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from journeys import returning
from journeys.api.journey_views import version_asked
from journeys.journeys import find_journey
from journeys.models import Participant
from workspace.api.serializers import StrictSerializer
from workspace.api.views import ApiViewSet

_BIGGEST = 2**63 - 1


class JourneyReturnSerializer(StrictSerializer):
    """Who is brought back: those of these numbers, at an activity, of a version, or everyone."""

    participants = serializers.ListField(
        child=serializers.IntegerField(min_value=1, max_value=_BIGGEST),
        required=False,
        allow_empty=False,
        max_length=returning.SELECTED_LIMIT,
    )
    version = serializers.IntegerField(min_value=1, max_value=2**31 - 1, required=False)
    node = serializers.CharField(max_length=63, required=False)
    everyone = serializers.BooleanField(
        required=False, help_text="All who failed on the journey, of all its versions that run."
    )


class JourneyReturnReasonSerializer(serializers.Serializer[object]):
    """Why some failed, and where; how many of them come back."""

    version = serializers.IntegerField()
    node = serializers.CharField(allow_blank=True)
    problem = serializers.CharField(allow_blank=True)
    count = serializers.IntegerField()


class JourneyReturnForeseenSerializer(serializers.Serializer[object]):
    """Whom it would bring back, why they had failed, and who stays by the reason."""

    count = serializers.IntegerField()
    reasons = JourneyReturnReasonSerializer(many=True)
    left = serializers.DictField(child=serializers.IntegerField())


class JourneyReturnedSerializer(serializers.Serializer[object]):
    """How many were brought back, and how many stay where they are, by the reason."""

    count = serializers.IntegerField()
    left = serializers.DictField(child=serializers.IntegerField())


class ReturnViewSet(ApiViewSet):
    """Those who could not go on, and what brings them back."""

    queryset = Participant.objects.all()
    query_names = {"retrieve": ("version", "node")}
    permissions = {"retrieve": "journeys.view_journey", "create": returning.PERMISSION}

    @extend_schema(
        parameters=[
            OpenApiParameter("version", int, description="The number of a version; else all."),
            OpenApiParameter("node", str, description="Who failed at this activity."),
        ],
        responses=JourneyReturnForeseenSerializer,
    )
    def retrieve(self, request: Request, key: str) -> Response:
        """Who failed and could be brought back, by the reason; why others could not."""
        found = returning.foresee_return(
            find_journey(key, actor=self.actor),
            version=version_asked(request),
            node=request.query_params.get("node", ""),
        )
        return Response(self.shape(JourneyReturnForeseenSerializer, found))

    @extend_schema(request=JourneyReturnSerializer, responses=JourneyReturnedSerializer)
    def create(self, request: Request, key: str) -> Response:
        """Let those who failed go on from where they did, with the next tick."""
        journey = find_journey(key, actor=self.actor)
        given: dict[str, Any] = self.read(JourneyReturnSerializer)
        is_everyone = given.pop("everyone", False)
        if is_everyone == bool(given):
            message = _("Say whom: “participants”, a “node”, a “version”, or “everyone”: true.")
            raise ValidationError({"everyone": [ErrorDetail(message, code="required")]})
        done = returning.bring_back(journey, actor=self.actor, at=timezone.now(), **given)
        return Response(self.shape(JourneyReturnedSerializer, done))
