"""Have points expire here and now."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from loyalty.programme import points_expiry
from workspace.console import facts
from workspace.management.moments import read_moment


class Command(BaseCommand):
    """Have the points of all members expire whose time is over."""

    help = (
        "Has the points of all members expire whose time is over, as beat does every night; again,"
        " it changes nothing. Prints how many members lost how many points."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--as-of", type=read_moment, metavar="TIME", help="default: now")
        parser.add_argument("--json", action="store_true", help="one JSON object")

    def handle(self, **options: Any) -> None:
        done = points_expiry.expire_points(as_of=options["as_of"] or timezone.now())
        found = {"members": done.member_count, "points": done.points}
        facts(self, found, as_json=options["json"])
