"""What the canvas asks for while somebody draws: choices, faults, and who stands where."""

from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, JsonResponse
from django.urls import NoReverseMatch, URLPattern, path, reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from journeys import statistics
from journeys.checking import faults_of
from journeys.choices import find_choices
from journeys.hiding import Hiding
from journeys.models import Journey, JourneyVersion, Lane
from journeys.trying import sessions
from journeys.trying.running import running_test
from workspace.access import actor_of
from workspace.admin import PagesAdmin
from workspace.exactjson import exact_loads


class CanvasPages(PagesAdmin):
    """Answers in JSON, to whoever may look at the journey."""

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        own = [
            path("choices/", view(require_GET(self.choices_view)), name="journeys_choices"),
            path(
                "<path:object_id>/faults/",
                view(require_POST(self.faults_view)),
                name="journeys_journey_faults",
            ),
            path(
                "<path:object_id>/counts/",
                view(require_GET(self.counts_view)),
                name="journeys_journey_counts",
            ),
        ]
        return [*own, *super().get_urls()]

    def choices_view(self, request: HttpRequest) -> JsonResponse:
        """What an activity can be told to use, of one source, that is named like a text."""
        actor = actor_of(request)
        if not actor.may("journeys.view_journey"):
            raise PermissionDenied
        found = find_choices(
            request.GET.get("source", ""), request.GET.get("q", "")[:100], actor=actor
        )
        return JsonResponse(
            {
                "choices": [
                    {"value": one.value, "label": one.label, "note": one.note} for one in found
                ]
            }
        )

    def faults_view(self, request: HttpRequest, object_id: str) -> JsonResponse:
        """The faults of a drawing and of settings that are not saved."""
        journey: Journey = self.visible_or_404(request, object_id)
        given: dict[str, Any] = {}
        for name in ("drawing", "settings"):
            text = request.POST.get(name, "")
            try:
                given[name] = exact_loads(text) if text.strip() else {}
            except (ValueError, RecursionError):
                message = _("This is no JSON.")
                fault = {"node": "", "path": name, "code": "syntax", "message": message}
                return JsonResponse({"faults": [{**fault, "severity": "error"}]})
        actor = actor_of(request)
        hiding = Hiding(actor)
        found = faults_of(
            journey,
            actor=actor,
            at=timezone.now(),
            # What stands behind a mask is judged as what it is, and not named.
            drawing=hiding.lifted_drawing(given["drawing"], journey.drawing),
            settings=hiding.lifted_settings(given["settings"], journey.settings),
        )
        return JsonResponse({"faults": [fault.as_json() for fault in found]})

    def counts_view(self, request: HttpRequest, object_id: str) -> JsonResponse:
        """Who stands where in a version, and how many went which way: ever, or in the last day."""
        journey: Journey = self.visible_or_404(request, object_id)
        if "test" in request.GET:
            return self._test_counts(request, journey)
        version = find_version(journey, request.GET.get("version", ""))
        if version is None:
            return JsonResponse({"nodes": {}})
        is_live = request.GET.get("period") == "live"
        since = timezone.now() - statistics.LIVE if is_live else None
        counts = statistics.node_counts(version, since=since)
        people = participants_address(journey)
        nodes = {
            node: {
                **count,
                **({"url": f"{people}?version={version.number}&node={node}"} if people else {}),
            }
            for node, count in counts.items()
        }
        return JsonResponse({"nodes": nodes})

    def _test_counts(self, request: HttpRequest, journey: Journey) -> JsonResponse:
        """The same of the test that runs; nothing where none does."""
        if not actor_of(request).may(sessions.PERMISSION):
            raise PermissionDenied
        version = running_test(journey)
        return JsonResponse({"nodes": {} if version is None else statistics.test_counts(version)})


def find_version(journey: Journey, number: str = "") -> JourneyVersion | None:
    """The live version of this number; the newest where none is named, None where there is none."""
    versions = journey.versions.filter(lane=Lane.LIVE).order_by("-number")
    if number:
        if not (number.isdecimal() and len(number) < 10):
            return None
        versions = versions.filter(number=int(number))
    return versions.first()


def participants_address(journey: Journey) -> str:
    """The list of who is on the journey; nothing where there is no such page."""
    return address_of("participants", journey)


def address_of(page: str, journey: Journey) -> str:
    """The address of a page of a journey; nothing where there is none."""
    try:
        return reverse(f"admin:journeys_journey_{page}", args=[journey.pk])
    except NoReverseMatch:
        return ""
