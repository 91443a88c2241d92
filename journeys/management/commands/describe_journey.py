"""Say what a journey is and how far it is, on a terminal."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from journeys import checking, journeys, statistics
from journeys.errors import JourneyUnknown
from journeys.models import Journey, Lane
from journeys.outline import outline_of
from workspace.access import SYSTEM
from workspace.console import facts


class Command(BaseCommand):
    """Print a journey: its activities as an indented list, its faults, its versions in figures."""

    help = (
        "Prints a journey: its state, the activities of its draft as an indented list, all faults"
        " and warnings, and for each version how many entered, are inside, finished."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("key", help="the key of the journey")
        parser.add_argument("--json", action="store_true", help="one JSON object")

    def handle(self, **options: Any) -> None:
        try:
            journey = journeys.find_journey(options["key"], actor=SYSTEM)
        except JourneyUnknown as error:
            raise CommandError(str(error)) from error
        found = _described(journey)
        if options["json"]:
            facts(self, found, as_json=True)
            return
        facts(self, {name: found[name] for name in ("key", "name", "state")}, as_json=False)
        for line in outline_of(journey.drawing):
            self.stdout.write(_told(line))
        for fault in found["faults"]:
            place = ".".join(filter(None, (fault["node"], fault["path"])))
            self.stdout.write(f"{fault['severity']}: {place}: {fault['message']}")
        for version in found["versions"]:
            self.stdout.write("")
            facts(self, version, as_json=False)


def _described(journey: Journey) -> dict[str, Any]:
    found = checking.faults_of(journey, actor=SYSTEM, at=timezone.now())
    versions = []
    for version in journey.versions.filter(lane=Lane.LIVE).order_by("-number"):
        # A few: each is summed up from its own counts.
        summary = statistics.summarize(version)
        versions.append(
            {
                "version": version.number,
                "published_at": version.published_at.isoformat(),
                "is_open": version.is_open,
                "entered": summary.entered,
                "inside": summary.inside,
                "finished": dict(summary.finished),
                "refused": dict(summary.refused),
                "failed": summary.failed,
                "goal": summary.goal.reached,
            }
        )
    return {
        "key": journey.key,
        "name": journey.name,
        "state": journey.state,
        "draft_number": journey.draft_number,
        "drawing": journey.drawing,
        "faults": [fault.as_json() for fault in found],
        "versions": versions,
    }


def _told(line: Any) -> str:
    when = f" ({line.when})" if line.when else ""
    way = f"{line.way}{when}: " if line.way else ""
    again = " (above)" if line.is_again else ""
    return f"{'  ' * (line.depth + 1)}{way}{line.label} [{line.node}]{again}"
