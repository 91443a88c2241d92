"""Give all members the tier that they have, here and now."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from loyalty.programme import tiers
from workspace.console import facts
from workspace.management.moments import read_moment


class Command(BaseCommand):
    """Recalculate the tiers of all members."""

    help = (
        "Gives all members the tier that the points which they earned lately are enough for, as"
        " beat does every night; again, it changes nothing. Prints how many changed theirs."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--as-of", type=read_moment, metavar="TIME", help="default: now")
        parser.add_argument("--json", action="store_true", help="one JSON object")

    def handle(self, **options: Any) -> None:
        changes = tiers.recalculate(None, at=options["as_of"] or timezone.now())
        facts(self, {"changed": len(changes)}, as_json=options["json"])
