"""Mailboxes to which mails come back: each mail is read once, and stays there as read."""

import imaplib
import mailbox
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from django.conf import settings
from django.utils.translation import gettext as _

from integrations.bounces.heard import hear
from integrations.bounces.reports import SIZE_LIMIT, read_report
from integrations.errors import MailboxUnreadable
from workspace.checkup import Finding

# In one go, so that a mailbox that was forgotten for years does not hold up a worker.
AT_MOST = 1_000
_TIMEOUT_SECONDS = 30.0
# Who asks whether all is well waits for it.
_PATIENCE_SECONDS = 5.0


@dataclass(slots=True)
class Read:
    """How many mails there were, how many were about mails of ours, and what of it was news."""

    mails: int = 0
    ours: int = 0
    heard: int = 0


def read_maildir(path: Path, *, at: datetime) -> Read:
    """Read the new mails of a Maildir, as mail servers write them; then they are among the others.

    Raises MailboxUnreadable where there is none.
    """
    try:
        box = mailbox.Maildir(path, create=False)
        box.lock()
        new = [name for name in box.iterkeys() if box.get_message(name).get_subdir() == "new"]
    except (mailbox.Error, OSError) as error:
        raise _unreadable(str(path), error) from error
    found = Read()
    for name in new[:AT_MOST]:
        _take(found, box.get_bytes(name), at)
        message = box.get_message(name)
        message.set_subdir("cur")
        message.add_flag("S")
        box[name] = message
    return found


def read_imap(url: str, *, at: datetime) -> Read:
    """Read the mails of a mailbox that nobody has read yet, and mark them as read.

    `url` is imaps://user:password@host/INBOX, or imap:// for a server on this machine. Raises
    MailboxUnreadable.
    """
    found = Read()
    try:
        with _opened(url, seconds=_TIMEOUT_SECONDS) as line:
            for number in _expect(line.uid("SEARCH", "UNSEEN"))[0].decode().split()[:AT_MOST]:
                # One by one: a mailbox holds megabytes, and what was heard is marked at once.
                content = _content(_expect(line.uid("FETCH", number, "(BODY.PEEK[])")))
                _take(found, content, at)
                _expect(line.uid("STORE", number, "+FLAGS", r"(\Seen)"))
    except (imaplib.IMAP4.error, OSError, socket.gaierror) as error:
        raise _unreadable(urlsplit(url).hostname or "", error) from error
    return found


def examine() -> Finding:
    """Whether the mailbox of mails that came back can be read, where one is set. An examination."""
    url = settings.BOUNCE_IMAP_URL
    if not url:
        return Finding("bounces", True, _("No mailbox of mails that came back is set."))
    try:
        with _opened(url, seconds=_PATIENCE_SECONDS):
            return Finding("bounces", True, _("The mailbox of mails that came back is read."))
    except (imaplib.IMAP4.error, OSError, socket.gaierror) as error:
        return Finding("bounces", False, str(_unreadable(urlsplit(url).hostname or "", error)))


@contextmanager
def _opened(url: str, *, seconds: float) -> Iterator[imaplib.IMAP4]:
    """The mailbox, as somebody who may read it."""
    parts = urlsplit(url)
    open_: Callable[..., imaplib.IMAP4] = imaplib.IMAP4_SSL
    if parts.scheme == "imap":
        open_ = imaplib.IMAP4
    port = parts.port or (143 if parts.scheme == "imap" else 993)
    with open_(parts.hostname or "", port, timeout=seconds) as line:
        line.login(unquote(parts.username or ""), unquote(parts.password or ""))
        _expect(line.select(_quoted(unquote(parts.path.strip("/")) or "INBOX")))
        yield line


def _take(found: Read, content: bytes, at: datetime) -> None:
    found.mails += 1
    told = read_report(content[:SIZE_LIMIT], at=at)
    found.ours += bool(told)
    found.heard += len(hear(told, at=at))


def _expect(answer: tuple[str, Any]) -> Any:
    """What the server gave. Raises what the library raises where it says no."""
    status, data = answer
    if status != "OK":
        raise imaplib.IMAP4.error(str(data))
    return [b"" if one is None else one for one in data]


def _content(data: Any) -> bytes:
    """The mail within an answer to FETCH."""
    return next((bytes(one[1]) for one in data if isinstance(one, tuple)), b"")


def _quoted(name: str) -> str:
    return '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _unreadable(where: str, error: Exception) -> MailboxUnreadable:
    words = {"where": where, "reason": error}
    return MailboxUnreadable(_("The mailbox %(where)s cannot be read: %(reason)s.") % words)
