"""The mail that was written to disk because no mail server is set, read as in a mail client.

To read a message here is to open it: pictures are loaded and links work, as for who would have got
it.
"""

import email
from dataclasses import dataclass
from datetime import datetime
from email import policy
from email.message import EmailMessage
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

from csp.decorators import csp_update
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
_SNIPPET_LIMIT = 120
_SOURCE_LIMIT = 400_000
_SHAPES = ("html", "text", "source")


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
    html: str = ""
    source: str = ""
    reply_to: str = ""
    unsubscribe: str = ""

    @property
    def snippet(self) -> str:
        """Its first words."""
        return " ".join(self.text.split())[:_SNIPPET_LIMIT]

    @property
    def shapes(self) -> list[str]:
        """How it can be looked at."""
        return [one for one in _SHAPES if getattr(self, one)]

    def says(self, words: str) -> bool:
        """Whether a text stands in what one sees of it, in capitals or not."""
        wanted = words.casefold()
        seen = (self.subject, self.sender, self.recipients, self.text)
        return any(wanted in part.casefold() for part in seen)


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
    date = message["Date"]
    return Mail(
        name=name,
        position=position,
        subject=str(message["Subject"] or ""),
        sender=str(message["From"] or ""),
        recipients=str(message["To"] or ""),
        written_at=parsedate_to_datetime(str(date)) if date else None,
        text=_body(message, "plain"),
        html=_body(message, "html"),
        source=content[:_SOURCE_LIMIT].decode("utf-8", "replace").strip(),
        reply_to=str(message["Reply-To"] or ""),
        unsubscribe=str(message["List-Unsubscribe"] or ""),
    )


def _body(message: EmailMessage, kind: str) -> str:
    part = message.get_body((kind,))
    return str(part.get_content()) if part is not None else ""


def mail_list(request: HttpRequest) -> HttpResponse:
    """The outbox, for administrators: it may hold links that log people in."""
    _require(request)
    return _page(request, _("Mail outbox"), None)


@csp_update({"img-src": ["https:", "http:"]})  # type: ignore[arg-type]
def mail_message(request: HttpRequest, name: str, position: int) -> HttpResponse:
    """One message beside the others."""
    _require(request)
    file = Path(settings.EMAIL_FILE_PATH) / Path(name).name
    if not file.is_file() or file.suffix != ".log":
        raise Http404
    found = messages_of(file)
    if position >= len(found):
        raise Http404
    mail = found[position]
    return _page(request, mail.subject or _("(no subject)"), mail)


def _page(request: HttpRequest, title: str, mail: Mail | None) -> HttpResponse:
    words = request.GET.get("q", "").strip()[:200]
    context = {
        **_context(request, title),
        "mails": [one for one in outbox() if not words or one.says(words)],
        "words": words,
        "mail": mail,
        "folder": settings.EMAIL_FILE_PATH,
    }
    if mail is not None:
        wanted = request.GET.get("as", "")
        shape = wanted if wanted in mail.shapes else next(iter(mail.shapes), "text")
        labels = {"html": _("Message"), "text": _("Text"), "source": _("Source")}
        context |= {
            "shape": shape,
            "shapes": [(one, labels[one]) for one in mail.shapes],
            # Links open beside, as in a mail client.
            "frame": f'<base target="_blank">{mail.html}',
        }
    return TemplateResponse(request, "workspace/mail_reader.html", context)


def _context(request: HttpRequest, title: str) -> dict[str, Any]:
    request.current_app = admin.site.name
    return {**admin.site.each_context(request), "title": title}


def _require(request: HttpRequest) -> None:
    if not request.user.is_superuser:
        raise PermissionDenied
    if not is_kept_on_disk():
        raise Http404
