"""A segment from a file, read here and now."""

from argparse import ArgumentParser
from dataclasses import asdict
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from contacts.rejections import rejections_root
from segments import files
from segments.models import ContactList
from workspace.access import SYSTEM
from workspace.console import Bar, facts
from workspace.errors import DomainError


class Command(BaseCommand):
    """Create a segment from a file."""

    help = (
        "Makes a segment of the contacts that are both in FILE (CSV or XLSX) and in the base;"
        " nobody is created. Prints rows, matched, not in base, duplicates, faulty, members and"
        " the path of a CSV of the rows that are not in the base or cannot be read, which is kept"
        " for seven days. A fault of the file makes no segment and exits 1."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", metavar="FILE")
        parser.add_argument("--name", required=True, metavar="NAME")
        parser.add_argument("--key", default="", metavar="KEY", help="default: made of the name")
        parser.add_argument(
            "--identity",
            default="",
            metavar="email|id|NAMESPACE",
            help="what the column holds: id is our number; default: guessed",
        )
        parser.add_argument(
            "--column", default="", metavar="C", help="its name or number; default: guessed"
        )
        parser.add_argument(
            "--no-header", action="store_true", help="the first row names nothing; default: guessed"
        )
        parser.add_argument("--group", action="append", default=[], metavar="NAME")
        parser.add_argument("--members-only", action="store_true", help="loyalty members only")
        parser.add_argument("--readiness-hours", type=int, metavar="N")
        parser.add_argument("--json", action="store_true", help="one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        path, bar = Path(options["file"]), Bar("Reading")
        try:
            found = files.create_segment(
                path,
                file_name=path.name,
                column=options["column"],
                identity=options["identity"],
                has_header=False if options["no_header"] else None,
                actor=SYSTEM,
                at=timezone.now(),
                work=bar,
                name=options["name"],
                key=options["key"],
                groups=options["group"],
                members_only=options["members_only"],
                readiness_hours=options["readiness_hours"],
            )
        except DomainError as error:
            sentences = [problem.message for problem in error.problems] or [str(error)]
            raise CommandError("\n".join(sentences)) from error
        finally:
            bar.close()
        kept = ContactList.objects.get(segment__key=found.segment)
        name = kept.unmatched_file
        told = asdict(found) | {"unmatched_file": str(rejections_root() / name) if name else None}
        facts(self, told, as_json=options["json"])
