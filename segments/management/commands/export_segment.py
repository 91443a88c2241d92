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
from segments.export_columns import DEFAULT_COLUMNS, labels
from segments.export_files import PLAIN, Layout
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
            "--bom", action="store_true", help="the same as --encoding utf-8-bom, as Excel wants it"
        )
        for name, choices, default, text in (
            ("separator", Export.Separator, PLAIN.separator, "between the values of a CSV"),
            ("encoding", Export.Encoding, PLAIN.encoding, "of a CSV"),
            ("unfitting", Export.Unfitting, PLAIN.unfitting, "letters that the encoding lacks"),
            ("decimal-mark", Export.DecimalMark, PLAIN.decimal_mark, "in the numbers of a CSV"),
        ):
            parser.add_argument(
                f"--{name}", choices=choices.values, default=default, help=f"{text}: {default}"
            )
        parser.add_argument(
            "--labels", action="store_true", help="call the columns as people do, not by key"
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
                written = exports.write_contacts(
                    stream,
                    exports.members_of(segment),
                    columns=columns,
                    headers=labels(columns, of_segment=True) if options["labels"] else None,
                    file_format=format_,
                    layout=Layout(
                        options["separator"],
                        Export.Encoding.UTF_8_BOM if options["bom"] else options["encoding"],
                        options["unfitting"],
                        options["decimal_mark"],
                    ),
                )
        except DomainError as error:
            raise CommandError(str(error)) from error
        except OSError as error:
            raise CommandError(f"{name} cannot be written: {error.strerror}") from error
        if name != "-":
            size = Path(name).stat().st_size
            told = {"file": name, "rows": written.rows, "size": size}
            if written.replaced_rows:
                told["replaced_rows"] = written.replaced_rows
            facts(self, told, as_json=options["json"])


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
