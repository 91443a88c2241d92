"""Mails that mail servers send back: read, and found to be about one of ours or not.

*Source:* RFC 3464 (delivery status notifications), RFC 3463 (status codes), RFC 5965 (complaints).
What carries no mark of ours (see `marks`) is nobody's: anybody can write such a mail.
"""

import email
import hashlib
import re
from collections.abc import Iterable, Iterator
from datetime import datetime
from email import policy
from email.message import Message
from email.utils import parseaddr, parsedate_to_datetime

from integrations.bounces import marks
from integrations.bounces.heard import ARRIVED, Kind, Told

SIZE_LIMIT = 5_000_000
_STATUS = re.compile(r"\b([245])\.(\d{1,3})\.(\d{1,3})\b")
_CODE = re.compile(r"\b([45])\d\d\b")
# Of those that are final, these say that the address is the fault; others are full, refuse what
# the mail says, or cannot be reached.
_GONE = re.compile(r"5\.(1\.(0|1|2|3|4|6|10)|2\.1|4\.4)\Z")
_GONE_WORDS = re.compile(
    r"(user|address|mailbox|recipient|account)[^.]{0,40}"
    r"(unknown|not exist|doesn't exist|no longer|disabled|not found|unavailable|invalid)"
    r"|no such (user|address|mailbox|recipient|account)|unknown (user|address|recipient)"
    r"|does not exist|invalid recipient",
    re.IGNORECASE,
)
_COMPLAINTS = frozenset({"abuse", "fraud"})
# Who sends such mails by hand or by a rule of a mailbox; it did arrive.
_BY_A_PERSON = re.compile(r"auto-replied|vacation", re.IGNORECASE)
_SHOWN = 300


def read_report(content: bytes, *, at: datetime) -> list[Told]:
    """What a mail tells of mails of ours; nothing where it is no report, or about none of ours.

    `at` stands for a date that is missing or lies in the future.
    """
    try:
        # Old servers write headers that the strict reader refuses.
        mail = email.message_from_bytes(content, policy=policy.compat32)
        parts = list(mail.walk())
    except (RecursionError, ValueError, LookupError):
        return []
    key = _key(mail, parts)
    if key is None:
        return []
    report = f"{_text(mail['Message-ID'])}"[:120] or hashlib.sha256(content).hexdigest()
    when = _date(mail, at)
    found = list(_complaints(parts)) or list(_statuses(parts)) or list(_plain(mail, parts))
    return [
        Told(kind, address, "dsn", f"{report} {place}", when, key, detail)
        for place, (kind, address, detail) in enumerate(found)
    ]


def _key(mail: Message, parts: Iterable[Message]) -> str | None:
    """The delivery of ours that is meant: by the returned mail, or the address it came back to."""
    for part in parts:
        returned = part[marks.HEADER]
        if returned is None and part.get_content_type() == "text/rfc822-headers":
            returned = email.message_from_string(_payload(part))[marks.HEADER]
        if returned is not None and (key := marks.key_of(_text(returned))):
            return key
    for name in ("Delivered-To", "X-Original-To", "To", "Envelope-To"):
        for value in mail.get_all(name, []):
            if key := marks.key_of_address(_text(value)):
                return key
    return None


def _statuses(parts: Iterable[Message]) -> Iterator[tuple[str, str, str]]:
    """What a delivery status notification says, for each address."""
    for part in parts:
        if part.get_content_type() not in {
            "message/delivery-status",
            "message/global-delivery-status",
        }:
            continue
        for block in _blocks(part):
            action = _text(block["Action"]).strip().lower()
            address = _address(block["Original-Recipient"]) or _address(block["Final-Recipient"])
            diagnostic = _text(block["Diagnostic-Code"]).partition(";")[2].strip()
            status = _text(block["Status"]).split(" ", 1)[0].strip()
            detail = f"{status} {diagnostic}".strip()
            if action == "failed":
                kind = Kind.HARD_BOUNCE if _is_gone(status, diagnostic) else Kind.SOFT_BOUNCE
                yield kind, address, detail
            elif action == "delivered":
                yield ARRIVED, address, detail


def _blocks(part: Message) -> list[Message]:
    """The parts of a status: the first of the whole mail, then one for each address."""
    payload = part.get_payload()
    if isinstance(payload, list):
        return [block for block in payload if isinstance(block, Message)]
    return [email.message_from_string(text) for text in re.split(r"\r?\n\r?\n", str(payload))]


def _complaints(parts: Iterable[Message]) -> Iterator[tuple[str, str, str]]:
    """What a feedback loop says."""
    for part in parts:
        if part.get_content_type() != "message/feedback-report":
            continue
        fields = next(iter(_blocks(part)), None)
        text = _payload(part) if fields is None else str(fields)
        said = email.message_from_string(text.lstrip())
        kind = _text(said["Feedback-Type"]).strip().lower()
        if kind in _COMPLAINTS:
            address = _address(said["Original-Rcpt-To"]) or _address(said["Final-Recipient"])
            yield Kind.COMPLAINT, address, kind


def _plain(mail: Message, parts: Iterable[Message]) -> Iterator[tuple[str, str, str]]:
    """What an old server says in words; a bounce comes from nobody, so that nobody answers it."""
    returned_to = _text(mail["Return-Path"]).strip()
    sender = parseaddr(_text(mail["From"]))[1].lower()
    is_nobody = returned_to == "<>" or sender.startswith(("mailer-daemon@", "postmaster@"))
    by_a_person = _BY_A_PERSON.search(f"{mail['Auto-Submitted']} {mail['X-Autoreply']}")
    if not is_nobody or by_a_person:
        return
    text = next((_payload(part) for part in parts if part.get_content_type() == "text/plain"), "")
    found = _STATUS.search(text) or _CODE.search(text)
    if found is None or found[1] == "2":
        return
    status = found[0] if "." in found[0] else ""
    kind = Kind.HARD_BOUNCE if _is_gone(status, text[:2000]) else Kind.SOFT_BOUNCE
    yield kind, "", " ".join(text[found.start() :].split())[:_SHOWN]


def _is_gone(status: str, words: str) -> bool:
    """Whether nothing will ever arrive at the address, by its status or, without one, by words."""
    if not status.startswith("5") and not (not status and re.search(r"\b5\d\d\b", words)):
        return False
    if _GONE.match(status):
        return True
    is_vague = status in {"", "5.0.0", "5.5.0", "5.5.1", "5.3.0", "5.7.0", "5.2.0"}
    return is_vague and _GONE_WORDS.search(words) is not None


def _address(value: object) -> str:
    """The address of "rfc822; anna@example.com"; "" where there is none."""
    text = _text(value)
    found = parseaddr(text.partition(";")[2] or text)[1].strip()
    return found if "@" in found else ""


def _date(mail: Message, at: datetime) -> datetime:
    try:
        written = parsedate_to_datetime(_text(mail["Date"]))
    except ValueError:
        return at
    return min(written, at) if written.utcoffset() is not None else at


def _text(value: object) -> str:
    return "" if value is None else str(value).replace("\0", "")


def _payload(part: Message) -> str:
    content = part.get_payload(decode=True)
    if isinstance(content, bytes):
        return content.decode("utf-8", "replace").replace("\0", "")
    return ""
