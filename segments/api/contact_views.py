"""What this room adds to contacts in the API: their segments."""

from typing import Any

import django_filters
from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from contacts.models import Contact
from contacts.profiles import get_contact
from segments import members
from segments.api.serializers import SegmentOfContactSerializer
from segments.lifecycle import known_segments
from segments.models import Membership, Segment
from workspace import access
from workspace.api import permissions
from workspace.api.views import ApiViewSet

_VIEW = "segments.view_segment"


class ContactSegmentViewSet(ApiViewSet):
    """The segments of a contact, those that one may see."""

    queryset = Segment.objects.all()
    permissions = {"list": _VIEW}

    @extend_schema(responses=SegmentOfContactSerializer(many=True), filters=False)
    def list(self, request: Request, contact_id: str) -> Response:
        """The segments that the contact is in, and since when; all on one page."""
        contact = get_contact(int(contact_id))
        found = members.segments_of_contact(contact.pk, actor=self.actor)
        results = [
            {
                "key": segment.key,
                "name": segment.name,
                "status": segment.status,
                "entered_at": entered_at,
            }
            for segment, entered_at in found
        ]
        return Response({"next": None, "previous": None, "results": results})


class SegmentFilter(django_filters.CharFilter):  # type: ignore[misc]  # it comes untyped
    """Contacts in the segment of this key; none where one may not know of it."""

    def filter(self, qs: "QuerySet[Contact]", value: str) -> Any:
        if not value:
            return qs
        actor = access.actor_of(self.parent.request)
        permissions.check(actor, _VIEW)
        segment_id = known_segments(actor).filter(key=value).values_list("pk", flat=True).first()
        if segment_id is None:
            return qs.none()
        # By its id, so that the database knows how many it has: a small one is read first.
        within = Membership.objects.filter(segment_id=segment_id)
        return qs.filter(pk__in=within.values("contact_id"))
