"""Test profiles in the API."""

from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from contacts.profiles import get_contact
from journeys.models import TestProfile
from journeys.trying import profiles
from segments.lifecycle import find_segment
from workspace.api.pages import Ordering
from workspace.api.serializers import StrictSerializer
from workspace.api.views import ApiViewSet

_AT_A_TIME = 1000


class TestProfileSerializer(serializers.Serializer[TestProfile]):
    """A contact with whom journeys are tested."""

    contact_id = serializers.IntegerField()
    email = serializers.CharField(source="contact.email")
    first_name = serializers.CharField(source="contact.first_name")
    last_name = serializers.CharField(source="contact.last_name")
    added_at = serializers.DateTimeField()


class TestProfileAdditionSerializer(StrictSerializer):
    """Whom to add: contacts by number, or all who are in a segment now."""

    contact_ids = serializers.ListField(
        child=serializers.IntegerField(min_value=1, max_value=2**63 - 1),
        required=False,
        allow_empty=False,
        max_length=_AT_A_TIME,
    )
    segment = serializers.CharField(required=False, max_length=63)


class TestProfilesAddedSerializer(serializers.Serializer[object]):
    """Those who were none before."""

    added = serializers.ListField(child=serializers.IntegerField())


class TestProfileViewSet(ApiViewSet):
    """The contacts with whom journeys may be tested."""

    queryset = TestProfile.objects.all()
    orderings = {
        "contact_id": Ordering(("contact_id",)),
        "-contact_id": Ordering(("contact_id",), is_descending=True),
    }
    lookup_field = "contact_id"
    lookup_value_regex = r"\d{1,18}"
    permissions = {
        "list": "journeys.view_testprofile",
        "create": profiles.ADD,
        "destroy": profiles.REMOVE,
    }

    def get_queryset(self) -> "QuerySet[TestProfile]":
        return profiles.known_profiles()

    @extend_schema(responses=TestProfileSerializer(many=True))
    def list(self, request: Request) -> Response:
        """Test profiles, by the numbers of their contacts."""
        rows = self.filter_queryset(self.get_queryset())
        return self.page(rows, self.shapes(TestProfileSerializer))

    @extend_schema(
        request=TestProfileAdditionSerializer, responses={201: TestProfilesAddedSerializer}
    )
    def create(self, request: Request) -> Response:
        """Make contacts test profiles. Who is one stays one."""
        given = self.read(TestProfileAdditionSerializer)
        if ("segment" in given) == ("contact_ids" in given):
            message = _("Name either contact_ids or a segment.")
            raise ValidationError({"contact_ids": [ErrorDetail(message, code="one_of")]})
        at = timezone.now()
        if "segment" in given:
            segment = find_segment(given["segment"], actor=self.actor)
            added = profiles.mark_members(segment, actor=self.actor, at=at)
        else:
            added = profiles.mark(given["contact_ids"], actor=self.actor, at=at)
        return Response({"added": added}, status=201)

    @extend_schema(responses={204: None})
    def destroy(self, request: Request, contact_id: str) -> Response:
        """Let a contact be no test profile any more; nothing happens to who is none."""
        contact = get_contact(int(contact_id))
        profiles.unmark([contact.pk], actor=self.actor, at=timezone.now())
        return Response(status=204)
