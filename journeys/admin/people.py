"""Who is on a journey, how each came where it is, and why somebody is not on it at all."""

from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    HttpResponseRedirect,
)
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST

from contacts.admin.finding import found_ids
from contacts.models import Contact
from journeys import returning
from journeys.absence import explain_absence
from journeys.admin.canvas import find_version
from journeys.admin.passages import passage_row
from journeys.drawing.plan import order
from journeys.explaining import Words, entered_by, explain_participant
from journeys.models import Journey, JourneyVersion, Lane, Participant
from workspace.access import actor_of
from workspace.admin import PagesAdmin
from workspace.admin.pictures import badge, number
from workspace.errors import DomainError, NotAllowed, NotFound

_ON_A_PAGE = 50
_SUGGESTED = 10
State = Participant.State
_TONES = {State.READY: "info", State.WAITING: "info", State.DONE: "good", State.FAILED: "bad"}


class PeoplePages(PagesAdmin):
    """The pages of a journey about those who are, were or are not on it."""

    def get_urls(self) -> list[URLPattern]:
        own = path(
            "<path:object_id>/participants/<int:participant_id>/",
            self.admin_site.admin_view(self.participant_view),
            name="journeys_journey_participant",
        )
        bringing = path(
            "<path:object_id>/participants/bring-back/",
            self.admin_site.admin_view(require_POST(self.bring_back_view)),
            name="journeys_journey_bring_back",
        )
        return [bringing, own, *super().get_urls()]

    def participants_view(self, request: HttpRequest, journey: Journey) -> HttpResponseBase:
        """The participants of a version, the newest first, page by page."""
        asked = request.GET
        version = find_version(journey, asked.get("version", ""))
        context = self.thing_context(
            request, journey, page="participants", title=_("Participants: %s") % journey.name
        )
        context.update(version=version, states=State.choices, chosen_state=asked.get("state", ""))
        if version is not None:
            words = Words(version, actor=actor_of(request))
            rows = _filtered(version, request)
            found = list(rows[: _ON_A_PAGE + 1])
            shown = found[:_ON_A_PAGE]
            context.update(
                rows=[_row(journey, one, words) for one in shown],
                nodes=[(one, words.label(one)) for one in order(words.plan.drawing)],
                chosen_node=asked.get("node", ""),
                older=_older(request, shown[-1].pk) if len(found) > _ON_A_PAGE else "",
                is_cut="before" in asked,
                may_see=actor_of(request).may("contacts.view_contact"),
                failed=self._failed(request, journey, version, words),
                versions=list(
                    journey.versions.filter(lane=Lane.LIVE)
                    .order_by("-number")
                    .values_list("number", flat=True)
                ),
            )
        return TemplateResponse(request, "journeys/participants.html", context)

    def participant_view(
        self, request: HttpRequest, object_id: str, participant_id: int
    ) -> HttpResponse:
        """One passage, step by step."""
        journey: Journey = self.visible_or_404(request, object_id)
        rows = Participant.objects.select_related("contact", "version")
        participant = rows.filter(pk=participant_id, journey=journey, lane=Lane.LIVE).first()
        if participant is None:
            raise Http404
        explained = explain_participant(participant, actor=actor_of(request))
        title = _("%(contact)s on “%(journey)s”")
        words = {"contact": participant.contact, "journey": journey.name}
        context = self.thing_context(request, journey, page="participants", title=title % words)
        context.update(
            participant=participant,
            row=passage_row(explained.steps, explained.standing),
            badge=state_badge(participant),
            cause=entered_by(participant.entrance),
            may_see=actor_of(request).may("contacts.view_contact"),
            failed=self._failed_alone(request, journey, participant),
        )
        return TemplateResponse(request, "journeys/participant.html", context)

    def _failed_alone(
        self, request: HttpRequest, journey: Journey, participant: Participant
    ) -> dict[str, Any] | None:
        """The same for one passage."""
        if participant.state != State.FAILED:
            return None
        found = returning.foresee_return(journey, participants=[participant.pk])
        may = returning.may_return(journey) and actor_of(request).may(returning.PERMISSION)
        return {
            "may": bool(found.count) and may,
            "left": returning.left_sentence(found.left),
            "is_paused": journey.state == Journey.State.PAUSED,
            "is_over": not returning.may_return(journey),
        }

    def bring_back_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Bring those back whom the button was about: one, or those of a version or an activity."""
        journey: Journey = self.visible_or_404(request, object_id)
        told = request.POST
        chosen: dict[str, Any] = {"version": _number(told, "version"), "node": told.get("node", "")}
        target = reverse("admin:journeys_journey_participants", args=[journey.pk])
        if (participant := _number(told, "participant")) is not None:
            chosen = {"participants": [participant]}
            target = reverse("admin:journeys_journey_participant", args=[journey.pk, participant])
        try:
            done = returning.bring_back(
                journey, actor=actor_of(request), at=timezone.now(), **chosen
            )
        except NotFound as error:
            raise Http404 from error
        except NotAllowed as error:
            raise PermissionDenied from error
        except DomainError as error:
            self.message_user(request, str(error), messages.ERROR)
            return HttpResponseRedirect(target)
        message = ngettext(
            "%(count)s participant was brought back.",
            "%(count)s participants were brought back.",
            done.count,
        ) % {"count": number(done.count)}
        told_left = returning.left_sentence(done.left)
        level = messages.SUCCESS if done.count else messages.WARNING
        self.message_user(request, f"{message} {told_left}".strip(), level)
        return HttpResponseRedirect(target)

    def _failed(
        self, request: HttpRequest, journey: Journey, version: JourneyVersion, words: Words
    ) -> dict[str, Any] | None:
        """Who failed of those whom the page is about, why, and whether they can be brought back."""
        node = request.GET.get("node", "")
        found = returning.foresee_return(journey, version=version.number, node=node)
        if not found.count and not found.left:
            return None
        return {
            "count": found.count,
            "reasons": [(one, words.label(one.node)) for one in found.reasons],
            "left": returning.left_sentence(found.left),
            "node": node,
            "may": found.count
            and returning.may_return(journey)
            and actor_of(request).may(returning.PERMISSION),
            "is_paused": journey.state == Journey.State.PAUSED,
            "is_over": not returning.may_return(journey),
        }

    def explain_view(self, request: HttpRequest, journey: Journey) -> HttpResponseBase:
        """Why a contact did not enter."""
        if not actor_of(request).may("contacts.view_contact"):
            raise PermissionDenied
        asked = request.GET.get("contact", "").strip()[:320]
        context = self.thing_context(
            request, journey, page="explain", title=_("Why not: %s") % journey.name
        )
        context.update(asked=asked, **_answer(request, journey, asked))
        return TemplateResponse(request, "journeys/explain.html", context)


def _number(told: Any, name: str) -> int | None:
    """The whole number that a form says; None where it says none that there could be."""
    text = told.get(name, "")
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 19 else None


def state_badge(participant: Participant) -> Any:
    """Where a passage is, as a word with a colour."""
    text = participant.get_state_display()
    if participant.outcome:
        text = participant.get_outcome_display()
    return badge(text, _TONES[State(participant.state)])


def _filtered(version: JourneyVersion, request: HttpRequest) -> "QuerySet[Participant]":
    """Those whom the address asks for, the newest first; what it says wrong finds nobody."""
    asked = request.GET
    rows = Participant.objects.filter(version=version).select_related("contact")
    if state := asked.get("state", ""):
        rows = rows.filter(state=state) if state in State.values else rows.none()
    places = None
    if node := asked.get("node", ""):
        places = [number for number, ids in enumerate(version.places) if node in ids]
    elif place := asked.get("place", ""):
        places = [int(place)] if place.isdecimal() and len(place) < 5 else []
    if places is not None:
        # Who went to the end stands nowhere.
        rows = rows.filter(place__in=places).exclude(state=State.DONE)
    before = asked.get("before", "")
    if before.isdecimal() and len(before) < 19:
        rows = rows.filter(pk__lt=int(before))
    return rows.order_by("-pk")


def _row(journey: Journey, one: Participant, words: Words) -> dict[str, Any]:
    return {
        "participant": one,
        "badge": state_badge(one),
        "at": "" if one.state == State.DONE else words.labels(one.place),
        "cause": entered_by(one.entrance),
        "url": reverse("admin:journeys_journey_participant", args=[journey.pk, one.pk]),
    }


def _older(request: HttpRequest, last: int) -> str:
    kept = request.GET.copy()
    kept["before"] = str(last)
    return f"?{kept.urlencode()}"


def _answer(request: HttpRequest, journey: Journey, asked: str) -> dict[str, Any]:
    """The explanation, or who may be meant."""
    if not asked:
        return {}
    ids = found_ids(asked)
    people = list(Contact.objects.filter(pk__in=ids, erased_at=None).order_by("pk")[:_SUGGESTED])
    if len(people) != 1:
        return {"suggested": people, "is_unknown": not people}
    try:
        found = explain_absence(journey, people[0].pk, at=timezone.now(), actor=actor_of(request))
    except DomainError as error:
        return {"problem": str(error)}
    return {
        "contact": people[0],
        "found": found,
        "passages": [
            {
                "participant": one,
                "badge": state_badge(one),
                "cause": entered_by(one.entrance),
                "url": reverse("admin:journeys_journey_participant", args=[journey.pk, one.pk]),
            }
            for one in found.passages
        ],
    }
