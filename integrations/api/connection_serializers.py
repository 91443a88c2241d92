"""The shapes of connections to vendors' systems. Credentials are written and never shown."""

from datetime import datetime
from typing import Any

from django.utils.translation import gettext_lazy as _
from rest_framework import serializers

from integrations.models import ConnectionWebsite, VendorConnection, VendorSync
from integrations.vendors import connections, registry
from integrations.vendors.calls import ToldCall
from integrations.vendors.registry import Vendor
from workspace.api.serializers import AnyJSONField, StrictSerializer

_WEBSITES_HELP = _("Keys of websites.")


class ConnectionSerializer(serializers.ModelSerializer[VendorConnection]):
    """An account at a vendor's system that somebody authorized."""

    kind = serializers.CharField(read_only=True)
    state = serializers.ChoiceField(choices=VendorConnection.State.choices, read_only=True)
    account = serializers.CharField(source="account_name", read_only=True)
    settings = AnyJSONField(read_only=True)
    rate_limits = AnyJSONField(read_only=True)
    owner = serializers.CharField(source="owner.username", default=None, read_only=True)
    websites = serializers.SerializerMethodField()
    first_data_by = serializers.SerializerMethodField()

    class Meta:
        model = VendorConnection
        fields = (
            *("id", "kind", "name", "state", "account", "owner", "settings", "websites"),
            *("sync_hours", "authorized_at", "first_data_by", "first_synced_at"),
            *("last_synced_at", "next_sync_at", "error", "error_at", "paused_at", "revoking_at"),
            *("revoked_at", "rate_limits", "created_at"),
        )
        read_only_fields = fields

    def get_websites(self, connection: VendorConnection) -> list[str]:
        """The keys of the websites that it is for."""
        attached = ConnectionWebsite.State.ATTACHED
        rows = connection.connection_websites.all()
        return sorted(row.website.key for row in rows if row.state == attached)

    def get_first_data_by(self, connection: VendorConnection) -> datetime | None:
        """When the first data are there at the latest, where they are not there yet."""
        if connection.state != VendorConnection.State.FIRST_DATA:
            return None
        return connection.authorized_at + connections.FIRST_DATA_WITHIN


class _Credentials(serializers.DictField):
    child = serializers.CharField(max_length=4000, allow_blank=True)

    def __init__(self, **options: Any) -> None:
        words = _("By the names that `kinds/` gives. They are never shown again.")
        super().__init__(write_only=True, help_text=words, **options)


class _Websites(serializers.ListField):
    child = serializers.CharField(max_length=63)

    def __init__(self, **options: Any) -> None:
        super().__init__(max_length=1000, help_text=_WEBSITES_HELP, **options)


class ConnectionCreationSerializer(StrictSerializer):
    """An account to connect to. Without a name it is called as the vendor calls the account."""

    kind = serializers.CharField(max_length=20)
    credentials = _Credentials()
    name = serializers.CharField(required=False, max_length=120)
    websites = _Websites(required=False)
    settings = serializers.DictField(child=AnyJSONField(), required=False)
    sync_hours = serializers.IntegerField(required=False)


class ConnectionChangeSerializer(StrictSerializer):
    """What can be changed of a connection; of the settings those that are named."""

    name = serializers.CharField(required=False, max_length=120)
    settings = serializers.DictField(child=AnyJSONField(), required=False)
    sync_hours = serializers.IntegerField(required=False)


class NewCredentialsSerializer(StrictSerializer):
    """Other credentials; for a revoked connection with its websites, where they are others."""

    credentials = _Credentials()
    websites = _Websites(required=False)


class WantedSyncsSerializer(StrictSerializer):
    """What to synchronize; nothing said means all that is periodic."""

    names = serializers.ListField(child=serializers.CharField(max_length=40), required=False)


class AttachedWebsitesSerializer(StrictSerializer):
    """Websites that a connection is to be for, too."""

    websites = _Websites()


class ConnectionWebsiteSerializer(serializers.ModelSerializer[ConnectionWebsite]):
    """A website that a connection is for, or was, and what became of its data at the vendor."""

    website = serializers.CharField(source="website.key", read_only=True)

    class Meta:
        model = ConnectionWebsite
        fields = (
            *("website", "state", "attached_at", "leaving_at", "left_at", "deleted_count"),
            "error",
        )
        read_only_fields = fields


class DeliveryDaySerializer(serializers.Serializer[Any]):
    """What came of deliveries that ended on a day of the workspace's time zone."""

    day = serializers.DateField()
    delivered = serializers.IntegerField()
    failed = serializers.IntegerField()
    cancelled = serializers.IntegerField()


class TriedSerializer(serializers.Serializer[Any]):
    """What the vendor said when it was asked whether it takes the credentials."""

    ok = serializers.BooleanField(source="is_well")
    message = serializers.CharField()
    account = serializers.CharField(source="account_name")
    code = serializers.CharField(help_text=_("Empty where it takes them."))


class VendorCallSerializer(serializers.Serializer[ToldCall]):
    """A request to the vendor and its answer, secrets blanked. Kept for a week.

    What was said names people and segments: programs that may not read contacts, or from which user
    groups keep something, get the beginning of the address only, and `is_whole` is false.
    """

    id = serializers.IntegerField()
    at = serializers.DateTimeField()
    method = serializers.CharField()
    url = serializers.CharField()
    request = serializers.CharField()
    status = serializers.IntegerField(allow_null=True)
    answer = serializers.CharField()
    error = serializers.CharField()
    milliseconds = serializers.IntegerField()
    is_whole = serializers.BooleanField()


class VendorSyncSerializer(serializers.ModelSerializer[VendorSync]):
    """A synchronization, and what came of it."""

    job = serializers.IntegerField(source="job_id", allow_null=True, read_only=True)
    counts = AnyJSONField(read_only=True)

    class Meta:
        model = VendorSync
        fields = ("id", "name", "state", "job", "started_at", "finished_at", "counts", "error")
        read_only_fields = fields


class _FieldSerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment]  # the name of a field here
    help = serializers.CharField()
    secret = serializers.BooleanField(source="is_secret")
    required = serializers.BooleanField(source="is_required")  # type: ignore[assignment]


class _SettingSerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment]
    help = serializers.CharField()
    kind = serializers.CharField()
    default = AnyJSONField()
    choices = serializers.SerializerMethodField()

    def get_choices(self, setting: registry.SettingField) -> list[dict[str, str]]:
        """What may be chosen; empty where anything may be written."""
        return [
            {"value": value, "label": str(words)} for value, words in registry.choices_of(setting)
        ]


class VendorKindSerializer(serializers.Serializer[Any]):
    """A system that one can connect to: what it asks for, and how to find that."""

    kind = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment]
    description = serializers.CharField()
    credentials = _FieldSerializer(many=True)
    settings = _SettingSerializer(many=True)
    has_websites = serializers.BooleanField()
    syncs = serializers.SerializerMethodField()
    deletes_data = serializers.SerializerMethodField()
    remains = serializers.CharField()
    help = serializers.ListField(child=serializers.CharField())
    help_url = serializers.CharField()

    def get_syncs(self, vendor: Vendor) -> list[dict[str, Any]]:
        """What is synchronized with it."""
        return [
            {"name": one.name, "label": str(one.label), "periodic": one.is_periodic}
            for one in registry.syncs_of(vendor.kind)
        ]

    def get_deletes_data(self, vendor: Vendor) -> bool:
        """Whether what was uploaded can be deleted there by us."""
        return registry.deleter_of(vendor.kind) is not None
