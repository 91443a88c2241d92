"""Actions of a segment on the screen: what is planned, what came of it, what one more would do."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import OperationalError
from django.db.models import Prefetch, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from contacts.models import Category, ConsentDefinition, Tag
from segments import action_runs, action_writes, actions
from segments.action_writes import CONSENTS, LABELS
from segments.admin.action_forms import ICONS, ActionForm
from segments.models import Segment, SegmentAction, SegmentActionRun
from segments.schedule import next_refresh_at
from workspace import sql
from workspace.access import Actor, actor_of
from workspace.admin import EmptyState, ObjectActionsAdmin, ReadOnlyAdmin, job_context
from workspace.admin.buttons import object_action
from workspace.admin.pictures import badge, number
from workspace.errors import DomainError

Kind, State, Timing = SegmentAction.Kind, SegmentAction.State, SegmentAction.Timing
_PAGE = 100
_RUNS_SHOWN = 10
_LOOK_LIMIT = {"statement_timeout": "3s"}
_TONES = {
    State.PLANNED: ("info", "schedule"),
    State.RUNNING: ("info", "sync"),
    State.DONE: ("good", "check"),
    State.REFUSED: ("bad", "do_not_disturb_on"),
    State.CANCELLED: ("warning", "block"),
    State.FAILED: ("bad", "error"),
}
_SKIPPED = {
    action_writes.WITHDRAWN: gettext_lazy("%(count)s withdrew it themselves and stay so"),
    action_writes.NEWER: gettext_lazy("%(count)s have a newer entry, which stands"),
    action_writes.ERASED: gettext_lazy("%(count)s were erased"),
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
        parts.append(_("%(count)s were so already") % {"count": number(run.unchanged_count)})
    return [*parts, *_skipped_parts(run.skipped)]


def foreseen(plan: actions.Plan, segment: Segment, *, at: datetime) -> tuple[list[str], list[str]]:
    """What an action would do, in sentences, and what to beware of."""
    sentences, warnings = [_effect(plan, segment, at=at)], []
    if not plan.is_defined:
        sentences.append(_("“%(key)s” does not exist yet: it is made.") % {"key": plan.key})
    state = segment.calculation_state(at=at)
    is_ready = state == Segment.CalculationState.READY
    if plan.timing == Timing.AFTER_REFRESH:
        sentences.append(_("It is done after each refresh, from the next one on."))
        if segment.refresh_every is None and segment.refresh_mode != "realtime":
            warnings.append(
                _("This segment is not refreshed by the clock: it runs when somebody refreshes it.")
            )
    elif plan.planned_for is not None:
        moment = date_format(timezone.localtime(plan.planned_for), "DATETIME_FORMAT")
        sentences.append(
            _("It is done on %(time)s, with whoever is in the segment then.") % {"time": moment}
        )
        warnings += _expiry_warning(segment, plan.planned_for)
    elif not is_ready:
        sentences.append(_("It waits until the segment has been calculated."))
    else:
        sentences.append(_("It begins at once."))
    if plan.kind in CONSENTS:
        sentences.append(_("Lines of a ledger are never deleted: this cannot be undone."))
    elif plan.kind in LABELS:
        sentences.append(
            _("It can be undone for %(days)d days.") % {"days": action_runs.UNDO_KEPT_FOR.days}
        )
    return sentences, warnings


class _UndoForm(forms.Form):
    run = forms.IntegerField(widget=forms.HiddenInput())


@admin.register(SegmentAction)
class SegmentActionAdmin(ObjectActionsAdmin, ReadOnlyAdmin):
    """The actions on all segments that one may see."""

    list_display = ("what", "of_segment", "moment", "state_badge", "result", "author", "created_at")
    list_display_links = None
    list_filter = ("state", "kind", "timing")
    search_fields = ("key", "segment__name", "author")
    list_per_page = 50
    show_full_result_count = False
    sortable_by = ()
    ordering = ("-pk",)
    empty_state = EmptyState(
        gettext_lazy(
            "An action gives or takes a tag, a category or a consent for all members of a segment,"
            " or writes them to a file: at once, at a time, or after each refresh. Add one from"
            " the page of a segment."
        ),
        icon="bolt",
        steps=(
            (
                gettext_lazy("Go to the segments"),
                "admin:segments_segment_changelist",
                "donut_small",
                "segments.view_segment",
            ),
        ),
    )

    def get_queryset(self, request: HttpRequest) -> "QuerySet[SegmentAction]":
        return shown_actions(actions.known_actions(actor_of(request)))

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return bool(request.user.has_perm("segments.view_segment"))

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """An action is shown on the page of its segment."""
        action = self.get_object(request, object_id)
        if action is None:
            return HttpResponseRedirect(reverse("admin:segments_segmentaction_changelist"))
        return HttpResponseRedirect(self.page_of(request, action))

    def page_of(self, request: HttpRequest, thing: Any) -> str:
        """Where to go after a button."""
        return reverse("admin:segments_segment_actions", args=[thing.segment_id])

    @admin.display(description=gettext_lazy("action"))
    def what(self, action: SegmentAction) -> SafeString:
        return format_html(
            '<a class="rg-link rg-row" href="{}#action-{}"><span class="material-symbols-outlined"'
            ' aria-hidden="true">{}</span>{} {}</a>',
            reverse("admin:segments_segment_actions", args=[action.segment_id]),
            action.pk,
            ICONS[Kind(action.kind)],
            action.get_kind_display().capitalize(),
            action.key,
        )

    @admin.display(description=gettext_lazy("segment"))
    def of_segment(self, action: SegmentAction) -> SafeString:
        address = reverse("admin:segments_segment_change", args=[action.segment_id])
        return format_html('<a class="rg-link" href="{}">{}</a>', address, action.segment.name)

    @admin.display(description=gettext_lazy("when"))
    def moment(self, action: SegmentAction) -> str:
        return when_text(action)

    @admin.display(description=gettext_lazy("state"))
    def state_badge(self, action: SegmentAction) -> SafeString:
        return action_badge(action)

    @admin.display(description=gettext_lazy("result"))
    def result(self, action: Any) -> str:
        parts = result_text(action, action.newest_runs[0]) if action.newest_runs else []
        return " · ".join(parts) or action.reason or "–"

    @object_action(
        gettext_lazy("Cancel"),
        permission=action_runs.PERMISSION,
        consequence=gettext_lazy("It is not done, or done no more."),
        variant="danger",
        is_offered=lambda action: action.state in actions.UNFINISHED,
    )
    def cancel_action(self, request: HttpRequest, action: SegmentAction) -> str:
        actions.cancel_action(action, actor=actor_of(request), at=timezone.now())
        return _("The action “%(action)s” was cancelled.") % {"action": action}

    @object_action(
        gettext_lazy("Undo"),
        permission=action_runs.PERMISSION,
        consequence=gettext_lazy("What a run changed and is still so is taken back."),
        is_offered=lambda action: actions.run_to_undo(action) is not None,
        form_class=_UndoForm,
    )
    def undo_run(self, request: HttpRequest, action: SegmentAction, form: forms.Form) -> str:
        run = actions.run_to_undo(action, run_id=form.cleaned_data["run"])
        if run is None:
            return _("There is no such run.")
        action_runs.request_undo(run, actor=actor_of(request), at=timezone.now())
        return _("The action “%(action)s” is being undone.") % {"action": action}


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


def _effect(plan: actions.Plan, segment: Segment, *, at: datetime) -> str:
    """Whom it changes as things stand, as “12,340 contacts get the tag “vip””."""
    if plan.kind == Kind.EXPORT:
        count = segment.member_count
        told = ngettext(
            "%(count)s contact is written to a file.",
            "%(count)s contacts are written to a file.",
            count,
        )
        return told % {"count": number(count)}
    counts = _foresee(plan, segment, at=at)
    if counts is None:
        return _("How many contacts this changes could not be counted in time.")
    sentences = {
        Kind.ADD_TAG: ngettext(
            "%(count)s contact gets the tag “%(key)s”.",
            "%(count)s contacts get the tag “%(key)s”.",
            counts.changed,
        ),
        Kind.REMOVE_TAG: ngettext(
            "%(count)s contact loses the tag “%(key)s”.",
            "%(count)s contacts lose the tag “%(key)s”.",
            counts.changed,
        ),
        Kind.ADD_CATEGORY: ngettext(
            "%(count)s contact gets the category “%(key)s”.",
            "%(count)s contacts get the category “%(key)s”.",
            counts.changed,
        ),
        Kind.REMOVE_CATEGORY: ngettext(
            "%(count)s contact loses the category “%(key)s”.",
            "%(count)s contacts lose the category “%(key)s”.",
            counts.changed,
        ),
        Kind.ADD_CONSENT: ngettext(
            "For %(count)s contact the consent “%(key)s” is recorded as granted.",
            "For %(count)s contacts the consent “%(key)s” is recorded as granted.",
            counts.changed,
        ),
        Kind.REMOVE_CONSENT: ngettext(
            "For %(count)s contact the consent “%(key)s” is recorded as withdrawn.",
            "For %(count)s contacts the consent “%(key)s” is recorded as withdrawn.",
            counts.changed,
        ),
    }
    told = sentences[Kind(plan.kind)] % {"count": number(counts.changed), "key": plan.key}
    others = _skipped_parts(counts.skipped)
    if counts.unchanged:
        others.insert(0, _("%(count)s are so already") % {"count": number(counts.unchanged)})
    return f"{told} {'; '.join(others)}." if others else told


def _foresee(plan: actions.Plan, segment: Segment, *, at: datetime) -> action_writes.Counts | None:
    definition = action_writes.definition_id(SegmentAction(kind=plan.kind, key=plan.key))
    try:
        with sql.local_settings(_LOOK_LIMIT):
            return action_writes.foresee(segment.pk, kind=plan.kind, definition=definition, at=at)
    except OperationalError:
        # It took longer than a page may.
        return None


def _skipped_parts(skipped: dict[str, int] | Any) -> list[str]:
    return [
        str(text) % {"count": number(skipped[reason])}
        for reason, text in _SKIPPED.items()
        if skipped.get(reason)
    ]


def _expiry_warning(segment: Segment, planned_for: datetime) -> list[str]:
    until = segment.ready_until
    if until is None or planned_for < until:
        return []
    refreshed = next_refresh_at(segment)
    if refreshed is not None and refreshed <= planned_for:
        return []
    moment = date_format(timezone.localtime(until), "DATETIME_FORMAT")
    return [
        _("The calculation expires before, on %(time)s: refresh it in time, or it is refused.")
        % {"time": moment}
    ]


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
    words = {"count": number(run.changed_count or 0), "name": name}
    if action.kind in {Kind.ADD_TAG, Kind.ADD_CATEGORY}:
        return (
            _("“%(name)s” is taken again from the %(count)s contacts who got it by this run.")
            % words
            + " "
            + _("Who lost it since, or got it anew, keeps what he has now.")
        )
    return (
        _("“%(name)s” is given back to the %(count)s contacts who lost it by this run.") % words
        + " "
        + _("Who got it again since keeps what he has now.")
    )


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
