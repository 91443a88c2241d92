"""Deletes what has outlived its time."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from workspace.console import facts
from workspace.management.moments import read_moment
from workspace.retention import purge_expired


class Command(BaseCommand):
    """One round of what beat does every night."""

    help = (
        "Deletes what has outlived its time: answers to repeated requests after 24 hours, message"
        " ids after 8 days, finished jobs after 90 days, files of exports and rejected rows, and"
        " events by EVENT_RETENTION_DAYS. Exits 1 if a kind could not be purged."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--as-of", type=read_moment, metavar="TIME", help="default: now")
        parser.add_argument("--json", action="store_true", help="one JSON object a line")

    def handle(self, *args: Any, **options: Any) -> None:
        failed = []
        for purged in purge_expired(as_of=options["as_of"] or timezone.now()):
            if purged.error:
                failed.append(purged.kind)
            if options["json"]:
                told = {"error": purged.error} if purged.error else {}
                facts(self, {"kind": purged.kind, **purged.counts, **told}, as_json=True)
            elif purged.error:
                self.stderr.write(f"{purged.kind}: {purged.error}")
            else:
                facts(self, purged.counts, as_json=False)
        if failed:
            raise CommandError(f"Could not purge: {', '.join(failed)}.")
