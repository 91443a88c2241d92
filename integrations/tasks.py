"""What the worker does for this room."""

import time
from datetime import timedelta

from celery import shared_task
from django.conf import settings
from django.utils import timezone

from integrations import outbox, sending
from integrations.bounces import mailboxes
from integrations.vendors import leaving, owners, syncing

# The rounds send at once. What is due for longer they have missed, or nobody runs them.
_PATIENCE = timedelta(minutes=1)
# Less than the time until the next of these.
_SECONDS = 45.0


@shared_task
def send_left() -> int:
    """Send what should have been sent a while ago; how many were delivered."""
    outbox.requeue_left(at=timezone.now())
    until = time.monotonic() + _SECONDS
    sent = sending.drain(goes_on=lambda: time.monotonic() < until, patience=_PATIENCE)
    return sent.delivered


@shared_task
def read_bounces() -> int:
    """Read the mailbox of mails that came back, where one is set; how much of it was news."""
    if not settings.BOUNCE_IMAP_URL:
        return 0
    return mailboxes.read_imap(settings.BOUNCE_IMAP_URL, at=timezone.now()).heard


@shared_task
def sync_due() -> int:
    """Have what is due synchronized with vendors; of how many connections.

    Goes on with deletions that failed, and tells owners whose credentials were refused.
    """
    now = timezone.now()
    owners.mail_refused(at=now)
    leaving.request_left(at=now)
    return syncing.request_due(at=now)
