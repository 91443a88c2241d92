"""Actions of a segment on the screen: what is planned, what came of it, what one more would do."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import Prefetch, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from contacts.models import Category, ConsentDefinition, Tag
from segments import action_runs, actions
from segments.action_writes import LABELS
from segments.admin.action_forms import ICONS, ActionForm
from segments.admin.foreseeing import foreseen, skipped_parts
from segments.models import Segment, SegmentAction, SegmentActionRun
from workspace.access import Actor, actor_of
from workspace.admin import job_context
from workspace.admin.pictures import badge, number
from workspace.errors import DomainError

Kind, State, Timing = SegmentAction.Kind, SegmentAction.State, SegmentAction.Timing
_PAGE = 100
_RUNS_SHOWN = 10
_TONES = {
    State.PLANNED: ("info", "schedule"),
    State.RUNNING: ("info", "sync"),
    State.DONE: ("good", "check"),
    State.REFUSED: ("bad", "do_not_disturb_on"),
    State.CANCELLED: ("warning", "block"),
    State.FAILED: ("bad", "error"),
}


def actions_page(admin_: Any, request: HttpRequest, segment: Segment) -> HttpResponse:
    """The actions of a segment, planned and executed, and the form for one more."""
    actor, at = actor_of(request), timezone.now()
    may_run = actor.may(action_runs.PERMISSION)
    if request.method == "POST" and not may_run:
        raise PermissionDenied
    refusal = action_runs.refusal_of(segment, at=at)
    data = request.POST if request.method == "POST" else None
    form = ActionForm(data, segment=segment, actor=actor, at=at)
    look = None
    if request.method == "POST" and form.is_valid():
        if request.POST.get("step") == "do":
            if (planned := _plan(form, segment, actor=actor, at=at)) is not None:
                admin_.message_user(request, _told_planned(planned), messages.SUCCESS)
                return HttpResponseRedirect(request.path)
        elif request.POST.get("step") == "look":
            look = _look(form, segment, at=at)
    found = list(shown_actions(segment.actions.all())[:_PAGE])
    rows = action_rows(found, actor=actor)
    context = admin_.thing_context(request, segment, page="actions", title=_("Actions"))
    is_asked = request.method == "POST" or "add" in request.GET
    context.update(
        form=form,
        media=admin_.media + forms.Media(css={"all": ("segments/actions.css",)}),
        look=look,
        refusal=str(refusal) if refusal is not None else "",
        may_run=may_run,
        is_open=may_run and refusal is None and is_asked,
        planned=[row for row in rows if row["action"].state in actions.UNFINISHED],
        over=[row for row in rows if row["action"].state not in actions.UNFINISHED],
        segment=segment,
        limit=_PAGE if len(found) == _PAGE else None,
    )
    return TemplateResponse(request, "segments/actions.html", context)


def shown_actions(found: "QuerySet[SegmentAction]") -> "QuerySet[SegmentAction]":
    """Actions with their newest runs, the newest first."""
    runs = SegmentActionRun.objects.select_related("job", "undo_job", "export").order_by("-pk")
    newest = Prefetch("runs", queryset=runs[:_RUNS_SHOWN], to_attr="newest_runs")
    return found.select_related("segment").prefetch_related(newest).order_by("-pk")


def action_rows(found: Sequence[Any], *, actor: Actor) -> list[dict[str, Any]]:
    """Actions for the template: what, when, by whom, how it stands, what one can do."""
    names = _labels(found)
    may_run = actor.may(action_runs.PERMISSION)
    rows = []
    for action in found:
        runs = [_run_row(action, run, names) for run in action.newest_runs]
        rows.append(
            {
                "action": action,
                "icon": ICONS[Kind(action.kind)],
                "what": action.get_kind_display().capitalize(),
                "name": names.get((action.kind, action.key), action.key),
                "when": when_text(action),
                "badge": action_badge(action),
                "last": runs[0] if runs else None,
                "earlier": runs[1:],
                "url": reverse(
                    "admin:segments_segmentaction_action", args=[action.pk, "cancel_action"]
                ),
                "may_cancel": may_run and action.state in actions.UNFINISHED,
                "may_undo": may_run,
                "undo_url": reverse(
                    "admin:segments_segmentaction_action", args=[action.pk, "undo_run"]
                ),
            }
        )
    return rows


def action_badge(action: SegmentAction) -> SafeString:
    """The state of an action as a word with a colour."""
    return badge(action.get_state_display(), *_TONES[State(action.state)])


def when_text(action: SegmentAction) -> str:
    """When an action is done, in words."""
    if action.planned_for is not None:
        return date_format(timezone.localtime(action.planned_for), "DATETIME_FORMAT")
    return str(action.get_timing_display()).capitalize()


def result_text(action: SegmentAction, run: SegmentActionRun) -> list[str]:
    """What a run did, in short parts."""
    if run.state != SegmentActionRun.State.DONE:
        return [run.message] if run.message else []
    count = run.changed_count or 0
    if action.kind == Kind.EXPORT:
        told = ngettext("%(count)s row", "%(count)s rows", count)
        return [told % {"count": number(count)}]
    told = ngettext("%(count)s contact changed", "%(count)s contacts changed", count)
    parts = [told % {"count": number(count)}]
    if run.unchanged_count:
        so = ngettext("%(count)s was so already", "%(count)s were so already", run.unchanged_count)
        parts.append(so % {"count": number(run.unchanged_count)})
    return [*parts, *skipped_parts(run.skipped)]


def _plan(
    form: ActionForm, segment: Segment, *, actor: Actor, at: datetime
) -> SegmentAction | None:
    try:
        return actions.plan_action(
            segment, actor=actor, at=at, define=form.may_define(), **form.arguments()
        )
    except DomainError as error:
        form.add_problems(error)
        return None


def _look(form: ActionForm, segment: Segment, *, at: datetime) -> dict[str, Any]:
    plan = form.plan
    if plan is None:
        raise ValueError("A plan is looked at after it was read.")
    sentences, warnings = foreseen(plan, segment, at=at)
    is_now = plan.timing == Timing.NOW
    is_ready = segment.calculation_state(at=at) == Segment.CalculationState.READY
    return {
        "title": f"{Kind(plan.kind).label} {plan.key}".strip().capitalize(),
        "icon": ICONS[Kind(plan.kind)],
        "sentences": sentences,
        "warnings": warnings,
        "button": _("Do it now") if is_now and is_ready else _("Plan it"),
        "fields": list(form.sent_again()),
    }


def _told_planned(action: SegmentAction) -> str:
    words = {"action": str(action).capitalize()}
    if action.state == State.RUNNING:
        return _("“%(action)s” has begun.") % words
    if action.state == State.REFUSED:
        return _("“%(action)s” was refused: %(reason)s") % {**words, "reason": action.reason}
    return _("“%(action)s” is planned.") % words


def _run_row(
    action: SegmentAction, run: SegmentActionRun, names: dict[tuple[str, str], str]
) -> dict[str, Any]:
    is_undone = run.undone_at is not None
    undoing = run.undo_job if run.undo_job is not None and not run.undo_job.is_finished else None
    running = run.job if run.job is not None and not run.job.is_finished else undoing
    return {
        "run": run,
        "parts": result_text(action, run),
        "running": job_context(running) if running is not None else None,
        "undone": _("Undone: %(count)s") % {"count": number(run.undone_count)} if is_undone else "",
        "can_undo": run.changes_kept and not is_undone and undoing is None,
        "undo_text": _undo_text(action, run, names.get((action.kind, action.key), action.key)),
        "export": run.export,
    }


def _undo_text(action: SegmentAction, run: SegmentActionRun, name: str) -> str:
    if action.kind not in LABELS:
        return ""
    count = run.changed_count or 0
    if action.kind in {Kind.ADD_TAG, Kind.ADD_CATEGORY}:
        told = ngettext(
            "“%(name)s” is taken from the %(count)s contact who got it by this run.",
            "“%(name)s” is taken from the %(count)s contacts who got it by this run.",
            count,
        )
        rest = _("Who lost it since, or got it anew, keeps what he has now.")
    else:
        told = ngettext(
            "“%(name)s” is given back to the %(count)s contact who lost it by this run.",
            "“%(name)s” is given back to the %(count)s contacts who lost it by this run.",
            count,
        )
        rest = _("Who got it again since keeps what he has now.")
    return f"{told % {'name': name, 'count': number(count)}} {rest}"


def _labels(found: Iterable[SegmentAction]) -> dict[tuple[str, str], str]:
    """The labels of what actions name, by kind and key; at most three queries."""
    keys: dict[str, set[str]] = {"tag": set(), "category": set(), "consent": set()}
    wanted = [(one.kind, one.key, actions.definition_kind(one.kind)) for one in found]
    for _kind, key, named in wanted:
        if named is not None:
            keys[named.value].add(key)
    labels: dict[tuple[str, str], str] = {}
    for name, model in (("tag", Tag), ("category", Category), ("consent", ConsentDefinition)):
        if keys[name]:
            known = model._default_manager.filter(key__in=keys[name])
            labels |= {(name, key): label for key, label in known.values_list("key", "label")}
    return {
        (kind, key): labels[named.value, key]
        for kind, key, named in wanted
        if named is not None and (named.value, key) in labels
    }
