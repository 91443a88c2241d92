"""The members of a segment to a file."""

import contextlib
import os
import sys
from argparse import ArgumentParser
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from django.core.management.base import BaseCommand, CommandError

from segments import exports, lifecycle
from segments.export_columns import DEFAULT_COLUMNS
from segments.models import Export
from workspace.access import SYSTEM
from workspace.console import facts
from workspace.errors import DomainError


class Command(BaseCommand):
    """Export a segment."""

    help = (
        "Writes the members of a segment to FILE, or to standard output for “-”. The format"
        " follows the ending of the name (.csv, .xlsx, .jsonl), else it is CSV in UTF-8."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("key", metavar="KEY")
        parser.add_argument("file", metavar="FILE")
        parser.add_argument(
            "--columns",
            nargs="+",
            metavar="COLUMN",
            default=[*DEFAULT_COLUMNS, "entered_at"],
            help="email, attributes.color, tags, consents.newsletter, attributes.* …"
            " (also separated by commas)",
        )
        parser.add_argument("--format", choices=Export.Format.values)
        parser.add_argument(
            "--bom", action="store_true", help="begin CSV with a byte order mark, as Excel wants it"
        )
        parser.add_argument("--json", action="store_true", help="one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        name = options["file"]
        columns = [part for given in options["columns"] for part in given.split(",") if part]
        ending = Path(name).suffix.removeprefix(".").lower()
        format_ = options["format"] or (ending if ending in Export.Format.values else "csv")
        try:
            segment = lifecycle.find_segment(options["key"], actor=SYSTEM)
            with _opened(name) as stream:
                rows = exports.write_contacts(
                    stream,
                    exports.members_of(segment),
                    columns=columns,
                    file_format=format_,
                    bom=options["bom"],
                )
        except DomainError as error:
            raise CommandError(str(error)) from error
        except OSError as error:
            raise CommandError(f"{name} cannot be written: {error.strerror}") from error
        if name != "-":
            size = Path(name).stat().st_size
            facts(self, {"file": name, "rows": rows, "size": size}, as_json=options["json"])


@contextlib.contextmanager
def _opened(name: str) -> Iterator[BinaryIO]:
    """Standard output, or a file that appears when it is whole."""
    if name == "-":
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    part = Path(f"{name}.part")
    try:
        with part.open("wb") as stream:
            yield stream
        os.replace(part, name)
    finally:
        part.unlink(missing_ok=True)
