"""Exports on the screen: what goes into the file, the files there are, how long they stay."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import (
    FileResponse,
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    HttpResponseRedirect,
)
from django.template.defaultfilters import filesizeformat
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminSelectWidget,
    UnfoldBooleanWidget,
)

from segments import exports
from segments.export_columns import DEFAULT_COLUMNS, available_columns
from segments.models import Export, Segment
from workspace.access import Actor, actor_of
from workspace.admin import EmptyState, ReadOnlyAdmin, job_context, page_context
from workspace.admin.pictures import badge, number
from workspace.errors import DomainError

_TONES = {
    Export.State.QUEUED: ("neutral", "schedule"),
    Export.State.RUNNING: ("info", "sync"),
    Export.State.READY: ("good", "check"),
    Export.State.FAILED: ("bad", "error"),
    Export.State.CANCELLED: ("warning", "block"),
    Export.State.EXPIRED: ("neutral", "auto_delete"),
}


class ExportForm(forms.Form):
    """Which columns, in which format."""

    format = forms.ChoiceField(
        label=gettext_lazy("Format"),
        choices=Export.Format.choices,
        widget=UnfoldAdminSelectWidget(),
    )
    bom = forms.BooleanField(
        label=gettext_lazy("For Excel: mark the CSV file as UTF-8"),
        required=False,
        widget=UnfoldBooleanWidget(),
    )
    columns = forms.MultipleChoiceField(
        label=gettext_lazy("Columns"), widget=UnfoldAdminCheckboxSelectMultipleWidget()
    )

    def __init__(self, data: Any = None, *, of_segment: bool) -> None:
        super().__init__(data, initial={"columns": list(DEFAULT_COLUMNS)})
        columns: Any = self.fields["columns"]
        columns.choices = [
            (name, column.label)
            for name, column in available_columns(of_segment=of_segment).items()
        ]


def export_badge(export: Export, *, at: datetime) -> SafeString:
    """The state of an export as a word with a colour."""
    state = exports.state_of(export, at=at)
    return badge(state.label, *_TONES[state])


def export_rows(found: Iterable[Export], *, at: datetime) -> list[dict[str, Any]]:
    """Exports for the template: state, progress, size, the way to the file."""
    return [
        {
            "export": export,
            "badge": export_badge(export, at=at),
            "rows": "–" if export.rows is None else number(export.rows),
            "size": "–" if export.size is None else filesizeformat(export.size),
            "url": reverse("admin:segments_export_download", args=[export.pk])
            if exports.state_of(export, at=at) == Export.State.READY
            else "",
            "running": job_context(export.job)
            if export.job is not None and not export.job.is_finished
            else None,
        }
        for export in found
    ]


def request_from_form(form: ExportForm, *, actor: Actor, segment: Segment | None) -> Export | None:
    """The export that a person asked for; None where the form or a rule says no."""
    if not form.is_valid():
        return None
    try:
        return exports.request_export(
            actor=actor,
            at=timezone.now(),
            segment=segment,
            columns=form.cleaned_data["columns"],
            file_format=form.cleaned_data["format"],
            bom=form.cleaned_data["bom"],
        )
    except DomainError as error:
        form.add_error(None, str(error))
        return None


@admin.register(Export)
class ExportAdmin(ReadOnlyAdmin):
    """The files there are, for whoever asked for them."""

    list_display = ("name_and_state", "rows_in_file", "size_of_file", "created_at", "kept_until")
    list_display_links = None
    list_per_page = 50
    show_full_result_count = False
    ordering = ("-pk",)
    change_list_template = "segments/export_list.html"
    empty_state = EmptyState(
        gettext_lazy(
            "Export the members of a segment from its page, or all contacts from here. Files are"
            " kept for seven days, then deleted."
        ),
        icon="download",
        steps=(
            (
                gettext_lazy("Export all contacts"),
                "admin:segments_export_new",
                "download",
                "segments.export_segment",
            ),
        ),
    )

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Export]":
        return exports.visible_exports(actor_of(request)).order_by("-pk")

    @admin.display(description=gettext_lazy("export"))
    def name_and_state(self, export: Export) -> SafeString:
        now = timezone.now()
        name = export.segment.name if export.segment else _("All contacts")
        link: Any = ""
        if exports.state_of(export, at=now) == Export.State.READY:
            link = format_html(
                '<a class="rg-link" href="{}">{}</a>',
                reverse("admin:segments_export_download", args=[export.pk]),
                _("Download"),
            )
        elif export.job_id:
            link = format_html(
                '<a class="rg-link" href="{}">{}</a>',
                reverse("admin:workspace_job_change", args=[export.job_id]),
                _("Progress"),
            )
        return format_html(
            '<span class="rg-two-lines"><span class="rg-strong">{} · {}</span>'
            '<span class="rg-row">{} {}</span></span>',
            name,
            export.get_format_display(),
            export_badge(export, at=now),
            link,
        )

    @admin.display(description=gettext_lazy("rows"))
    def rows_in_file(self, export: Export) -> str:
        return "–" if export.rows is None else number(export.rows)

    @admin.display(description=gettext_lazy("size"))
    def size_of_file(self, export: Export) -> str:
        return "–" if export.size is None else filesizeformat(export.size)

    @admin.display(description=gettext_lazy("kept until"))
    def kept_until(self, export: Export) -> Any:
        return export.expires_at or "–"

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [
            path("new/", wrap(self.new_view), name="segments_export_new"),
            path(
                "<int:export_id>/download/",
                wrap(self.download_view),
                name="segments_export_download",
            ),
            *super().get_urls(),
        ]

    def new_view(self, request: HttpRequest) -> HttpResponse:
        """An export of all contacts."""
        actor = actor_of(request)
        if not (actor.may("segments.export_segment") and actor.may("contacts.view_contact")):
            raise PermissionDenied
        form = ExportForm(request.POST if request.method == "POST" else None, of_segment=False)
        if request.method == "POST" and request_from_form(form, actor=actor, segment=None):
            self.message_user(request, _("The file is being written."), messages.SUCCESS)
            return HttpResponseRedirect(reverse("admin:segments_export_changelist"))
        context = page_context(self, request, title=_("Export all contacts"))
        context.update(form=form, media=self.media + form.media, rows=[], may_export=True)
        return TemplateResponse(request, "segments/exports.html", context)

    def download_view(self, request: HttpRequest, export_id: int) -> HttpResponseBase:
        """The file."""
        actor = actor_of(request)
        if not actor.may("segments.export_segment"):
            raise PermissionDenied
        export = self.get_queryset(request).filter(pk=export_id).first()
        if export is None:
            raise Http404
        try:
            file = exports.file_to_download(export, actor=actor, at=timezone.now())
        except DomainError as error:
            self.message_user(request, str(error), messages.ERROR)
            return HttpResponseRedirect(reverse("admin:segments_export_changelist"))
        return FileResponse(
            file.open("rb"), as_attachment=True, filename=exports.download_name(export)
        )
