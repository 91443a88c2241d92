"""Validation rules in the API."""

from typing import Any

from django.db.models import Count, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from loyalty.api.rule_serializers import (
    AssignmentCreationSerializer,
    AssignmentSerializer,
    ValidationRuleChangeSerializer,
    ValidationRuleCreationSerializer,
    ValidationRuleSerializer,
)
from loyalty.errors import AssignedUnknown, AssignmentUnknown
from loyalty.models import Campaign, Distribution, RuleAssignment, ValidationRule, Voucher
from loyalty.validation_rules import rules
from loyalty.validation_rules.rule_filtersets import ValidationRuleFilterSet
from workspace.api.pages import BY_ID, Ordering
from workspace.api.views import ApiViewSet

_KEY = r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}"
_VIEW, _CHANGE = "loyalty.view_validationrule", "loyalty.change_validationrule"


class ValidationRuleViewSet(ApiViewSet):
    """Under which conditions cards are given and pay."""

    queryset = ValidationRule.objects.all()
    filterset_class = ValidationRuleFilterSet
    lookup_field = "key"
    lookup_value_regex = _KEY
    orderings = {
        "key": Ordering(("key",)),
        "-key": Ordering(("key",), is_descending=True),
        **BY_ID,
    }
    permissions = {
        "list": _VIEW,
        "create": "loyalty.add_validationrule",
        "retrieve": _VIEW,
        "partial_update": _CHANGE,
        "destroy": "loyalty.delete_validationrule",
    }

    def get_queryset(self) -> "QuerySet[ValidationRule]":
        return ValidationRule.objects.annotate(assignment_count=Count("assignments"))

    @extend_schema(responses=ValidationRuleSerializer(many=True))
    def list(self, request: Request) -> Response:
        """All rules."""
        rows = self.filter_queryset(self.get_queryset())
        return self.page(rows, self.shapes(ValidationRuleSerializer))

    @extend_schema(
        request=ValidationRuleCreationSerializer, responses={201: ValidationRuleSerializer}
    )
    def create(self, request: Request) -> Response:
        """Make a rule; it holds for nothing yet."""
        given = self.read(ValidationRuleCreationSerializer)
        made = rules.create_rule(actor=self.actor, at=timezone.now(), **given)
        return Response(self._shape(made), status=201)

    @extend_schema(responses=ValidationRuleSerializer)
    def retrieve(self, request: Request, key: str) -> Response:
        """One rule."""
        return Response(self._shape(rules.find_rule(key, actor=self.actor)))

    @extend_schema(request=ValidationRuleChangeSerializer, responses=ValidationRuleSerializer)
    def partial_update(self, request: Request, key: str) -> Response:
        """Change what the body names; it holds at once wherever the rule does."""
        rule = rules.find_rule(key, actor=self.actor)
        given = self.read(ValidationRuleChangeSerializer)
        changed = rules.update_rule(rule, actor=self.actor, at=timezone.now(), **given)
        return Response(self._shape(changed))

    @extend_schema(responses={204: None})
    def destroy(self, request: Request, key: str) -> Response:
        """Forget a rule that holds for nothing."""
        rule = rules.find_rule(key, actor=self.actor)
        rules.delete_rule(rule, actor=self.actor, at=timezone.now())
        return Response(status=204)

    def _shape(self, rule: ValidationRule) -> object:
        counted = self.get_queryset().get(pk=rule.pk)
        return self.shape(ValidationRuleSerializer, counted)


class AssignmentViewSet(ApiViewSet):
    """What a validation rule holds for, as far as one may know of it."""

    queryset = ValidationRule.objects.all()
    lookup_value_regex = r"\d{1,18}"
    permissions = {"list": _VIEW, "create": _CHANGE, "destroy": _CHANGE}

    @extend_schema(responses=AssignmentSerializer(many=True))
    def list(self, request: Request, key: str) -> Response:
        """The campaigns, vouchers and distributions that the rule holds for."""
        rule = rules.find_rule(key, actor=self.actor)
        rows = rules.assigned_to(rule, actor=self.actor)
        known = [row for row in rows if row.thing is not None]
        return Response(self.shapes(AssignmentSerializer)(known))

    @extend_schema(request=AssignmentCreationSerializer, responses={201: AssignmentSerializer})
    def create(self, request: Request, key: str) -> Response:
        """Let the rule hold for one more."""
        rule = rules.find_rule(key, actor=self.actor)
        [(kind, reference)] = self.read(AssignmentCreationSerializer).items()
        thing = find_thing(kind, reference)
        at = timezone.now()
        made = rules.assign_rule(rule, **{kind: thing}, actor=self.actor, at=at)
        return Response(AssignmentSerializer(rules.Assigned(made, kind, thing)).data, status=201)

    @extend_schema(responses={204: None})
    def destroy(self, request: Request, key: str, pk: str) -> Response:
        """Let the rule hold for that no longer."""
        rule = rules.find_rule(key, actor=self.actor)
        found = RuleAssignment.objects.filter(rule=rule, pk=pk).first()
        if found is None:
            raise AssignmentUnknown(_("The rule does not hold for that."))
        rules.unassign_rule(found, actor=self.actor, at=timezone.now())
        return Response(status=204)


def find_thing(kind: str, reference: str) -> Any:
    """The campaign or distribution of a key, the voucher of a code. Raises AssignedUnknown."""
    finders: dict[str, Any] = {
        "campaign": Campaign.objects.filter(key=reference),
        "voucher": Voucher.objects.select_related("campaign").filter(code=reference.upper()),
        "distribution": Distribution.objects.select_related("campaign").filter(key=reference),
    }
    found = finders[kind].first()
    if found is None:
        raise AssignedUnknown(_("There is no such thing that the rule could hold for."))
    return found
