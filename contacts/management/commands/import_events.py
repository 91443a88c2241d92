"""Imports events from a file."""

from argparse import ArgumentParser, ArgumentTypeError
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from contacts.event_imports import import_events
from workspace.access import SYSTEM
from workspace.console import Bar, facts
from workspace.errors import DomainError


class Command(BaseCommand):
    """Import events of one kind from CSV or XLSX."""

    help = (
        "Imports events for contacts matched by external id or e-mail. Importing the file again"
        " adds nothing; identical rows within it all count. Prints accepted, duplicates, rejected"
        " and the path of a CSV of rejected rows with reasons. A fault of the file changes nothing"
        " and exits 1."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", metavar="FILE", help="CSV or XLSX; the first row has names")
        parser.add_argument("--event", required=True, metavar="NAME", help="e.g. purchase")
        parser.add_argument(
            "--contact", required=True, metavar="COLUMN", help="external id or e-mail address"
        )
        parser.add_argument(
            "--at",
            required=True,
            metavar="COLUMN",
            help="ISO date or time; without an offset it is in the workspace's time zone",
        )
        parser.add_argument(
            "--property",
            action="extend",
            nargs="+",
            default=[],
            type=_property,
            metavar="COLUMN=name",
            help="a property of the events, once for each; numbers, true and false become such",
        )
        parser.add_argument("--json", action="store_true", help="one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        bar = Bar("Importing")
        try:
            result = import_events(
                options["file"],
                name=options["event"],
                contact_column=options["contact"],
                at_column=options["at"],
                property_columns=dict(options["property"]),
                actor=SYSTEM,
                at=timezone.now(),
                work=bar,
            )
        except DomainError as error:
            raise CommandError(str(error)) from error
        finally:
            bar.close()
        found = {
            "accepted": result.accepted,
            "duplicates": result.duplicates,
            "rejected": result.rejected,
            "rejected_file": result.rejected_file,
        }
        facts(self, found, as_json=options["json"])


def _property(written: str) -> tuple[str, str]:
    """A column and the name of the property; without a name the property is called as it."""
    column, _equals, name = written.rpartition("=") if "=" in written else (written, "", written)
    if not column or not name:
        raise ArgumentTypeError(f"{written} is not of the form COLUMN=name")
    return column, name
