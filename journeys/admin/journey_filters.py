"""Filters of the list of journeys."""

from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.contrib.filters.admin import DropdownFilter

from journeys.models import Journey
from workspace import access
from workspace.access import actor_of


class GroupFilter(DropdownFilter):
    """By user group, of those that one belongs to."""

    title = gettext_lazy("user group")
    parameter_name = "group"

    def has_output(self) -> bool:
        # Also without choices: else what stands in the address would be passed over.
        return bool(self.lookup_choices) or self.value() is not None

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        groups = access.choosable_groups(actor_of(request))
        found = [(str(group.pk), group.name) for group in groups]
        return [*found, ("none", _("no user group"))] if found else []

    def queryset(self, request: HttpRequest, queryset: "QuerySet[Journey]") -> "QuerySet[Journey]":
        if not self.value():
            return queryset
        if self.value() not in dict(self.lookup_choices):
            return queryset.none()
        if self.value() == "none":
            return queryset.filter(groups__isnull=True)
        within = Journey.groups.through.objects.filter(group_id=self.value())
        return queryset.filter(pk__in=within.values("journey_id"))
