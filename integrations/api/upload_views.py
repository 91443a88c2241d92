"""Uploaded metrics in the API: how they stand, what a vendor refused, and all of it once more."""

from typing import Any

from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from integrations.metric_uploads import records
from integrations.metric_uploads.records import Standing
from integrations.models import UploadedRecord
from integrations.vendors import connections, syncing
from workspace.api.serializers import JobLinkSerializer
from workspace.api.views import ApiViewSet

_VIEW = "integrations.view_vendorconnection"
_REASON = OpenApiParameter(
    "reason", OpenApiTypes.STR, description="Only what was refused for this reason."
)


class StandingSerializer(serializers.Serializer[Standing]):
    """How the uploads of a website stand; `refused` counts by the vendor's reasons."""

    website = serializers.CharField(source="website.key")
    collection = serializers.CharField(source="place")
    key_end = serializers.CharField(
        help_text=_("With what the keys end: a number where another connection is there, too.")
    )
    first_upload_at = serializers.DateTimeField(source="full_at", allow_null=True)
    sent = serializers.IntegerField()
    due = serializers.IntegerField()
    leaving = serializers.IntegerField()
    unknown_contacts = serializers.IntegerField(source="unknown_count")
    refused = serializers.DictField(child=serializers.IntegerField())


class RefusedRecordSerializer(serializers.ModelSerializer[UploadedRecord]):
    """A record that the vendor did not take, with its reason in its words and in ours."""

    contact = serializers.IntegerField(source="contact_id")
    website = serializers.SlugRelatedField[Any](slug_field="key", read_only=True)
    message = serializers.SerializerMethodField(help_text=_("What it means, and what to do."))

    class Meta:
        model = UploadedRecord
        fields = ("contact", "website", "key", "reason", "message", "at")

    @extend_schema_field(OpenApiTypes.STR)
    def get_message(self, record: UploadedRecord) -> str:
        return records.words_of(record.reason)


class UploadViewSet(ApiViewSet):
    """Metrics that were uploaded over a connection."""

    queryset = UploadedRecord.objects.all()
    permissions = {"list": _VIEW, "refused": _VIEW, "again": records.SYNC}
    query_names = {"refused": ("reason",)}

    @extend_schema(responses=StandingSerializer(many=True), filters=False)
    def list(self, request: Request, connection_id: str) -> Response:
        """How the uploads of each website stand."""
        found = connections.find_connection(int(connection_id))
        return Response(self.shapes(StandingSerializer)(records.standings(found.pk)))

    @extend_schema(parameters=[_REASON], responses=RefusedRecordSerializer(many=True))
    @action(detail=False, methods=["get"])
    def refused(self, request: Request, connection_id: str) -> Response:
        """Records that the vendor did not take, by contact; the first thousand."""
        found = connections.find_connection(int(connection_id))
        rows: QuerySet[UploadedRecord] = records.refused_records(
            found.pk, reason=request.query_params.get("reason", "")[:60]
        )
        return Response(self.shapes(RefusedRecordSerializer)(list(rows[:1000])))

    @extend_schema(request=None, responses={202: JobLinkSerializer})
    @action(detail=False, methods=["post"])
    def again(self, request: Request, connection_id: str) -> Response:
        """Upload everything again, as where somebody emptied the collection; the job."""
        self.read_nothing()
        found, at = connections.find_connection(int(connection_id)), timezone.now()
        records.upload_again(found.pk, actor=self.actor, at=at)
        return self.started(
            syncing.request_sync(found.pk, actor=self.actor, at=at, names=["metrics"])
        )
