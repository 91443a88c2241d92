"""Compare the members of segments that follow their contacts with a full evaluation."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from segments.models import Following, Segment
from segments.realtime.audit import Audited, audit_all
from workspace.console import Bar, facts
from workspace.management.moments import read_moment


class Command(BaseCommand):
    """Compare the named segments, or all that follow their contacts."""

    help = (
        "Compares the members of the named segments, or of all that follow their contacts in real"
        " time, with a full evaluation, as the audit does every night, and puts right what is"
        " wrong. Exits 1 if anything was."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("keys", nargs="*", metavar="KEY")
        parser.add_argument("--as-of", type=read_moment, metavar="TIME", help="default: now")
        parser.add_argument("--json", action="store_true", help="one JSON object a line")

    def handle(self, *args: Any, **options: Any) -> None:
        at = options["as_of"] or timezone.now()
        ids = _chosen(options["keys"]) if options["keys"] else None
        total = len(ids) if ids is not None else Following.objects.count()
        bar, wrong = Bar("Comparing"), 0
        for done, found in enumerate(audit_all(ids, at=at), start=1):
            wrong += found.is_wrong
            bar.close()
            self._print(found, as_json=options["json"])
            bar.show(done, total, found.segment_key)
        bar.close()
        if wrong:
            raise CommandError(f"The members of {wrong} of {total} segments were wrong.")

    def _print(self, found: Audited, *, as_json: bool) -> None:
        told = {"segment": found.segment_key, "missing": found.missing, "surplus": found.surplus}
        if as_json:
            facts(self, told | {"skipped": found.skipped or None}, as_json=True)
        elif found.skipped:
            self.stdout.write(f"{found.segment_key}: not compared. {found.skipped}")
        elif found.is_wrong:
            words = f"{found.missing} were missing, {found.surplus} too many"
            self.stderr.write(f"{found.segment_key}: put right. {words}.")
        else:
            self.stdout.write(f"{found.segment_key}: right.")


def _chosen(keys: list[str]) -> list[int]:
    found = dict(Segment.objects.filter(key__in=keys).values_list("key", "pk"))
    unknown = [key for key in keys if key not in found]
    if unknown:
        raise CommandError(f"There is no segment {', '.join(unknown)}.")
    aside = sorted(key for key, pk in found.items() if not Following.objects.filter(pk=pk).exists())
    if aside:
        raise CommandError(f"Not in real time, or not calculated yet: {', '.join(aside)}.")
    return list(found.values())
