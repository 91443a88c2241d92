"""Members of the loyalty programme in the API: translation only."""

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from loyalty import members
from loyalty.models import Member
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
    joined_at = serializers.DateTimeField(required=False)
    left_at = serializers.DateTimeField(read_only=True)


class MemberViewSet(ApiViewSet):
    """The loyalty membership of one contact."""

    queryset = Member.objects.all()
    permissions = {
        "retrieve": "loyalty.view_member",
        "update": "loyalty.change_member",
        "partial_update": "loyalty.change_member",
        "destroy": "loyalty.change_member",
    }

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
