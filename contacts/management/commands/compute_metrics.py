"""Compute the metrics of all contacts here and now."""

from argparse import ArgumentParser
from datetime import datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from contacts import computed_metrics, website_metrics
from workspace.console import Bar, facts
from workspace.errors import DomainError
from workspace.management.moments import read_moment


class Command(BaseCommand):
    """Compute the metrics named, or all that Regulars computes and those of websites."""

    help = (
        "Computes metrics and writes what changed: all of them and those of each website, of those"
        " contacts who can have changed since they were computed last, or with --anew of everyone;"
        " or those named, of everyone. Prints values, changed and milliseconds of each."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("keys", nargs="*", metavar="KEY")
        parser.add_argument("--as-of", type=read_moment, metavar="TIME", help="default: now")
        parser.add_argument("--anew", action="store_true", help="of all contacts")
        parser.add_argument("--json", action="store_true", help="one JSON object a line")

    def handle(self, *args: Any, **options: Any) -> None:
        all_keys = computed_metrics.known_keys()
        keys = options["keys"]
        if unknown := [key for key in keys if key not in all_keys]:
            known = ", ".join(all_keys)
            raise CommandError(
                f"Regulars does not compute {', '.join(unknown)}. It computes: {known}."
            )
        bar, at = Bar("Computing"), options["as_of"] or timezone.now()
        try:
            done = computed_metrics.compute(
                as_of=at, keys=keys or None, is_anew=options["anew"], progress=bar
            )
            websites = (
                []
                if keys
                else website_metrics.compute_website_metrics(
                    as_of=at, is_anew=options["anew"], progress=bar
                )
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
                "anew": one.is_anew,
            }
            self._say(one.key, found, at, as_json=options["json"])
        for website in websites:
            found = {
                "website": website.website.key,
                "contacts": website.contact_count,
                "changed": website.changed_count,
                "milliseconds": website.milliseconds,
                "anew": website.is_anew,
            }
            self._say(website.website.name, found, at, as_json=options["json"])

    def _say(self, name: str, found: dict[str, Any], at: datetime, *, as_json: bool) -> None:
        if as_json:
            facts(self, found | {"as_of": at.isoformat()}, as_json=True)
            return
        counts = list(found.items())[1:]
        self.stdout.write(f"{name}: {', '.join(f'{word} {value}' for word, value in counts)}")
