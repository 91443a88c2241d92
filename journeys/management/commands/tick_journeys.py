"""Move those who are on journeys, here and now."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from journeys.engine import tick
from workspace.console import facts
from workspace.management.moments import read_moment


class Command(BaseCommand):
    """Tick all journeys until nobody is due."""

    help = (
        "Moves everyone on a journey who has a reason to move, as the rounds do all the time;"
        " again, it changes nothing. Prints how many entered, moved and ended."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--as-of", type=read_moment, metavar="TIME", help="default: now")
        parser.add_argument("--json", action="store_true", help="one JSON object")

    def handle(self, **options: Any) -> None:
        as_of = options["as_of"] or timezone.now()
        total = tick.Ticked(has_more=True)
        while total.has_more:
            total.has_more = False
            total += tick.tick_all(as_of=as_of)
        found = {
            "entered": total.entered_count,
            "refused": total.refused_count,
            "moved": total.moved_count,
            "ended": total.ended_count,
        }
        facts(self, found, as_json=options["json"])
