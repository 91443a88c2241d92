"""Fixed lists in the API: segments of who was in another one, or who came or went."""

from typing import Any

from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from segments import fixed_lists, lifecycle
from segments.api.file_views import FileSegmentStartedSerializer
from segments.fixed_lists import Choice
from segments.models import Segment
from workspace.api.serializers import StrictSerializer, job_address
from workspace.api.views import ApiViewSet


class FixedListSerializer(StrictSerializer):
    """Who is to be on the list, and the settings of the new segment."""

    of = serializers.ChoiceField(
        choices=["members", "entered", "left"],
        help_text=_("The members at `until`, or who came or went from `since` to `until`."),
    )
    since = serializers.DateTimeField(
        required=False, allow_null=True, help_text=_("Default: the beginning.")
    )
    until = serializers.DateTimeField(required=False, help_text=_("Default: now."))
    name = serializers.CharField()
    key = serializers.CharField(required=False)
    description = serializers.CharField(required=False, allow_blank=True)
    groups = serializers.ListField(
        child=serializers.CharField(), required=False, help_text=_("Names of user groups.")
    )
    members_only = serializers.BooleanField(required=False)
    readiness_hours = serializers.IntegerField(required=False, allow_null=True)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """A span has its beginning before its end; the members of a moment have no span."""
        since, until = attrs.get("since"), attrs.get("until")
        if since is not None and attrs["of"] == "members":
            message = gettext("The members of a moment have no beginning: leave it out.")
            raise serializers.ValidationError({"since": message}, code="not_applicable")
        if since is not None and until is not None and since > until:
            message = gettext("The beginning is after the end.")
            raise serializers.ValidationError({"since": message}, code="out_of_range")
        return attrs


class FixedListViewSet(ApiViewSet):
    """Segments that are fixed lists."""

    queryset = Segment.objects.all()
    lookup_field = "key"
    permissions = {"create": "segments.add_segment"}

    @extend_schema(request=FixedListSerializer, responses={202: FileSegmentStartedSerializer})
    def create(self, request: Request, key: str) -> Response:
        """Make a segment of those who were in this one, or entered or left it, as a job."""
        now = timezone.now()
        segment, given = (
            lifecycle.find_segment(key, actor=self.actor),
            self.read(FixedListSerializer),
        )
        choice = Choice(segment, given.pop("of"), given.pop("until", now), given.pop("since", None))
        made, job = fixed_lists.request_list(choice, actor=self.actor, at=now, **given)
        return Response({"job": job_address(job, request), "segment": made.key}, status=202)
