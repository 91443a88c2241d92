"""Filters for lists of this room. Times are ISO 8601 with an offset; `_after` is inclusive."""

import django_filters

from workspace.models import Job


class JobFilterSet(django_filters.FilterSet):
    """Filters for jobs."""

    state = django_filters.ChoiceFilter(choices=Job.State.choices)
    kind = django_filters.CharFilter()
    subject = django_filters.CharFilter()

    class Meta:
        model = Job
        fields = ("state", "kind", "subject")
