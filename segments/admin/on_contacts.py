"""What segments add to the screens about contacts: a panel of the profile, and a filter."""

from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import DropdownFilter

from contacts.admin import Link, Panel, register_filter, register_link, register_panel
from contacts.models import Contact
from segments import lifecycle
from segments.admin.badges import status_badge
from segments.members import segments_of_contact
from segments.models import Membership
from workspace.access import actor_of

_OTHERS_SHOWN = 200


class SegmentFilter(DropdownFilter):
    """Contacts that are in a segment, of those that the person who looks may know of."""

    title = _("segment")
    parameter_name = "segment"

    def has_output(self) -> bool:
        # Also without choices: else what stands in the address would be passed over.
        return bool(self.lookup_choices) or self.value() is not None

    def lookups(self, request: HttpRequest, model_admin: object) -> list[tuple[str, str]]:
        actor = actor_of(request)
        if not actor.may("segments.view_segment"):
            return []
        offered = lifecycle.usable_segments(actor).order_by("name").values_list("key", "name")
        # One that is no longer offered can still be looked at: its page leads here.
        chosen = lifecycle.known_segments(actor).filter(key=request.GET.get("segment", ""))
        return list(dict([*offered[:500], *chosen.values_list("key", "name")]).items())

    def queryset(self, request: HttpRequest, queryset: "QuerySet[Contact]") -> "QuerySet[Contact]":
        # What stands in the address is no key to what one may not see.
        if not self.value() or self.value() not in dict(self.lookup_choices):
            return queryset.none() if self.value() else queryset
        members = Membership.objects.filter(segment__key=self.value())
        return queryset.filter(pk__in=members.values("contact_id"))


def _segments_panel(request: HttpRequest, contact: Contact) -> dict[str, Any] | None:
    actor = actor_of(request)
    if not actor.may("segments.view_segment"):
        return None
    found = segments_of_contact(contact.pk, actor=actor)
    inside = [segment.pk for segment, _since in found]
    # Why he is not in the others can be asked, too.
    others = lifecycle.usable_segments(actor).exclude(pk__in=inside)
    return {
        "rows": [(segment, since, status_badge(segment)) for segment, since in found],
        "others": list(others.order_by("name").values("pk", "name")[:_OTHERS_SHOWN]),
    }


register_filter(SegmentFilter)
register_link(
    Link(
        "export",
        _("Export"),
        "admin:segments_export_add",
        "download",
        "segments.export_segment",
    )
)
register_panel(
    Panel("segments", _("Segments"), "segments/contact_panel.html", _segments_panel, place=10)
)
