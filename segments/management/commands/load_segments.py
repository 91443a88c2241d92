"""Definitions of segments from JSON."""

import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from segments.transfer import load_definitions
from workspace.access import SYSTEM
from workspace.console import facts
from workspace.errors import InputInvalid
from workspace.exactjson import exact_loads


class Command(BaseCommand):
    """Load segments."""

    help = (
        "Makes or changes segments so that they are as FILE says, which dump_segments wrote (“-” is"
        " standard input). Loading it again changes nothing; a fault in it changes nothing."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", metavar="FILE")
        parser.add_argument("--json", action="store_true", help="one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        name = options["file"]
        try:
            data = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
            document = exact_loads(data.decode("utf-8-sig"))
            loaded = load_definitions(document, actor=SYSTEM, at=timezone.now())
        except OSError as error:
            raise CommandError(f"{name} cannot be read: {error.strerror}") from error
        except InputInvalid as error:
            for problem in error.problems:
                self.stderr.write(f"{problem.path}: {problem.message}")
            raise CommandError(f"Nothing was loaded. {error}") from error
        except (ValueError, RecursionError) as error:
            raise CommandError(f"{name} is no JSON in UTF-8: {error}") from error
        found = {
            "created": len(loaded.created),
            "updated": len(loaded.updated),
            "unchanged": len(loaded.unchanged),
        }
        facts(self, found, as_json=options["json"])
