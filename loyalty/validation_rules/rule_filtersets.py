"""Filters for lists of validation rules."""

import django_filters
from django.db.models import QuerySet

from loyalty.models import Campaign, RuleAssignment, ValidationRule
from workspace.access import actor_of, visible


class ValidationRuleFilterSet(django_filters.FilterSet):
    """Filters for validation rules; `campaign` and `distribution` are keys."""

    name = django_filters.CharFilter(lookup_expr="icontains")
    campaign = django_filters.CharFilter(method="holding_for", label="The key of a campaign.")
    distribution = django_filters.CharFilter(
        method="holding_for", label="The key of a distribution."
    )

    class Meta:
        model = ValidationRule
        fields = ("name", "campaign", "distribution")

    def holding_for(
        self, queryset: "QuerySet[ValidationRule]", name: str, value: str
    ) -> "QuerySet[ValidationRule]":
        """Those that hold for it; none where one may not know of it."""
        campaigns = visible(Campaign.objects.all(), actor_of(self.request)).order_by()
        owner = "campaign" if name == "campaign" else "distribution__campaign"
        rows = RuleAssignment.objects.filter(
            **{f"{name}__key": value, f"{owner}__in": campaigns.values("pk")}
        )
        return queryset.filter(pk__in=rows.values("rule_id"))
