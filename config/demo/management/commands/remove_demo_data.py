"""Removes the demo workspace."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from config.demo.removal import find_demo_data, remove_demo_data
from workspace.access import SYSTEM
from workspace.console import facts


class Command(BaseCommand):
    """Say what would be destroyed, ask, and remove the demo workspace."""

    help = "Remove all demo data: invented contacts, their events, segments, definitions, logins."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--yes", action="store_true", help="do not ask")
        parser.add_argument("--json", action="store_true", help="one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        found = find_demo_data()
        if found.is_any and not options["yes"]:
            self.stdout.write(
                f"This destroys {found.contact_count} demo contacts with {found.event_count}"
                f" events, {found.member_count} loyalty members, {found.segment_count} segments,"
                f" {found.definition_count} definitions and the logins"
                f" {', '.join(found.logins) or '(none)'}. What others use stays."
            )
            self.stdout.write("Destroy them? Type yes: ", ending="")
            self.stdout.flush()
            if _answer() != "yes":
                raise CommandError("Nothing was removed. Without asking: remove_demo_data --yes")
        done = remove_demo_data(actor=SYSTEM, at=timezone.now())
        told = {
            "contacts": done.removed.contact_count,
            "events": done.removed.event_count,
            "loyalty_members": done.removed.member_count,
            "segments": done.removed.segment_count,
            "kept": ", ".join(done.kept_keys) or "nothing",
            "kept_logins": ", ".join(done.kept_logins) or "none",
        }
        facts(self, told, as_json=options["json"])


def _answer() -> str:
    try:
        return input().strip().lower()
    except EOFError:
        return ""
