"""Held events on the screen: by what is wrong with them, and one by one."""

from collections.abc import Sequence
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_POST

from integrations import held, held_batches, held_problems
from integrations.admin.advice import advice_for
from integrations.admin.badges import held_badge, outcome_badge
from integrations.admin.bodies import coloured
from integrations.admin.contact_names import contacts_named
from integrations.admin.fixing import FixForm
from integrations.errors import HeldEventUnknown, NothingToReplay
from integrations.held import PERMISSION, Replayed
from integrations.held_batches import Dealt
from integrations.held_problems import HeldProblem
from integrations.models import HeldEvent, Source
from workspace.access import actor_of
from workspace.admin import EmptyState, PagesAdmin, ReadOnlyAdmin, page_context
from workspace.admin.pictures import number
from workspace.errors import DomainError
from workspace.exactjson import exact_dumps

_PAGE = 50
_RESOLVED_SHOWN = 20
_VALUE_SHOWN, _VALUE_READ = 80, 500


class HeldPages(PagesAdmin):
    """What is held of one source."""

    def held_view(self, request: HttpRequest, source: Source) -> HttpResponse:
        """By what is wrong; or, with a problem chosen, the events that have it."""
        context = self.thing_context(request, source, page="held", title=_("Held"))
        return _held_page(request, context, source)


@admin.register(HeldEvent)
class HeldEventAdmin(ReadOnlyAdmin):
    """What could not be used, of all sources, until somebody has dealt with it."""

    empty_state = EmptyState(
        gettext_lazy("An event that cannot be used waits here until somebody deals with it."),
        icon="task_alt",
    )

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """All sources' held events by what is wrong with them."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        context = page_context(self, request, title=_("Held events"))
        return _held_page(request, context, None)

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(require_POST(self.deal_view))
        return [path("deal/", view, name="integrations_heldevent_deal"), *super().get_urls()]

    def deal_view(self, request: HttpRequest) -> HttpResponse:
        """Replay or dismiss one event, or all that have a problem."""
        actor = actor_of(request)
        if not actor.may(PERMISSION):
            raise PermissionDenied
        given = request.POST.get("verb")
        verb = held_batches.DISMISS if given == held_batches.DISMISS else held_batches.REPLAY
        try:
            if held_id := _whole(request.POST.get("id", "")):
                return self._deal_with_one(request, held_id, verb)
            return self._deal_with_all(request, request.POST.get("problem", ""), verb)
        except HeldEventUnknown as error:
            raise Http404 from error

    def _deal_with_one(self, request: HttpRequest, held_id: int, verb: str) -> HttpResponse:
        page = reverse("admin:integrations_heldevent_change", args=[held_id])
        actor, now = actor_of(request), timezone.now()
        try:
            if verb == held_batches.DISMISS:
                held.dismiss([held_id], actor=actor, at=now)
                self.message_user(request, _("It is dismissed."))
            else:
                self._tell(request, held.replay([held_id], actor=actor, at=now))
        except NothingToReplay as error:
            self.message_user(request, str(error), messages.ERROR)
        return HttpResponseRedirect(page)

    def _deal_with_all(self, request: HttpRequest, key: str, verb: str) -> HttpResponse:
        problem = held_problems.problem_named(key)
        if problem is None:
            raise Http404
        actor = actor_of(request)
        if problem.event_count > held_batches.STEP:
            job = held_batches.request_dealing(problem, verb, actor=actor)
            return HttpResponseRedirect(reverse("admin:workspace_job_change", args=[job.pk]))
        dealt = held_batches.deal_with(problem, verb, actor=actor, at=timezone.now())
        level = messages.WARNING if dealt.still_held else messages.SUCCESS
        self.message_user(request, _summary(verb, dealt), level)
        page = reverse("admin:integrations_source_held", args=[problem.source_id])
        return HttpResponseRedirect(page)

    def _tell(self, request: HttpRequest, replayed: Sequence[Replayed]) -> None:
        """Say what became of the one event that was replayed."""
        for one in replayed:
            if one.is_resolved:
                self.message_user(request, _("It was replayed and is used now."))
            else:
                text = _("It still cannot be used: %(reason)s") % {"reason": one.reason}
                self.message_user(request, text, messages.WARNING)

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """One event: why it is held, and its body to be corrected."""
        event = self.get_object(request, object_id)
        if event is None:
            raise Http404
        if not self.has_view_permission(request, event):
            raise PermissionDenied
        actor = actor_of(request)
        if request.method == "POST" and not actor.may(PERMISSION):
            raise PermissionDenied
        form = None
        if actor.may(PERMISSION) and event.state == HeldEvent.State.OPEN:
            form = FixForm(request.POST if request.method == "POST" else None, event=event)
            if form.is_bound and form.is_valid():
                answer = self._fix(request, event, form)
                if answer is not None:
                    return answer
        context = page_context(self, request, title=_title(event))
        context |= {
            "event": event,
            "advice": advice_for(event.code),
            "form": form,
            "problems": _problems(event, limit=_VALUE_READ),
            "body": coloured(event.body),
            "may_replay": actor.may(PERMISSION),
            "badge": held_badge(event),
            "outcome_badge": outcome_badge(event.outcome),
            "contact": contacts_named(request, [event.contact_id]).get(event.contact_id or 0),
            "source_url": reverse("admin:integrations_source_held", args=[event.source_id]),
        }
        return TemplateResponse(request, "integrations/held_event.html", context)

    def _fix(self, request: HttpRequest, event: HeldEvent, form: FixForm) -> HttpResponse | None:
        """Replay it as corrected; nothing where it still cannot be used, said in the form."""
        try:
            replayed = held.replay(
                [event.pk], actor=actor_of(request), at=timezone.now(), changes=form.changes()
            )
        except DomainError as error:
            form.add_refusal(error)
            return None
        self._tell(request, replayed)
        return HttpResponseRedirect(request.path)


def _summary(verb: str, dealt: Dealt) -> str:
    words = {"n": number(dealt.resolved), "still": number(dealt.still_held)}
    if verb == held_batches.DISMISS:
        text = ngettext("%(n)s event is dismissed.", "%(n)s events are dismissed.", dealt.resolved)
    elif not dealt.still_held:
        text = ngettext(
            "%(n)s event was replayed and is used now.",
            "%(n)s events were replayed and are used now.",
            dealt.resolved,
        )
    else:
        text = _("%(n)s were replayed and are used now; %(still)s still cannot be used.")
    return text % words


def _whole(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 19 else None


def _title(event: HeldEvent) -> str:
    return f"{event.type}: {event.name}" if event.name else event.type


def _held_page(
    request: HttpRequest, context: dict[str, Any], source: Source | None
) -> HttpResponse:
    source_id = source.pk if source is not None else None
    chosen = request.GET.get("problem", "")
    context["may_replay"] = actor_of(request).may(PERMISSION)
    if chosen:
        problem = held_problems.problem_named(chosen, source_id)
        context |= _problem_context(request, problem)
        return TemplateResponse(request, "integrations/held_problem.html", context)
    found = held_problems.problems(source_id)
    names = dict(Source.objects.values_list("pk", "name")) if source is None else {}
    resolved = HeldEvent.objects.exclude(state=HeldEvent.State.OPEN)
    if source is not None:
        resolved = resolved.filter(source_id=source.pk)
    context |= {
        "rows": [_row(problem, names.get(problem.source_id, "")) for problem in found],
        "total": number(sum(problem.event_count for problem in found)),
        "resolved": [
            {"event": event, "badge": held_badge(event)}
            for event in resolved.select_related("source", "resolved_by").order_by("-pk")[
                :_RESOLVED_SHOWN
            ]
        ],
    }
    return TemplateResponse(request, "integrations/held.html", context)


def _row(problem: HeldProblem, source_name: str) -> dict[str, Any]:
    return {
        "problem": problem,
        "count": number(problem.event_count),
        "source_name": source_name,
        "advice": advice_for(problem.code),
    }


def _problem_context(request: HttpRequest, problem: HeldProblem | None) -> dict[str, Any]:
    """The events of one problem, newest first, page after page at the same cost."""
    if problem is None:
        return {"problem": None, "rows": [], "next": ""}
    before = _whole(request.GET.get("after", ""))
    ids = held_problems.held_ids(problem, limit=_PAGE + 1, before=before)
    events = HeldEvent.objects.in_bulk(ids[:_PAGE])
    return {
        "problem": problem,
        "count": number(problem.event_count),
        "advice": advice_for(problem.code),
        "source": Source.objects.get(pk=problem.source_id),
        "rows": _event_rows(request, [events[pk] for pk in ids[:_PAGE] if pk in events]),
        "next": str(ids[_PAGE - 1]) if len(ids) > _PAGE else "",
    }


def _event_rows(request: HttpRequest, events: Sequence[HeldEvent]) -> list[dict[str, Any]]:
    contacts = contacts_named(request, [event.contact_id for event in events])
    return [
        {
            "event": event,
            "contact": contacts.get(event.contact_id or 0),
            "badge": outcome_badge(event.outcome),
            "value": _value(event),
        }
        for event in events
    ]


def _value(event: HeldEvent) -> str:
    """What was given where it is wrong, in short."""
    problems = _problems(event, limit=_VALUE_SHOWN)
    return str(problems[0]["value"]) if problems else ""


def _problems(event: HeldEvent, *, limit: int) -> list[dict[str, Any]]:
    """What is wrong with an event, its values as texts that are not longer than a limit."""
    found = []
    for problem in event.problems:
        value = problem.get("value")
        text = value if isinstance(value, str) else "" if value is None else exact_dumps(value)
        found.append({**problem, "value": text if len(text) <= limit else f"{text[:limit]}…"})
    return found
