"""The shapes of validation rules in the API."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from loyalty.models import ValidationRule
from loyalty.validation_rules.rule_fields import with_own
from loyalty.validation_rules.rule_words import describe_in
from loyalty.validation_rules.rules import Assigned
from segments import facts
from segments.api.serializers import ReadableCriteriaField
from workspace.api.serializers import AnyJSONField, StrictSerializer


@extend_schema_field({"type": "object", "additionalProperties": True})
class RuleDocumentField(AnyJSONField):
    """The document of a rule; what is wrong with it is told under `conditions` of the problem."""


class ValidationRuleSerializer(serializers.Serializer[ValidationRule]):
    """Under which conditions cards are given and pay."""

    key = serializers.CharField()
    name = serializers.CharField()
    description = serializers.CharField()
    message = serializers.CharField()
    document = ReadableCriteriaField()
    sentence = serializers.SerializerMethodField()
    assignment_count = serializers.IntegerField()
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()

    def get_sentence(self, rule: ValidationRule) -> str:
        context: Any = self.context
        if "rule_catalog" not in context:
            # One for all rules of an answer.
            context["rule_catalog"] = with_own(facts.reading_catalog(context["view"].actor))
        return describe_in(rule.document, context["rule_catalog"])


class ValidationRuleChangeSerializer(StrictSerializer):
    """What can be changed of a rule."""

    name = serializers.CharField(required=False, allow_blank=True)
    description = serializers.CharField(required=False, allow_blank=True)
    message = serializers.CharField(required=False, allow_blank=True)
    document = RuleDocumentField(required=False, allow_null=True)


class ValidationRuleCreationSerializer(ValidationRuleChangeSerializer):
    """A new rule; without a key one is made of the name."""

    key = serializers.CharField(required=False)
    # Checked together with the document, so that one answer tells all.
    name = serializers.CharField(default="", allow_blank=True)
    document = RuleDocumentField(allow_null=True)


class AssignmentSerializer(serializers.Serializer[Assigned]):
    """What a rule holds for: a campaign or distribution by key, a voucher by its code."""

    id = serializers.IntegerField(source="assignment.pk")
    kind = serializers.ChoiceField(choices=["campaign", "voucher", "distribution"])
    reference = serializers.SerializerMethodField()
    name = serializers.CharField(source="thing")
    created_at = serializers.DateTimeField(source="assignment.created_at")

    def get_reference(self, assigned: Assigned) -> str:
        thing: Any = assigned.thing
        return str(thing.code if assigned.kind == "voucher" else thing.key)


class AssignmentCreationSerializer(StrictSerializer):
    """The one thing that the rule is to hold for."""

    campaign = serializers.CharField(required=False)
    voucher = serializers.CharField(required=False)
    distribution = serializers.CharField(required=False)

    def validate(self, given: dict[str, Any]) -> dict[str, Any]:
        if len(given) != 1:
            raise serializers.ValidationError("Name one campaign, voucher or distribution.")
        return given
