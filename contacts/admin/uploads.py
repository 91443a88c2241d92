"""Uploads between two pages: what was sent, kept for one session, and how it is written."""

import re
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from django import forms
from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.widgets import UnfoldAdminSelectWidget

from contacts.imports.headers import Header

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
    """A select for each column of a file: `choices` what it may be, `guesses` what it seems."""

    def __init__(
        self, data: Any, *, header: Header, choices: Any, guesses: Mapping[str, str]
    ) -> None:
        super().__init__(data)
        self.header = header
        for position, column in enumerate(header.columns):
            self.fields[f"column_{position}"] = forms.ChoiceField(
                label=column,
                required=False,
                choices=choices,
                initial=guesses.get(column, ""),
                widget=UnfoldAdminSelectWidget(attrs={"aria-label": column}),
            )

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


def upload_view(
    request: HttpRequest, context: dict[str, Any], *, template: str, next_address: str
) -> HttpResponse:
    """Step one of an import: the file; step two is at `next_address`, by its token."""
    form = UploadForm(request.POST or None, request.FILES or None)
    if request.method == "POST" and form.is_valid():
        token = keep(request, form.cleaned_data["file"])
        return HttpResponseRedirect(reverse(next_address, args=[token]))
    return TemplateResponse(request, template, {**context, "form": form})


def written(header: Header) -> str:
    """How the file is written, in words."""
    if header.kind == "xlsx":
        return "XLSX"
    encoding = _ENCODINGS.get(header.encoding, header.encoding)
    return f"CSV · {encoding} · {_DELIMITERS.get(header.delimiter, header.delimiter)}"


def keep(request: HttpRequest, file: Any) -> str:
    """Store an upload, for this session only, under a name that cannot be guessed."""
    token = secrets.token_urlsafe(16)
    path = _path(token)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as stream:
        for chunk in file.chunks():
            stream.write(chunk)
    request.session[_SESSION] = {**request.session.get(_SESSION, {}), token: file.name}
    return token


def kept(request: HttpRequest, token: str) -> tuple[Path, str]:
    """The file of a token and what people call it. Raises Http404 for that of another session."""
    names = request.session.get(_SESSION, {})
    if token not in names or not _TOKEN.match(token) or not _path(token).is_file():
        raise Http404
    return _path(token), names[token]


def forget(request: HttpRequest, token: str, path: Path | None = None) -> None:
    """Take the token from the session; with `path`, remove the file too."""
    names = dict(request.session.get(_SESSION, {}))
    names.pop(token, None)
    request.session[_SESSION] = names
    if path is not None:
        path.unlink(missing_ok=True)


def _path(token: str) -> Path:
    return Path(settings.UPLOADS_ROOT) / f"{token}.upload"
