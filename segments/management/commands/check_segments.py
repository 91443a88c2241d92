"""Look for what is wrong with segments, here and now."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from segments import checkups, health
from segments.models import Segment
from workspace.access import SYSTEM
from workspace.console import facts
from workspace.management.moments import read_moment


class Command(BaseCommand):
    """Look at every segment in use, keep what is found, and print it."""

    help = (
        "Looks for what is wrong with the segments in use: contradictory criteria, late refreshes,"
        " fields always empty, duplicates, segments that never change or that nobody uses. Keeps"
        " what it finds, as the check every night does, and prints it. Mails nothing."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--as-of", type=read_moment, metavar="TIME", help="default: now")
        parser.add_argument("--json", action="store_true", help="one JSON object a line")

    def handle(self, *args: Any, **options: Any) -> None:
        checkups.check_all(as_of=options["as_of"] or timezone.now())
        segments = Segment.objects.filter(findings__isnull=False).distinct().order_by("key")
        shown = list(segments)
        kept = health.findings_by_segment(shown, actor=SYSTEM)
        known = health.known_others((one for some in kept.values() for one in some), SYSTEM)
        for segment in shown:
            for finding in kept.get(segment.pk, []):
                told = health.tell(finding, segment, actor=SYSTEM, known=known)
                self._print(segment, told, as_json=options["json"])
        if not kept and not options["json"]:
            self.stdout.write("Nothing is wrong.")

    def _print(self, segment: Segment, told: health.Told, *, as_json: bool) -> None:
        if not as_json:
            self.stdout.write(f"{segment.key}: {told.message} {told.advice}")
            return
        found = {
            "segment": segment.key,
            "kind": str(told.kind),
            "message": told.message,
            "advice": told.advice,
            "found_at": told.found_at.isoformat(),
            "others": [other.key for other in told.others],
        }
        facts(self, found, as_json=True)
