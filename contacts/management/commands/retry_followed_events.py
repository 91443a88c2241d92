"""Hand events over again that those who follow them could not use."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from contacts import followed_events
from workspace.console import facts


class Command(BaseCommand):
    """Queue again the events that were set aside, of all followers or those named."""

    help = (
        "Queue again the events that a follower could not use, once its fault is mended: of all"
        " followers, or those named. With --list nothing is changed: the newest hundred are shown."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("followers", nargs="*", metavar="FOLLOWER")
        parser.add_argument("--list", action="store_true", help="show them, with the reason")
        parser.add_argument("--json", action="store_true", help="one JSON object a line")

    def handle(self, **options: Any) -> None:
        known = followed_events.registered_followers()
        names = options["followers"] or known
        if unknown := [name for name in names if name not in known]:
            raise CommandError(
                f"Nobody follows events as {', '.join(unknown)}. There are: {', '.join(known)}."
            )
        if not options["list"]:
            count = followed_events.bring_back(names)
            facts(self, {"queued": count}, as_json=options["json"])
            return
        for one in followed_events.set_aside_events():
            if one.follower in names:
                found = {
                    "follower": one.follower,
                    "event": one.name,
                    "contact_id": one.contact_id,
                    "message_id": one.message_id,
                    "occurred_at": one.occurred_at.isoformat(),
                    "set_aside_at": one.at.isoformat(),
                    "reason": one.reason,
                }
                facts(self, found, as_json=options["json"])
