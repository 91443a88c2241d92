"""The shapes of sources and of what they sent. What may be said is checked by the verbs."""

from datetime import timedelta
from typing import Any

from django.utils.translation import gettext_lazy as _
from rest_framework import serializers

from integrations.models import HeldEvent, Outcome, ReceivedEvent, Source, WriteKey
from integrations.sources import GRACE, GRACE_LIMIT
from workspace.api.serializers import AnyJSONField, StrictSerializer

HELD_LIMIT = 500


class WriteKeySerializer(serializers.ModelSerializer[WriteKey]):
    """A write key by its beginning: the whole of it is told when it is made."""

    class Meta:
        model = WriteKey
        fields = ("id", "hint", "created_at", "retires_at", "last_used_at")
        read_only_fields = fields


_SOURCE_FIELDS: tuple[str, ...] = (
    *("key", "name", "kind", "description", "enabled", "new_traits", "has_signing_secret"),
    *("requires_user_hash", "api_user", "write_keys", "last_received_at", "created_at"),
)


class SourceSerializer(serializers.ModelSerializer[Source]):
    """A source of events."""

    enabled = serializers.BooleanField(source="is_enabled", read_only=True)
    has_signing_secret = serializers.SerializerMethodField()
    requires_user_hash = serializers.SerializerMethodField()
    write_keys = WriteKeySerializer(many=True, read_only=True)

    class Meta:
        model = Source
        fields: tuple[str, ...] = _SOURCE_FIELDS
        read_only_fields: tuple[str, ...] = fields

    def get_has_signing_secret(self, source: Source) -> bool:
        """Whether what comes to the webhook can be checked."""
        return bool(source.signing_secret)

    def get_requires_user_hash(self, source: Source) -> bool:
        """Whether push subscriptions need a user that the shop's server signed."""
        return bool(source.user_secret)


class CreatedSourceSerializer(SourceSerializer):
    """A source with the write key that was made just now."""

    write_key = serializers.SerializerMethodField()

    class Meta(SourceSerializer.Meta):
        fields = (*_SOURCE_FIELDS, "write_key")
        read_only_fields = fields

    def get_write_key(self, source: Source) -> str:
        """Told here only; who may change the source finds it in the admin, too."""
        return str(self.context["write_key"])


class ApiUserField(serializers.IntegerField):
    """The id of an API user, or null."""

    def __init__(self) -> None:
        super().__init__(
            min_value=1,
            max_value=2**63 - 1,
            required=False,
            allow_null=True,
            help_text=_("The API user that sends as a source of the kind `voucherify`."),
        )


class SourceChangeSerializer(StrictSerializer):
    """What can be changed of a source."""

    name = serializers.CharField(required=False)
    kind = serializers.ChoiceField(choices=Source.Kind.choices, required=False)
    description = serializers.CharField(required=False, allow_blank=True)
    new_traits = serializers.ChoiceField(choices=Source.NewTraits.choices, required=False)
    api_user = ApiUserField()
    enabled = serializers.BooleanField(required=False)


class SourceCreationSerializer(StrictSerializer):
    """A new source. Without a key one is made of the name."""

    name = serializers.CharField()
    key = serializers.CharField(required=False)
    kind = serializers.ChoiceField(choices=Source.Kind.choices, default=Source.Kind.SERVER)
    description = serializers.CharField(required=False, allow_blank=True)
    new_traits = serializers.ChoiceField(choices=Source.NewTraits.choices, required=False)
    api_user = ApiUserField()


class GraceSerializer(StrictSerializer):
    """How long what is replaced goes on working."""

    grace_seconds = serializers.IntegerField(
        min_value=0,
        max_value=int(GRACE_LIMIT.total_seconds()),
        default=int(GRACE.total_seconds()),
        help_text=_("How long the former one works."),
    )

    def validate(self, attrs: Any) -> Any:
        """The grace as a duration."""
        grace = timedelta(seconds=attrs.pop("grace_seconds"))
        return {**attrs, "grace": grace}


class SecretSerializer(GraceSerializer):
    """A new signing secret. Without one it is made."""

    secret = serializers.CharField(required=False)


class MadeSecretSerializer(serializers.Serializer[Any]):
    """The secret to be set in Segment, too; told here only."""

    signing_secret = serializers.CharField()


class MadeUserSecretSerializer(serializers.Serializer[Any]):
    """The secret with which your server signs users; told here only."""

    user_secret = serializers.CharField()


class CountSerializer(serializers.Serializer[Any]):
    """How many events came on a day (UTC), by what became of them."""

    day = serializers.DateField()
    accepted = serializers.IntegerField()
    marked = serializers.IntegerField()
    duplicate = serializers.IntegerField()
    refused = serializers.IntegerField()
    failed = serializers.IntegerField()


class ReceivedEventSerializer(serializers.ModelSerializer[ReceivedEvent]):
    """An event that came in, and what became of it."""

    contact = serializers.IntegerField(source="contact_id", allow_null=True, read_only=True)
    outcome = serializers.ChoiceField(choices=Outcome.choices, read_only=True)
    body = serializers.CharField(read_only=True, help_text=_("The message as JSON text."))

    class Meta:
        model = ReceivedEvent
        fields = (
            *("id", "received_at", "occurred_at", "type", "name", "message_id", "contact"),
            *("outcome", "code", "reason", "body"),
        )
        read_only_fields = fields


class HeldProblemSerializer(serializers.Serializer[Any]):
    """What of a message could not be used."""

    path = serializers.CharField()
    code = serializers.CharField()
    message = serializers.CharField()
    value = AnyJSONField()


class HeldEventSerializer(serializers.ModelSerializer[HeldEvent]):
    """An event that could not be used, or not whole."""

    contact = serializers.IntegerField(source="contact_id", allow_null=True, read_only=True)
    outcome = serializers.ChoiceField(choices=Outcome.choices, read_only=True)
    problems = HeldProblemSerializer(many=True, read_only=True)
    body = serializers.CharField(read_only=True, help_text=_("The message as JSON text."))

    class Meta:
        model = HeldEvent
        fields = (
            *("id", "received_at", "sent_at", "type", "name", "message_id", "contact"),
            *("outcome", "code", "reason", "problems", "body", "state", "resolved_at"),
        )
        read_only_fields = fields


class HeldIdsSerializer(StrictSerializer):
    """Which held events."""

    ids = serializers.ListField(
        child=serializers.IntegerField(min_value=1, max_value=2**63 - 1),
        min_length=1,
        max_length=HELD_LIMIT,
    )


class ReplaySerializer(HeldIdsSerializer):
    """Which held events, and for a single one what to correct in its message."""

    changes = serializers.DictField(
        required=False,
        help_text=_(
            "Corrected parts of the message by name, as `event`, `userId`, `properties`; null takes"
            " one away. `contact_id` says whose event it is."
        ),
    )


class ReplayedSerializer(serializers.Serializer[Any]):
    """What became of a held event."""

    id = serializers.IntegerField(source="held_id")
    outcome = serializers.ChoiceField(choices=Outcome.choices)
    code = serializers.CharField()
    reason = serializers.CharField()
    is_resolved = serializers.BooleanField()


class ReplayAnswerSerializer(serializers.Serializer[Any]):
    """What became of the held events."""

    results = ReplayedSerializer(many=True)


class DismissedSerializer(serializers.Serializer[Any]):
    """How many were open."""

    dismissed = serializers.IntegerField()
