"""The shapes of exports and their schedules in the API."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, TypeVar

from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from segments import exports, lifecycle
from segments.api.serializers import CriteriaField, EverySerializer
from segments.export_files import Layout
from segments.export_settings import Wanted
from segments.masks import Mask
from segments.models import Export, ExportSchedule, ExportSettings, Segment
from workspace.access import Actor, actor_of
from workspace.api.serializers import StrictSerializer, job_address
from workspace.errors import InputInvalid, Problem

_Kept = TypeVar("_Kept", bound=ExportSettings)
_SETTINGS = (
    *("segment", "criteria", "everyone", "columns", "headers", "format", "separator", "encoding"),
    *("unfitting", "decimal_mark", "groups", "mail_when_ready"),
)
_LAYOUT = ("separator", "encoding", "unfitting", "decimal_mark")


class _SettingsSerializer(serializers.ModelSerializer[_Kept]):
    """What was asked for."""

    segment = serializers.SlugRelatedField[Segment](slug_field="key", read_only=True)
    criteria = serializers.SerializerMethodField()
    everyone = serializers.SerializerMethodField()
    headers = serializers.DictField(child=serializers.CharField())
    groups = serializers.SerializerMethodField()
    created_by = serializers.SerializerMethodField()

    @extend_schema_field({"type": ["object", "null"], "additionalProperties": True})
    def get_criteria(self, kept: ExportSettings) -> Any:
        return self._mask().of(kept.criteria)

    def get_everyone(self, kept: ExportSettings) -> bool:
        return kept.segment_id is None and kept.criteria is None

    def get_groups(self, kept: ExportSettings) -> list[str]:
        actor = self._actor()
        return sorted(
            group.name
            for group in kept.groups.all()
            if actor.is_admin or group.pk in actor.group_ids
        )

    def get_created_by(self, kept: ExportSettings) -> str:
        if kept.user is not None:
            return kept.user.get_full_name() or kept.user.get_username()
        return kept.api_user.name if kept.api_user is not None else ""

    def _mask(self) -> Mask:
        """One for all rows of the answer."""
        context: Any = self.context
        mask: Mask = context.setdefault("mask", Mask(self._actor()))
        return mask

    def _actor(self) -> Actor:
        return actor_of(self.context["request"])


class ExportSerializer(_SettingsSerializer[Export]):
    """A file of contacts."""

    state = serializers.SerializerMethodField()
    download = serializers.SerializerMethodField()
    job = serializers.SerializerMethodField()

    class Meta:
        model = Export
        fields = (
            *("id", *_SETTINGS, "state", "failure", "rows", "replaced_rows", "size"),
            *("created_at", "created_by", "expires_at", "schedule", "download", "job"),
        )

    @extend_schema_field(serializers.ChoiceField(choices=Export.State.choices))
    def get_state(self, export: Export) -> str:
        return str(exports.state_of(export, at=timezone.now()))

    @extend_schema_field(serializers.URLField(allow_null=True))
    def get_download(self, export: Export) -> str | None:
        if exports.state_of(export, at=timezone.now()) != Export.State.READY:
            return None
        address: str = self.context["request"].build_absolute_uri(
            f"/api/exports/{export.pk}/download/"
        )
        return address

    @extend_schema_field(serializers.URLField(allow_null=True))
    def get_job(self, export: Export) -> str | None:
        if export.job is None:
            return None
        return job_address(export.job, self.context.get("request"))


class ExportScheduleSerializer(_SettingsSerializer[ExportSchedule]):
    """An export that is made again and again."""

    every = serializers.SerializerMethodField()
    last_export = serializers.IntegerField(source="last_export_id", allow_null=True)

    class Meta:
        model = ExportSchedule
        fields = (
            *("id", "name", *_SETTINGS, "mode", "every", "enabled", "stopped_reason"),
            *("next_run_at", "last_run_at", "last_export", "created_at", "created_by"),
        )

    @extend_schema_field(EverySerializer(allow_null=True))
    def get_every(self, schedule: ExportSchedule) -> dict[str, Any] | None:
        if schedule.mode != ExportSchedule.Mode.INTERVAL:
            return None
        return {"amount": schedule.amount, "unit": schedule.unit}


class _WantedSerializer(StrictSerializer):
    """What may be asked for."""

    segment = serializers.CharField(required=False, allow_null=True)
    criteria = CriteriaField(
        required=False,
        allow_null=True,
        help_text=gettext_lazy("With a segment: its members for whom they hold."),
    )
    everyone = serializers.BooleanField(
        required=False, help_text=gettext_lazy("All contacts: neither a segment nor criteria.")
    )
    columns = serializers.ListField(
        child=serializers.CharField(),
        required=False,
        help_text=gettext_lazy("Fields, as `email`, `attributes.color`, `tags` or `consents.*`."),
    )
    headers = serializers.DictField(
        child=serializers.CharField(trim_whitespace=False),
        required=False,
        help_text=gettext_lazy("What columns are called in the file, by their names."),
    )
    format = serializers.ChoiceField(choices=ExportSettings.Format.choices, required=False)
    separator = serializers.ChoiceField(choices=ExportSettings.Separator.choices, required=False)
    encoding = serializers.ChoiceField(choices=ExportSettings.Encoding.choices, required=False)
    unfitting = serializers.ChoiceField(
        choices=ExportSettings.Unfitting.choices,
        required=False,
        help_text=gettext_lazy("What becomes of letters that the encoding lacks."),
    )
    decimal_mark = serializers.ChoiceField(
        choices=ExportSettings.DecimalMark.choices, required=False
    )
    groups = serializers.ListField(
        child=serializers.CharField(),
        required=False,
        help_text=gettext_lazy("Names of user groups."),
    )
    mail_when_ready = serializers.BooleanField(required=False)


class ExportCreationSerializer(_WantedSerializer):
    """What to export: the members of a segment, whom criteria describe, or everyone.

    A body that says nothing of these and names no columns either is refused.
    """

    bom = serializers.BooleanField(
        required=False,
        help_text=gettext_lazy("Begin a CSV with the mark that spreadsheets look for."),
    )


class ExportScheduleChangeSerializer(_WantedSerializer):
    """What can be changed of a schedule."""

    name = serializers.CharField(required=False, allow_blank=True)
    mode = serializers.ChoiceField(choices=ExportSchedule.Mode.choices, required=False)
    every = EverySerializer(required=False, allow_null=True)
    enabled = serializers.BooleanField(required=False)
    next_run_at = serializers.DateTimeField(required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """The times as `segments.export_schedules` names them."""
        if "every" in attrs:
            every: Mapping[str, Any] = attrs.pop("every") or {}
            attrs |= {"amount": every.get("amount"), "unit": every.get("unit", "")}
        if "next_run_at" in attrs:
            attrs["first_run_at"] = attrs.pop("next_run_at")
        return attrs


class ExportScheduleCreationSerializer(ExportScheduleChangeSerializer):
    """A new schedule; without a mode it runs by the clock."""


def read_wanted(given: dict[str, Any], *, actor: Actor, before: Wanted | None = None) -> Wanted:
    """Take what is asked for out of a body, on top of what there was before.

    Raises SegmentUnknown; InputInvalid where it is not said whom.
    """
    wanted = before or Wanted()
    is_everyone = given.pop("everyone", False)
    names_whom = any(given.get(name) is not None for name in ("segment", "criteria"))
    if is_everyone and names_whom:
        _refuse(_("Everyone is neither a segment nor whom criteria describe."))
    if before is None and not (is_everyone or names_whom or "columns" in given):
        _refuse(_("Say whom: a “segment”, “criteria”, or “everyone”: true."))
    if is_everyone:
        wanted = replace(wanted, segment=None, criteria=None)
    if "segment" in given:
        key = given.pop("segment")
        segment = None if key is None else lifecycle.find_segment(key, actor=actor)
        wanted = replace(wanted, segment=segment)
    layout = {name: given.pop(name) for name in _LAYOUT if name in given}
    if given.pop("bom", False) and given.get("format", "csv") == ExportSettings.Format.CSV:
        layout.setdefault("encoding", ExportSettings.Encoding.UTF_8_BOM)
    if given.get("format", wanted.file_format) != ExportSettings.Format.CSV:
        # A schedule that changes from CSV to another format leaves behind what only a CSV has.
        wanted = replace(wanted, layout=Layout())
    others: dict[str, Any] = {
        name: given.pop(name)
        for name in ("criteria", "columns", "headers", "groups", "mail_when_ready")
        if name in given
    }
    if "format" in given:
        others["file_format"] = given.pop("format")
    return replace(wanted, layout=replace(wanted.layout, **layout), **others)


def _refuse(message: str) -> None:
    raise InputInvalid(message, problems=[Problem("everyone", "required", message)])
