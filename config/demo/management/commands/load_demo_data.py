"""Loads the demo workspace."""

from argparse import ArgumentParser
from time import monotonic
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from config.demo.loading import WorkspaceInUse, is_empty, load_demo_data
from config.demo.logins import logins_file
from workspace.console import facts
from workspace.management.moments import read_moment


class Command(BaseCommand):
    """Load five thousand invented customers with a year of events into an empty workspace."""

    help = "Load the demo workspace: invented customers, their year, segments, three logins."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--if-empty", action="store_true", help="do nothing in a workspace that is in use"
        )
        parser.add_argument(
            "--at", type=read_moment, metavar="TIME", help="the instant at which the year ends"
        )
        parser.add_argument("--json", action="store_true", help="one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["if_empty"] and not is_empty():
            return
        began_at = monotonic()
        if not options["json"]:
            self.stdout.write("Loading the demo workspace …")
            self.stdout.flush()
        try:
            loaded = load_demo_data(at=options["at"] or timezone.now())
        except WorkspaceInUse as error:
            if options["if_empty"]:
                return
            raise CommandError(str(error)) from error
        found = {
            "contacts": loaded.contact_count,
            "events": loaded.event_count,
            "loyalty_members": loaded.member_count,
            "segments": loaded.segment_count,
            "logins": ", ".join(login["username"] for login in loaded.logins),
            "passwords": logins_file(),
            "seconds": round(monotonic() - began_at, 1),
        }
        facts(self, found, as_json=options["json"])
