"""The shapes of webhooks and deliveries. What may be said is checked by the verbs."""

from datetime import timedelta
from typing import Any

from django.utils.translation import gettext_lazy as _
from rest_framework import serializers

from integrations import webhooks
from integrations.models import Delivery, DeliveryAttempt, Webhook
from workspace.api.serializers import AnyJSONField, StrictSerializer

_WEBHOOK_FIELDS: tuple[str, ...] = (
    *("id", "name", "url", "types", "enabled", "disabled_reason", "disabled_at"),
    *("failing_since", "failures", "breaker_until", "last_success_at", "created_at"),
)


class WebhookSerializer(serializers.ModelSerializer[Webhook]):
    """An address that hears of what happens. Its secret is told when it is made."""

    url = serializers.SerializerMethodField()
    types = serializers.ListField(
        child=serializers.CharField(), source="event_types", read_only=True
    )
    enabled = serializers.BooleanField(source="is_enabled", read_only=True)

    class Meta:
        model = Webhook
        fields: tuple[str, ...] = _WEBHOOK_FIELDS
        read_only_fields: tuple[str, ...] = fields

    def get_url(self, webhook: Webhook) -> str:
        """Where it is."""
        return webhooks.url_of(webhook)


class CreatedWebhookSerializer(WebhookSerializer):
    """A webhook with the secret that was made just now."""

    secret = serializers.SerializerMethodField()

    class Meta(WebhookSerializer.Meta):
        fields = (*_WEBHOOK_FIELDS, "secret")
        read_only_fields = fields

    def get_secret(self, webhook: Webhook) -> str:
        """With it the receiver checks the signature. Told here only."""
        return str(self.context["secret"])


class _TypesField(serializers.ListField):
    child = serializers.CharField(max_length=80)

    def __init__(self, **options: Any) -> None:
        super().__init__(max_length=100, help_text=_("Names of types of events."), **options)


class WebhookCreationSerializer(StrictSerializer):
    """A new webhook. Without a name it is called as its host."""

    url = serializers.CharField()
    types = _TypesField()
    name = serializers.CharField(required=False)
    enabled = serializers.BooleanField(default=True)


class WebhookChangeSerializer(StrictSerializer):
    """What can be changed of a webhook."""

    url = serializers.CharField(required=False)
    types = _TypesField(required=False)
    name = serializers.CharField(required=False)
    enabled = serializers.BooleanField(required=False)
    waiting = serializers.ChoiceField(
        choices=[webhooks.RESUME, webhooks.DROP],
        default=webhooks.RESUME,
        help_text=_("With `enabled` true: whether what waits is sent first, or cancelled."),
    )


class WebhookGraceSerializer(StrictSerializer):
    """How long we sign with the former secret, too."""

    grace_seconds = serializers.IntegerField(
        min_value=0,
        max_value=int(webhooks.GRACE_LIMIT.total_seconds()),
        default=int(webhooks.GRACE.total_seconds()),
    )

    def validate(self, attrs: Any) -> Any:
        """The grace as a duration."""
        return {"grace": timedelta(seconds=attrs["grace_seconds"])}


class EventTypeSerializer(serializers.Serializer[Any]):
    """A type of events that webhooks can hear of."""

    name = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment]  # the name of a field here


class RetriedSerializer(serializers.Serializer[Any]):
    """How many deliveries are sent again."""

    retried = serializers.IntegerField()


class DroppedSerializer(serializers.Serializer[Any]):
    """How many deliveries were dropped."""

    dropped = serializers.IntegerField()


class DeadLettersSerializer(serializers.Serializer[Any]):
    """What failed of one type over one connection for one reason."""

    connection = serializers.IntegerField(source="connection.pk")
    connection_name = serializers.CharField(source="connection.name")
    kind = serializers.CharField()
    reason = serializers.CharField()
    count = serializers.IntegerField()
    since = serializers.DateTimeField()
    last_at = serializers.DateTimeField()
    newest_id = serializers.IntegerField(help_text=_("The newest delivery among them."))


class ChosenLettersSerializer(StrictSerializer):
    """Which of the deliveries that failed: all of a connection, of a type, for a reason."""

    connection = serializers.IntegerField(min_value=1, max_value=2**31 - 1)
    kind = serializers.CharField(required=False)
    reason = serializers.CharField(required=False, allow_blank=True, trim_whitespace=False)


class DeletedSerializer(serializers.Serializer[Any]):
    """How many deliveries went with a webhook."""

    deleted_deliveries = serializers.IntegerField()


class DeliveryAttemptSerializer(serializers.ModelSerializer[DeliveryAttempt]):
    """One try to send a delivery."""

    class Meta:
        model = DeliveryAttempt
        fields = ("at", "status", "error", "answer", "milliseconds")
        read_only_fields = fields


_DELIVERY_FIELDS: tuple[str, ...] = (
    *("id", "key", "connection", "kind", "state", "attempts", "last_error", "reason", "due_at"),
    *("contact", "subject", "reference", "created_at", "finished_at"),
)


class DeliverySerializer(serializers.ModelSerializer[Delivery]):
    """A message on its way out, or one that was."""

    connection = serializers.IntegerField(source="connection_id", read_only=True)
    contact = serializers.IntegerField(source="contact_id", allow_null=True, read_only=True)

    class Meta:
        model = Delivery
        fields: tuple[str, ...] = _DELIVERY_FIELDS
        read_only_fields: tuple[str, ...] = fields


class FullDeliverySerializer(DeliverySerializer):
    """A delivery with what it says, and each attempt to send it."""

    payload = AnyJSONField(read_only=True)
    tries = DeliveryAttemptSerializer(many=True, read_only=True)

    class Meta(DeliverySerializer.Meta):
        fields = (*_DELIVERY_FIELDS, "payload", "tries")
        read_only_fields = fields
