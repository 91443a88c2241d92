"""Segments from files on the screen: upload, choose the column, watch, see what came of it."""

from pathlib import Path
from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import (
    FileResponse,
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    HttpResponseRedirect,
    QueryDict,
)
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldBooleanWidget

from contacts.admin import uploads
from contacts.admin.uploads import written
from contacts.imports.headers import Header
from segments import files
from segments.admin.forms import SegmentForm
from segments.file_keys import (
    TRIAL_ROWS,
    Choice,
    Look,
    Trial,
    choose,
    identities,
    look_at,
    try_rows,
)
from segments.models import ContactList, Segment
from workspace import jobs
from workspace.access import Actor, actor_of
from workspace.admin import PagesAdmin, job_context, page_context
from workspace.admin.pictures import badge, number
from workspace.errors import DomainError

_COLUMNS = "segments/from_file_columns.html"
_MEDIA = forms.Media(js=("segments/from_file.js",), css={"all": ("segments/from_file.css",)})
_LABELS = {
    "id": gettext_lazy("our number (id)"),
    "email": gettext_lazy("e-mail address"),
    "user_id": gettext_lazy("external id (user_id)"),
    "phone": gettext_lazy("phone number"),
}


class KeysForm(forms.Form):
    """Which column names the contacts, what it holds, and whether the first row is data."""

    column = forms.ChoiceField(
        label=gettext_lazy("Column that names the contacts"), widget=UnfoldAdminSelectWidget()
    )
    identity = forms.ChoiceField(
        label=gettext_lazy("What it holds"), widget=UnfoldAdminSelectWidget()
    )
    has_header = forms.BooleanField(
        label=gettext_lazy("The first row names the columns"),
        required=False,
        widget=UnfoldBooleanWidget(),
    )

    def __init__(self, data: Any, *, look: Look) -> None:
        columns = look.table.columns
        guessed = columns.index(look.column) if look.column else 0
        super().__init__(
            data,
            initial={
                "column": str(guessed),
                "identity": look.identity or "email",
                "has_header": look.has_header,
            },
        )
        names: Any = self.fields["column"]
        names.choices = [
            (str(place), name if look.has_header else _("Column %(n)d") % {"n": place + 1})
            for place, name in enumerate(columns)
        ]
        kinds: Any = self.fields["identity"]
        kinds.choices = [(name, _LABELS.get(name, name)) for name in identities()]

    def chosen(self, file: Path) -> Choice:
        """What is chosen, or guessed where nobody chose yet. Raises FileMisread."""
        given = self.cleaned_data if self.is_bound and self.is_valid() else self.initial
        return choose(
            file,
            position=int(given["column"]),
            identity=given["identity"],
            has_header=bool(given["has_header"]),
        )


class FileSegmentForm(SegmentForm):
    """The settings of a segment whose members come from a file: all but criteria."""

    def __init__(self, data: Any = None, *, actor: Actor, initial: dict[str, Any]) -> None:
        super().__init__(data, actor=actor)
        self.fields.pop("criteria", None)
        # There is nothing to follow: who is on the list is.
        self.fields["refresh_mode"].initial = Segment.RefreshMode.ONCE
        self.initial.update(initial)


class FileSegmentPages(PagesAdmin):
    """Making a segment from a file, and the page of the file of one."""

    def get_urls(self) -> list[URLPattern]:
        def at(route: str, view: Any, name: str) -> URLPattern:
            wrapped = self.admin_site.admin_view(view)
            found: URLPattern = path(route, wrapped, name=f"segments_segment_{name}")
            return found

        return [
            at("add-from-file/", self.upload_view, "add_from_file"),
            at("add-from-file/<str:token>/", self.columns_view, "add_from_file_columns"),
            at("<path:object_id>/file/", self.file_page, "file"),
            at("<path:object_id>/file/new/<str:token>/", self.replace_view, "file_columns"),
            at("<path:object_id>/file/<int:list_id>/unmatched/", self.unmatched_view, "unmatched"),
            *super().get_urls(),
        ]

    def tabs_of(self, request: HttpRequest, thing: Any, current: str = "") -> list[dict[str, Any]]:
        """With the page of the file, for segments that come from one."""
        tabs = super().tabs_of(request, thing, current)
        if thing.source == Segment.Source.CSV:
            url = reverse("admin:segments_segment_file", args=[thing.pk])
            tabs.insert(1, {"title": _("File"), "url": url, "is_current": current == "file"})
        return tabs

    def upload_view(self, request: HttpRequest) -> HttpResponse:
        """Step one: the file."""
        self._require_add(request)
        context = page_context(self, request, title=_("New segment from a file"))
        return uploads.upload_view(
            request,
            context,
            template="segments/from_file.html",
            next_address="admin:segments_segment_add_from_file_columns",
        )

    def columns_view(self, request: HttpRequest, token: str) -> HttpResponse:
        """Step two: which column names the contacts, and the settings; then the job."""
        self._require_add(request)
        file, name = uploads.kept(request, token)
        again = reverse("admin:segments_segment_add_from_file")
        try:
            look = look_at(file)
        except DomainError as error:
            return _refused(request, token, file, error, again)
        actor = actor_of(request)
        is_made = request.method == "POST" and "create" in request.POST
        posted = request.POST if request.method == "POST" else None
        keys = KeysForm(posted, look=look)
        first = {"name": Path(name).stem[:200]}
        form = FileSegmentForm(
            request.POST if is_made else None,
            actor=actor,
            initial=first if posted is None else _typed(posted),
        )
        if is_made and keys.is_valid() and form.is_valid():
            made = self._create(request, form, keys, file, name)
            if made is not None:
                uploads.forget(request, token)
                return HttpResponseRedirect(reverse("admin:segments_segment_file", args=[made.pk]))
        context = {
            **page_context(self, request, title=_("New segment from a file")),
            **_looked(look, keys, file, name),
            "form": form,
            "media": _MEDIA + keys.media + form.media,
            "again_url": again,
            "close_url": reverse("admin:segments_segment_changelist"),
        }
        return TemplateResponse(request, _COLUMNS, context)

    def file_page(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """What came of the file of a segment, the files before it, and a place for another."""
        segment = self._from_file(request, object_id)
        may_change = self.has_change_permission(request, segment)
        upload = uploads.UploadForm(request.POST or None, request.FILES or None)
        if request.method == "POST":
            if not may_change:
                raise PermissionDenied
            if upload.is_valid():
                token = uploads.keep(request, upload.cleaned_data["file"])
                url = reverse("admin:segments_segment_file_columns", args=[segment.pk, token])
                return HttpResponseRedirect(url)
        now, actor = timezone.now(), actor_of(request)
        lists = ContactList.objects.filter(segment_id=segment.pk).select_related("user", "api_user")
        job = jobs.unfinished(f"segment:{segment.pk}")
        context = self.thing_context(request, segment, page="file", title=segment.name)
        context.update(
            rows=[_told(found, segment, actor, now) for found in lists[:50]],
            upload=upload,
            may_change=may_change,
            members=number(segment.member_count),
            running=job_context(job) if job is not None else None,
        )
        return TemplateResponse(request, "segments/file.html", context)

    def replace_view(self, request: HttpRequest, object_id: str, token: str) -> HttpResponse:
        """Another file for a segment: which column names the contacts; then the job."""
        segment = self._from_file(request, object_id)
        if not self.has_change_permission(request, segment):
            raise PermissionDenied
        page = reverse("admin:segments_segment_file", args=[segment.pk])
        file, name = uploads.kept(request, token)
        try:
            look = look_at(file)
            keys = KeysForm(request.POST if request.method == "POST" else None, look=look)
            if request.method == "POST" and "create" in request.POST and keys.is_valid():
                files.request_replacement(
                    segment,
                    file,
                    file_name=name,
                    position=int(keys.cleaned_data["column"]),
                    identity=keys.cleaned_data["identity"],
                    has_header=keys.cleaned_data["has_header"],
                    actor=actor_of(request),
                    at=timezone.now(),
                )
                uploads.forget(request, token)
                self.message_user(request, _("The file is being read."), messages.SUCCESS)
                return HttpResponseRedirect(page)
        except DomainError as error:
            return _refused(request, token, file, error, page)
        context = self.thing_context(request, segment, page="file", title=segment.name)
        context.update(_looked(look, keys, file, name), again_url=page, close_url=page)
        context["media"] = _MEDIA + keys.media
        return TemplateResponse(request, _COLUMNS, context)

    def unmatched_view(
        self, request: HttpRequest, object_id: str, list_id: int
    ) -> HttpResponseBase:
        """The rows that are not in the base or cannot be read, as CSV."""
        segment = self._from_file(request, object_id)
        found = ContactList.objects.filter(segment_id=segment.pk, pk=list_id).first()
        if found is None:
            raise Http404
        try:
            file = files.unmatched_file(found, actor=actor_of(request), at=timezone.now())
        except DomainError as error:
            raise Http404(str(error)) from error
        name = f"unmatched-{segment.key}-{found.pk}.csv"
        return FileResponse(file.open("rb"), as_attachment=True, filename=name)

    def _create(
        self, request: HttpRequest, form: FileSegmentForm, keys: KeysForm, file: Path, name: str
    ) -> Segment | None:
        try:
            segment, _job = files.request_segment(
                file,
                file_name=name,
                position=int(keys.cleaned_data["column"]),
                identity=keys.cleaned_data["identity"],
                has_header=keys.cleaned_data["has_header"],
                actor=actor_of(request),
                at=timezone.now(),
                **form.settings(),
            )
        except DomainError as error:
            form.add_problems(error)
            return None
        return segment

    def _require_add(self, request: HttpRequest) -> None:
        if not self.has_add_permission(request):
            raise PermissionDenied

    def _from_file(self, request: HttpRequest, object_id: str) -> Segment:
        segment: Segment = self.visible_or_404(request, object_id)
        if segment.source != Segment.Source.CSV:
            raise Http404
        return segment


def _looked(look: Look, keys: KeysForm, file: Path, name: str) -> dict[str, Any]:
    """What the page says of a file: how it is written, its first rows, what they find."""
    trial, refusal, position = None, "", -1
    try:
        choice = keys.chosen(file)
        trial, position = try_rows(choice), choice.position
    except DomainError as error:
        refusal = str(error)
    table = look.table
    header = Header(
        table.kind, table.encoding, table.delimiter, table.columns, table.row_estimate, {}, (), ()
    )
    rows = [[(cell, place == position) for place, cell in enumerate(row)] for row in look.rows]
    return {
        "keys": keys,
        "file_name": name,
        "written": written(header),
        "row_estimate": number(table.row_estimate + (not look.has_header)),
        "columns": [
            (column if look.has_header else _("Column %(n)d") % {"n": place + 1}, place == position)
            for place, column in enumerate(table.columns)
        ],
        "rows": rows,
        "trial": _counted(trial),
        "refusal": refusal,
        "is_guessed": bool(look.column),
    }


def _counted(trial: Trial | None) -> dict[str, Any] | None:
    if trial is None:
        return None
    return {
        "rows": number(trial.row_count),
        "is_part": trial.row_count >= TRIAL_ROWS,
        "matched": number(trial.matched_count),
        "share": round(100 * trial.matched_count / trial.row_count) if trial.row_count else 0,
        "faulty": number(trial.faulty_count),
        "has_faulty": bool(trial.faulty_count),
    }


def _told(found: ContactList, segment: Segment, actor: Actor, now: Any) -> dict[str, Any]:
    is_current = found.pk == segment.contact_list_id
    url = reverse("admin:segments_segment_unmatched", args=[segment.pk, found.pk])
    share = round(100 * found.matched_count / (found.matched_count + found.unmatched_count or 1))
    return {
        "list": found,
        "is_current": is_current,
        "badge": badge(_("in force"), "good", "check") if is_current else "",
        "by": found.user or found.api_user or _("the system"),
        "identity": _LABELS.get(found.identity, found.identity),
        "counts": {
            name: number(getattr(found, f"{name}_count"))
            for name in ("row", "matched", "unmatched", "duplicate", "faulty")
        },
        "share": share,
        "download": url if files.may_download(found, actor, at=now) else "",
    }


def _typed(posted: QueryDict) -> dict[str, Any]:
    """What somebody typed before the file was looked at again."""
    typed: dict[str, Any] = {
        name: posted[name]
        for name in (
            *("name", "key", "description", "refresh_mode", "refresh_amount", "refresh_unit"),
            *("readiness_hours",),
        )
        if name in posted
    }
    return typed | {
        "groups": posted.getlist("groups"),
        "members_only": bool(posted.get("members_only")),
    }


def _refused(
    request: HttpRequest, token: str, file: Path, error: DomainError, address: str
) -> HttpResponse:
    uploads.forget(request, token, file)
    messages.error(request, str(error))
    return HttpResponseRedirect(address)
