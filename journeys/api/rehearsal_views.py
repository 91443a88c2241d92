"""Rehearsals of drafts, and why somebody is not on a journey, in the API."""

from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from journeys.absence import Absence, explain_absence
from journeys.explaining import entered_by
from journeys.journeys import find_journey
from journeys.models import Journey, Rehearsal
from journeys.rehearsing import rehearsals
from journeys.rehearsing.figures import result_for
from workspace.access import actor_of
from workspace.api.pages import NEWEST_FIRST
from workspace.api.serializers import AnyJSONField, StrictSerializer, job_address
from workspace.api.views import ApiViewSet

_VIEW = "journeys.view_journey"


class RehearsalRequestSerializer(StrictSerializer):
    """On how many days, and how many of a hundred react to a message, by reaction."""

    days = serializers.IntegerField(required=False)
    reactions = serializers.DictField(child=serializers.IntegerField(), required=False)


class RehearsalSerializer(serializers.ModelSerializer[Rehearsal]):
    """A rehearsal. Its `result` is null until the job is done."""

    job = serializers.SerializerMethodField()
    result = serializers.SerializerMethodField()
    reactions = serializers.DictField(child=serializers.IntegerField())

    class Meta:
        model = Rehearsal
        fields = (
            *("id", "draft_number", "days", "reactions", "started_by", "created_at"),
            *("finished_at", "job", "result"),
        )

    def get_job(self, rehearsal: Rehearsal) -> str | None:
        """Where one can watch the work."""
        if rehearsal.job is None:
            return None
        return job_address(rehearsal.job, self.context.get("request"))

    @extend_schema_field(AnyJSONField(allow_null=True))
    def get_result(self, rehearsal: Rehearsal) -> Any:
        """What was found; campaigns that one may not know of are masked."""
        return result_for(rehearsal, actor_of(self.context["request"]))


class RehearsalViewSet(ApiViewSet):
    """What a draft would have done in the past: counted, never sent."""

    queryset = Rehearsal.objects.all()
    orderings = NEWEST_FIRST
    permissions = {"list": _VIEW, "retrieve": _VIEW, "create": rehearsals.PERMISSION}

    def journey(self, key: str) -> Journey:
        """The one of the address. Raises JourneyUnknown."""
        return find_journey(key, actor=self.actor)

    @extend_schema(responses=RehearsalSerializer(many=True))
    def list(self, request: Request, key: str) -> Response:
        """The rehearsals of a journey, the newest first; the last ten are kept."""
        rows = rehearsals.rehearsals_of(self.journey(key))
        return self.page(rows, self.shapes(RehearsalSerializer))

    @extend_schema(responses=RehearsalSerializer)
    def retrieve(self, request: Request, key: str, rehearsal_id: str) -> Response:
        """One rehearsal."""
        found = rehearsals.find_rehearsal(self.journey(key), int(rehearsal_id))
        return Response(self.shape(RehearsalSerializer, found))

    @extend_schema(request=RehearsalRequestSerializer, responses={202: RehearsalSerializer})
    def create(self, request: Request, key: str) -> Response:
        """Have the draft rehearsed on the last days; faults stand against it."""
        journey, given = self.journey(key), self.read(RehearsalRequestSerializer)
        found = rehearsals.request_rehearsal(journey, actor=self.actor, at=timezone.now(), **given)
        return Response(self.shape(RehearsalSerializer, found), status=202)


class AbsenceReasonSerializer(serializers.Serializer[object]):
    """One reason why a contact is not on a journey."""

    code = serializers.CharField()
    sentence = serializers.CharField()
    at = serializers.DateTimeField(allow_null=True)
    data = serializers.DictField()  # type: ignore[assignment]  # a field, as the engine calls it


class AbsencePassageSerializer(serializers.Serializer[object]):
    """A passage of the contact, past or present."""

    participant = serializers.IntegerField()
    version = serializers.IntegerField()
    entered_at = serializers.DateTimeField()
    finished_at = serializers.DateTimeField(allow_null=True)
    outcome = serializers.CharField(allow_blank=True)
    cause = serializers.CharField()


class AbsenceSegmentSerializer(serializers.Serializer[object]):
    """What the segment that brings contacts in says of this one."""

    segment = serializers.CharField()
    member = serializers.BooleanField()
    sentence = serializers.CharField()
    would_change = serializers.ListField(child=serializers.CharField())


class AbsenceSerializer(serializers.Serializer[object]):
    """Why a contact is, or is not, on a journey."""

    contact_id = serializers.IntegerField()
    is_inside = serializers.BooleanField()
    reasons = AbsenceReasonSerializer(many=True)
    passages = AbsencePassageSerializer(many=True)
    segment = AbsenceSegmentSerializer(allow_null=True)


class AbsenceViewSet(ApiViewSet):
    """Why a contact did not enter."""

    queryset = Journey.objects.all()
    permissions = {"retrieve": _VIEW}

    @extend_schema(responses=AbsenceSerializer)
    def retrieve(self, request: Request, key: str, contact_id: str) -> Response:
        """Each reason that is known, with what the segment of the entry says of the contact."""
        journey = find_journey(key, actor=self.actor)
        found = explain_absence(journey, int(contact_id), at=timezone.now(), actor=self.actor)
        return Response(AbsenceSerializer(_told(found)).data)


def _told(found: Absence) -> dict[str, Any]:
    segment = found.segment
    return {
        "contact_id": found.contact_id,
        "is_inside": found.is_inside,
        "reasons": found.reasons,
        "passages": [
            {
                "participant": one.pk,
                "version": one.version.number,
                "entered_at": one.entered_at,
                "finished_at": one.finished_at,
                "outcome": one.outcome,
                "cause": entered_by(one.entrance),
            }
            for one in found.passages
        ],
        "segment": segment
        and {
            "segment": segment.segment,
            "member": segment.member,
            "sentence": segment.sentence,
            "would_change": [change.sentence for change in segment.would_change],
        },
    }
