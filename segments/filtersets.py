"""Filters for lists of this room. Times are ISO 8601 with an offset; `_after` is inclusive."""

import django_filters
from django.db.models import QuerySet
from django.utils import timezone

from segments.models import Export, ExportSchedule, SavedCriteria, Segment, SegmentAction
from segments.sections import Section, in_section


class SegmentFilterSet(django_filters.FilterSet):
    """Filters for segments."""

    status = django_filters.ChoiceFilter(choices=Segment.Status.choices)
    source = django_filters.ChoiceFilter(choices=Segment.Source.choices)
    name = django_filters.CharFilter(lookup_expr="icontains")
    group = django_filters.CharFilter(field_name="groups__name", distinct=True)
    section = django_filters.ChoiceFilter(
        choices=[(section.value, section.value) for section in Section], method="of_section"
    )

    class Meta:
        model = Segment
        fields = ("status", "source", "name", "group", "section")

    def of_section(
        self, queryset: "QuerySet[Segment]", name: str, value: str
    ) -> "QuerySet[Segment]":
        """Those in preparation, ready, or in the archive now."""
        return in_section(queryset, Section(value), at=timezone.now())


class ExportFilterSet(django_filters.FilterSet):
    """Filters for exports."""

    segment = django_filters.CharFilter(field_name="segment__key")
    state = django_filters.ChoiceFilter(choices=Export.State.choices)

    class Meta:
        model = Export
        fields = ("segment", "state")


class ExportScheduleFilterSet(django_filters.FilterSet):
    """Filters for export schedules."""

    segment = django_filters.CharFilter(field_name="segment__key")
    enabled = django_filters.BooleanFilter()

    class Meta:
        model = ExportSchedule
        fields = ("segment", "enabled")


class ActionFilterSet(django_filters.FilterSet):
    """Filters for actions."""

    state = django_filters.ChoiceFilter(choices=SegmentAction.State.choices)
    kind = django_filters.ChoiceFilter(choices=SegmentAction.Kind.choices)

    class Meta:
        model = SegmentAction
        fields = ("state", "kind")


class SavedCriteriaFilterSet(django_filters.FilterSet):
    """Filters for saved criteria."""

    name = django_filters.CharFilter(lookup_expr="icontains")
    group = django_filters.CharFilter(field_name="groups__name", distinct=True)

    class Meta:
        model = SavedCriteria
        fields = ("name", "group")
