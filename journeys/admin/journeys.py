"""Journeys on the screen: the canvas with the settings beside it, drafts and versions."""

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from journeys import journeys, reading
from journeys.admin.canvas import CanvasPages, address_of, find_version
from journeys.admin.journey_badges import state_badge
from journeys.admin.journey_figures import FiguresPages
from journeys.admin.journey_forms import DraftForm, NewJourneyForm
from journeys.admin.journey_life import JourneyLife
from journeys.admin.journey_list import JourneyListing, standing_of
from journeys.admin.people import PeoplePages
from journeys.admin.rehearsing import RehearsingPages, rehearsed_words
from journeys.admin.trying import TryingPages
from journeys.checking import faults_of
from journeys.errors import DraftChanged
from journeys.hiding import Hiding
from journeys.models import Journey, JourneyVersion, Lane
from journeys.rehearsing.figures import figures_of, is_of, last_rehearsal
from journeys.standstills import standstills
from journeys.starting_points import STARTING_POINTS, find_starting_point
from journeys.trying import is_testing
from journeys.uses import uses_of
from journeys.widgets import CanvasWidget, SettingsWidget, read_drawing
from workspace.access import actor_of
from workspace.admin import page_context
from workspace.errors import DomainError
from workspace.exactjson import exact_dumps

State = Journey.State


@admin.register(Journey)
class JourneyAdmin(
    JourneyListing,
    TryingPages,
    RehearsingPages,
    PeoplePages,
    FiguresPages,
    CanvasPages,
    JourneyLife,
):
    """What is sent to whom, and when: drawn, published, stopped."""

    thing_pages = (
        ("draft", gettext_lazy("Draft"), "draft_view"),
        ("versions", gettext_lazy("Versions"), "versions_view"),
        ("statistics", gettext_lazy("Statistics"), "figures_view"),
        ("test", gettext_lazy("Test"), "test_view"),
        ("rehearsal", gettext_lazy("Rehearsal"), "rehearsal_view"),
        ("participants", gettext_lazy("Participants"), "participants_view"),
        ("explain", gettext_lazy("Why not?"), "explain_view"),
    )
    first_page_label = gettext_lazy("Canvas")
    add_label = gettext_lazy("New journey")

    class Media:
        css = {"all": ("journeys/journeys.css",)}

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Journey]":
        return journeys.known_journeys(actor_of(request)).order_by(*self.ordering)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        # By a button that says what it does.
        return False

    # A new one

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """What a new journey begins with; it is a draft at once, so that it can be drawn."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        actor = actor_of(request)
        data = request.POST if request.method == "POST" else None
        form = NewJourneyForm(data, actor=actor)
        if data is not None and form.is_valid():
            point = find_starting_point(data.get("start", ""))
            try:
                journey = journeys.create_journey(
                    actor=actor,
                    at=timezone.now(),
                    name=form.cleaned_data["name"],
                    drawing=point.drawing(),
                    settings=dict(point.settings),
                    groups=form.cleaned_data.get("groups", ()),
                )
            except DomainError as error:
                form.add_problems(error)
            else:
                return HttpResponseRedirect(self.page_of(request, journey))
        context = page_context(self, request, title=_("New journey"))
        chosen = data.get("start", "") if data is not None else ""
        context.update(
            form=form,
            media=self.media + form.media,
            points=STARTING_POINTS,
            chosen=find_starting_point(chosen).key,
        )
        return TemplateResponse(request, "journeys/new_journey.html", context)

    # The canvas

    def may_open(self, request: HttpRequest, slug: str) -> bool:
        needed = {
            "test": "journeys.test_journey",
            "rehearsal": "journeys.test_journey",
            "explain": "contacts.view_contact",
        }
        return slug not in needed or actor_of(request).may(needed[slug])

    def tabs_of(self, request: HttpRequest, thing: Any, current: str = "") -> list[dict[str, Any]]:
        """The draft of one that was never published is its first page."""
        tabs = super().tabs_of(request, thing, current)
        if thing.state == State.DRAFT:
            hidden = {address_of(page, thing) for page in ("draft", "versions", "statistics")}
            return [tab for tab in tabs if tab["url"] not in hidden]
        if thing.state not in journeys.DRAWABLE:
            return [tab for tab in tabs if tab["url"] != address_of("draft", thing)]
        return tabs

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """The canvas: the draft of what was never published, else the version that runs."""
        journey = self.visible_or_404(request, object_id)
        if journey.state == State.DRAFT:
            return self._draft_page(request, journey, page="")
        if request.method == "POST":
            raise Http404
        version = find_version(journey)
        if version is None:
            raise Http404
        return self._version_page(request, journey, version, page="")

    def draft_view(self, request: HttpRequest, journey: Journey) -> HttpResponse:
        """The draft of the next version."""
        if journey.state == State.DRAFT or journey.state not in journeys.DRAWABLE:
            return HttpResponseRedirect(self.page_of(request, journey))
        return self._draft_page(request, journey, page="draft")

    def versions_view(self, request: HttpRequest, journey: Journey) -> HttpResponse:
        """What was published, the newest first; one of them with its canvas."""
        if wanted := request.GET.get("version", ""):
            version = find_version(journey, wanted)
            if version is None:
                raise Http404
            return self._version_page(request, journey, version, page="versions")
        context = self.thing_context(request, journey, page="versions", title=_("Versions"))
        rows = journey.versions.filter(lane=Lane.LIVE).order_by("-number")
        context.update(rows=rows, media=self.media)
        return TemplateResponse(request, "journeys/versions.html", context)

    def _version_page(
        self, request: HttpRequest, journey: Journey, version: JourneyVersion, *, page: str
    ) -> HttpResponse:
        actor, hiding = actor_of(request), Hiding(actor_of(request))
        drawing, settings = hiding.drawing(version.drawing), hiding.settings(version.settings)
        is_live = request.GET.get("period") == "live"
        period = "&period=live" if is_live else ""
        counts = f"{address_of('counts', journey)}?version={version.number}{period}"
        canvas = CanvasWidget(
            actor=actor, urls={"counts": counts}, settings=settings, is_read_only=True
        )
        beside = SettingsWidget(actor=actor, canvas="shown_drawing", is_read_only=True)
        context = self._canvas_context(request, journey, page=page)
        context.update(
            version=version,
            reading=reading.standing_of(version, as_of=timezone.now(), actor=actor),
            is_live=is_live,
            canvas=canvas.render("shown_drawing", exact_dumps(drawing, indent=2)),
            beside=beside.render("shown_settings", exact_dumps(settings, indent=2)),
            media=self.media + canvas.media,
            draft_url=address_of("draft", journey) if journey.state in journeys.DRAWABLE else "",
            has_other_draft=(journey.drawing, journey.settings)
            != (version.drawing, version.settings),
        )
        return TemplateResponse(request, "journeys/version.html", context)

    def _draft_page(self, request: HttpRequest, journey: Journey, *, page: str) -> HttpResponse:
        actor, hiding = actor_of(request), Hiding(actor_of(request))
        is_tested = is_testing(journey)
        may_write = self.has_change_permission(request, journey) and not is_tested
        is_post = request.method == "POST"
        if is_post and not may_write:
            raise PermissionDenied
        shown = {
            "name": journey.name,
            "description": journey.description,
            "groups": [group.name for group in journey.groups.all()],
            "drawing": exact_dumps(hiding.drawing(journey.drawing), indent=2),
            "settings": exact_dumps(hiding.settings(journey.settings), indent=2),
            "draft_number": journey.draft_number,
        }
        data = request.POST if is_post else None
        form = DraftForm(data, journey=journey, actor=actor, initial=shown)
        is_conflict = False
        if is_post and form.is_valid():
            try:
                kept = self._save(request, form, journey)
            except DraftChanged as error:
                is_conflict = True
                form.add_problems(error)
            except DomainError as error:
                form.add_problems(error)
            else:
                return self._after_saving(request, kept, page)
        texts, draft_number = shown, str(journey.draft_number)
        if is_post:
            # What somebody drew is not lost where it is refused.
            texts = {name: request.POST.get(name, shown[name]) for name in shown}
            draft_number = draft_number if is_conflict else request.POST.get("draft_number", "")
        context = self._canvas_context(request, journey, page=page, is_draft=True)
        context.update(self._draft_context(request, journey, texts, may_write=may_write))
        context.update(
            form=form,
            may_write=may_write,
            is_conflict=is_conflict,
            draft_number=draft_number,
            old_page=request.path,
        )
        return TemplateResponse(request, "journeys/draft.html", context)

    def _draft_context(
        self, request: HttpRequest, journey: Journey, texts: dict[str, Any], *, may_write: bool
    ) -> dict[str, Any]:
        """The canvas and the settings, with the faults of what is saved."""
        actor = actor_of(request)
        drawing = None
        if request.method == "POST":
            given = read_drawing(texts["drawing"])
            drawing = Hiding(actor).lifted_drawing(given, journey.drawing)
        faults = faults_of(journey, actor=actor, at=timezone.now(), drawing=drawing)
        urls = {"choices": reverse("admin:journeys_choices")}
        if may_write:
            urls["faults"] = address_of("faults", journey)
        settings = Hiding(actor).settings(journey.settings)
        rehearsed = last_rehearsal(journey)
        # What was refused is not saved, and not rehearsed.
        is_rehearsed = (
            rehearsed is not None
            and request.method != "POST"
            and is_of(rehearsed, journey.drawing, journey.settings)
        )
        canvas = CanvasWidget(
            actor=actor,
            urls=urls,
            faults=faults,
            settings=settings,
            counts=figures_of(rehearsed) if rehearsed and is_rehearsed else None,
            counts_of=rehearsed_words(rehearsed) if rehearsed and is_rehearsed else "",
            is_read_only=not may_write,
        )
        beside = SettingsWidget(
            actor=actor, canvas="drawing", urls=urls, faults=faults, is_read_only=not may_write
        )
        return {
            "canvas": canvas.render("drawing", texts["drawing"], {"id": "id_drawing"}),
            "beside": beside.render("settings", texts["settings"], {"id": "id_settings"}),
            "media": self.media + canvas.media,
            "rehearsed": rehearsed,
            "is_rehearsed": is_rehearsed,
            "rehearsal_url": address_of("rehearsal", journey)
            if self.may_open(request, "rehearsal")
            else "",
        }

    def _canvas_context(
        self, request: HttpRequest, journey: Journey, *, page: str, is_draft: bool = False
    ) -> dict[str, Any]:
        actor, is_tested = actor_of(request), is_testing(journey)
        may_test = actor.may("journeys.test_journey") and journey.state in journeys.DRAWABLE
        return {
            **self.thing_context(request, journey, page=page, title=journey.name),
            "state": state_badge(journey, is_tested=is_tested),
            "is_tested": is_tested,
            # What is published is the draft: the button stands where that is shown.
            "buttons": [
                button
                for button in self.buttons(request, journey)
                if button["name"] != "publish" or is_draft
            ],
            "test_url": address_of("test", journey) if may_test else "",
            "standing": standing_of([journey.pk])[journey.pk],
            "uses": uses_of(journey, actor=actor),
            "standstills": standstills([journey]),
        }

    def _save(self, request: HttpRequest, form: DraftForm, journey: Journey) -> Journey:
        told = form.cleaned_data
        settings = told["settings"]
        if isinstance(settings, dict):
            # A setting that is no longer there is taken away.
            settings = {**dict.fromkeys(journey.settings), **settings}
        return journeys.update_draft(
            journey,
            actor=actor_of(request),
            at=timezone.now(),
            draft_number=told["draft_number"],
            groups=told.get("groups") if "groups" in form.fields else None,
            name=told["name"],
            description=told["description"],
            drawing=told["drawing"],
            settings=settings,
        )

    def _after_saving(self, request: HttpRequest, journey: Journey, page: str) -> HttpResponse:
        message = _("“%(name)s” was saved.") % {"name": journey}
        self.message_user(request, message, messages.SUCCESS)
        target = address_of("draft", journey) if page == "draft" else self.page_of(request, journey)
        return HttpResponseRedirect(target)
