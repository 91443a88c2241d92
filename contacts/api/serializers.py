"""The shapes of contacts in the API. What is written is checked by `contacts.changes`."""

from typing import Any

from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from contacts.consents import STATES
from contacts.models import ConsentEntry, ContactMerge
from workspace.api.serializers import AnyJSONField, StrictSerializer


@extend_schema_field({"type": ["string", "number", "boolean", "array", "null"]})
class ValueField(AnyJSONField):
    """The value of an attribute or metric, by its type."""


class IdentitySerializer(serializers.Serializer[Any]):
    """A name by which a system knows a contact."""

    namespace = serializers.CharField()
    value = serializers.CharField()


class LoyaltySerializer(serializers.Serializer[Any]):
    """What the loyalty programme knows of a contact."""

    is_member = serializers.BooleanField()
    points = serializers.IntegerField()
    tier = serializers.CharField(allow_blank=True)
    joined_at = serializers.DateTimeField(allow_null=True)


class ContactChangeSerializer(serializers.Serializer[Any]):
    """What can be written of a contact. What is not named stays as it is."""

    external_id = serializers.CharField(
        required=False, allow_null=True, help_text=_("The identity `user_id`.")
    )
    email = serializers.CharField(required=False, allow_blank=True)
    phone = serializers.CharField(required=False, allow_blank=True)
    first_name = serializers.CharField(required=False, allow_blank=True)
    last_name = serializers.CharField(required=False, allow_blank=True)
    gender = serializers.CharField(required=False, allow_blank=True)
    country = serializers.CharField(required=False, allow_blank=True)
    city = serializers.CharField(required=False, allow_blank=True)
    postal_code = serializers.CharField(required=False, allow_blank=True)
    language = serializers.CharField(required=False, allow_blank=True)
    time_zone = serializers.CharField(required=False, allow_blank=True)
    birth_date = serializers.DateField(required=False, allow_null=True)
    lead_score = serializers.FloatField(required=False)
    created_at = serializers.DateTimeField(required=False)
    attributes = serializers.DictField(
        child=ValueField(), required=False, help_text=_("By key; null takes a value away.")
    )
    tags = serializers.ListField(
        child=serializers.CharField(), required=False, help_text=_("Keys; they replace the list.")
    )
    categories = serializers.ListField(
        child=serializers.CharField(), required=False, help_text=_("Keys; they replace the list.")
    )
    consents = serializers.DictField(child=serializers.ChoiceField(choices=STATES), required=False)
    identities = IdentitySerializer(many=True, required=False)


class ContactSerializer(ContactChangeSerializer):
    """A contact."""

    id = serializers.IntegerField()
    updated_at = serializers.DateTimeField()
    last_seen_at = serializers.DateTimeField(allow_null=True)
    loyalty = LoyaltySerializer()


class ErasureSerializer(serializers.Serializer[Any]):
    """The proof that a person was forgotten: rows deleted, and rows that point to the empty one."""

    contact_id = serializers.IntegerField()
    erased_at = serializers.DateTimeField()
    deleted = serializers.DictField(child=serializers.IntegerField())
    remaining = serializers.DictField(child=serializers.IntegerField())


class MergeRequestSerializer(StrictSerializer):
    """Which contact has everything afterwards, and why both are one person."""

    into = serializers.IntegerField(min_value=1, max_value=2**63 - 1)
    evidence = serializers.CharField(default="", allow_blank=True, max_length=200)


class MergeSerializer(serializers.Serializer[Any]):
    """Two contacts that became one: why, what went over, and values that the survivor's won over.

    `merged` is the contact that is empty now, `contact` the one that stands for it today.
    """

    merged = serializers.IntegerField(source="loser_id")
    contact = serializers.IntegerField(source="survivor_id")
    at = serializers.DateTimeField()
    cause = serializers.CharField()
    evidence = serializers.CharField(allow_blank=True)
    identities = serializers.SerializerMethodField()
    moved = serializers.DictField(child=serializers.IntegerField())
    dropped = serializers.DictField(child=ValueField())

    @extend_schema_field(IdentitySerializer(many=True))
    def get_identities(self, merge: ContactMerge) -> list[dict[str, str]]:
        return [{"namespace": namespace, "value": value} for namespace, value in merge.names]


class ConsentLineSerializer(serializers.Serializer[Any]):
    """One line of the ledger of consents."""

    consent = serializers.CharField(source="key")
    state = serializers.ChoiceField(choices=ConsentEntry.State.choices)
    at = serializers.DateTimeField()
    source = serializers.CharField()  # type: ignore[assignment]  # a field, not the serializer's own
    reason = serializers.CharField(allow_blank=True)
    actor = serializers.CharField(allow_blank=True)


class ConsentsSerializer(serializers.Serializer[Any]):
    """What a contact allows now, and how it came to that, the latest line first."""

    states = serializers.DictField(child=serializers.ChoiceField(choices=STATES))
    results = ConsentLineSerializer(many=True)
    next = serializers.URLField(allow_null=True)
    previous = serializers.URLField(allow_null=True)


class ConsentRecordSerializer(StrictSerializer):
    """A consent that was granted or withdrawn. Without `at` it is now."""

    consent = serializers.CharField()
    state = serializers.ChoiceField(choices=ConsentEntry.State.choices)
    at = serializers.DateTimeField(required=False)
    source = serializers.CharField(  # type: ignore[assignment]  # a field, not the serializer's own
        default="api", max_length=60
    )
    reason = serializers.CharField(default="", allow_blank=True, max_length=300)


class KeysSerializer(StrictSerializer):
    """Keys of tags or categories."""

    keys = serializers.ListField(child=serializers.CharField())


class LabelSerializer(serializers.Serializer[Any]):
    """A tag or category of a contact."""

    key = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment]  # a field, not the serializer's own
    added_at = serializers.DateTimeField()


class ImportSerializer(StrictSerializer):
    """A file of contacts. A column named like a field or attribute needs no entry in `columns`."""

    file = serializers.FileField()
    update = serializers.BooleanField(  # type: ignore[assignment]  # a field, not the method
        default=False, help_text=_("Change contacts that are there already.")
    )
    columns = serializers.JSONField(
        required=False, help_text=_("Which column is which field: an object, as JSON.")
    )

    def validate_columns(self, value: Any) -> dict[str, str]:
        if isinstance(value, dict) and all(isinstance(name, str) for name in value.values()):
            return value
        message = gettext("It must be an object of texts, as JSON.")
        raise serializers.ValidationError(message, code="wrong_type")
