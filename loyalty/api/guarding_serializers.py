"""The shapes of publishable keys and suspicions in the API."""

from typing import Any

from rest_framework import serializers

from loyalty.guarding.suspicion_words import words_of
from loyalty.models import ClientKey, Suspicion
from workspace.api.serializers import StrictSerializer


class ClientKeySerializer(serializers.Serializer[ClientKey]):
    """A publishable key. Its token is no secret: pages show it to everybody."""

    id = serializers.IntegerField()
    name = serializers.CharField()
    api_user = serializers.IntegerField(source="api_user_id")
    application_id = serializers.CharField()
    token = serializers.CharField()
    origins = serializers.ListField(child=serializers.CharField())
    may_validate = serializers.BooleanField()
    may_redeem = serializers.BooleanField()
    may_send_events = serializers.BooleanField()
    is_enabled = serializers.BooleanField()
    last_used_at = serializers.DateTimeField(allow_null=True)
    created_at = serializers.DateTimeField()


class ClientKeyChangeSerializer(StrictSerializer):
    """What can be changed of a publishable key."""

    name = serializers.CharField(required=False, allow_blank=True)
    origins = serializers.ListField(child=serializers.CharField(), required=False)
    may_validate = serializers.BooleanField(required=False)
    may_redeem = serializers.BooleanField(required=False)
    may_send_events = serializers.BooleanField(required=False)
    is_enabled = serializers.BooleanField(required=False)


class ClientKeyCreationSerializer(ClientKeyChangeSerializer):
    """A new publishable key; a program makes it for itself where it names no API user."""

    name = serializers.CharField(allow_blank=True)
    origins = serializers.ListField(child=serializers.CharField())
    api_user = serializers.IntegerField(required=False, min_value=1, max_value=2**31 - 1)


class SuspicionSerializer(serializers.Serializer[Suspicion]):
    """Something that looked like cheating, and whether somebody is blocked for it."""

    id = serializers.IntegerField()
    kind = serializers.ChoiceField(choices=Suspicion.Kind.choices)
    subject = serializers.CharField(help_text="contact:12, ip:203.0.113.7, api_user:3, …")
    state = serializers.ChoiceField(choices=Suspicion.State.choices)
    count = serializers.IntegerField()
    sentence = serializers.SerializerMethodField()
    first_at = serializers.DateTimeField()
    last_at = serializers.DateTimeField()
    blocked_until = serializers.DateTimeField(allow_null=True)
    resolved_by = serializers.CharField()

    def get_sentence(self, suspicion: Suspicion) -> str:
        return words_of(suspicion)


class BlockSerializer(StrictSerializer):
    """For how long, and why."""

    until = serializers.DateTimeField(required=False, allow_null=True, default=None)
    reason = serializers.CharField(required=False, allow_blank=True, max_length=200, default="")


class BlockSubjectSerializer(BlockSerializer):
    """Who, for how long, and why."""

    subject = serializers.CharField(max_length=120)


def read_may(given: dict[str, Any]) -> dict[str, Any]:
    """What of a body says what a key may do."""
    return {name: given[name] for name in given if name.startswith("may_")}
