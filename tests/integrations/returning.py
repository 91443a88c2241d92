"""Mails that came back, as mail servers of the world write them."""

from datetime import datetime
from email.utils import format_datetime

from integrations.bounces import marks
from integrations.connector import Message
from integrations.connectors.mail import mail_of
from integrations.mail import mail_connection
from integrations.models import Delivery
from integrations.outbox import Message as Queued
from integrations.outbox import enqueue
from tests.factories import NOW

KEY = "message:12"


def queue(key: str = KEY, to: str = "anna@example.com", contact_id: int | None = None) -> Delivery:
    """A mail of ours in the outbox."""
    payload = {"to": to, "subject": "Hello", "text": "Hi", "html": ""}
    message = Queued(key, mail_connection().pk, "email", payload, contact_id, "message:12")
    enqueue([message], at=NOW)
    return Delivery.objects.get(key=key)


def sent(key: str = KEY, to: str = "anna@example.com") -> str:
    """Our mail, as it went out."""
    payload = {"to": to, "subject": "Hello", "text": "Hi", "html": "<p>Hi</p>"}
    mail = mail_of(Message(key=key, kind="email", payload=payload, sent_at=NOW))
    return mail.message().as_string()


def headers_of(mail: str) -> str:
    return mail.split("\n\n", 1)[0] + "\n"


def bounce(
    status: str = "5.1.1",
    diagnostic: str = "smtp; 550 5.1.1 No such user",
    *,
    action: str = "failed",
    original: str = "",
    returned: str = "message/rfc822",
    to: str = "regulars@shop.example",
    address: str = "anna@example.com",
    number: int = 1,
    at: datetime = NOW,
) -> bytes:
    """A delivery status notification (RFC 3464), as Postfix writes it."""
    return f"""Return-Path: <>
Date: {format_datetime(at)}
From: MAILER-DAEMON@mx.example.com (Mail Delivery System)
Subject: Undelivered Mail Returned to Sender
To: {to}
Auto-Submitted: auto-replied
Message-ID: <bounce-{number}@mx.example.com>
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="edge"

--edge
Content-Type: text/plain; charset=us-ascii

This is the mail system. I'm sorry to have to inform you that 5.9.9 is not a code.

--edge
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example.com
Arrival-Date: {format_datetime(at)}

Final-Recipient: rfc822; {address}
Original-Recipient: rfc822;{address}
Action: {action}
Status: {status}
Diagnostic-Code: {diagnostic}

--edge
Content-Type: {returned}

{original or sent()}
--edge--
""".encode()


def complaint(kind: str = "abuse", number: int = 1) -> bytes:
    """A complaint by a feedback loop (RFC 5965)."""
    return f"""From: <abuse@mail.example>
Date: {format_datetime(NOW)}
To: <abuse@shop.example>
Message-ID: <complaint-{number}@mail.example>
MIME-Version: 1.0
Content-Type: multipart/report; report-type=feedback-report; boundary="edge"

--edge
Content-Type: text/plain

This is an email abuse report.
--edge
Content-Type: message/feedback-report

Feedback-Type: {kind}
User-Agent: SomeGenerator/1.0
Version: 1
Original-Rcpt-To: <anna@example.com>

--edge
Content-Type: message/rfc822

{sent()}
--edge--
""".encode()


def verp(key: str = KEY) -> str:
    return marks.bounce_address(key)
