"""Actions on the members of a segment in the API."""

from datetime import datetime
from typing import Any

from django.db.models import Prefetch, QuerySet
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from segments import action_runs, action_undo, actions, lifecycle
from segments.errors import ActionNotUndoable
from segments.filtersets import ActionFilterSet
from segments.models import ExportSettings, Segment, SegmentAction, SegmentActionRun
from workspace.api.pages import NEWEST_FIRST
from workspace.api.serializers import JobLinkSerializer, StrictSerializer, job_address
from workspace.api.views import ApiViewSet

_VIEW = "segments.view_segment"
_RUNS_SHOWN = 20
_WORDS = (SegmentAction.Timing.NOW.value, SegmentAction.Timing.AFTER_REFRESH.value)


@extend_schema_field(OpenApiTypes.STR)
class WhenField(serializers.Field[Any, Any, Any, Any]):
    """“now”, “after_refresh”, or a time in ISO 8601 with its offset."""

    default_error_messages = {
        "invalid_choice": _("It is “now”, “after_refresh” or a time with its offset."),
    }

    def to_internal_value(self, data: Any) -> str | datetime:
        if data in _WORDS:
            return str(data)
        try:
            moment = datetime.fromisoformat(data)
        except (TypeError, ValueError):
            self.fail("invalid_choice")
        if moment.tzinfo is None:
            self.fail("invalid_choice")
        return moment

    def to_representation(self, value: Any) -> Any:
        return value


class ExportOfActionSerializer(StrictSerializer):
    """The file that an export action writes."""

    columns = serializers.ListField(child=serializers.CharField(), required=False)
    headers = serializers.DictField(child=serializers.CharField(), required=False)
    format = serializers.ChoiceField(choices=ExportSettings.Format.choices, required=False)
    separator = serializers.ChoiceField(choices=ExportSettings.Separator.choices, required=False)
    encoding = serializers.ChoiceField(choices=ExportSettings.Encoding.choices, required=False)
    unfitting = serializers.ChoiceField(choices=ExportSettings.Unfitting.choices, required=False)
    decimal_mark = serializers.ChoiceField(
        choices=ExportSettings.DecimalMark.choices, required=False
    )
    groups = serializers.ListField(child=serializers.CharField(), required=False)


class ActionCreationSerializer(StrictSerializer):
    """What shall be done with the members, and when."""

    kind = serializers.ChoiceField(choices=SegmentAction.Kind.choices)
    key = serializers.CharField(
        required=False,
        allow_null=True,
        allow_blank=True,
        help_text=_("Of the tag, category or consent; an export has none."),
    )
    when = WhenField(default=SegmentAction.Timing.NOW.value)
    reason = serializers.CharField(
        required=False,
        allow_blank=True,
        help_text=_("Of a consent: what the ledger says why."),
    )
    export = ExportOfActionSerializer(required=False)


class ActionRunSerializer(serializers.ModelSerializer[SegmentActionRun]):
    """One execution: what became of the members of one calculation.

    `skipped` says by reason how many were passed over: `withdrawn` (the contact itself withdrew
    the consent), `newer` (the ledger has a newer line), `erased`.
    """

    members = serializers.IntegerField(source="member_count", allow_null=True)
    changed = serializers.IntegerField(source="changed_count", allow_null=True)
    unchanged = serializers.IntegerField(source="unchanged_count", allow_null=True)
    skipped = serializers.DictField(child=serializers.IntegerField())
    undone = serializers.IntegerField(source="undone_count", allow_null=True)
    export = serializers.IntegerField(source="export_id", allow_null=True)
    job = serializers.SerializerMethodField()

    class Meta:
        model = SegmentActionRun
        fields = (
            *("id", "at", "state", "members", "changed", "unchanged", "skipped", "message"),
            *("finished_at", "undone_at", "undone", "export", "job"),
        )

    @extend_schema_field(serializers.URLField(allow_null=True))
    def get_job(self, run: SegmentActionRun) -> str | None:
        return None if run.job is None else job_address(run.job, self.context.get("request"))


class ActionSerializer(serializers.ModelSerializer[SegmentAction]):
    """An action; `message` says why it was refused, cancelled or failed, `runs` are the newest."""

    segment = serializers.SlugRelatedField[Segment](slug_field="key", read_only=True)
    when = serializers.SerializerMethodField()
    reason = serializers.SerializerMethodField()
    export = serializers.SerializerMethodField()
    message = serializers.CharField(source="reason")
    runs = serializers.SerializerMethodField()

    class Meta:
        model = SegmentAction
        fields = (
            *("id", "segment", "kind", "key", "when", "reason", "export", "state", "message"),
            *("author", "created_at", "finished_at", "runs"),
        )

    def get_when(self, action: SegmentAction) -> str:
        if action.planned_for is None:
            return action.timing
        return timezone.localtime(action.planned_for).isoformat()

    def get_reason(self, action: SegmentAction) -> str:
        return str(action.parameters.get("reason", ""))

    @extend_schema_field(ExportOfActionSerializer(allow_null=True))
    def get_export(self, action: SegmentAction) -> dict[str, Any] | None:
        settings: dict[str, Any] | None = action.parameters.get("export")
        return settings

    @extend_schema_field(ActionRunSerializer(many=True))
    def get_runs(self, action: Any) -> list[Any]:
        return [ActionRunSerializer(run, context=self.context).data for run in action.newest_runs]


class ActionUndoSerializer(StrictSerializer):
    """Which run shall be undone; the last that is done, where nothing is said."""

    run = serializers.IntegerField(required=False)


class ActionViewSet(ApiViewSet):
    """Actions on the members of a segment. Whoever sees the segment sees them."""

    queryset = SegmentAction.objects.all()
    filterset_class = ActionFilterSet
    orderings = NEWEST_FIRST
    lookup_value_regex = r"\d{1,18}"
    permissions = {
        "list": _VIEW,
        "create": action_runs.PERMISSION,
        "retrieve": _VIEW,
        "cancel": action_runs.PERMISSION,
        "undo": action_runs.PERMISSION,
    }

    def segment(self) -> Segment:
        """The segment of the address. Raises SegmentUnknown, also outside one's user groups."""
        return lifecycle.find_segment(self.kwargs["key"], actor=self.actor)

    def get_queryset(self) -> "QuerySet[SegmentAction]":
        runs = SegmentActionRun.objects.select_related("job").order_by("-pk")[:_RUNS_SHOWN]
        return (
            actions.known_actions(self.actor)
            .select_related("segment")
            .prefetch_related(Prefetch("runs", queryset=runs, to_attr="newest_runs"))
        )

    @extend_schema(responses=ActionSerializer(many=True))
    def list(self, request: Request, key: str) -> Response:
        """What is planned for the members of the segment and what was done, the newest first."""
        found = self.filter_queryset(self.get_queryset().filter(segment=self.segment()))
        return self.page(found, self.shapes(ActionSerializer))

    @extend_schema(request=ActionCreationSerializer, responses={201: ActionSerializer})
    def create(self, request: Request, key: str) -> Response:
        """Plan an action. What is due begins at once, or when the segment is ready."""
        segment, given = self.segment(), self.read(ActionCreationSerializer)
        planned = actions.plan_action(
            segment,
            actor=self.actor,
            at=timezone.now(),
            **{**given, "key": given.get("key") or ""},
        )
        return Response(self._shown(planned), status=201)

    @extend_schema(responses=ActionSerializer)
    def retrieve(self, request: Request, key: str, pk: str) -> Response:
        """One action with its newest runs."""
        return Response(self._shown(self._found(pk)))

    @extend_schema(request=None, responses=ActionSerializer)
    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, key: str, pk: str) -> Response:
        """Let the action run no more; what is being done is stopped, and leaves nothing."""
        self.read_nothing()
        actions.cancel_action(self._found(pk), actor=self.actor, at=timezone.now())
        return Response(self._shown(self._found(pk)))

    @extend_schema(request=ActionUndoSerializer, responses={202: JobLinkSerializer})
    @action(detail=True, methods=["post"])
    def undo(self, request: Request, key: str, pk: str) -> Response:
        """Take back what one run changed of tags or categories, as a job; once."""
        found, given = self._found(pk), self.read(ActionUndoSerializer)
        run = actions.run_to_undo(found, run_id=given.get("run"))
        if run is None:
            raise ActionNotUndoable(gettext("There is no such run that could be undone."))
        job = action_undo.request_undo(run, actor=self.actor, at=timezone.now())
        return self.started(job)

    def _found(self, pk: str) -> SegmentAction:
        return actions.find_action(self.segment(), int(pk))

    def _shown(self, action: SegmentAction) -> Any:
        return self.shape(ActionSerializer, self.get_queryset().get(pk=action.pk))
