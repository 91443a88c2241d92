"""The import screen: a file is looked at, its columns are told apart, then a worker imports it."""

import re
import secrets
from pathlib import Path
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from import_export.results import Result
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldBooleanWidget

from contacts.imports.columns import Kind
from contacts.imports.headers import Header, read_header
from contacts.resources import REHEARSED_ROWS, ContactResource, result_counts
from workspace.access import actor_of
from workspace.admin.pictures import number
from workspace.errors import DomainError

_SESSION = "contact_imports"
_LIMIT_BYTES = 2 * 1024**3
_TOKEN = re.compile(r"[A-Za-z0-9_-]{22}\Z")
_DELIMITERS = {
    ",": gettext_lazy("comma"),
    ";": gettext_lazy("semicolon"),
    "\t": gettext_lazy("tab"),
}
_ENCODINGS = {
    "utf-8": "UTF-8",
    "utf-8-sig": "UTF-8",
    "cp1250": "Windows-1250",
    "cp1252": "Windows-1252",
}
_KINDS = {
    Kind.IDENTITY: gettext_lazy("Identities"),
    Kind.FIELD: gettext_lazy("Fields"),
    Kind.TAGS: gettext_lazy("Labels"),
    Kind.CATEGORIES: gettext_lazy("Labels"),
    Kind.ATTRIBUTE: gettext_lazy("Attributes"),
    Kind.CONSENT: gettext_lazy("Consents"),
}


class UploadForm(forms.Form):
    """The file."""

    file = forms.FileField(
        label=gettext_lazy("File"),
        help_text=gettext_lazy(
            "CSV (comma, semicolon or tab; UTF-8, Windows-1250 or 1252) or XLSX, up to 2 GB. The"
            " first row names the columns."
        ),
        widget=forms.FileInput(attrs={"accept": ".csv,.tsv,.txt,.xlsx", "class": "rg-input"}),
    )

    def clean_file(self) -> Any:
        file = self.cleaned_data["file"]
        if file.size > _LIMIT_BYTES:
            raise forms.ValidationError(_("The file is larger than 2 GB."))
        return file


class ColumnsForm(forms.Form):
    """Where each column goes, and what becomes of contacts that are known already."""

    update = forms.BooleanField(
        label=gettext_lazy("Change contacts that are known already"),
        required=False,
        widget=UnfoldBooleanWidget(),
        help_text=gettext_lazy("Without it they are left alone, and only new ones are added."),
    )

    def __init__(self, data: Any = None, *, header: Header) -> None:
        super().__init__(data)
        self.header = header
        choices = _choices(header)
        for position, column in enumerate(header.columns):
            self.fields[f"column_{position}"] = forms.ChoiceField(
                label=column,
                required=False,
                choices=choices,
                initial=header.guesses.get(column, ""),
                widget=UnfoldAdminSelectWidget(attrs={"aria-label": column}),
            )

    def columns(self) -> dict[str, str]:
        """The target of each column by its header; as guessed until somebody chose."""
        given = self.cleaned_data if self.is_bound else self.initial_columns()
        return {
            column: given.get(f"column_{position}") or ""
            for position, column in enumerate(self.header.columns)
        }

    def initial_columns(self) -> dict[str, Any]:
        """The guesses."""
        return {name: field.initial for name, field in self.fields.items()}

    def rows(self) -> list[tuple[str, forms.BoundField, list[str]]]:
        """Each column with its select and its first values."""
        return [
            (
                column,
                self[f"column_{position}"],
                [row[position] for row in self.header.rows if row[position]][:3],
            )
            for position, column in enumerate(self.header.columns)
        ]


def upload_view(request: HttpRequest, context: dict[str, Any]) -> HttpResponse:
    """Step one: the file."""
    form = UploadForm(request.POST or None, request.FILES or None)
    if request.method == "POST" and form.is_valid():
        token = _keep(request, form.cleaned_data["file"])
        return HttpResponseRedirect(reverse("admin:contacts_import_preview", args=[token]))
    return TemplateResponse(request, "contacts/import_upload.html", {**context, "form": form})


def preview_view(request: HttpRequest, context: dict[str, Any], token: str) -> HttpResponse:
    """Step two: what the file says, what would become of it; then the job."""
    path, name = _kept(request, token)
    try:
        header = read_header(path)
    except DomainError as error:
        _forget(request, token, path)
        messages.error(request, str(error))
        return HttpResponseRedirect(reverse("admin:contacts_import"))
    form = ColumnsForm(request.POST if request.method == "POST" else None, header=header)
    if not actor_of(request).may("contacts.change_contact"):
        del form.fields["update"]
    rehearsal: dict[str, Any] = {}
    if not form.is_bound or form.is_valid():
        try:
            resource = ContactResource(
                columns=form.columns(),
                update=bool(form.is_bound and form.cleaned_data.get("update")),
                actor=actor_of(request),
            )
            if "import" in request.POST:
                _forget(request, token)
                job = resource.request(path, name=name)
                return HttpResponseRedirect(reverse("admin:workspace_job_change", args=[job.pk]))
            if header.row_estimate <= REHEARSED_ROWS:
                rehearsal = _told(resource.rehearse(path, at=timezone.now()))
        except DomainError as error:
            rehearsal = {"refusals": [p.message for p in error.problems] or [str(error)]}
    return TemplateResponse(
        request,
        "contacts/import_preview.html",
        {
            **context,
            "form": form,
            "file_name": name,
            "header": header,
            "row_estimate": number(header.row_estimate),
            "written": _written(header),
            "is_rehearsed": header.row_estimate <= REHEARSED_ROWS,
            "rehearsed_rows": number(REHEARSED_ROWS),
            **rehearsal,
        },
    )


def _choices(header: Header) -> list[tuple[str, Any]]:
    groups: dict[str, list[tuple[str, str]]] = {}
    for target in header.choices:
        groups.setdefault(str(_KINDS[target.kind]), []).append((target.name, target.label))
    return [("", _("Leave out")), *groups.items()]


def _told(result: Result) -> dict[str, Any]:
    counts = result_counts(result)
    return {
        "counts": {name: number(count) for name, count in counts.items()},
        "useful": counts["created"] + counts["updated"],
        "faults": [
            (str(error.error), ", ".join(filter(None, row.row_values.values())))
            for row in result.rows
            for error in row.errors
        ],
        "more_faults": number(counts["rejected"] - len(result.rows))
        if counts["rejected"] > len(result.rows)
        else "",
    }


def _written(header: Header) -> str:
    if header.kind == "xlsx":
        return "XLSX"
    encoding = _ENCODINGS.get(header.encoding, header.encoding)
    return f"CSV · {encoding} · {_DELIMITERS.get(header.delimiter, header.delimiter)}"


def _keep(request: HttpRequest, file: Any) -> str:
    """Store an upload, for this session only, under a name that cannot be guessed."""
    token = secrets.token_urlsafe(16)
    path = _path(token)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as stream:
        for chunk in file.chunks():
            stream.write(chunk)
    request.session[_SESSION] = {**request.session.get(_SESSION, {}), token: file.name}
    return token


def _kept(request: HttpRequest, token: str) -> tuple[Path, str]:
    names = request.session.get(_SESSION, {})
    if token not in names or not _TOKEN.match(token) or not _path(token).is_file():
        raise Http404
    return _path(token), names[token]


def _forget(request: HttpRequest, token: str, path: Path | None = None) -> None:
    names = dict(request.session.get(_SESSION, {}))
    names.pop(token, None)
    request.session[_SESSION] = names
    if path is not None:
        path.unlink(missing_ok=True)


def _path(token: str) -> Path:
    return Path(settings.UPLOADS_ROOT) / f"{token}.upload"
