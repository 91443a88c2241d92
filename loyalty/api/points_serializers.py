"""The shapes of points, earn rules and the programme in the API."""

from typing import Any

from django.utils.translation import gettext_lazy as _
from rest_framework import serializers

from loyalty.models import EarnRule, PointsPosting, Programme
from loyalty.programme import earn_rules
from loyalty.programme.points import POINTS_LIMIT
from workspace.api.serializers import StrictSerializer

KINDS = ("earned", "spent", "adjusted")


class PointsPostingSerializer(serializers.Serializer[PointsPosting]):
    """A line of the ledger: points that went from one account to another, one of them `member`."""

    id = serializers.IntegerField()
    contact_id = serializers.IntegerField()
    points = serializers.SerializerMethodField(
        help_text=_("Above 0 what the member got, below 0 what went.")
    )
    debit = serializers.ChoiceField(choices=PointsPosting.Account.choices)
    credit = serializers.ChoiceField(choices=PointsPosting.Account.choices)
    cause = serializers.CharField()
    reason = serializers.CharField()
    rule = serializers.CharField(source="rule.key", default=None, allow_null=True)
    reverses = serializers.IntegerField(source="reverses_id", allow_null=True)
    actor = serializers.CharField(source="actor_label")
    at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField(allow_null=True)

    def get_points(self, posting: PointsPosting) -> int:
        return posting.step


class PostSerializer(StrictSerializer):
    """Points that a member is to get or to lose."""

    contact_id = serializers.IntegerField(required=False, min_value=1, max_value=2**63 - 1)
    external_id = serializers.CharField(required=False)
    points = serializers.IntegerField(min_value=-POINTS_LIMIT, max_value=POINTS_LIMIT)
    kind = serializers.ChoiceField(
        choices=KINDS,
        default="adjusted",
        help_text=_(
            "`earned` counts for tiers; `spent` is refused where there are fewer; `adjusted` may be"
            " above or below 0."
        ),
    )
    reason = serializers.CharField(max_length=300)
    cause = serializers.CharField(
        required=False, max_length=200, help_text=_("Counts once for a contact.")
    )
    expires_at = serializers.DateTimeField(required=False, allow_null=True)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if ("contact_id" in attrs) == ("external_id" in attrs):
            message = _("Say who it is: `contact_id` or `external_id`.")
            raise serializers.ValidationError({"contact_id": [message]}, code="required")
        return attrs


class ReversalSerializer(StrictSerializer):
    """Why a line is undone."""

    reason = serializers.CharField(max_length=300)
    cause = serializers.CharField(required=False, max_length=200)


class EarnRuleSerializer(serializers.Serializer[EarnRule]):
    """What members earn by an event."""

    key = serializers.CharField()
    name = serializers.CharField()
    event = serializers.CharField(source="event_name")
    points_per_event = serializers.IntegerField()
    points_per_unit = serializers.DecimalField(max_digits=12, decimal_places=4)
    amount_property = serializers.CharField()
    daily_limit = serializers.IntegerField(allow_null=True)
    expires_after_days = serializers.IntegerField(allow_null=True)
    starts_at = serializers.DateTimeField(allow_null=True)
    ends_at = serializers.DateTimeField(allow_null=True)
    is_enabled = serializers.BooleanField()
    in_words = serializers.SerializerMethodField()

    def get_in_words(self, rule: EarnRule) -> str:
        return earn_rules.in_words(rule)


class EarnRuleChangeSerializer(StrictSerializer):
    """What can be changed of an earn rule."""

    name = serializers.CharField(required=False, max_length=200)
    event = serializers.CharField(required=False, source="event_name", max_length=200)
    points_per_event = serializers.IntegerField(required=False, min_value=0)
    points_per_unit = serializers.DecimalField(
        required=False, max_digits=12, decimal_places=4, min_value=0
    )
    amount_property = serializers.CharField(required=False, allow_blank=True, max_length=200)
    daily_limit = serializers.IntegerField(required=False, allow_null=True, min_value=1)
    expires_after_days = serializers.IntegerField(required=False, allow_null=True, min_value=1)
    starts_at = serializers.DateTimeField(required=False, allow_null=True)
    ends_at = serializers.DateTimeField(required=False, allow_null=True)
    is_enabled = serializers.BooleanField(required=False)


class EarnRuleCreationSerializer(EarnRuleChangeSerializer):
    """A new earn rule."""

    key = serializers.CharField(max_length=63)
    name = serializers.CharField(max_length=200)
    event = serializers.CharField(source="event_name", max_length=200)


class EarnRulePreviewSerializer(serializers.Serializer[Any]):
    """What a rule would have given; null where it took too long to find out."""

    since = serializers.DateTimeField()
    events = serializers.IntegerField(source="event_count", allow_null=True)
    members = serializers.IntegerField(source="member_count", allow_null=True)
    points = serializers.IntegerField(allow_null=True)


class ProgrammeSerializer(serializers.Serializer[Programme]):
    """How the loyalty programme works as a whole."""

    name = serializers.CharField()
    tier_window_days = serializers.IntegerField()
    card_prefix = serializers.CharField()


class ProgrammeChangeSerializer(StrictSerializer):
    """What can be changed of the programme."""

    name = serializers.CharField(required=False, allow_blank=True, max_length=120)
    tier_window_days = serializers.IntegerField(required=False, min_value=1, max_value=36_500)
    card_prefix = serializers.CharField(required=False, allow_blank=True, max_length=6)
