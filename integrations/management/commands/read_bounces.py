"""Read mails that came back."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from integrations.bounces import mailboxes
from workspace.console import facts
from workspace.errors import DomainError


class Command(BaseCommand):
    """Read the mailbox of the settings, or a Maildir."""

    help = (
        "Reads the unread mails of the mailbox BOUNCE_IMAP_URL, or of a Maildir, and notes bounces"
        " and complaints about mails of ours. Beat does it every two minutes where the setting is."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--maildir", type=Path, metavar="FOLDER", help="instead of the mailbox")
        parser.add_argument("--json", action="store_true", help="one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        if not options["maildir"] and not settings.BOUNCE_IMAP_URL:
            raise CommandError("Set BOUNCE_IMAP_URL, or name a folder: --maildir FOLDER.")
        try:
            if options["maildir"]:
                found = mailboxes.read_maildir(options["maildir"], at=timezone.now())
            else:
                found = mailboxes.read_imap(settings.BOUNCE_IMAP_URL, at=timezone.now())
        except DomainError as error:
            raise CommandError(str(error)) from error
        told = {"mails": found.mails, "about_ours": found.ours, "news": found.heard}
        facts(self, told, as_json=options["json"])
