"""Filters for lists of distributions and of their tasks."""

import django_filters

from loyalty.models import Distribution, DistributionTask


class DistributionFilterSet(django_filters.FilterSet):  # type: ignore[misc]  # untyped package
    """Filters for distributions."""

    state = django_filters.ChoiceFilter(choices=Distribution.State.choices)
    channel = django_filters.ChoiceFilter(choices=Distribution.Channel.choices)
    campaign = django_filters.CharFilter(field_name="campaign__key")
    name = django_filters.CharFilter(lookup_expr="icontains")

    class Meta:
        model = Distribution
        fields = ("state", "channel", "campaign", "name")


class DistributionTaskFilterSet(django_filters.FilterSet):  # type: ignore[misc]  # the same
    """Filters for the tasks of a distribution."""

    state = django_filters.ChoiceFilter(choices=DistributionTask.State.choices)
    contact = django_filters.NumberFilter(field_name="contact_id")

    class Meta:
        model = DistributionTask
        fields = ("state", "contact")
