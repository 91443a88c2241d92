"""Tests of drafts in the API."""

from collections.abc import Sequence
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from journeys.journeys import find_journey
from journeys.models import Journey
from journeys.trying import sessions
from journeys.trying.log import read_log
from journeys.trying.running import running_test
from journeys.trying.triggers import trigger
from workspace.api.serializers import AnyJSONField, StrictSerializer
from workspace.api.views import ApiViewSet

_BIGGEST = 2**63 - 1


class JourneyTestStartSerializer(StrictSerializer):
    """How long every wait lasts in the test, in seconds."""

    wait_seconds = serializers.IntegerField(required=False)


class JourneyTestProfilesSerializer(StrictSerializer):
    """Who enters: these contacts, or so many drawn by lot of the segment's test profiles."""

    contact_ids = serializers.ListField(
        child=serializers.IntegerField(min_value=1, max_value=_BIGGEST),
        required=False,
        allow_empty=False,
        max_length=1000,
    )
    random = serializers.IntegerField(min_value=1, max_value=sessions.PROFILE_LIMIT, required=False)


class JourneyTestTriggerSerializer(StrictSerializer):
    """An event that only the test hears of."""

    contact_ids = serializers.ListField(
        child=serializers.IntegerField(min_value=1, max_value=_BIGGEST),
        allow_empty=False,
        max_length=1000,
    )
    event = serializers.CharField(max_length=200)
    properties = AnyJSONField(required=False)


class JourneyTestEnteredSerializer(serializers.Serializer[object]):
    """Who enters."""

    contact_ids = serializers.ListField(child=serializers.IntegerField())


class JourneyTestTriggeredSerializer(serializers.Serializer[object]):
    """How many the event let in, and how many of those inside it moves."""

    entered = serializers.IntegerField()
    signalled = serializers.IntegerField()


class JourneyTestSerializer(serializers.Serializer[object]):
    """A test: who is in it, each step with its data, and where everybody stands.

    `phase` of a profile is running, finished, error or timed_out.
    """

    is_running = serializers.BooleanField()
    version = serializers.IntegerField(allow_null=True)
    started_at = serializers.DateTimeField(allow_null=True)
    started_by = serializers.CharField(allow_blank=True)
    wait_seconds = serializers.IntegerField(allow_null=True)
    coming = serializers.IntegerField()
    profiles = serializers.ListField(child=serializers.DictField())
    refusals = serializers.ListField(child=serializers.DictField())
    counts = serializers.DictField()


_NOT_RUNNING: dict[str, Any] = {
    "is_running": False,
    "version": None,
    "started_at": None,
    "started_by": "",
    "wait_seconds": None,
    "coming": 0,
    "profiles": [],
    "refusals": [],
    "counts": {},
}


class JourneyTestViewSet(ApiViewSet):
    """The test of a draft: started, filled with profiles, triggered, stopped."""

    queryset = Journey.objects.all()
    permissions = {
        "retrieve": "journeys.view_journey",
        "start": sessions.PERMISSION,
        "profiles": sessions.PERMISSION,
        "trigger": sessions.PERMISSION,
        "stop": sessions.PERMISSION,
    }

    def journey(self, key: str) -> Journey:
        """The one of the address. Raises JourneyUnknown."""
        return find_journey(key, actor=self.actor)

    @extend_schema(responses=JourneyTestSerializer)
    def retrieve(self, request: Request, key: str) -> Response:
        """Whether a test runs, and what happened in it so far."""
        return self._answer(self.journey(key))

    @extend_schema(request=JourneyTestStartSerializer, responses={201: JourneyTestSerializer})
    def start(self, request: Request, key: str) -> Response:
        """Test the draft as it stands. One that runs ends first; faults stand against it."""
        journey, given = self.journey(key), self.read(JourneyTestStartSerializer)
        sessions.start_test(journey, actor=self.actor, at=timezone.now(), **given)
        return self._answer(journey, status=201)

    @extend_schema(
        request=JourneyTestProfilesSerializer, responses={201: JourneyTestEnteredSerializer}
    )
    def profiles(self, request: Request, key: str) -> Response:
        """Let test profiles enter: at most 100 in one test."""
        journey, given = self.journey(key), self.read(JourneyTestProfilesSerializer)
        if ("random" in given) == ("contact_ids" in given):
            message = _("Name either contact_ids or how many are drawn at random.")
            raise ValidationError({"contact_ids": [ErrorDetail(message, code="one_of")]})
        at = timezone.now()
        entered: Sequence[int]
        if "random" in given:
            entered = sessions.add_random_profiles(
                journey, actor=self.actor, at=at, limit=given["random"]
            )
        else:
            entered = sessions.add_profiles(journey, given["contact_ids"], actor=self.actor, at=at)
        return Response({"contact_ids": list(entered)}, status=201)

    @extend_schema(
        request=JourneyTestTriggerSerializer, responses={201: JourneyTestTriggeredSerializer}
    )
    def trigger(self, request: Request, key: str) -> Response:
        """Tell the test that these profiles did something; nobody else hears of it."""
        journey, given = self.journey(key), self.read(JourneyTestTriggerSerializer)
        told = trigger(
            journey,
            given["contact_ids"],
            event=given["event"],
            properties=given.get("properties") or {},
            actor=self.actor,
            at=timezone.now(),
        )
        answer = {"entered": told.entered_count, "signalled": told.signalled_count}
        return Response(answer, status=201)

    @extend_schema(request=None, responses={204: None})
    def stop(self, request: Request, key: str) -> Response:
        """End the test; all that it left is gone."""
        self.read_nothing()
        sessions.end_test(self.journey(key), actor=self.actor, at=timezone.now())
        return Response(status=204)

    def _answer(self, journey: Journey, status: int = 200) -> Response:
        version = running_test(journey)
        told = _NOT_RUNNING if version is None else {"is_running": True, **read_log(version)}
        return Response(told, status=status)
