"""Imports contacts from a file."""

from argparse import ArgumentParser, ArgumentTypeError
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from contacts.imports import import_contacts
from workspace.access import SYSTEM
from workspace.console import Bar, facts
from workspace.errors import DomainError


class Command(BaseCommand):
    """Import contacts from CSV or XLSX of any size."""

    help = (
        "Imports contacts. A column named like a field, an attribute, external_id, identity.NAME,"
        " consent.KEY, tags or categories (lists separated by |) needs no map; an empty cell says"
        " nothing. Without --update existing contacts are left alone and counted unchanged."
        " Prints created, updated, unchanged, rejected and the path of a CSV of rejected rows with"
        " reasons. A fault of the file changes nothing and exits 1."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", metavar="FILE", help="CSV or XLSX; the first row has names")
        parser.add_argument(
            "--map",
            action="extend",
            nargs="+",
            default=[],
            type=_mapped,
            metavar="COLUMN=field",
            help="what a column is; COLUMN= passes over it",
        )
        parser.add_argument("--update", action="store_true", help="change existing contacts too")
        parser.add_argument("--json", action="store_true", help="one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        bar = Bar("Importing")
        try:
            result = import_contacts(
                options["file"],
                columns=dict(options["map"]),
                update=options["update"],
                actor=SYSTEM,
                at=timezone.now(),
                work=bar,
            )
        except DomainError as error:
            sentences = [problem.message for problem in error.problems] or [str(error)]
            raise CommandError("\n".join(sentences)) from error
        finally:
            bar.close()
        found = {
            "created": result.created,
            "updated": result.updated,
            "unchanged": result.unchanged,
            "rejected": result.rejected,
            "rejected_file": result.rejected_file,
        }
        facts(self, found, as_json=options["json"])


def _mapped(written: str) -> tuple[str, str]:
    """A column and what it is; the name of a column may contain the sign itself."""
    column, equals, name = written.rpartition("=")
    if not column or not equals:
        raise ArgumentTypeError(f"{written} is not of the form COLUMN=field")
    return column, name
