"""The shapes of distributions in the API."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from loyalty.models import Distribution, DistributionTask
from segments.api.serializers import CriteriaField, ReadableCriteriaField
from segments.criteria import MASK
from segments.masks import Mask
from workspace.api.serializers import AnyJSONField, StrictSerializer


class DistributionTriggerSerializer(serializers.Serializer[Any]):
    """What has to happen. A segment that one may not know of is told as `hidden:1`."""

    kind = serializers.ChoiceField(choices=Distribution.Trigger.choices)
    key = serializers.CharField()


class DistributionSerializer(serializers.Serializer[Distribution]):
    """Who does this gets a card of that campaign, over this channel."""

    key = serializers.CharField()
    name = serializers.CharField()
    trigger = serializers.SerializerMethodField()
    include_present = serializers.BooleanField()
    audience = ReadableCriteriaField(allow_null=True)
    campaign = serializers.CharField(source="campaign.key")
    channel = serializers.ChoiceField(choices=Distribution.Channel.choices)
    connection = serializers.IntegerField(source="connection_id", allow_null=True)
    template = serializers.SerializerMethodField()
    state = serializers.ChoiceField(choices=Distribution.State.choices)
    paused_reason = serializers.CharField()
    waits_until = serializers.DateTimeField(allow_null=True)
    waiting_reason = serializers.CharField()
    activated_at = serializers.DateTimeField(allow_null=True)
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()

    @extend_schema_field(DistributionTriggerSerializer)
    def get_trigger(self, distribution: Distribution) -> dict[str, str]:
        key = distribution.trigger_key
        if distribution.segment is not None:
            context: Any = self.context
            mask: Mask = context.setdefault("mask", Mask(context["view"].actor))
            segment_key = distribution.segment.key
            key = f"{MASK}1" if mask.hides(segment_key) else segment_key
        return {"kind": distribution.trigger, "key": key}

    def get_template(self, distribution: Distribution) -> str | None:
        return distribution.template.key if distribution.template else None


class WrittenTriggerSerializer(StrictSerializer):
    """What has to happen: `key` is that of a segment, campaign or tier, or the name of an event."""

    kind = serializers.ChoiceField(choices=Distribution.Trigger.choices)
    key = serializers.CharField(required=False, default="", allow_blank=True)


class DistributionChangeSerializer(StrictSerializer):
    """What can be changed of a distribution; trigger and campaign only while it is a draft."""

    name = serializers.CharField(required=False, allow_blank=True)
    trigger = WrittenTriggerSerializer(required=False)
    include_present = serializers.BooleanField(required=False)
    audience = CriteriaField(required=False, allow_null=True)
    campaign = serializers.CharField(required=False, allow_blank=True)
    channel = serializers.ChoiceField(choices=Distribution.Channel.choices, required=False)
    connection = serializers.IntegerField(required=False, allow_null=True)
    template = serializers.CharField(required=False, allow_null=True, allow_blank=True)


class DistributionCreationSerializer(DistributionChangeSerializer):
    """A new distribution, which is a draft; without a key one is made of the name."""

    key = serializers.CharField(required=False)
    name = serializers.CharField(default="", allow_blank=True)


class DistributionTaskSerializer(serializers.ModelSerializer[DistributionTask]):
    """That a contact had to be reached, for a cause, and what came of it."""

    triggered_by = AnyJSONField(
        source="context", help_text="What triggered it, as an event with its properties."
    )

    class Meta:
        model = DistributionTask
        fields = (
            *("id", "contact_id", "cause", "triggered_by", "state", "problem", "publication_id"),
            *("attempts", "due_at", "created_at", "finished_at"),
        )
        read_only_fields = fields


class SendSerializer(StrictSerializer):
    """Whom a manual distribution is sent to: everybody in its segment, or one contact."""

    contact = serializers.IntegerField(
        required=False, allow_null=True, min_value=1, max_value=2**63 - 1
    )


class SentSerializer(serializers.Serializer[Any]):
    """How many contacts are reached now."""

    contacts = serializers.IntegerField()


class RetrySerializer(StrictSerializer):
    """Which tasks are tried again; without `ids` all that failed or were refused."""

    ids = serializers.ListField(
        child=serializers.IntegerField(min_value=1, max_value=2**63 - 1),
        required=False,
        allow_null=True,
        max_length=1000,
    )


class RetriedTasksSerializer(serializers.Serializer[Any]):
    """How many tasks are tried again."""

    tasks = serializers.IntegerField()
