"""What journeys add to the profile of a contact: where it is inside, whether tests may use it."""

from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import DropdownFilter

from contacts.admin import Panel, register_filter, register_panel
from contacts.models import Contact
from journeys.admin.people import state_badge
from journeys.journeys import known_journeys
from journeys.models import Journey, Lane, Participant, TestProfile
from journeys.trying import profiles
from workspace.access import actor_of

_SHOWN, _OTHERS = 20, 100
_RUNNING = (Journey.State.LIVE, Journey.State.PAUSED)


class TestProfileFilter(DropdownFilter):
    """Contacts with whom journeys may be tested, or the others."""

    title = _("test profile")
    parameter_name = "test_profile"

    def lookups(self, request: HttpRequest, model_admin: object) -> list[tuple[str, Any]]:
        if not actor_of(request).may("journeys.view_testprofile"):
            return []
        return [("yes", _("test profiles")), ("no", _("the others"))]

    def queryset(self, request: HttpRequest, queryset: "QuerySet[Contact]") -> "QuerySet[Contact]":
        if self.value() not in dict(self.lookup_choices):
            return queryset.none() if self.value() else queryset
        marked = TestProfile.objects.values("contact_id")
        return (
            queryset.filter(pk__in=marked)
            if self.value() == "yes"
            else queryset.exclude(pk__in=marked)
        )


def _panel(request: HttpRequest, contact: Contact) -> dict[str, Any] | None:
    actor = actor_of(request)
    sees_profiles, sees_journeys = (
        actor.may("journeys.view_testprofile"),
        actor.may("journeys.view_journey"),
    )
    if not sees_profiles and not sees_journeys:
        return None
    profile = TestProfile.objects.filter(contact_id=contact.pk).first() if sees_profiles else None
    known = known_journeys(actor) if sees_journeys else Journey.objects.none()
    passages = Participant.objects.filter(
        contact_id=contact.pk, lane=Lane.LIVE, journey__in=known.order_by().values("pk")
    )
    found = passages.select_related("journey", "version").order_by("-entered_at", "-pk")
    return {
        "profile": profile,
        "sees_profiles": sees_profiles,
        "may_mark": sees_profiles and profile is None and actor.may(profiles.ADD),
        "may_unmark": profile is not None and actor.may(profiles.REMOVE),
        "passages": [(one, state_badge(one)) for one in found[:_SHOWN]],
        "others": list(
            known.filter(state__in=_RUNNING).order_by("name").values("pk", "name")[:_OTHERS]
        ),
    }


register_filter(TestProfileFilter)
register_panel(Panel("journeys", _("Journeys"), "journeys/contact_panel.html", _panel, 15))
