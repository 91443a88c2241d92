"""Compute the metrics of all contacts here and now."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from contacts import computed_metrics
from workspace.console import Bar, facts
from workspace.errors import DomainError
from workspace.management.moments import read_moment


class Command(BaseCommand):
    """Compute the metrics named, or all that Regulars computes."""

    help = (
        "Computes metrics of all contacts and writes what changed: all of them,"
        " or those named. Prints values, changed and milliseconds of each."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("keys", nargs="*", metavar="KEY")
        parser.add_argument("--as-of", type=read_moment, metavar="TIME", help="default: now")
        parser.add_argument("--json", action="store_true", help="one JSON object a line")

    def handle(self, *args: Any, **options: Any) -> None:
        all_keys = computed_metrics.known_keys()
        keys = options["keys"] or all_keys
        if unknown := [key for key in keys if key not in all_keys]:
            known = ", ".join(all_keys)
            raise CommandError(
                f"Regulars does not compute {', '.join(unknown)}. It computes: {known}."
            )
        bar = Bar("Computing")
        try:
            done = computed_metrics.compute(
                as_of=options["as_of"] or timezone.now(), keys=keys, progress=bar
            )
        except DomainError as error:
            raise CommandError(str(error)) from error
        finally:
            bar.close()
        for one in done:
            found = {
                "metric": one.key,
                "values": one.value_count,
                "changed": one.changed_count,
                "milliseconds": one.milliseconds,
            }
            if options["json"]:
                facts(self, found | {"as_of": one.as_of.isoformat()}, as_json=True)
                continue
            words = ", ".join(
                f"{name} {value}" for name, value in found.items() if name != "metric"
            )
            self.stdout.write(f"{one.key}: {words}")
