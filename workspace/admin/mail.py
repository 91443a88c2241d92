"""The mail that was written to disk because no mail server is set."""

import email
from dataclasses import dataclass
from datetime import datetime
from email import policy
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _

_SHOWN = 200
_BACKEND = "django.core.mail.backends.filebased.EmailBackend"
# How Django separates the messages of one file.
_SEPARATOR = b"\n" + b"-" * 79 + b"\n"


@dataclass(frozen=True, slots=True)
class Mail:
    """One message of the outbox: the `position`-th of the file `name`."""

    name: str
    position: int
    subject: str
    sender: str
    recipients: str
    written_at: datetime | None
    text: str


def is_kept_on_disk() -> bool:
    """Whether messages are written to disk instead of being sent."""
    return bool(settings.EMAIL_BACKEND == _BACKEND)


def outbox() -> list[Mail]:
    """The newest messages, newest first."""
    folder = Path(settings.EMAIL_FILE_PATH)
    files = sorted(folder.glob("*.log"), reverse=True) if folder.is_dir() else []
    mails: list[Mail] = []
    for file in files:
        mails.extend(reversed(messages_of(file)))
        if len(mails) >= _SHOWN:
            break
    return mails[:_SHOWN]


def messages_of(file: Path) -> list[Mail]:
    """The messages of one file, oldest first."""
    parts = [part for part in file.read_bytes().split(_SEPARATOR) if part.strip()]
    return [_read(file.name, position, part) for position, part in enumerate(parts)]


def _read(name: str, position: int, content: bytes) -> Mail:
    message = email.message_from_bytes(content, policy=policy.default)
    body = message.get_body(("plain", "html"))
    date = message["Date"]
    return Mail(
        name=name,
        position=position,
        subject=str(message["Subject"] or ""),
        sender=str(message["From"] or ""),
        recipients=str(message["To"] or ""),
        written_at=parsedate_to_datetime(str(date)) if date else None,
        text=str(body.get_content()) if body is not None else "",
    )


def mail_list(request: HttpRequest) -> HttpResponse:
    """The outbox, for administrators: it may hold links that log people in."""
    _require(request)
    return TemplateResponse(
        request,
        "workspace/mail_list.html",
        {**_context(request, _("Mail outbox")), "mails": outbox()},
    )


def mail_message(request: HttpRequest, name: str, position: int) -> HttpResponse:
    """One message."""
    _require(request)
    file = Path(settings.EMAIL_FILE_PATH) / Path(name).name
    if not file.is_file() or file.suffix != ".log":
        raise Http404
    found = messages_of(file)
    if position >= len(found):
        raise Http404
    return TemplateResponse(
        request,
        "workspace/mail_message.html",
        {**_context(request, found[position].subject), "mail": found[position]},
    )


def _context(request: HttpRequest, title: str) -> dict[str, Any]:
    request.current_app = admin.site.name
    return {**admin.site.each_context(request), "title": title}


def _require(request: HttpRequest) -> None:
    if not request.user.is_superuser:
        raise PermissionDenied
    if not is_kept_on_disk():
        raise Http404
