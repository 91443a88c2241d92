"""Filters for lists of this room."""

from typing import Any

import django_filters
from django.db.models import Q, QuerySet

from journeys.models import Journey, Participant


class JourneyFilterSet(django_filters.FilterSet):
    """Filters for journeys. `search` looks into name and key."""

    state = django_filters.MultipleChoiceFilter(choices=Journey.State.choices)
    search = django_filters.CharFilter(method="search_names")
    group = django_filters.CharFilter(field_name="groups__name", distinct=True)

    class Meta:
        model = Journey
        fields = ("state", "search", "group")

    def search_names(self, queryset: "QuerySet[Journey]", name: str, value: str) -> Any:
        """Those in whose name or key the text stands, in any case."""
        return queryset.filter(Q(name__icontains=value) | Q(key__icontains=value))


class ParticipantFilterSet(django_filters.FilterSet):
    """Filters for participants. `node` asks who stands at an activity, of the version asked for."""

    state = django_filters.MultipleChoiceFilter(choices=Participant.State.choices)
    outcome = django_filters.ChoiceFilter(choices=Participant.Outcome.choices)
    contact = django_filters.NumberFilter(field_name="contact_id")
    place = django_filters.NumberFilter(field_name="place")

    class Meta:
        model = Participant
        fields = ("state", "outcome", "contact", "place")
