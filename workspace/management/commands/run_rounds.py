import gc
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from workspace.round_runner import Runner
from workspace.rounds import registered_rounds

# How many more objects than before make Python look for those in cycles.
_ALLOCATIONS = 50_000


class Command(BaseCommand):
    """Runs the rounds: digests what came in, and moves people between segments at once."""

    help = (
        "Runs the work that follows events at once, as soon as it is called for, until SIGTERM or"
        " Ctrl-C. Any number may run. With --once: what waits now; exits 1 if a round failed."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--once", action="store_true", help="do what waits now, and end")

    def handle(self, *args: Any, **options: Any) -> None:
        runner = Runner(registered_rounds())
        with runner.stopped_by_signals():
            if not options["once"]:
                # A batch is thousands of objects that live until it is done: to look for cycles
                # among them again and again took a third of all the time.
                gc.freeze()
                gc.set_threshold(_ALLOCATIONS, 20, 20)
                runner.run()
            elif not runner.run_once():
                raise SystemExit(1)
