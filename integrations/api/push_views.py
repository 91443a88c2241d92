"""Connections for push messages in the API, and the devices of a contact."""

from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from contacts import profiles
from integrations.api.push_serializers import (
    AppConnectionSerializer,
    PushConnectionChangeSerializer,
    PushConnectionSerializer,
    PushReceiptSerializer,
    PushSubscriptionSerializer,
    PushTrialSerializer,
    RotatedKeySerializer,
)
from integrations.models import PushConnection, PushSubscription
from integrations.push import connections, subscriptions, trial
from workspace.api.pages import NEWEST_FIRST
from workspace.api.views import ApiViewSet
from workspace.exactjson import exact_dumps

_VIEW = "integrations.view_pushconnection"


class PushConnectionViewSet(ApiViewSet):
    """The ways by which messages come to browsers and apps."""

    queryset = PushConnection.objects.all()
    lookup_value_regex = r"\d{1,9}"
    permissions = {
        "list": _VIEW,
        "create": connections.ADD,
        "retrieve": _VIEW,
        "partial_update": connections.CHANGE,
        "rotate_key": connections.CHANGE,
        "test": connections.CHANGE,
    }
    # It waits for the other side, and keeps nothing.
    unwrapped = frozenset({"test"})

    @extend_schema(responses=PushConnectionSerializer(many=True))
    def list(self, request: Request) -> Response:
        """Connections, the oldest first; that to browsers once it was asked for its key."""
        rows = self.filter_queryset(PushConnection.objects.all())
        return self.page(rows, self.shapes(PushConnectionSerializer))

    @extend_schema(request=AppConnectionSerializer, responses={201: PushConnectionSerializer})
    def create(self, request: Request) -> Response:
        """Connect a Firebase project. There is one connection to apps at most."""
        given = self.read(AppConnectionSerializer)
        account = exact_dumps(given.pop("account"))
        made = connections.create_app_connection(
            account=account, actor=self.actor, at=timezone.now(), **given
        )
        return Response(self.shape(PushConnectionSerializer, made), status=201)

    @extend_schema(responses=PushConnectionSerializer)
    def retrieve(self, request: Request, pk: str) -> Response:
        """One connection."""
        return self._answer(int(pk))

    @extend_schema(request=PushConnectionChangeSerializer, responses=PushConnectionSerializer)
    def partial_update(self, request: Request, pk: str) -> Response:
        """Change what the body names. With `enabled` true what waits is sent first."""
        connection = connections.find_connection(int(pk))
        given, at = self.read(PushConnectionChangeSerializer), timezone.now()
        enabled = given.pop("enabled", None)
        if "account" in given:
            given["account"] = exact_dumps(given["account"])
        connections.change_connection(connection.pk, values=given, actor=self.actor, at=at)
        if enabled:
            connections.enable_connection(connection.pk, actor=self.actor, at=at)
        elif enabled is False:
            connections.disable_connection(connection.pk, actor=self.actor, at=at)
        return self._answer(connection.pk)

    @extend_schema(request=None, responses=RotatedKeySerializer)
    @action(detail=False, methods=["post"], url_path="rotate-key")
    def rotate_key(self, request: Request) -> Response:
        """Make a new key for browsers. Those that subscribed get nothing until they come back."""
        self.read_nothing()
        count = connections.rotate_key(actor=self.actor, at=timezone.now())
        connection = connections.web_push_connection(at=timezone.now())
        key = connection.settings["public_key"]
        return Response({"public_key": key, "ended_subscriptions": count})

    @extend_schema(request=PushTrialSerializer, responses=PushReceiptSerializer)
    @action(detail=True, methods=["post"])
    def test(self, request: Request, pk: str) -> Response:
        """Send a test message to one device at once; what its push service said."""
        given: dict[str, Any] = self.read(PushTrialSerializer)
        found = given.get("subscription")
        recipient = {**(found if isinstance(found, dict) else {}), "token": given.get("token", "")}
        receipt = trial.send_trial(
            int(pk), recipient=recipient, actor=self.actor, at=timezone.now()
        )
        return Response({"status": receipt.status, "reference": receipt.reference})

    def _answer(self, connection_id: int) -> Response:
        found = connections.find_connection(connection_id)
        return Response(self.shape(PushConnectionSerializer, found))


class ContactPushSubscriptionViewSet(ApiViewSet):
    """The browsers and apps that take messages for a contact."""

    queryset = PushSubscription.objects.all()
    orderings = NEWEST_FIRST
    permissions = {"list": subscriptions.VIEW, "remove": subscriptions.DELETE}

    @extend_schema(responses=PushSubscriptionSerializer(many=True), filters=False)
    def list(self, request: Request, contact_id: str) -> Response:
        """Devices of the contact, the newest first; those that ended are kept for 90 days."""
        contact = profiles.get_contact(int(contact_id))
        rows = subscriptions.subscriptions_of(contact.pk, actor=self.actor)
        return self.page(rows, self.shapes(PushSubscriptionSerializer))

    @extend_schema(responses={204: None})
    def remove(self, request: Request, contact_id: str, pk: str) -> Response:
        """Send nothing more to a device. A browser may subscribe again at its next visit."""
        self.read_nothing()
        contact = profiles.get_contact(int(contact_id))
        subscriptions.remove_subscription(contact.pk, int(pk), actor=self.actor, at=timezone.now())
        return Response(status=204)
