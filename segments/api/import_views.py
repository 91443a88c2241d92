"""Segments of other systems in the API: what can be imported, and where imported ones come from."""

from typing import Any

from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from integrations.models import VendorConnection
from segments import lifecycle
from segments.api.serializers import ImportedSerializer
from segments.errors import SegmentNotImported
from segments.imported import importing, offers
from segments.imported.offers import Offer
from segments.models import ImportedSegment, Segment, SkippedKey
from workspace.api.pages import Ordering, Place
from workspace.api.serializers import JobLinkSerializer, StrictSerializer, job_address
from workspace.api.views import ApiViewSet

_VIEW = "segments.view_segment"


class RemoteSegmentSerializer(serializers.Serializer[Any]):
    """A segment of another system; `segment` is the key of ours, where it is imported already."""

    id = serializers.CharField(source="remote.id")
    connection = serializers.SerializerMethodField()
    name = serializers.CharField(source="remote.name")
    kind = serializers.CharField(source="remote.kind", allow_blank=True)
    count = serializers.IntegerField(
        source="remote.count", allow_null=True, help_text=_("Null where that is not known soon.")
    )
    is_imported = serializers.BooleanField()
    segment = serializers.SerializerMethodField()

    def get_connection(self, offer: Any) -> int:
        return int(self.context["connection"])

    def get_segment(self, offer: Any) -> str | None:
        return None if offer.segment is None else offer.segment.key


class RemoteImportSerializer(StrictSerializer):
    """Which segments are to be imported, and what is to be said of ours."""

    connection = serializers.IntegerField(
        required=False, help_text=_("May be left out where the system has one connection only.")
    )
    segments = serializers.ListField(
        child=serializers.CharField(), help_text=_("Their ids in the other system.")
    )
    groups = serializers.ListField(
        child=serializers.CharField(), required=False, help_text=_("Names of user groups.")
    )
    members_only = serializers.BooleanField(default=True)
    mail_findings = serializers.BooleanField(default=True)


class RemoteImportStartedSerializer(JobLinkSerializer):
    """Where to watch the work, and the keys of the segments that it fills."""

    segments = serializers.ListField(child=serializers.CharField())


class ImportViewSet(ApiViewSet):
    """Segments that can be imported from the connections of one kind of system."""

    queryset = Segment.objects.all()
    permissions = {"offers": "segments.add_segment", "create": "segments.add_segment"}
    query_names = {"offers": ("connection", "counts")}
    action_orderings = {"offers": {"name": Ordering(("name",))}}
    # The other system is asked before anything is written.
    committing = frozenset({"create"})

    @extend_schema(
        responses=RemoteSegmentSerializer(many=True),
        filters=False,
        parameters=[
            OpenApiParameter(
                "connection",
                OpenApiTypes.INT,
                description="May be left out where the system has one connection only.",
            ),
            OpenApiParameter(
                "counts",
                OpenApiTypes.BOOL,
                description="Whether to ask how many are in each on the page, for up to 8 seconds.",
            ),
        ],
    )
    def offers(self, request: Request, kind: str) -> Response:
        """The segments of the other system by name, and which of them are imported."""
        asked = request.query_params.get("connection")
        if asked is not None and not (asked.isdecimal() and len(asked) < 10):
            message = ErrorDetail(gettext("It is the id of a connection."), code="invalid")
            raise ValidationError({"connection": [message]})
        connection = self._connection(kind, None if asked is None else int(asked))
        found = offers.offers(connection, actor=self.actor)
        counts = request.query_params.get("counts", "").lower() in {"1", "true"}

        def fetch(place: Place | None, is_backward: bool, limit: int) -> list[Offer]:
            rows = found[::-1] if is_backward else found
            if place is not None:
                rows = [
                    one
                    for one in rows
                    if (_place_of(one) < place if is_backward else _place_of(one) > place)
                ]
            return rows[:limit]

        page = self.walk(fetch, _place_of, lambda offer: offer)
        rows = page.data["results"]
        if counts:
            until = timezone.now() + offers.COUNTED_WITHIN
            rows = offers.counted(connection, rows, actor=self.actor, until=until)
        context = {**self.get_serializer_context(), "connection": connection.pk}
        page.data["results"] = RemoteSegmentSerializer(rows, many=True, context=context).data
        return page

    @extend_schema(request=RemoteImportSerializer, responses={202: RemoteImportStartedSerializer})
    def create(self, request: Request, kind: str) -> Response:
        """Make segments of some of them; a job reads who is in them, and so it goes on daily.

        One that is imported already is refused, so that asking twice makes nothing twice.
        """
        given = self.read(RemoteImportSerializer)
        connection = self._connection(kind, given.pop("connection", None))
        made, job = importing.import_segments(
            connection, given.pop("segments"), actor=self.actor, at=timezone.now(), **given
        )
        address = job_address(job, request)
        return Response({"job": address, "segments": [one.key for one in made]}, status=202)

    def _connection(self, kind: str, connection_id: int | None) -> VendorConnection:
        if connection_id is not None:
            return offers.find_importable(connection_id, actor=self.actor, kind=kind)
        found = list(offers.importable_connections(self.actor, kind=kind)[:2])
        if len(found) == 1:
            return found[0]
        words = gettext("Say which connection is meant: there is more than one.")
        if not found:
            words = gettext("There is no connection whose segments could be imported.")
        raise ValidationError({"connection": [ErrorDetail(words, code="required")]})


def _place_of(offer: Offer) -> Place:
    return offer.remote.name.casefold(), offer.remote.id


class SkippedKeySerializer(serializers.ModelSerializer[SkippedKey]):
    """Somebody of the other system who did not come in."""

    class Meta:
        model = SkippedKey
        fields = ("place", "key", "reason")


class ImportedSegmentViewSet(ApiViewSet):
    """Where one imported segment comes from."""

    queryset = Segment.objects.all()
    lookup_field = "key"
    orderings = {"place": Ordering(("place",))}
    action_orderings = {"skipped": {"place": Ordering(("place",))}}
    permissions = {
        "retrieve": _VIEW,
        "sync": "segments.refresh_segment",
        "stop": "segments.change_segment",
        "skipped": "contacts.view_contact",
    }

    @extend_schema(responses=ImportedSerializer)
    def retrieve(self, request: Request, key: str) -> Response:
        """Where the segment comes from, and how its last reading went."""
        return Response(self.shape(ImportedSerializer, self._imported(key)))

    @extend_schema(request=None, responses={202: JobLinkSerializer})
    def sync(self, request: Request, key: str) -> Response:
        """Read the segment of the other system now, as a job."""
        self.read_nothing()
        segment = lifecycle.find_segment(key, actor=self.actor)
        return self.started(importing.request_sync(segment, actor=self.actor, at=timezone.now()))

    @extend_schema(request=None, responses=ImportedSerializer)
    def stop(self, request: Request, key: str) -> Response:
        """Read nothing more for the segment: it keeps its last members."""
        self.read_nothing()
        segment = lifecycle.find_segment(key, actor=self.actor)
        importing.stop_importing(segment, actor=self.actor, at=timezone.now())
        return Response(self.shape(ImportedSerializer, self._imported(key)))

    @extend_schema(responses=SkippedKeySerializer(many=True), filters=False)
    def skipped(self, request: Request, key: str) -> Response:
        """Whom the last reading left out: the first ten thousand."""
        rows = SkippedKey.objects.filter(segment=self._imported(key))
        return self.page(rows, self.shapes(SkippedKeySerializer))

    def _imported(self, key: str) -> ImportedSegment:
        segment = lifecycle.find_segment(key, actor=self.actor)
        found = importing.find_imported(segment)
        if found is None:
            words = gettext("The members of segment “%(name)s” are not read from another system.")
            raise SegmentNotImported(words % {"name": segment.name}, key=segment.key)
        return found
