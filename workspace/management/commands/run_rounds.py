from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from workspace.round_runner import Runner
from workspace.rounds import registered_rounds


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
                runner.run()
            elif not runner.run_once():
                raise SystemExit(1)
