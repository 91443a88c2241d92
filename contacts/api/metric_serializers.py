"""The shapes of metrics in the API: their definitions, and how those computed come about."""

from typing import Any

from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from contacts import computed_metrics
from contacts.api.definition_serializers import DescribedDefinitionSerializer, LabelChangeSerializer
from contacts.models import ComputedMetric, MetricDefinition
from workspace.api.serializers import StrictSerializer

# What the parts of a formula are called here, where they have a shorter name.
PARTS = {
    "event": "event_name",
    "property": "value_property",
    "other_event": "other_event_name",
    "ranked": "ranked_key",
}


class FormulaChangeSerializer(StrictSerializer):
    """How a metric is computed, of which what is named changes; docs/metrics.md says what is."""

    function = serializers.ChoiceField(choices=ComputedMetric.Function.choices, required=False)
    event = serializers.CharField(
        required=False, allow_blank=True, help_text=_("Empty: what the workspace calls an order.")
    )
    property = serializers.CharField(
        required=False,
        allow_blank=True,
        help_text=_("Empty: that of the order, its amount or its category."),
    )
    window_days = serializers.IntegerField(
        required=False, allow_null=True, help_text=_("Of the last so many days; null: of ever.")
    )
    filter_property = serializers.CharField(
        required=False, allow_blank=True, help_text=_("Only events where this property …")
    )
    filter_value = serializers.CharField(
        required=False, allow_blank=True, help_text=_("… is this, as text.")
    )
    other_event = serializers.CharField(
        required=False, allow_blank=True, help_text=_("Of a share: the event that is counted.")
    )
    ranked = serializers.CharField(
        required=False, allow_blank=True, help_text=_("Of a rank: the key of the other metric.")
    )
    upload_name = serializers.CharField(
        required=False, help_text=_("What other systems call it; “ss_” and the key by itself.")
    )


class FormulaSerializer(FormulaChangeSerializer):
    """How a metric is computed, as it is defined."""

    function = serializers.ChoiceField(choices=ComputedMetric.Function.choices)


class ComputedSerializer(serializers.Serializer[Any]):
    """How a metric is computed, and how that went the last time. A recipe has no function.

    The context says as `orders` what an order is.
    """

    function = serializers.CharField(allow_blank=True)
    event = serializers.CharField(source="event_name", allow_blank=True)
    property = serializers.CharField(source="value_property", allow_blank=True)
    window_days = serializers.IntegerField(allow_null=True)
    filter_property = serializers.CharField(allow_blank=True)
    filter_value = serializers.CharField(allow_blank=True)
    other_event = serializers.CharField(source="other_event_name", allow_blank=True)
    ranked = serializers.SerializerMethodField()
    upload_name = serializers.CharField()
    said = serializers.SerializerMethodField()
    as_of = serializers.DateTimeField(allow_null=True)
    value_count = serializers.IntegerField()

    def get_ranked(self, computed: ComputedMetric) -> str:
        return "" if computed.ranked is None else computed.ranked.key

    def get_said(self, computed: ComputedMetric) -> str:
        """In words, how it is computed."""
        return computed_metrics.how_computed(computed, self.context["orders"])


class MetricChangeSerializer(LabelChangeSerializer):
    """What can be changed of a metric."""

    description = serializers.CharField(required=False, allow_blank=True)
    computed = FormulaChangeSerializer(required=False)


class NewMetricSerializer(DescribedDefinitionSerializer):
    """A number, date or text for each contact; with `computed` Regulars computes it."""

    type = serializers.ChoiceField(
        choices=MetricDefinition.Type.choices,
        required=False,
        help_text=_("Of those computed the function decides it. Else a number, if not named."),
    )
    computed = FormulaSerializer(required=False, allow_null=True)


class MetricSerializer(serializers.Serializer[Any]):
    """A metric: one that others write has no `computed`."""

    key = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment]  # a field
    type = serializers.ChoiceField(choices=MetricDefinition.Type.choices)
    description = serializers.CharField(allow_blank=True)
    computed = serializers.SerializerMethodField()

    @extend_schema_field(ComputedSerializer(allow_null=True))
    def get_computed(self, metric: MetricDefinition) -> dict[str, Any] | None:
        if not metric.is_computed:
            return None
        shown: dict[str, Any] = ComputedSerializer(metric.computed, context=self.context).data
        return shown
