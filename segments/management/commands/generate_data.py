"""Makes a synthetic workspace of any size."""

from argparse import ArgumentParser
from time import monotonic
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from segments.synthetic import AS_OF, generate_workspace
from workspace.console import Bar, facts
from workspace.errors import DomainError
from workspace.management.moments import read_moment


class Command(BaseCommand):
    """Fill an empty workspace; the same contacts and events for the same size and seed."""

    help = "Make a deterministic synthetic workspace of any size, for benchmarks and trials."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--contacts", type=int, required=True, metavar="N")
        parser.add_argument("--events", type=int, required=True, metavar="M")
        parser.add_argument("--seed", type=int, default=0, metavar="S", help="default: 0")
        parser.add_argument(
            "--as-of",
            type=read_moment,
            default=AS_OF,
            metavar="TIME",
            help="the instant at which the year of events ends; default: 2026-01-01T00:00Z",
        )
        parser.add_argument(
            "--add", action="store_true", help="add to the contacts that there are already"
        )
        parser.add_argument("--json", action="store_true", help="one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        began_at = monotonic()
        bar = Bar("")
        try:
            made = generate_workspace(
                contact_count=options["contacts"],
                event_count=options["events"],
                seed=options["seed"],
                as_of=options["as_of"],
                add=options["add"],
                report=lambda step, done, total: bar.show(done, total, step),
            )
        except DomainError as error:
            raise CommandError(str(error)) from error
        finally:
            bar.close()
        found = {
            "contacts": made.contact_count,
            "events": made.event_count,
            "first_contact_id": made.first_contact_id,
            "last_contact_id": made.last_contact_id,
            "seconds": round(monotonic() - began_at, 1),
        }
        facts(self, found, as_json=options["json"])
