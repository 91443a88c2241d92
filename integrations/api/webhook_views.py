"""Webhooks in the API, and what was sent."""

from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from integrations import announcements, dead_letters, deliveries, webhooks
from integrations.api.webhook_serializers import (
    ChosenLettersSerializer,
    CreatedWebhookSerializer,
    DeadLettersSerializer,
    DeletedSerializer,
    DeliverySerializer,
    DroppedSerializer,
    EventTypeSerializer,
    FullDeliverySerializer,
    RetriedSerializer,
    WebhookChangeSerializer,
    WebhookCreationSerializer,
    WebhookGraceSerializer,
    WebhookSerializer,
)
from integrations.filtersets import DeliveryFilterSet, WebhookFilterSet
from integrations.models import Delivery, Webhook
from workspace.api.pages import NEWEST_FIRST
from workspace.api.views import ApiViewSet

_VIEW, _CHANGE = "integrations.view_webhook", "integrations.change_webhook"


class WebhookViewSet(ApiViewSet):
    """Addresses of other systems that hear of what happens, each with a secret of its own."""

    queryset = Webhook.objects.all()
    filterset_class = WebhookFilterSet
    lookup_value_regex = r"\d{1,9}"
    permissions = {
        "list": _VIEW,
        "create": "integrations.add_webhook",
        "retrieve": _VIEW,
        "partial_update": _CHANGE,
        "destroy": "integrations.delete_webhook",
        "rotate_secret": _CHANGE,
        "test": _CHANGE,
        "retry_failed": deliveries.RETRY,
        "types": _VIEW,
    }

    @extend_schema(responses=WebhookSerializer(many=True))
    def list(self, request: Request) -> Response:
        """Webhooks, the oldest first."""
        return self.page(
            self.filter_queryset(Webhook.objects.all()), self.shapes(WebhookSerializer)
        )

    @extend_schema(request=WebhookCreationSerializer, responses={201: CreatedWebhookSerializer})
    def create(self, request: Request) -> Response:
        """Make a webhook that hears of these types from now on. The secret is told here only."""
        given = self.read(WebhookCreationSerializer)
        webhook, secret = webhooks.create_webhook(
            url=given["url"],
            types=given["types"],
            name=given.get("name", ""),
            is_enabled=given["enabled"],
            actor=self.actor,
            at=timezone.now(),
        )
        return Response(self._with_secret(webhook, secret), status=201)

    @extend_schema(responses=WebhookSerializer)
    def retrieve(self, request: Request, pk: str) -> Response:
        """One webhook."""
        return self._answer(int(pk))

    @extend_schema(request=WebhookChangeSerializer, responses=WebhookSerializer)
    def partial_update(self, request: Request, pk: str) -> Response:
        """Change what the body names. What waits goes to the new address.

        `enabled` true sends first what waits, or cancels it where `waiting` is `drop`.
        """
        webhook = webhooks.find_webhook(int(pk))
        given, at = self.read(WebhookChangeSerializer), timezone.now()
        waiting, enabled = given.pop("waiting"), given.pop("enabled", None)
        webhooks.change_webhook(webhook.pk, values=given, actor=self.actor, at=at)
        if enabled:
            webhooks.enable_webhook(webhook.pk, actor=self.actor, at=at, waiting=waiting)
        elif enabled is False:
            webhooks.disable_webhook(webhook.pk, actor=self.actor, at=at)
        return self._answer(webhook.pk)

    @extend_schema(responses=DeletedSerializer)
    def destroy(self, request: Request, pk: str) -> Response:
        """Delete a webhook with all of its deliveries, sent or not."""
        self.read_nothing()
        count = webhooks.delete_webhook(int(pk), actor=self.actor, at=timezone.now())
        return Response({"deleted_deliveries": count})

    @extend_schema(request=WebhookGraceSerializer, responses=CreatedWebhookSerializer)
    @action(detail=True, methods=["post"], url_path="rotate-secret")
    def rotate_secret(self, request: Request, pk: str) -> Response:
        """Give it a new secret, told in this answer only; we sign with the former one for a while.

        During that time the header has two signatures, of which one is right for either secret.
        """
        webhook = webhooks.find_webhook(int(pk))
        grace = self.read(WebhookGraceSerializer)["grace"]
        secret = webhooks.rotate_secret(
            webhook.pk, actor=self.actor, at=timezone.now(), grace=grace
        )
        return Response(self._with_secret(webhook, secret))

    @extend_schema(request=None, responses={202: DeliverySerializer})
    @action(detail=True, methods=["post"])
    def test(self, request: Request, pk: str) -> Response:
        """Send a message of the type `webhook.test`, once; its delivery says what came of it."""
        self.read_nothing()
        delivery = webhooks.send_test(int(pk), actor=self.actor, at=timezone.now())
        return Response(self.shape(DeliverySerializer, delivery), status=202)

    @extend_schema(request=None, responses=RetriedSerializer)
    @action(detail=True, methods=["post"], url_path="retry-failed")
    def retry_failed(self, request: Request, pk: str) -> Response:
        """Send all again that failed."""
        self.read_nothing()
        webhook = webhooks.find_webhook(int(pk))
        count = dead_letters.retry_dead_letters(webhook.pk, actor=self.actor, at=timezone.now())
        return Response({"retried": count})

    @extend_schema(responses=EventTypeSerializer(many=True), filters=False)
    @action(detail=False, methods=["get"])
    def types(self, request: Request) -> Response:
        """All types that one can hear of."""
        return Response(self.shapes(EventTypeSerializer)(announcements.registered_types()))

    def _answer(self, webhook_id: int) -> Response:
        return Response(self.shape(WebhookSerializer, webhooks.find_webhook(webhook_id)))

    def _with_secret(self, webhook: Webhook, secret: str) -> Any:
        context = {**self.get_serializer_context(), "secret": secret}
        return CreatedWebhookSerializer(webhook, context=context).data


class DeliveryViewSet(ApiViewSet):
    """What is sent to other systems: each message, its state, each attempt."""

    queryset = Delivery.objects.all()
    filterset_class = DeliveryFilterSet
    lookup_value_regex = r"\d{1,18}"
    orderings = NEWEST_FIRST
    permissions = {
        "list": "integrations.view_delivery",
        "retrieve": "integrations.view_delivery",
        "retry": deliveries.RETRY,
        "dead_letters": "integrations.view_delivery",
        "retry_dead_letters": deliveries.RETRY,
        "drop_dead_letters": deliveries.RETRY,
    }

    @extend_schema(responses=DeliverySerializer(many=True))
    def list(self, request: Request) -> Response:
        """Deliveries, the newest first."""
        rows = self.filter_queryset(deliveries.visible_deliveries(self.actor))
        return self.page(rows, self.shapes(DeliverySerializer))

    @extend_schema(responses=FullDeliverySerializer)
    def retrieve(self, request: Request, pk: str) -> Response:
        """One delivery with what it says, and each attempt, the newest first."""
        delivery = deliveries.find_delivery(int(pk), actor=self.actor)
        return Response(self.shape(FullDeliverySerializer, delivery))

    @extend_schema(request=None, responses=DeliverySerializer)
    @action(detail=True, methods=["post"])
    def retry(self, request: Request, pk: str) -> Response:
        """Send a delivery again that failed or was cancelled, under the same id."""
        self.read_nothing()
        delivery = deliveries.retry_delivery(int(pk), actor=self.actor, at=timezone.now())
        return Response(self.shape(DeliverySerializer, delivery))

    @extend_schema(responses=DeadLettersSerializer(many=True), filters=False)
    @action(detail=False, methods=["get"], url_path="dead-letters")
    def dead_letters(self, request: Request) -> Response:
        """What failed for good, by connection, type and reason, the largest group first."""
        found = dead_letters.find_dead_letters(actor=self.actor)
        return Response(self.shapes(DeadLettersSerializer)(found))

    @extend_schema(request=ChosenLettersSerializer, responses=RetriedSerializer)
    @action(detail=False, methods=["post"], url_path="dead-letters/retry")
    def retry_dead_letters(self, request: Request) -> Response:
        """Send all again that failed over a connection, or those of one type or reason."""
        given = self.read(ChosenLettersSerializer)
        count = dead_letters.retry_dead_letters(
            given.pop("connection"), **given, actor=self.actor, at=timezone.now()
        )
        return Response({"retried": count})

    @extend_schema(request=ChosenLettersSerializer, responses=DroppedSerializer)
    @action(detail=False, methods=["post"], url_path="dead-letters/drop")
    def drop_dead_letters(self, request: Request) -> Response:
        """Cancel all that failed over a connection, or those of one type or reason."""
        given = self.read(ChosenLettersSerializer)
        count = dead_letters.drop_dead_letters(
            given.pop("connection"), **given, actor=self.actor, at=timezone.now()
        )
        return Response({"dropped": count})
