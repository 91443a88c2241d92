"""Synchronize with vendors, here and now."""

import json
import time
from argparse import ArgumentParser
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from integrations.models import VendorConnection
from integrations.vendors import connections, registry, syncing
from workspace.errors import DomainError
from workspace.management.moments import read_moment


class Command(BaseCommand):
    """Does what is periodic of connections that are due, or named; exits 1 where one fails."""

    help = (
        "Synchronize with vendors in this process: connections that are due, or those named by id,"
        " due or not. With --as-of another time is the present, from which the next run is"
        " reckoned. Exits 1 if one fails."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("ids", nargs="*", type=int, metavar="ID", help="default: what is due")
        parser.add_argument(
            "--as-of", type=read_moment, metavar="TIME", help="the present; default: now"
        )
        parser.add_argument(
            "--name", action="append", metavar="NAME", help="only this synchronization; repeatable"
        )
        parser.add_argument("--json", action="store_true", help="one JSON object a line")

    def handle(self, *args: Any, **options: Any) -> None:
        now = _clock(options["as_of"])
        is_well = True
        for connection in _chosen(options["ids"], now()):
            if not options["name"]:
                # As the schedule does it: reckoned before it begins.
                VendorConnection.objects.filter(pk=connection.pk, is_enabled=True).update(
                    next_sync_at=now() + timedelta(hours=connection.sync_hours)
                )
            for name in options["name"] or _periodic(connection):
                line = _synchronize(connection, name, now)
                is_well = is_well and line["state"] == "succeeded"
                self.stdout.write(_written(line, as_json=options["json"]))
        if not is_well:
            raise SystemExit(1)


def _chosen(ids: list[int], at: datetime) -> list[VendorConnection]:
    """Those of these ids, or those that are due."""
    if not ids:
        due = VendorConnection.objects.filter(is_enabled=True, next_sync_at__lte=at)
        return list(due.order_by("next_sync_at", "pk"))
    try:
        return [connections.find_connection(pk) for pk in ids]
    except DomainError as error:
        raise CommandError(str(error)) from error


def _periodic(connection: VendorConnection) -> list[str]:
    return [one.name for one in registry.syncs_of(connection.kind) if one.is_periodic]


def _synchronize(
    connection: VendorConnection, name: str, now: Callable[[], datetime]
) -> dict[str, Any]:
    line: dict[str, Any] = {"id": connection.pk, "connection": connection.name, "sync": name}
    try:
        kept = syncing.run_sync(connection.pk, name, now=now)
    except DomainError as error:
        return {**line, "state": "failed", "counts": {}, "error": str(error)}
    return {**line, "state": kept.state, "counts": kept.counts, "error": kept.error}


def _written(line: dict[str, Any], *, as_json: bool) -> str:
    if as_json:
        return json.dumps(line, ensure_ascii=False, default=str)
    counts = ", ".join(f"{name} {value}" for name, value in line["counts"].items())
    return f"{line['connection']} {line['sync']}: {line['state']} {counts or line['error']}".strip()


def _clock(as_of: datetime | None) -> Callable[[], datetime]:
    """The present, or one that begins at `as_of` and goes on from there."""
    if as_of is None:
        return timezone.now
    began = time.monotonic()
    return lambda: as_of + timedelta(seconds=time.monotonic() - began)
