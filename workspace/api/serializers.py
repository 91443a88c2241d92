"""Shapes that all rooms share, and the base of shapes that refuse what they do not know."""

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.reverse import reverse

from workspace.job_files import rejected_file
from workspace.models import Job


class StrictSerializer(serializers.Serializer[Any]):
    """A body whose fields are all named here: others are refused, not ignored."""

    default_error_messages = {
        "unknown_field": _("There is no such field. The fields are: {known}."),
        "read_only": _("This field can be read, not written."),
    }

    def to_internal_value(self, data: Any) -> Any:
        refuse_unknown(self, data)
        return super().to_internal_value(data)


def refuse_unknown(serializer: serializers.Serializer[Any], data: Any) -> None:
    """Raise ValidationError for each key of `data` that `serializer` does not write."""
    if not isinstance(data, Mapping):
        return
    writable = {name for name, field in serializer.fields.items() if not field.read_only}
    faults: dict[str, list[serializers.ErrorDetail]] = {}
    for name in data:
        if name in writable:
            continue
        code = "read_only" if name in serializer.fields else "unknown_field"
        template = str(StrictSerializer.default_error_messages[code])
        message = template.format(known=", ".join(sorted(writable)))
        faults[name] = [serializers.ErrorDetail(message, code=code)]
    if faults:
        raise serializers.ValidationError(faults)


@extend_schema_field({})
class AnyJSONField(serializers.Field[Any, Any, Any, Any]):
    """Any JSON value, as it is: the room that gets it checks it."""

    def to_internal_value(self, data: Any) -> Any:
        return data

    def to_representation(self, value: Any) -> Any:
        return value


class FaultSerializer(serializers.Serializer[Any]):
    """One fault of a request."""

    path = serializers.CharField(allow_blank=True)
    code = serializers.CharField()
    message = serializers.CharField()


class ProblemSerializer(serializers.Serializer[Any]):
    """Why a request failed (RFC 9457). `code` is stable; `detail` is for people."""

    type = serializers.CharField()
    title = serializers.CharField()
    status = serializers.IntegerField()
    code = serializers.CharField()
    detail = serializers.CharField()
    errors = FaultSerializer(many=True)  # type: ignore[assignment]  # a field, as RFC 9457 has it


class JobLinkSerializer(serializers.Serializer[Any]):
    """Where one can watch the work that a request started."""

    job = serializers.URLField()


class EmptySerializer(StrictSerializer):
    """A body without any field."""


class JobSerializer(serializers.ModelSerializer[Job]):
    """Long work and how far it is."""

    url = serializers.SerializerMethodField()
    subject = serializers.CharField(
        read_only=True, help_text=_("What it is about, as `segment:12`.")
    )
    total = serializers.IntegerField(
        read_only=True, allow_null=True, help_text=_("Unknown until it was counted.")
    )
    result = serializers.SerializerMethodField()

    class Meta:
        model = Job
        fields = (
            *("id", "url", "kind", "subject", "title", "state", "done", "total", "message"),
            *("result", "created_at", "started_at", "finished_at"),
        )
        read_only_fields = fields

    def get_url(self, job: Job) -> str:
        return job_address(job, self._request())

    def get_result(self, job: Job) -> dict[str, Any]:
        """What the job found; instead of where a file lies here, where one can fetch it."""
        result: dict[str, Any] = dict(job.result)
        if result.get("rejected_file"):
            address = reverse("api:job-rejected", args=[job.pk], request=self._request())
            result["rejected_file"] = address if rejected_file(job) else None
        return result

    def _request(self) -> Any:
        return self.context.get("request")


def job_address(job: Job, request: Any) -> str:
    """The absolute address of a job."""
    return str(reverse("api:job-detail", args=[job.pk], request=request))
