"""Segments from files in the API."""

import json
from typing import Any

from django.http import FileResponse
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from segments import files, lifecycle
from segments.api.serializers import RefreshSerializer
from segments.errors import SegmentNotFromFile, UnmatchedGone
from segments.models import ContactList, Segment
from workspace.api.parsing import UploadOnDisk
from workspace.api.serializers import JobLinkSerializer, StrictSerializer, job_address
from workspace.api.views import ApiViewSet
from workspace.errors import DomainError


class FileKeysSerializer(StrictSerializer):
    """A file, and what of it names contacts; what is not said is guessed."""

    file = serializers.FileField(help_text=_("CSV or XLSX, up to 2 GB."))
    column = serializers.CharField(
        default="", help_text=_("The column that names the contacts, or its number.")
    )
    identity = serializers.CharField(
        default="",
        help_text=_("What it holds: `id`, `email`, `external_id`, `phone` or another namespace."),
    )
    has_header = serializers.BooleanField(
        required=False,
        allow_null=True,
        default=None,
        help_text=_("Whether the first row has names."),
    )


class FileSegmentSerializer(FileKeysSerializer):
    """A new segment from a file; without a key one is made of the name."""

    name = serializers.CharField()
    key = serializers.CharField(required=False)
    description = serializers.CharField(required=False, allow_blank=True)
    groups = serializers.ListField(
        child=serializers.CharField(), required=False, help_text=_("Names of user groups.")
    )
    members_only = serializers.BooleanField(required=False)
    refresh = serializers.JSONField(
        required=False, help_text=_("As in the shape of a segment: an object, as JSON.")
    )
    readiness_hours = serializers.IntegerField(required=False, allow_null=True)

    def validate_refresh(self, value: Any) -> dict[str, Any]:
        """The setting as `segments.lifecycle` names it."""
        if isinstance(value, str):
            try:
                value = json.loads(value)
            except ValueError as error:
                message = gettext("It must be an object, as JSON.")
                raise serializers.ValidationError(message, code="wrong_type") from error
        reader = RefreshSerializer(data=value)
        reader.is_valid(raise_exception=True)
        every = reader.validated_data.get("every") or {}
        return {
            "refresh_mode": reader.validated_data["mode"],
            "refresh_amount": every.get("amount"),
            "refresh_unit": every.get("unit", ""),
        }


class FileSegmentStartedSerializer(JobLinkSerializer):
    """Where to watch the work, and the segment that it fills."""

    segment = serializers.CharField()


class SegmentFileSerializer(serializers.Serializer[ContactList]):
    """The file that a segment comes from, and what was found in it."""

    name = serializers.CharField(source="title")
    column = serializers.CharField()
    identity = serializers.CharField()
    rows = serializers.IntegerField(source="row_count")
    matched = serializers.IntegerField(source="matched_count")
    not_in_base = serializers.IntegerField(source="unmatched_count")
    duplicates = serializers.IntegerField(source="duplicate_count")
    faulty = serializers.IntegerField(source="faulty_count")
    read_at = serializers.DateTimeField(source="created_at")
    unmatched_until = serializers.DateTimeField(allow_null=True)


class SegmentFileViewSet(ApiViewSet):
    """Segments whose members are those who are both in a file and in the base."""

    queryset = Segment.objects.all()
    lookup_field = "key"
    permissions = {
        "create": "segments.add_segment",
        "retrieve": "segments.view_segment",
        "replace": "segments.change_segment",
        "unmatched": "segments.view_segment",
    }
    uploads = frozenset({"create", "replace"})

    @extend_schema(
        request={"multipart/form-data": FileSegmentSerializer},
        responses={202: FileSegmentStartedSerializer},
    )
    def create(self, request: Request) -> Response:
        """Make a segment of a CSV or XLSX of up to 2 GB, as a job. Nobody is created."""
        given = self.read(FileSegmentSerializer)
        given |= given.pop("refresh", {})
        file: UploadOnDisk = given.pop("file")
        path = file.keep()
        try:
            segment, job = files.request_segment(
                path, file_name=file.name or "", actor=self.actor, at=timezone.now(), **given
            )
        except DomainError:
            files.remove_upload(path)
            raise
        address = job_address(job, request)
        return Response({"job": address, "segment": segment.key}, status=202)

    @extend_schema(responses=SegmentFileSerializer)
    def retrieve(self, request: Request, key: str) -> Response:
        """The file that the segment comes from now."""
        found = self._file_of(key)
        return Response(self.shape(SegmentFileSerializer, found))

    @extend_schema(
        request={"multipart/form-data": FileKeysSerializer}, responses={202: JobLinkSerializer}
    )
    def replace(self, request: Request, key: str) -> Response:
        """Let the segment come from another file, as a job: a new version."""
        segment = lifecycle.find_segment(key, actor=self.actor)
        given = self.read(FileKeysSerializer)
        file: UploadOnDisk = given.pop("file")
        path = file.keep()
        try:
            job = files.request_replacement(
                segment,
                path,
                file_name=file.name or "",
                actor=self.actor,
                at=timezone.now(),
                **given,
            )
        except DomainError:
            files.remove_upload(path)
            raise
        return self.started(job)

    @extend_schema(responses={(200, "text/csv"): OpenApiTypes.BINARY})
    def unmatched(self, request: Request, key: str) -> Any:
        """The rows that are not in the base or cannot be read, each with the reason, as CSV.

        For seven days, for whoever brought the file and for administrators. It is logged.
        """
        file = files.unmatched_file(self._file_of(key), actor=self.actor, at=timezone.now())
        return FileResponse(
            file.open("rb"),
            as_attachment=True,
            content_type="text/csv",
            filename=f"unmatched-{key}.csv",
        )

    def _file_of(self, key: str) -> ContactList:
        segment = lifecycle.find_segment(key, actor=self.actor)
        if segment.source != Segment.Source.CSV:
            message = gettext("The members of segment “%(name)s” do not come from a file.")
            raise SegmentNotFromFile(message % {"name": segment.name}, key=segment.key)
        if segment.contact_list is None:
            raise UnmatchedGone(gettext("The file is not read yet."))
        return segment.contact_list
