"""The shapes of connections for push messages and of devices. The verbs check what may be said."""

from typing import Any

from django.utils.translation import gettext_lazy as _
from rest_framework import serializers

from integrations.connectors.web_push import URGENCIES
from integrations.models import PushConnection, PushSubscription
from integrations.push import connections, subscriptions
from workspace.api.serializers import AnyJSONField, StrictSerializer


class PushConnectionSerializer(serializers.ModelSerializer[PushConnection]):
    """A connection to browsers (`web_push`) or to apps (`fcm`). Its secret is told to nobody."""

    enabled = serializers.BooleanField(source="is_enabled", read_only=True)
    public_key = serializers.CharField(
        source="settings.public_key", default=None, allow_null=True, read_only=True
    )
    project = serializers.CharField(
        source="settings.project_id", default=None, allow_null=True, read_only=True
    )
    ttl_seconds = serializers.SerializerMethodField()
    urgency = serializers.SerializerMethodField()

    class Meta:
        model = PushConnection
        fields = (
            *("id", "name", "kind", "enabled", "public_key", "project", "ttl_seconds", "urgency"),
            *(
                "disabled_at",
                "failing_since",
                "failures",
                "breaker_until",
                "last_success_at",
                "created_at",
            ),
        )
        read_only_fields = fields

    def get_ttl_seconds(self, connection: PushConnection) -> int:
        """For how long a push service keeps a message for a device that is off."""
        return connections.ttl_of(connection)

    def get_urgency(self, connection: PushConnection) -> str:
        """How urgent messages are to a browser that saves its battery."""
        return connections.urgency_of(connection)


class AppConnectionSerializer(StrictSerializer):
    """A new connection to apps."""

    account = AnyJSONField(
        help_text=_("The service account: the JSON file that Firebase gives, as an object.")
    )
    name = serializers.CharField(required=False)
    base_url = serializers.CharField(
        required=False, help_text=_("Of a stand-in for FCM; without one Google's.")
    )
    token_url = serializers.CharField(
        required=False, help_text=_("Of a stand-in that gives tokens; without one Google's.")
    )


class PushConnectionChangeSerializer(StrictSerializer):
    """What can be changed of a connection."""

    name = serializers.CharField(required=False)
    ttl_seconds = serializers.IntegerField(required=False)
    urgency = serializers.ChoiceField(choices=URGENCIES, required=False)
    account = AnyJSONField(required=False, help_text=_("Another service account."))
    enabled = serializers.BooleanField(required=False)


class PushTrialSerializer(StrictSerializer):
    """Which device gets a test: the `subscription` of a browser, or the `token` of an app."""

    subscription = AnyJSONField(required=False)
    token = serializers.CharField(required=False, max_length=2000)


class PushReceiptSerializer(serializers.Serializer[Any]):
    """What the push service said when it took a message."""

    status = serializers.IntegerField(allow_null=True)
    reference = serializers.CharField(help_text=_("Its own name for the message; may be empty."))


class RotatedKeySerializer(serializers.Serializer[Any]):
    """The new key, and how many browsers have to subscribe again."""

    public_key = serializers.CharField()
    ended_subscriptions = serializers.IntegerField()


class PushSubscriptionSerializer(serializers.ModelSerializer[PushSubscription]):
    """A browser or app of a contact. Its address and keys are told to nobody."""

    service = serializers.SerializerMethodField()

    class Meta:
        model = PushSubscription
        fields = (
            *("id", "kind", "device", "service", "created_at", "last_sent_at"),
            *("ended_at", "ended_reason"),
        )
        read_only_fields = fields

    def get_service(self, subscription: PushSubscription) -> str:
        """The push service over which it is reached."""
        return subscriptions.service_of(subscription)
