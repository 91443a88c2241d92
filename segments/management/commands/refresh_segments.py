"""Refresh segments here and now."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from segments import membership, schedule
from segments.membership import Refreshed, RefreshFailed
from segments.models import Segment
from workspace.console import Bar, facts
from workspace.management.moments import read_moment


class Command(BaseCommand):
    """Refresh the named segments, or all that are due."""

    help = (
        "Refreshes the named segments, or all that are due: by the clock, or because somebody"
        " requested it. Prints members, entered, left and milliseconds of each. Exits 1 if one"
        " failed; its members stay as they were."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("keys", nargs="*", metavar="KEY")
        parser.add_argument(
            "--full",
            action="store_true",
            help="every active segment, due or not, computed from nothing",
        )
        parser.add_argument("--as-of", type=read_moment, metavar="TIME", help="default: now")
        parser.add_argument("--json", action="store_true", help="one JSON object a line")

    def handle(self, *args: Any, **options: Any) -> None:
        as_of = options["as_of"] or timezone.now()
        segments = _chosen(options["keys"], is_full=options["full"], as_of=as_of)
        ids = [segment.pk for segment in segments]
        bar, failed = Bar("Refreshing"), 0
        outcomes = membership.refresh_many(ids, as_of=as_of, cause="command", wait=True)
        for done, outcome in enumerate(outcomes, start=1):
            failed += isinstance(outcome, RefreshFailed)
            bar.close()
            self._print(outcome, as_json=options["json"])
            bar.show(done, len(ids), outcome.segment_key)
        bar.close()
        if failed:
            raise CommandError(f"{failed} of {len(ids)} segments could not be refreshed.")

    def _print(self, outcome: Refreshed | RefreshFailed, *, as_json: bool) -> None:
        if isinstance(outcome, RefreshFailed):
            code = getattr(outcome.error, "code", "database_error")
            told = {"segment": outcome.segment_key, "error": str(outcome.error), "code": code}
            if as_json:
                facts(self, told, as_json=True)
            else:
                self.stderr.write(f"{outcome.segment_key}: {outcome.error}")
            return
        found = {
            "segment": outcome.segment_key,
            "members": outcome.member_count,
            "entered": outcome.entered_count,
            "left": outcome.left_count,
            "milliseconds": outcome.milliseconds,
        }
        if as_json:
            facts(self, found | {"as_of": outcome.as_of.isoformat()}, as_json=True)
            return
        words = ", ".join(f"{name} {value}" for name, value in found.items() if name != "segment")
        self.stdout.write(f"{outcome.segment_key}: {words}")


def _chosen(keys: list[str], *, is_full: bool, as_of: Any) -> list[Segment]:
    if keys:
        found = {segment.key: segment for segment in Segment.objects.filter(key__in=keys)}
        unknown = [key for key in keys if key not in found]
        if unknown:
            raise CommandError(f"There is no segment {', '.join(unknown)}.")
        return list(found.values())
    if is_full:
        active = Segment.objects.filter(status=Segment.Status.ACTIVE)
        return [segment for segment in active.order_by("pk") if segment.is_calculable]
    return schedule.due_segments(as_of=as_of)
