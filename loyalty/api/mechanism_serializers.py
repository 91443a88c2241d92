"""The shapes of mechanisms in the API."""

from typing import Any

from rest_framework import serializers

from loyalty.models import Mechanism
from loyalty.rewards.eligibility import Eligibility
from loyalty.rewards.restrictions import Reason, left_of
from loyalty.segment_choice import shown_keys
from segments.criteria import MASK
from segments.masks import Mask
from workspace import access
from workspace.access import Actor, actor_of
from workspace.api.serializers import AnyJSONField, StrictSerializer

_PERIODS = [("", "none"), *Mechanism.Period.choices]


class MechanismSerializer(serializers.Serializer[Mechanism]):
    """A mechanism. Segments that one may not know of are told as `hidden:1`."""

    key = serializers.CharField()
    kind = serializers.ChoiceField(choices=Mechanism.Kind.choices)
    name = serializers.CharField()
    description = serializers.CharField()
    status = serializers.ChoiceField(choices=Mechanism.Status.choices)
    groups = serializers.SerializerMethodField()
    category = serializers.SerializerMethodField()
    segments = serializers.SerializerMethodField()
    segment_match = serializers.ChoiceField(choices=Mechanism.Match.choices)
    lists = serializers.SerializerMethodField()
    hide_restricted = serializers.BooleanField()
    restricted_message = serializers.CharField()
    stock = serializers.IntegerField(allow_null=True)
    claimed_count = serializers.IntegerField()
    left = serializers.SerializerMethodField()
    member_limit = serializers.IntegerField(allow_null=True)
    period_limit = serializers.IntegerField(allow_null=True)
    period = serializers.ChoiceField(choices=_PERIODS)
    starts_at = serializers.DateTimeField(allow_null=True)
    ends_at = serializers.DateTimeField(allow_null=True)
    cost_points = serializers.IntegerField()
    settings = AnyJSONField()
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()

    def get_groups(self, mechanism: Mechanism) -> list[str]:
        return sorted(group.name for group in mechanism.groups.all())

    def get_category(self, mechanism: Mechanism) -> str | None:
        if mechanism.category is None:
            return None
        is_known = access.is_visible(mechanism.category, self._actor())
        return mechanism.category.key if is_known else f"{MASK}1"

    def get_segments(self, mechanism: Mechanism) -> list[str]:
        return shown_keys(mechanism.segments.all(), self._mask())

    def get_lists(self, mechanism: Mechanism) -> list[str]:
        return shown_keys(mechanism.lists.all(), self._mask())

    def get_left(self, mechanism: Mechanism) -> int | None:
        return left_of(mechanism)

    def _actor(self) -> Actor:
        return actor_of(self.context["request"])

    def _mask(self) -> Mask:
        # One for all mechanisms of the answer: what may be known of is asked for once.
        context: Any = self.context
        found: Mask = context.setdefault("mask", Mask(self._actor()))
        return found


class MechanismChangeSerializer(StrictSerializer):
    """What can be changed of a mechanism."""

    name = serializers.CharField(required=False, allow_blank=True)
    description = serializers.CharField(required=False, allow_blank=True)
    groups = serializers.ListField(child=serializers.CharField(), required=False)
    category = serializers.CharField(required=False, allow_null=True, allow_blank=True)
    segments = serializers.ListField(child=serializers.CharField(), required=False)
    segment_match = serializers.CharField(required=False)
    lists = serializers.ListField(child=serializers.CharField(), required=False)
    hide_restricted = serializers.BooleanField(required=False)
    restricted_message = serializers.CharField(required=False, allow_blank=True)
    stock = serializers.IntegerField(required=False, allow_null=True)
    member_limit = serializers.IntegerField(required=False, allow_null=True)
    period_limit = serializers.IntegerField(required=False, allow_null=True)
    period = serializers.CharField(required=False, allow_blank=True)
    starts_at = serializers.DateTimeField(required=False, allow_null=True)
    ends_at = serializers.DateTimeField(required=False, allow_null=True)
    cost_points = serializers.IntegerField(required=False)
    settings = AnyJSONField(required=False)


class MechanismCreationSerializer(MechanismChangeSerializer):
    """A new mechanism; without a key one is made of the name. It is active unless a draft."""

    key = serializers.CharField(required=False)
    kind = serializers.CharField(default="", allow_blank=True)
    # Checked together with the rest, so that one answer tells all.
    name = serializers.CharField(default="", allow_blank=True)
    status = serializers.ChoiceField(choices=["draft", "active"], default="active")


class EligibilitySerializer(serializers.Serializer[Eligibility]):
    """Whether a contact may have a mechanism; `reason` is empty where he may."""

    mechanism = serializers.CharField(source="mechanism.key")
    name = serializers.CharField(source="mechanism.name")
    kind = serializers.ChoiceField(choices=Mechanism.Kind.choices)
    eligible = serializers.BooleanField()
    reason = serializers.ChoiceField(choices=["", *(reason.value for reason in Reason)])
    message = serializers.CharField(allow_blank=True)


def given_to_create(body: dict[str, Any]) -> dict[str, Any]:
    """What the verb takes of the body of a creation."""
    given = {name: value for name, value in body.items() if name != "status"}
    return {**given, "is_draft": body["status"] == "draft"}
