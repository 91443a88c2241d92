"""Exports in the API."""

from typing import Any

from django.db.models import QuerySet
from django.http import FileResponse
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from segments import exports, lifecycle
from segments.api.serializers import ExportCreationSerializer, ExportSerializer
from segments.filtersets import ExportFilterSet
from segments.models import Export
from workspace.api import permissions
from workspace.api.pages import NEWEST_FIRST
from workspace.api.views import ApiViewSet


class ExportViewSet(ApiViewSet):
    """Files of contacts. Everybody sees those that he asked for, an administrator all."""

    queryset = Export.objects.all()
    filterset_class = ExportFilterSet
    orderings = NEWEST_FIRST
    lookup_value_regex = r"\d{1,18}"
    permissions = {
        "list": "segments.view_export",
        "create": "segments.export_segment",
        "retrieve": "segments.view_export",
        "download": "segments.export_segment",
    }

    def get_queryset(self) -> "QuerySet[Export]":
        return exports.visible_exports(self.actor)

    @extend_schema(responses=ExportSerializer(many=True))
    def list(self, request: Request) -> Response:
        """The files that one asked for, the newest first."""
        return self.page(self.filter_queryset(self.get_queryset()), self.shapes(ExportSerializer))

    @extend_schema(request=ExportCreationSerializer, responses={202: ExportSerializer})
    def create(self, request: Request) -> Response:
        """Have a file written, as a job."""
        given = self.read(ExportCreationSerializer)
        key = given.pop("segment", None)
        if key is None:
            # Who is in a segment is the segment's; whom else we know is not.
            permissions.check(self.actor, "contacts.view_contact")
        export = exports.request_export(
            actor=self.actor,
            at=timezone.now(),
            segment=None if key is None else lifecycle.find_segment(key, actor=self.actor),
            file_format=given.pop("format"),
            **given,
        )
        return Response(self.shape(ExportSerializer, export), status=202)

    @extend_schema(responses=ExportSerializer)
    def retrieve(self, request: Request, pk: str) -> Response:
        """One export."""
        export = exports.find_export(int(pk), actor=self.actor)
        return Response(self.shape(ExportSerializer, export))

    @extend_schema(responses={(200, "application/octet-stream"): OpenApiTypes.BINARY})
    @action(detail=True, methods=["get"])
    def download(self, request: Request, pk: str) -> Any:
        """The file, while it is kept. The audit trail notes who fetched it."""
        export = exports.find_export(int(pk), actor=self.actor)
        path = exports.file_to_download(export, actor=self.actor, at=timezone.now())
        return FileResponse(
            path.open("rb"), as_attachment=True, filename=exports.download_name(export)
        )
