"""Definitions of segments to JSON."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

import simplejson
from django.core.management.base import BaseCommand, CommandError

from segments.transfer import dump_definitions


class Command(BaseCommand):
    """Dump segments."""

    help = "Writes the definitions of all segments, or of those named, as JSON. Not archived ones."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("keys", nargs="*", metavar="KEY")
        parser.add_argument("--output", metavar="FILE", help="default: standard output")

    def handle(self, *args: Any, **options: Any) -> None:
        keys = options["keys"] or None
        dumped = dump_definitions(keys)
        found = {definition["key"] for definition in dumped["segments"]}
        missing = [key for key in keys or () if key not in found]
        if missing:
            raise CommandError(f"There is no segment {', '.join(missing)} to dump.")
        text = simplejson.dumps(dumped, use_decimal=True, ensure_ascii=False, indent=2)
        if options["output"]:
            Path(options["output"]).write_text(f"{text}\n", "utf-8")
        else:
            self.stdout.write(text)
