"""Audiences in the API: segments mirrored as lists at vendors."""

from typing import Any

from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from segments import lifecycle
from segments.audiences import audiences, renaming
from segments.audiences.models import Audience
from segments.errors import AudienceUnknown
from segments.models import Segment
from workspace.api.serializers import StrictSerializer
from workspace.api.views import ApiViewSet


class AudienceCreationSerializer(StrictSerializer):
    """To which account a segment is sent."""

    connection = serializers.IntegerField(help_text=_("The id of an external authorization."))
    name = serializers.CharField(
        required=False,
        allow_blank=True,
        help_text=_("Of the list there; the segment's where none is given."),
    )
    consent = serializers.CharField(
        required=False,
        allow_blank=True,
        help_text=_("The key of a consent: only who gave it is put on the list."),
    )


class AudienceChangeSerializer(StrictSerializer):
    """What can be changed of an audience."""

    name = serializers.CharField(help_text=_("Of the list there, which is renamed at once."))


class AudienceSerializer(serializers.ModelSerializer[Audience]):
    """A segment mirrored as a list; the counts are those of the last synchronization."""

    segment = serializers.SlugRelatedField[Segment](slug_field="key", read_only=True)
    consent = serializers.SerializerMethodField()
    list = serializers.SerializerMethodField(help_text=_("The name of the list as it was made."))
    there = serializers.IntegerField(source="there_count")
    without_address = serializers.IntegerField(source="nameless_count")
    held_back = serializers.IntegerField(source="held_back_count")
    refused = serializers.IntegerField(source="refused_count")

    class Meta:
        model = Audience
        fields = (
            *("id", "segment", "connection", "name", "list", "consent", "state", "created_at"),
            *("last_sync_at", "there", "without_address", "held_back", "refused", "error"),
        )

    def get_consent(self, audience: Audience) -> str | None:
        return None if audience.consent is None else audience.consent.key

    def get_list(self, audience: Audience) -> str:
        return audience.list_name


_DELETE_LIST = OpenApiParameter(
    "delete_list",
    OpenApiTypes.BOOL,
    description="Whether the list is deleted at the vendor, too. Default: it stays there.",
)


class AudienceViewSet(ApiViewSet):
    """Audiences of a segment. Whoever sees the segment sees them."""

    queryset = Audience.objects.all()
    lookup_value_regex = r"\d{1,18}"
    query_names = {"destroy": ("delete_list",)}
    # The vendor is asked before anything is written, and may take its time.
    committing = frozenset({"partial_update"})
    permissions = {
        "list": audiences.VIEW,
        "create": audiences.CHANGE,
        "retrieve": audiences.VIEW,
        "partial_update": audiences.CHANGE,
        "destroy": audiences.CHANGE,
        "pause": audiences.CHANGE,
        "resume": audiences.CHANGE,
    }

    def segment(self) -> Segment:
        """The segment of the address. Raises SegmentUnknown, also outside one's user groups."""
        return lifecycle.find_segment(self.kwargs["key"], actor=self.actor)

    def get_queryset(self) -> "QuerySet[Audience]":
        return audiences.visible_audiences(self.actor).select_related("segment", "consent")

    @extend_schema(responses=AudienceSerializer(many=True))
    def list(self, request: Request, key: str) -> Response:
        """The lists that mirror the segment."""
        return self.page(
            self.get_queryset().filter(segment=self.segment()), self.shapes(AudienceSerializer)
        )

    @extend_schema(request=AudienceCreationSerializer, responses={201: AudienceSerializer})
    def create(self, request: Request, key: str) -> Response:
        """Mirror the segment as a list; a worker begins at once."""
        segment = self.segment()
        given: dict[str, Any] = dict(self.read(AudienceCreationSerializer))
        begun = audiences.begin_audience(
            segment,
            connection_id=given.pop("connection"),
            actor=self.actor,
            at=timezone.now(),
            **given,
        )
        return Response(self._shown(begun), status=201)

    @extend_schema(responses=AudienceSerializer)
    def retrieve(self, request: Request, key: str, pk: str) -> Response:
        """One of them."""
        return Response(self._shown(self._found(pk)))

    @extend_schema(request=AudienceChangeSerializer, responses=AudienceSerializer)
    def partial_update(self, request: Request, key: str, pk: str) -> Response:
        """Rename it, and its list at the vendor, where a list or a segment must not have the name.

        409 while the list is being mirrored, or where the account is not active.
        """
        found = self._found(pk)
        given = self.read(AudienceChangeSerializer)
        renaming.rename_audience(found, **given, actor=self.actor, at=timezone.now())
        return Response(self._shown(self._found(pk)))

    @extend_schema(request=None, responses=AudienceSerializer)
    @action(detail=True, methods=["post"])
    def pause(self, request: Request, key: str, pk: str) -> Response:
        """Leave the list as it is, until it is resumed."""
        self.read_nothing()
        audiences.pause_audience(self._found(pk), actor=self.actor, at=timezone.now())
        return Response(self._shown(self._found(pk)))

    @extend_schema(request=None, responses=AudienceSerializer)
    @action(detail=True, methods=["post"])
    def resume(self, request: Request, key: str, pk: str) -> Response:
        """Mirror again, beginning at once."""
        self.read_nothing()
        audiences.resume_audience(self._found(pk), actor=self.actor, at=timezone.now())
        return Response(self._shown(self._found(pk)))

    @extend_schema(parameters=[_DELETE_LIST], responses={204: None})
    def destroy(self, request: Request, key: str, pk: str) -> Response:
        """Mirror no more; the list stays there, or is deleted by a worker."""
        deletes = request.query_params.get("delete_list", "") in {"true", "1"}
        audiences.end_audience(
            self._found(pk), delete_list=deletes, actor=self.actor, at=timezone.now()
        )
        return Response(status=204)

    def _found(self, pk: str) -> Audience:
        found = audiences.find_audience(int(pk), actor=self.actor)
        if found.segment_id != self.segment().pk:
            raise AudienceUnknown(str(_("There is no such audience of this segment.")))
        return found

    def _shown(self, audience: Audience) -> Any:
        return self.shape(AudienceSerializer, audience)
