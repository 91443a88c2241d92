from argparse import ArgumentParser
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any

from django.core.management.base import BaseCommand
from django.db import close_old_connections
from django.utils import timezone

from integrations import outbox, sending
from workspace.console import facts
from workspace.management.moments import read_moment


class Command(BaseCommand):
    """Sends what waits in the outbox."""

    help = (
        "Send what is due in the outbox; each delivery is tried once. Any number may run, also"
        " beside the rounds, which send at once. What is not taken is due again later."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--as-of", type=read_moment, metavar="TIME", help="default: now")
        parser.add_argument(
            "--threads", type=int, default=1, choices=range(1, 33), metavar="N",
            help="how many are sent at a time, up to 32 (default: 1)",
        )  # fmt: skip
        parser.add_argument("--json", action="store_true", help="one JSON object")

    def handle(self, **options: Any) -> None:
        at = options["as_of"] or timezone.now()
        found = outbox.requeue_left(at=timezone.now())
        if options["threads"] == 1:
            done = [sending.drain(lambda: at)]
        else:
            with ThreadPoolExecutor(options["threads"]) as pool:
                done = list(pool.map(_drain, [at] * options["threads"]))
        counts = {
            "delivered": sum(one.delivered for one in done),
            "postponed": sum(one.postponed for one in done),
            "failed": sum(one.failed for one in done),
            "held_back": sum(one.cancelled for one in done),
            "found_left": found,
        }
        facts(self, counts, as_json=options["json"])


def _drain(at: datetime) -> sending.Sent:
    try:
        return sending.drain(lambda: at)
    finally:
        close_old_connections()
