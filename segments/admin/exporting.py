"""Exports on the screen: the form, the files there are, how long they stay."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Case, Q, QuerySet, Value, When
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    HttpResponseRedirect,
    JsonResponse,
)
from django.template.defaultfilters import filesizeformat
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.timesince import timeuntil
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST

from segments import export_schedules, exports, facts, lifecycle
from segments.admin.export_forms import (
    FILTERS,
    ExportForm,
    can_be_mailed,
    described,
    last_columns,
    offered_columns,
)
from segments.admin.forms import read_document
from segments.admin.listing import section_tabs
from segments.documents import is_same
from segments.errors import CriteriaRefused
from segments.export_columns import DEFAULT_COLUMNS
from segments.export_downloads import file_answer
from segments.export_files import SHEET_LIMIT
from segments.export_preview import ExportPreview, preview_export
from segments.models import Export, ExportSettings, Segment, everyone
from workspace import access, jobs
from workspace.access import SYSTEM, Actor, actor_of
from workspace.admin import (
    EmptyState,
    ObjectActionsAdmin,
    ReadOnlyAdmin,
    job_context,
    object_action,
    page_context,
)
from workspace.admin.pictures import badge, number
from workspace.errors import DomainError

State = Export.State
_FORM_MEDIA = forms.Media(
    js=["segments/segment_form.js"], css={"all": ["segments/segment_form.css"]}
)
_TONES = {
    State.QUEUED: ("neutral", "schedule"),
    State.RUNNING: ("info", "sync"),
    State.READY: ("good", "check"),
    State.FAILED: ("bad", "error"),
    State.CANCELLED: ("warning", "block"),
    State.EXPIRED: ("neutral", "auto_delete"),
    State.DELETED: ("neutral", "delete"),
}


def export_badge(export: Export, *, at: datetime) -> SafeString:
    """The state of an export as a word with a colour."""
    state = exports.state_of(export, at=at)
    return badge(state.label, *_TONES[state])


def time_left(export: Export, *, at: datetime) -> str:
    """How long the file is still kept: "6 days"; empty without a file."""
    if export.expires_at is None or exports.state_of(export, at=at) != State.READY:
        return ""
    return timeuntil(export.expires_at, at, depth=1)


def file_address(export: Export) -> str:
    """Where the file is for whoever may see the export; nobody guesses it."""
    return reverse("admin:segments_export_download", args=[export.token])


def export_rows(found: Iterable[Export], *, at: datetime) -> list[dict[str, Any]]:
    """Exports for the template: state, progress, size, the way to the file."""
    return [export_facts(export, at=at) for export in found]


def export_facts(export: Export, *, at: datetime) -> dict[str, Any]:
    """One export for the template."""
    is_ready = exports.state_of(export, at=at) == State.READY
    return {
        "export": export,
        "badge": export_badge(export, at=at),
        "rows": "–" if export.rows is None else number(export.rows),
        "size": "–" if export.size is None else filesizeformat(export.size),
        "url": file_address(export) if is_ready else "",
        "left": time_left(export, at=at),
        "running": job_context(export.job)
        if export.job is not None and not export.job.is_finished
        else None,
    }


def answer_form(
    admin_: Any,
    request: HttpRequest,
    *,
    kept: ExportSettings | None = None,
    segment: Segment | None = None,
) -> HttpResponse:
    """The form of an export or a schedule, and what comes of sending it."""
    actor = actor_of(request)
    if not actor.may("segments.export_segment"):
        raise PermissionDenied
    is_post = request.method == "POST"
    form = ExportForm(request.POST if is_post else None, actor=actor, kept=kept, segment=segment)
    if not can_be_mailed(actor):
        del form.fields["mail_when_ready"]
    if is_post and form.is_valid():
        try:
            address, message = _send(form, actor)
        except DomainError as error:
            form.add_problems(error)
        else:
            admin_.message_user(request, message, messages.SUCCESS)
            return HttpResponseRedirect(address)
    return _form_page(admin_, request, form)


def _send(form: ExportForm, actor: Actor) -> tuple[str, str]:
    """Do what the form asks for; where to go then, and what to say."""
    now, wanted, timing = timezone.now(), form.wanted(), form.timing()
    if form.schedule is not None:
        schedule = export_schedules.update_schedule(
            form.schedule, actor=actor, at=now, wanted=wanted, **timing
        )
        text = _("The schedule “%(name)s” was saved.") % {"name": schedule}
        return reverse("admin:segments_exportschedule_changelist"), text
    if timing:
        schedule = export_schedules.create_schedule(wanted, actor=actor, at=now, **timing)
        text = _("“%(name)s” will be exported by its schedule.") % {"name": schedule}
        return reverse("admin:segments_exportschedule_changelist"), text
    export = exports.request_wanted(wanted, actor=actor, at=now)
    return reverse("admin:segments_export_change", args=[export.pk]), _(
        "The file is being written."
    )


def _form_page(admin_: Any, request: HttpRequest, form: ExportForm) -> HttpResponse:
    schedule = form.schedule
    title = _("Change export schedule") if schedule is not None else _("New export")
    last = last_columns(form.actor)
    context = page_context(admin_, request, title=title, thing=schedule)
    context.update(
        form=form,
        media=admin_.media + form.media + _FORM_MEDIA,
        schedule=schedule,
        may_write=True,
        chosen=form.chosen_columns(),
        palette=offered_columns(),
        presets={"usual": described((n, n) for n in DEFAULT_COLUMNS), "last": last},
        has_filters=any(form[name].value() for name in FILTERS),
        has_criteria=has_criteria(form),
        back=reverse(
            "admin:segments_exportschedule_changelist"
            if schedule is not None
            else "admin:segments_export_changelist"
        ),
    )
    return TemplateResponse(request, "segments/export_form.html", context)


def has_criteria(form: ExportForm) -> bool:
    """Whether the form begins with criteria that not everybody meets."""
    document, problem = read_document(form["criteria"].value() or "")
    return problem is not None or not is_same(document, everyone())


def may_export_anything(request: HttpRequest) -> bool:
    """Whether this person may make files at all."""
    return bool(request.user.has_perm("segments.export_segment"))


@admin.register(Export)
class ExportAdmin(ObjectActionsAdmin, ReadOnlyAdmin):
    """The files there are, for whoever may see them."""

    list_display = (
        *("whose", "state_now", "rows_in_file", "size_of_file", "made", "kept_for"),
        "file",
    )
    list_display_links = ("whose",)
    search_fields = ("segment__name", "segment__key", "schedule__name")
    list_per_page = 50
    show_full_result_count = False
    ordering = ("-pk",)
    sortable_by = ()
    change_list_template = "segments/export_list.html"
    show_add_link = False
    empty_state = EmptyState(
        gettext_lazy(
            "Export the members of a segment, or all contacts: choose the columns, their order and"
            " the format, once or again and again. Files are kept for seven days, then deleted."
        ),
        icon="download",
        steps=(
            (
                gettext_lazy("New export"),
                "admin:segments_export_add",
                "download",
                "segments.export_segment",
            ),
        ),
    )

    class Media:
        js = ("segments/exports.js",)
        css = {"all": ("segments/exports.css",)}

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Export]":
        actor = actor_of(request)
        # As `exports.may_delete` says, for all rows at once.
        mine = Q() if actor.may("segments.delete_export") else Q(user_id=actor.id)
        is_deletable = Case(When(mine, then=True), default=False) if mine else Value(True)
        found = exports.visible_exports(actor).order_by("-pk")
        return found.annotate(is_deletable=is_deletable)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return may_export_anything(request)

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        context = {**(extra_context or {}), **list_tabs(request, "files")}
        answer: HttpResponse = super().changelist_view(request, context)
        if isinstance(answer, TemplateResponse) and "cl" in (answer.context_data or {}):
            data: Any = answer.context_data
            data["dialogs"] = self._deletable(data["cl"].result_list)
        return answer

    def _deletable(self, found: Iterable[Any]) -> list[dict[str, Any]]:
        """The dialogs that ask before a file of the list is deleted."""
        now = timezone.now()
        return [
            {
                "export": export,
                "text": _destroyed(export),
                "url": reverse("admin:segments_export_action", args=[export.pk, "delete_now"]),
            }
            for export in found
            if export.is_deletable and exports.state_of(export, at=now) == State.READY
        ]

    @admin.display(description=gettext_lazy("export"))
    def whose(self, export: Export) -> SafeString:
        return format_html(
            '<span class="rg-two-lines"><span class="rg-strong rg-break">{}</span>'
            '<span class="rg-faint rg-small">{}</span></span>',
            export.subject_name,
            export.get_format_display(),
        )

    @admin.display(description=gettext_lazy("state"))
    def state_now(self, export: Export) -> SafeString:
        if export.job is None or export.job.is_finished:
            state = export_badge(export, at=timezone.now())
            if not export.failure or export.state != State.FAILED:
                return state
            return format_html(
                '<span class="rg-two-lines">{}<span class="rg-small rg-minus rg-export-reason">{}'
                "</span></span>",
                state,
                export.failure,
            )
        progress = {**job_context(export.job), "reload": True}
        return format_html(
            '<span class="rg-export-progress">{}</span>',
            render_to_string("workspace/job_progress.html", progress),
        )

    @admin.display(description=gettext_lazy("rows"))
    def rows_in_file(self, export: Export) -> str:
        return "–" if export.rows is None else number(export.rows)

    @admin.display(description=gettext_lazy("size"))
    def size_of_file(self, export: Export) -> str:
        return "–" if export.size is None else filesizeformat(export.size)

    @admin.display(description=gettext_lazy("created"))
    def made(self, export: Export) -> SafeString:
        return format_html(
            '<span class="rg-two-lines"><span class="rg-nowrap">{}</span>'
            '<span class="rg-faint rg-small rg-break">{}</span></span>',
            date_format(timezone.localtime(export.created_at), "DATETIME_FORMAT"),
            _("by %(name)s") % {"name": maker_of(export)},
        )

    @admin.display(description=gettext_lazy("kept for"))
    def kept_for(self, export: Export) -> Any:
        left = time_left(export, at=timezone.now())
        if not left:
            return "–"
        until = date_format(timezone.localtime(export.expires_at), "DATETIME_FORMAT")
        return format_html('<span title="{}" class="rg-nowrap">{}</span>', until, left)

    @admin.display(description=gettext_lazy("file"))
    def file(self, export: Any) -> Any:
        if exports.state_of(export, at=timezone.now()) != State.READY:
            return ""
        delete: Any = ""
        if export.is_deletable:
            delete = format_html(
                '<button type="button" class="rg-icon-button" data-opens="delete-export-{}"'
                ' title="{}" aria-label="{}"><span class="material-symbols-outlined"'
                ' aria-hidden="true">delete</span></button>',
                export.pk,
                _("Delete file now"),
                _("Delete file now"),
            )
        return format_html(
            '<span class="rg-row rg-export-file"><a class="rg-button rg-tiny" href="{}" download>'
            "{}</a>{}</span>",
            file_address(export),
            _("Download"),
            delete,
        )

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [
            path(
                "preview/",
                wrap(require_POST(self.preview_view)),
                name="segments_export_preview",
            ),
            path(
                "file/<uuid:token>/",
                wrap(self.download_view),
                name="segments_export_download",
            ),
            *super().get_urls(),
        ]

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """A new export: of a segment (`?segment=KEY`), like another one (`?like=ID`), or empty."""
        actor = actor_of(request)
        kept: Export | None = None
        segment: Segment | None = None
        try:
            if like := request.GET.get("like", ""):
                kept = exports.find_export(_whole(like), actor=actor)
            if key := request.GET.get("segment", ""):
                segment = lifecycle.find_segment(key, actor=actor)
        except DomainError as error:
            raise Http404 from error
        return answer_form(self, request, kept=kept, segment=segment)

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """One export: how far it is, what it has, its file."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        export = self._export(request, pk=_whole(object_id))
        now, actor = timezone.now(), actor_of(request)
        failure = export.failure
        if not failure and export.job is not None and export.job.state == export.job.State.FAILED:
            failure = export.job.message
        context = page_context(self, request, title=export.subject_name, thing=export)
        context.update(
            export_facts(export, at=now),
            failure=failure,
            buttons=self.buttons(request, export),
            links=self._links(request, export),
            maker=maker_of(export),
            columns=described((n, export.headers.get(n, n)) for n in export.columns),
            sentence=sentence_of(export, actor),
            groups=[group.name for group in access.choosable_groups(actor).filter(exports=export)],
            is_csv=export.format == Export.Format.CSV,
            until=export.expires_at,
        )
        return TemplateResponse(request, "segments/export.html", context)

    def _links(self, request: HttpRequest, export: Export) -> list[dict[str, Any]]:
        links = []
        if not may_export_anything(request):
            return []
        if exports.state_of(export, at=timezone.now()) == State.READY:
            links.append(
                {
                    "title": _("Download"),
                    "url": file_address(export),
                    "icon": "download",
                    "variant": "primary",
                }
            )
        again = f"{reverse('admin:segments_export_add')}?like={export.pk}"
        links.append({"title": _("Another one like this"), "url": again, "icon": "content_copy"})
        return links

    @object_action(
        gettext_lazy("Cancel"),
        permission=lambda actor, export: (
            export.job is not None and access.may_cancel(export.job, actor)
        ),
        icon="block",
        variant="danger",
        consequence=gettext_lazy("The export stops, and what was written of the file is deleted."),
        confirm=gettext_lazy("Stop it"),
        is_offered=lambda export: export.job is not None and not export.job.is_finished,
    )
    def cancel(self, request: HttpRequest, export: Export) -> str:
        if export.job is not None:
            jobs.cancel(export.job, actor=actor_of(request), at=timezone.now())
        return _("The export is being cancelled.")

    @object_action(
        gettext_lazy("Delete file now"),
        permission=lambda actor, export: exports.may_delete(export, actor),
        icon="delete",
        variant="danger",
        consequence=lambda export: _destroyed(export),
        confirm=gettext_lazy("Delete for ever"),
        is_offered=lambda export: exports.state_of(export, at=timezone.now()) == State.READY,
    )
    def delete_now(self, request: HttpRequest, export: Export) -> HttpResponse:
        exports.delete_file(export, actor=actor_of(request), at=timezone.now())
        self.message_user(request, _("The file was deleted."), messages.SUCCESS)
        return HttpResponseRedirect(reverse("admin:segments_export_changelist"))

    def preview_view(self, request: HttpRequest) -> JsonResponse:
        """How many rows the form would give, and the first of them; nothing is written."""
        actor = actor_of(request)
        if not actor.may("segments.export_segment"):
            raise PermissionDenied
        form = ExportForm(request.POST, actor=actor)
        # What belongs to groups and to times is no part of the rows.
        for name in ("groups", "mode", "amount", "first_run_at", "name"):
            if name in form.fields:
                form.fields[name].required = False
        if not form.is_valid():
            return JsonResponse({"problems": _form_problems(form)})
        try:
            found = preview_export(_ungrouped(form, actor), actor=actor, at=timezone.now())
        except CriteriaRefused as refused:
            told = [f"{p.path}: {p.message}" for p in refused.criteria_problems]
            return JsonResponse({"problems": told})
        except DomainError as error:
            told = [problem.message for problem in error.problems] or [str(error)]
            return JsonResponse({"problems": told})
        return JsonResponse(_previewed(found, form))

    def download_view(self, request: HttpRequest, token: UUID) -> HttpResponseBase:
        """The file, for who may see and export it at this moment."""
        actor = actor_of(request)
        if not actor.may("segments.export_segment"):
            raise PermissionDenied
        export = self._export(request, token=token)
        try:
            file = exports.file_to_download(export, actor=actor, at=timezone.now())
        except DomainError as error:
            self.message_user(request, str(error), messages.ERROR)
            return HttpResponseRedirect(reverse("admin:segments_export_changelist"))
        return file_answer(export, file)

    def _export(self, request: HttpRequest, **named: Any) -> Export:
        export = self.get_queryset(request).filter(**named).first()
        if export is None:
            raise Http404
        return export


def maker_of(kept: ExportSettings) -> str:
    """Who made an export or a schedule."""
    if kept.user is not None:
        return kept.user.get_full_name() or kept.user.get_username()
    return kept.api_user.name if kept.api_user is not None else _("the system")


def sentence_of(kept: ExportSettings, actor: Actor) -> str:
    """Whom it is narrowed to, in words that `actor` may read; empty for nobody."""
    if kept.criteria is None:
        return ""
    catalog = facts.reading_catalog(actor)
    try:
        return facts.explain(facts.parse_criteria(kept.criteria, SYSTEM, catalog=catalog))
    except CriteriaRefused as refused:
        # What was right when it was asked for may have become wrong since.
        return str(refused)


def list_tabs(request: HttpRequest, current: str) -> dict[str, Any]:
    """The sections of segments, of which files are one, and files and schedules side by side."""
    actor = actor_of(request)
    running = export_schedules.visible_schedules(actor).filter(enabled=True).count()
    kinds = [
        ("files", _("Files"), "", "admin:segments_export_changelist"),
        ("schedules", _("Schedules"), number(running), "admin:segments_exportschedule_changelist"),
    ]
    may_see = actor.may("segments.view_segment")
    return {
        "section_tabs": section_tabs(request, current="exports") if may_see else [],
        "export_tabs": [
            {"title": title, "count": count, "url": reverse(url), "is_current": kind == current}
            for kind, title, count, url in kinds
        ],
    }


def _destroyed(export: Export) -> str:
    text = _(
        "The file with %(rows)s rows (%(size)s) is deleted from disk now: nobody can download it"
        " any more. Its line stays in the list. The contacts stay as they are."
    )
    return text % {"rows": number(export.rows or 0), "size": filesizeformat(export.size or 0)}


def _ungrouped(form: ExportForm, actor: Actor) -> Any:
    """What the form asks for, with groups that are in order: they are told of when it is sent."""
    names = [group.name for group in access.choosable_groups(actor)]
    return replace(form.wanted(), groups=names)


def _previewed(found: ExportPreview, form: ExportForm) -> dict[str, Any]:
    notes = []
    wanted = form.wanted()
    segment = wanted.segment
    if segment is not None and segment.calculated_at is None:
        notes.append(_("This segment has not been calculated yet: it has no members so far."))
    if wanted.file_format == Export.Format.XLSX and found.sheets > 1:
        text = _("A sheet holds %(limit)s rows, so the file will have %(count)d sheets.")
        notes.append(text % {"limit": number(SHEET_LIMIT - 1), "count": found.sheets})
    if found.count is None:
        count = _("more than could be counted in 3 seconds")
    else:
        count = number(found.count)
    return {
        "problems": [],
        "names": list(found.names),
        "rows": found.rows,
        "count": count,
        "sentence": found.sentence,
        "notes": notes,
    }


def _form_problems(form: ExportForm) -> list[str]:
    told = []
    for name, errors in form.errors.items():
        field = form.fields.get(name)
        label = f"{field.label}: " if field is not None else ""
        told += [f"{label}{error}" for error in errors]
    return told


def _whole(text: str) -> int:
    """A number as it stands in an address; one that nothing has where it is none."""
    return int(text) if text.isdecimal() and len(text) < 19 else 0
