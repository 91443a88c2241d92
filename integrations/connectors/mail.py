"""E-mail by the workspace's mail server or provider; without one, to the outbox on disk.

The server is that of the settings (`EMAIL_URL`, `EMAIL_PROVIDER`). A message has the same
Message-ID at every attempt, so that a server or a reader which got it twice can tell. Where the
connection breaks when the server had it all, nobody knows whether it was taken, and the error says
so: who sends then tries again (at least once) or does not (at most once).
"""

import hashlib
import re
import smtplib
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from email.utils import format_datetime
from functools import lru_cache
from typing import Any

from anymail.exceptions import AnymailAPIError, AnymailError, AnymailRecipientsRefused
from django.conf import settings
from django.core.mail import EmailMultiAlternatives, get_connection
from django.core.mail.backends.smtp import EmailBackend as SmtpBackend
from django.utils.module_loading import import_string
from django.utils.translation import gettext as _
from requests.exceptions import ConnectTimeout
from urllib3.exceptions import NewConnectionError

from contacts.fields import read_email
from contacts.values import ValueRefused
from integrations.bounces import marks
from integrations.connector import Message, Receipt
from integrations.connectors.mail_writing import written
from integrations.connectors.smtp import hand_over
from integrations.errors import AddressUnknown, PermanentError, TemporaryError
from integrations.mail_addresses import bare_address, written_address

# Servers close what is idle, and count what comes through one connection.
_IDLE_SECONDS = 5.0
_MESSAGES_AT_MOST = 100
# What a server says of a mailbox that does not exist (RFC 5321, RFC 3463 5.1.x), and not of what
# was written, of who wrote it, or of a mailbox that is full.
_NO_MAILBOX = frozenset({550, 551, 553})
_ENHANCED = re.compile(r"\b[245]\.(\d{1,3})\.\d{1,3}\b")


class MailConnector:
    """Sends e-mails; each thread keeps its connection to the server open for a while."""

    def __init__(self) -> None:
        self._local = threading.local()

    def send(self, message: Message) -> Receipt:
        """Hand an e-mail to the server; the reference is its Message-ID, or the provider's id.

        Raises TemporaryError where it may be taken later, PermanentError where it never will.
        """
        mail = mail_of(message)
        handed_over = _HandedOver()
        try:
            with self._line() as line:
                _send(mail, line, handed_over)
        except smtplib.SMTPRecipientsRefused as error:
            code, answer = next(iter(error.recipients.values()))
            raise _refused(code, answer, is_of_address=True) from error
        except smtplib.SMTPAuthenticationError as error:
            # A fault of the settings, not of the message: it waits until they are right.
            told = _("The mail server does not take the user and password of EMAIL_URL.")
            raise TemporaryError(
                told, http_status=error.smtp_code, answer=_text(error.smtp_error)
            ) from error
        except smtplib.SMTPNotSupportedError as error:
            told = _("The mail server cannot send to this address: %(reason)s.")
            raise PermanentError(told % {"reason": error}) from error
        except smtplib.SMTPResponseException as error:
            raise _refused(error.smtp_code, error.smtp_error) from error
        except AnymailError as error:
            raise _refused_by_provider(error) from error
        except (smtplib.SMTPException, OSError) as error:
            told = _("The mail server could not be reached: %(reason)s.")
            if handed_over.is_so:
                told = _("The mail server did not say whether it took it: %(reason)s.")
            raise TemporaryError(
                told % {"reason": _text(error)}, is_perhaps_taken=handed_over.is_so
            ) from error
        except ValueError as error:
            # What cannot be written as a mail at all: a header of two lines, an odd address.
            told = _("The e-mail cannot be written: %(reason)s.") % {"reason": error}
            raise PermanentError(told) from error
        provider = getattr(getattr(mail, "anymail_status", None), "message_id", None)
        return Receipt(reference=str(provider or mail.extra_headers["Message-ID"])[:200])

    def close(self) -> None:
        """End this thread's connection; the next message makes another."""
        line, self._local.line = getattr(self._local, "line", None), None
        if line is not None:
            line.close()

    @contextmanager
    def _line(self) -> Iterator[Any]:
        """The connection of this thread: the one before, where it is still good."""
        kept = self._local
        line = getattr(kept, "line", None)
        if line is not None and not self._is_good(line):
            self.close()
            line = None
        if line is None:
            line = get_connection()
            line.open()
            kept.line, kept.count = line, 0
        try:
            yield line
        except BaseException:
            self.close()
            raise
        kept.count += 1
        kept.used_at = time.monotonic()

    def _is_good(self, line: Any) -> bool:
        """Whether the server still listens; asked only after a pause."""
        if self._local.count >= _MESSAGES_AT_MOST or type(line) is not _backend():
            return False
        if time.monotonic() - self._local.used_at < _IDLE_SECONDS:
            return True
        if not isinstance(line, SmtpBackend) or line.connection is None:
            return True
        try:
            return bool(line.connection.noop()[0] == 250)
        except (smtplib.SMTPException, OSError):
            return False


class _HandedOver:
    """Whether the server may have taken the message: once it has been given all of it."""

    def __init__(self) -> None:
        self.is_so = False

    def note(self) -> None:
        """From now on it may have it."""
        self.is_so = True


def _send(mail: EmailMultiAlternatives, line: Any, handed_over: _HandedOver) -> None:
    if not isinstance(line, SmtpBackend) or line.connection is None:
        # Another way out: what breaks while it is on its way may have been taken.
        handed_over.note()
        mail.connection = line
        mail.send()
        return
    sender, receiver = written_address(mail.from_email), written_address(mail.to[0])
    hand_over(line.connection, sender, receiver, written(mail), begins=handed_over.note)


CONNECTOR = MailConnector()


def mail_of(message: Message) -> EmailMultiAlternatives:
    """The e-mail of a delivery whose payload is `{"to", "subject", "text", "html", "headers"}`.

    Raises PermanentError where there is nobody to send it to.
    """
    payload = message.payload
    to = str(payload.get("to") or "").strip()
    if not to:
        raise PermanentError(_("The contact has no e-mail address."))
    try:
        read_email(bare_address(to))
    except ValueRefused as error:
        raise PermanentError(str(error)) from error
    headers: Mapping[str, str] = payload.get("headers") or {}
    envelope_sender, mark = marks.bounce_address(message.key), marks.mark_of(message.key)
    mail = EmailMultiAlternatives(
        subject=str(payload.get("subject") or ""),
        body=str(payload.get("text") or ""),
        from_email=envelope_sender or settings.DEFAULT_FROM_EMAIL,
        to=[to],
        headers={
            "Date": format_datetime(message.sent_at),
            **headers,
            "Message-ID": message_id_of(message.key),
            marks.HEADER: mark,
            # Who reads it sees the sender; only servers see where it comes back to.
            **({"From": settings.DEFAULT_FROM_EMAIL} if envelope_sender else {}),
        },
    )
    # Providers tell it back with what happened to the message; mail servers do not look at it.
    mail.metadata = {marks.NOTE: mark}  # type: ignore[attr-defined]
    if html := payload.get("html"):
        mail.attach_alternative(str(html), "text/html")
    return mail


def message_id_of(key: str) -> str:
    """The Message-ID of the delivery with this key, the same for ever."""
    digest = hashlib.sha256(key.encode()).hexdigest()[:32]
    return f"<{digest}@{_domain_of(settings.DEFAULT_FROM_EMAIL)}>"


@lru_cache(maxsize=16)
def _domain_of(sender: str) -> str:
    return bare_address(sender).rpartition("@")[2] or "localhost"


def _backend() -> Any:
    return import_string(settings.EMAIL_BACKEND)


def _refused(
    code: int, answer: Any, *, is_of_address: bool = False
) -> PermanentError | TemporaryError:
    """What a refusal of the server means: 4xx passes, 5xx stays."""
    kind = PermanentError if code >= 500 else TemporaryError
    message, text = _("The mail server refused it: %(code)d %(answer)s"), _text(answer)
    enhanced = _ENHANCED.search(text)
    if is_of_address and code in _NO_MAILBOX and (not enhanced or enhanced[1] == "1"):
        kind = AddressUnknown
    return kind(
        message % {"code": code, "answer": text[:300]},
        http_status=code,
        answer=text,
        # 421: the server closes; else it works, and has something against this one.
        is_of_message=is_of_address and code != 421,
    )


def _refused_by_provider(error: AnymailError) -> PermanentError | TemporaryError:
    """What a provider's refusal means: of this message, or of all until something is put right."""
    status = error.status_code
    answer = error.response.text if error.response is not None else str(error)
    words = {"provider": error.esp_name or "", "answer": " ".join(answer.split())[:300]}
    message = _("The e-mail provider %(provider)s refused it: %(answer)s") % words
    is_of_message = isinstance(error, AnymailRecipientsRefused) or not (
        isinstance(error, AnymailAPIError)
        # No answer, a wrong key, too many requests, trouble at the provider.
        and (status is None or status in {401, 403, 408, 429} or status >= 500)
    )
    kind = PermanentError if is_of_message else TemporaryError
    return kind(
        message, http_status=status, answer=answer, is_perhaps_taken=_is_perhaps_taken(error)
    )


def _is_perhaps_taken(error: AnymailError) -> bool:
    """Whether a provider may have the message although it did not say that it took it.

    So it is where the connection broke after it was there, and where the provider has trouble.
    """
    if not isinstance(error, AnymailAPIError):
        return False
    if error.status_code is not None:
        return bool(error.status_code == 408 or error.status_code >= 500)
    if isinstance(error, ConnectTimeout):
        return False
    # The library says the same of a connection that was refused and of one that broke.
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(getattr(seen, "reason", None), NewConnectionError):
            return False
        arguments = seen.args[:1]
        inner = arguments[0] if arguments and isinstance(arguments[0], BaseException) else None
        seen = inner or seen.__cause__ or seen.__context__
    return True


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
