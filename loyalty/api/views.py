"""Members of the loyalty programme in the API: translation only."""

from collections.abc import Sequence
from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from loyalty import members
from loyalty.filtersets import MemberFilterSet
from loyalty.models import Member
from workspace.api.pages import Ordering
from workspace.api.serializers import StrictSerializer
from workspace.api.views import ApiViewSet

_POINTS_LIMIT = 2**53


class LoyaltyMemberSerializer(StrictSerializer):
    """Whether a contact is a member of the programme. Points are whole."""

    contact_id = serializers.IntegerField(read_only=True)
    is_member = serializers.BooleanField(read_only=True)
    card_number = serializers.CharField(max_length=60, allow_blank=True, required=False)
    tier = serializers.CharField(max_length=60, allow_blank=True, required=False)
    points = serializers.IntegerField(
        min_value=-_POINTS_LIMIT, max_value=_POINTS_LIMIT, required=False
    )
    points_earned = serializers.IntegerField(read_only=True)
    points_spent = serializers.IntegerField(read_only=True)
    joined_at = serializers.DateTimeField(required=False)
    left_at = serializers.DateTimeField(read_only=True)


class MemberViewSet(ApiViewSet):
    """The loyalty membership of contacts."""

    queryset = Member.objects.all()
    filterset_class = MemberFilterSet
    orderings = {
        "contact_id": Ordering(("contact_id",)),
        "-contact_id": Ordering(("contact_id",), is_descending=True),
    }
    permissions = {
        "list": "loyalty.view_member",
        "retrieve": "loyalty.view_member",
        "update": "loyalty.change_member",
        "partial_update": "loyalty.change_member",
        "destroy": "loyalty.change_member",
    }

    @extend_schema(responses=LoyaltyMemberSerializer(many=True))
    def list(self, request: Request) -> Response:
        """Members, and who was one."""
        rows = self.filter_queryset(self.get_queryset())
        return self.page(rows, _described)

    @extend_schema(responses=LoyaltyMemberSerializer)
    def retrieve(self, request: Request, contact_id: str) -> Response:
        """Whether the contact is a member, or was one."""
        return self._answer(contact_id)

    @extend_schema(request=LoyaltyMemberSerializer, responses=LoyaltyMemberSerializer)
    def update(self, request: Request, contact_id: str) -> Response:
        """Have the contact join, or change what is named."""
        changes = self.read(LoyaltyMemberSerializer)
        members.save_member(int(contact_id), changes=changes, actor=self.actor, at=timezone.now())
        return self._answer(contact_id)

    @extend_schema(request=LoyaltyMemberSerializer, responses=LoyaltyMemberSerializer)
    def partial_update(self, request: Request, contact_id: str) -> Response:
        """The same as PUT."""
        return self.update(request, contact_id)

    @extend_schema(responses={200: LoyaltyMemberSerializer})
    def destroy(self, request: Request, contact_id: str) -> Response:
        """Have the contact leave the programme."""
        members.leave(int(contact_id), actor=self.actor, at=timezone.now())
        return self._answer(contact_id)

    def _answer(self, contact_id: str) -> Response:
        return Response(LoyaltyMemberSerializer(members.describe_member(int(contact_id))).data)


def _described(rows: Sequence[Member]) -> Sequence[Any]:
    return [LoyaltyMemberSerializer(members.shape_of(member)).data for member in rows]
