"""What is wrong with segments, as the list shows it: a badge and a filter."""

from collections.abc import Sequence
from typing import Any

from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy, ngettext
from unfold.contrib.filters.admin import DropdownFilter

from segments.models import Finding, Segment
from workspace import access
from workspace.access import actor_of
from workspace.admin.pictures import badge

_GRAVE = (Finding.Kind.CONTRADICTION, Finding.Kind.MISSING, Finding.Kind.LATE)


def health_badges(findings: Sequence[Finding]) -> list[SafeString]:
    """The worst finding by its name, and how many more there are; none for a healthy one."""
    if not findings:
        return []
    worst = findings[0]
    text = str(worst.get_kind_display())
    if more := len(findings) - 1:
        text += " " + ngettext("and %(count)d more", "and %(count)d more", more) % {"count": more}
    tone = ("bad", "error") if worst.kind in _GRAVE else ("warning", "health_and_safety")
    return [badge(text, *tone)]


class HealthFilter(DropdownFilter):
    """Segments in use with something wrong, of one kind or of any that one may know of."""

    title = gettext_lazy("health")
    parameter_name = "health"

    def lookups(self, request: HttpRequest, model_admin: object) -> list[tuple[str, Any]]:
        return [("any", gettext_lazy("something wrong")), *Finding.Kind.choices]

    def queryset(self, request: HttpRequest, queryset: "QuerySet[Any]") -> "QuerySet[Any]":
        value = self.value()
        if not value:
            return queryset
        found = Finding.objects.filter(_known(request))
        if value != "any":
            found = found.filter(kind=value)
        told = Q(status=Segment.Status.ACTIVE, pk__in=found.values("segment_id"))
        # They are out of use because of it.
        missing = found.filter(kind=Finding.Kind.MISSING)
        told |= Q(status=Segment.Status.INACTIVE, pk__in=missing.values("segment_id"))
        return queryset.filter(told)


def _known(request: HttpRequest) -> Q:
    """Findings about other segments only where the person may know one of these."""
    actor = actor_of(request)
    if actor.is_admin:
        return Q()
    known = set(access.visible(Segment.objects.order_by(), actor).values_list("pk", flat=True))
    duplicates = Finding.objects.filter(kind=Finding.Kind.DUPLICATE).values_list("pk", "data")
    hidden = [pk for pk, data in duplicates if known.isdisjoint(data["others"])]
    return ~Q(pk__in=hidden)
