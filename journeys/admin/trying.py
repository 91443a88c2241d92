"""The page on which a draft is tested: the toggle, who enters, the trigger, the log as it grows."""

from collections.abc import Callable, Mapping
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from journeys import statistics
from journeys.admin.canvas import address_of
from journeys.admin.passages import passage_row
from journeys.checking import faults_of
from journeys.drawing.syntax import read
from journeys.explaining import Words, explain_steps
from journeys.hiding import Hiding
from journeys.journeys import DRAWABLE
from journeys.models import Journey, JourneyVersion, Message, Participant, TestProfile, Transition
from journeys.outline import name_of
from journeys.trying import sessions
from journeys.trying.log import PASSAGES_SHOWN, read_log
from journeys.trying.profiles import known_profiles
from journeys.trying.running import running_test
from journeys.trying.triggers import offered_events, trigger
from journeys.widgets import CanvasWidget
from workspace.access import Actor, actor_of
from workspace.admin import PagesAdmin
from workspace.admin.pictures import badge, number
from workspace.errors import DomainError
from workspace.exactjson import exact_dumps, exact_loads

_CHOICES = 200
# As often as the log: who tests waits for what happens.
_COUNTS_EVERY_SECONDS = 2
_PHASES = {
    "running": (gettext_lazy("running"), "info"),
    "finished": (gettext_lazy("finished"), "good"),
    "error": (gettext_lazy("came to grief"), "bad"),
    "timed_out": (gettext_lazy("timed out"), "warning"),
}


class TryingPages(PagesAdmin):
    """The page of the test of a journey."""

    def test_view(self, request: HttpRequest, journey: Journey) -> HttpResponseBase:
        """The test of a journey; with `part=log` only what grows."""
        if not actor_of(request).may(sessions.PERMISSION):
            raise PermissionDenied
        if request.method == "POST":
            return self._do(request, journey)
        version = running_test(journey)
        if request.GET.get("part") == "log":
            if version is None:
                return HttpResponse(status=204)
            context = _log_context(request, version)
            return TemplateResponse(request, "journeys/test_log.html", context)
        context = self._test_context(request, journey, version)
        return TemplateResponse(request, "journeys/test.html", context)

    def _do(self, request: HttpRequest, journey: Journey) -> HttpResponseBase:
        verbs: Mapping[str, Callable[[HttpRequest, Journey], str]] = {
            "start": _start,
            "end": _end,
            "profiles": _add_profiles,
            "trigger": _trigger,
        }
        verb = verbs.get(request.POST.get("do", ""))
        here = reverse("admin:journeys_journey_test", args=[journey.pk])
        if verb is None:
            messages.error(request, _("This button is not known here: reload the page."))
            return HttpResponseRedirect(here)
        try:
            messages.success(request, verb(request, journey))
        except DomainError as error:
            messages.error(request, str(error))
        return HttpResponseRedirect(here)

    def _test_context(
        self, request: HttpRequest, journey: Journey, version: JourneyVersion | None
    ) -> dict[str, Any]:
        actor, now = actor_of(request), timezone.now()
        faults = faults_of(journey, actor=actor, at=now) if version is None else []
        errors = [fault for fault in faults if fault.is_error]
        context = {
            **self.thing_context(request, journey, page="test", title=_("Test: %s") % journey.name),
            "journey": journey,
            "version": version,
            "faults": [(fault, _label(journey, fault.node)) for fault in faults],
            "may_start": version is None and not errors and journey.state in DRAWABLE,
            "is_over": journey.state not in DRAWABLE,
            "error_count": len(errors),
            "limit": sessions.PROFILE_LIMIT,
            "least": sessions.WAIT_LEAST,
            "most": sessions.WAIT_MOST,
            "usual": sessions.WAIT_USUAL if errors else sessions.usual_wait(read(journey.drawing)),
            "profiles": _profiles(),
            "may_publish": actor.may("journeys.publish_journey"),
            "media": self.media,
        }
        if version is not None:
            offered = offered_events(version)
            canvas = _canvas(version, journey, actor)
            drawing = Hiding(actor).drawing(version.drawing)
            context.update(
                _log_context(request, version),
                canvas=canvas.render("tested_drawing", exact_dumps(drawing, indent=2)),
                media=self.media + canvas.media,
                foreseen=sessions.foresee_end(version),
                offered=offered,
                has_event_entry=bool(offered and offered[0].enters),
                examples={one.name: one.example for one in offered},
                fields={
                    one.name: [
                        {"name": prop.name, "type": prop.type, "required": prop.is_required}
                        for prop in one.properties
                    ]
                    for one in offered
                },
                first_example=exact_dumps(offered[0].example) if offered else "{}",
            )
        return context


def _log_context(request: HttpRequest, version: JourneyVersion) -> dict[str, Any]:
    """The log and where everybody stands: a constant number of queries."""
    log = read_log(version)
    words = Words(version, actor=actor_of(request))
    rows = Participant.objects.filter(version=version).select_related("contact")
    steps: dict[int, list[Transition]] = {}
    for step in Transition.objects.filter(participant__version=version).order_by("step"):
        steps.setdefault(step.participant_id, []).append(step)
    mail: dict[int, dict[str, list[Message]]] = {}
    for message in Message.objects.filter(version=version).order_by("pk"):
        mail.setdefault(message.participant_id, {}).setdefault(message.node, []).append(message)
    told = {row["participant"]: row for row in log["profiles"]}
    passages = []
    for one in rows.order_by("-entered_at", "-pk")[:PASSAGES_SHOWN]:
        row = told.get(one.pk)
        if row is None:
            continue
        phase, tone = _PHASES[row["phase"]]
        explained = explain_steps(words, one, steps.get(one.pk, []), mail.get(one.pk, {}))
        passages.append(
            {
                **passage_row(explained, words.standing(one)),
                "participant": one,
                "badge": badge(phase, tone),
                "json": exact_dumps(row, indent=2),
            }
        )
    return {
        "version": version,
        "passages": passages,
        "refusals": log["refusals"],
        "coming": log["coming"],
    }


def _canvas(version: JourneyVersion, journey: Journey, actor: Actor) -> CanvasWidget:
    """What is tested, with who stands where; the page's script asks for that again and again."""
    return CanvasWidget(
        actor=actor,
        urls={"counts": f"{address_of('counts', journey)}?test"},
        settings=Hiding(actor).settings(version.settings),
        counts=statistics.test_counts(version),
        counts_every_seconds=_COUNTS_EVERY_SECONDS,
        is_read_only=True,
    )


def _profiles() -> list[tuple[int, str]]:
    found = known_profiles().order_by("-added_at")[:_CHOICES]
    return [(one.contact_id, _name(one)) for one in found]


def _name(profile: TestProfile) -> str:
    contact = profile.contact
    name = f"{contact.first_name} {contact.last_name}".strip()
    return " · ".join(part for part in (name, contact.email) if part) or f"#{contact.pk}"


def _label(journey: Journey, node_id: str) -> str:
    """What people find an activity by: its label, else its kind and its id."""
    nodes = journey.drawing.get("nodes") if isinstance(journey.drawing, dict) else None
    for node in nodes if isinstance(nodes, list) else ():
        if isinstance(node, dict) and node.get("id") == node_id:
            return str(node.get("label") or f"{name_of(node)} ({node_id})")
    return node_id


def _start(request: HttpRequest, journey: Journey) -> str:
    text = request.POST.get("wait_seconds", "").strip()
    seconds = int(text) if text.isascii() and text.isdecimal() and len(text) < 6 else None
    version = sessions.start_test(
        journey, actor=actor_of(request), at=timezone.now(), wait_seconds=seconds
    )
    message = _("The test runs: every wait lasts %(seconds)d seconds. Now let profiles enter.")
    return message % {"seconds": version.wait_seconds or 0}


def _end(request: HttpRequest, journey: Journey) -> str:
    sessions.end_test(journey, actor=actor_of(request), at=timezone.now())
    return _("The test ended, and what it left is gone.")


def _add_profiles(request: HttpRequest, journey: Journey) -> str:
    actor, at = actor_of(request), timezone.now()
    if request.POST.get("how") == "many":
        count = len(sessions.add_random_profiles(journey, actor=actor, at=at))
    else:
        count = len(sessions.add_profiles(journey, _chosen(request), actor=actor, at=at))
    message = ngettext("%(count)s profile enters.", "%(count)s profiles enter.", count)
    return message % {"count": number(count)}


def _trigger(request: HttpRequest, journey: Journey) -> str:
    try:
        properties = exact_loads(request.POST.get("properties", "").strip() or "{}")
    except (ValueError, RecursionError) as error:
        raise _NoJSON(_("The code is no JSON: %(error)s") % {"error": error}) from error
    told = trigger(
        journey,
        _chosen(request),
        event=request.POST.get("event", ""),
        properties=properties,
        actor=actor_of(request),
        at=timezone.now(),
    )
    parts = []
    if told.entered_count:
        enters = ngettext(
            "%(count)s profile enters", "%(count)s profiles enter", told.entered_count
        )
        parts.append(enters % {"count": number(told.entered_count)})
    if told.signalled_count:
        moves = ngettext("%(count)s profile goes on", "%(count)s go on", told.signalled_count)
        parts.append(moves % {"count": number(told.signalled_count)})
    return ", ".join(parts) + "."


class _NoJSON(DomainError):
    """What stands in the code view cannot be read."""


def _chosen(request: HttpRequest) -> list[int]:
    return [
        int(one) for one in request.POST.getlist("contact") if one.isdecimal() and len(one) < 19
    ]
