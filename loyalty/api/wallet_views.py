"""The wallet of a contact in the API."""

from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from loyalty.gift_cards import states
from loyalty.models import Voucher
from loyalty.wallets import wallet
from workspace.api.views import ApiViewSet


class WalletCardSerializer(serializers.Serializer[Any]):
    """A card that a contact holds. `balance` is in minor units of `currency`."""

    code = serializers.CharField()
    campaign = serializers.CharField(source="campaign.key")
    campaign_name = serializers.CharField(source="campaign.name")
    balance = serializers.IntegerField(source="balance_minor")
    initial = serializers.IntegerField(source="initial_minor")
    currency = serializers.CharField()
    expires_at = serializers.DateTimeField(allow_null=True)
    state = serializers.ChoiceField(choices=list(states.STATES))


class WalletViewSet(ApiViewSet):
    """The cards that a contact holds."""

    queryset = Voucher.objects.all()
    permissions = {"list": "loyalty.view_voucher"}

    @extend_schema(responses=WalletCardSerializer(many=True), filters=False)
    def list(self, request: Request, contact_id: str) -> Response:
        """First those that can be used, what ends first before the rest; all at once."""
        cards = wallet.wallet_of(int(contact_id), actor=self.actor, at=timezone.now())
        return Response(self.shapes(WalletCardSerializer)(cards))
