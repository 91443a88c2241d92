"""Exports and their schedules in the API."""

from typing import Any

from django.db.models import OuterRef, QuerySet, Subquery
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from segments import export_schedules, exports
from segments.api.export_serializers import (
    ExportCreationSerializer,
    ExportScheduleChangeSerializer,
    ExportScheduleCreationSerializer,
    ExportScheduleSerializer,
    ExportSerializer,
    read_wanted,
)
from segments.errors import ExportScheduleUnknown, ExportUnknown
from segments.export_downloads import file_answer
from segments.export_settings import Wanted, wanted_of
from segments.filtersets import ExportFilterSet, ExportScheduleFilterSet
from segments.models import Export, ExportSchedule
from workspace.api import permissions
from workspace.api.pages import NEWEST_FIRST
from workspace.api.serializers import EmptySerializer
from workspace.api.views import ApiViewSet


class ExportViewSet(ApiViewSet):
    """Files of contacts. Everybody sees his own and those of his user groups, an admin all."""

    queryset = Export.objects.all()
    filterset_class = ExportFilterSet
    orderings = NEWEST_FIRST
    lookup_value_regex = r"\d{1,18}"
    permissions = {
        "list": "segments.view_export",
        "create": "segments.export_segment",
        "retrieve": "segments.view_export",
        "destroy": "segments.export_segment",
        "download": "segments.export_segment",
    }

    def get_queryset(self) -> "QuerySet[Export]":
        return exports.visible_exports(self.actor).exclude(state=Export.State.DELETED)

    @extend_schema(responses=ExportSerializer(many=True))
    def list(self, request: Request) -> Response:
        """The files that one may see, the newest first."""
        return self.page(self.filter_queryset(self.get_queryset()), self.shapes(ExportSerializer))

    @extend_schema(request=ExportCreationSerializer, responses={202: ExportSerializer})
    def create(self, request: Request) -> Response:
        """Have a file written, as a job."""
        given = self.read(ExportCreationSerializer)
        wanted = read_wanted(given, actor=self.actor)
        self._check_whom(wanted)
        export = exports.request_wanted(wanted, actor=self.actor, at=timezone.now())
        return Response(self.shape(ExportSerializer, export), status=202)

    @extend_schema(responses=ExportSerializer)
    def retrieve(self, request: Request, pk: str) -> Response:
        """One export."""
        return Response(self.shape(ExportSerializer, self._export(pk)))

    @extend_schema(responses={204: None})
    def destroy(self, request: Request, pk: str) -> Response:
        """Delete the file now; one that is still being written is cancelled."""
        exports.delete_file(self._export(pk), actor=self.actor, at=timezone.now())
        return Response(status=204)

    @extend_schema(responses={(200, "application/octet-stream"): OpenApiTypes.BINARY})
    @action(detail=True, methods=["get"])
    def download(self, request: Request, pk: str) -> Any:
        """The file, while it is kept. The audit trail notes who fetched it."""
        export = self._export(pk)
        path = exports.file_to_download(export, actor=self.actor, at=timezone.now())
        return file_answer(export, path)

    def _export(self, pk: str) -> Export:
        export = exports.find_export(int(pk), actor=self.actor)
        if export.state == Export.State.DELETED:
            raise ExportUnknown.of(int(pk))
        return export

    def _check_whom(self, wanted: Wanted) -> None:
        if wanted.segment is None:
            # Who is in a segment is the segment's; whom else we know is not.
            permissions.check(self.actor, "contacts.view_contact")


class ExportScheduleViewSet(ApiViewSet):
    """Exports that are made again and again, as who made the schedule.

    One that may not run any more stops: it is not `enabled` and has a `stopped_reason`.
    """

    queryset = ExportSchedule.objects.all()
    filterset_class = ExportScheduleFilterSet
    orderings = NEWEST_FIRST
    lookup_value_regex = r"\d{1,18}"
    permissions = {
        "list": "segments.view_export",
        "create": "segments.export_segment",
        "retrieve": "segments.view_export",
        "partial_update": "segments.export_segment",
        "destroy": "segments.export_segment",
        "run": "segments.export_segment",
    }

    def get_queryset(self) -> "QuerySet[ExportSchedule]":
        last = Export.objects.filter(schedule=OuterRef("pk")).order_by("-pk").values("pk")[:1]
        schedules = export_schedules.visible_schedules(self.actor)
        return schedules.annotate(last_export_id=Subquery(last))

    @extend_schema(responses=ExportScheduleSerializer(many=True))
    def list(self, request: Request) -> Response:
        """The schedules that one may see, the newest first."""
        found = self.filter_queryset(self.get_queryset())
        return self.page(found, self.shapes(ExportScheduleSerializer))

    @extend_schema(
        request=ExportScheduleCreationSerializer, responses={201: ExportScheduleSerializer}
    )
    def create(self, request: Request) -> Response:
        """Have an export made every so often, or after each refresh of its segment."""
        given = self.read(ExportScheduleCreationSerializer)
        wanted = read_wanted(given, actor=self.actor)
        if wanted.segment is None:
            permissions.check(self.actor, "contacts.view_contact")
        schedule = export_schedules.create_schedule(
            wanted, actor=self.actor, at=timezone.now(), **given
        )
        return Response(self._shaped(schedule.pk), status=201)

    @extend_schema(responses=ExportScheduleSerializer)
    def retrieve(self, request: Request, pk: str) -> Response:
        """One schedule."""
        return Response(self._shaped(int(pk)))

    @extend_schema(request=ExportScheduleChangeSerializer, responses=ExportScheduleSerializer)
    def partial_update(self, request: Request, pk: str) -> Response:
        """Change what is named; `enabled: true` takes up again one that stopped."""
        schedule = self._schedule(int(pk))
        given = self.read(ExportScheduleChangeSerializer)
        wanted = read_wanted(given, actor=self.actor, before=wanted_of(schedule))
        export_schedules.update_schedule(
            schedule, actor=self.actor, at=timezone.now(), wanted=wanted, **given
        )
        return Response(self._shaped(schedule.pk))

    @extend_schema(responses={204: None})
    def destroy(self, request: Request, pk: str) -> Response:
        """Take a schedule away; files that it made stay as long as others do."""
        export_schedules.delete_schedule(
            self._schedule(int(pk)), actor=self.actor, at=timezone.now()
        )
        return Response(status=204)

    @extend_schema(request=EmptySerializer, responses={202: ExportSerializer})
    @action(detail=True, methods=["post"])
    def run(self, request: Request, pk: str) -> Response:
        """Make a file at once, besides those at their time."""
        self.read_nothing()
        export = export_schedules.run_now(
            self._schedule(int(pk)), actor=self.actor, at=timezone.now()
        )
        return Response(self.shape(ExportSerializer, export), status=202)

    def _schedule(self, schedule_id: int) -> ExportSchedule:
        schedule = self.get_queryset().filter(pk=schedule_id).first()
        if schedule is None:
            raise ExportScheduleUnknown.of(schedule_id)
        return schedule

    def _shaped(self, schedule_id: int) -> Any:
        return self.shape(ExportScheduleSerializer, self._schedule(schedule_id))
