"""Ask vendors whether they take the credentials of our connections."""

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from integrations.models import VendorConnection
from integrations.vendors import connections, credentials
from workspace.access import SYSTEM
from workspace.errors import DomainError


class Command(BaseCommand):
    """Tests each connection, one line each; exits 1 where one is refused."""

    help = (
        "Ask vendors whether they take the credentials: of all connections that are authorized, or"
        " of those named by id. Refused credentials stop a connection, taken ones let it go on."
        " Exits 1 if one is refused or does not answer."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("ids", nargs="*", type=int, metavar="ID", help="default: all")
        parser.add_argument("--json", action="store_true", help="one JSON object a line")

    def handle(self, *args: Any, **options: Any) -> None:
        is_well = True
        for connection in _chosen(options["ids"]):
            try:
                tried = credentials.test_connection(connection.pk, actor=SYSTEM, at=timezone.now())
            except DomainError as error:
                tried = credentials.Tried(False, str(error), connection.account_name, error.code)
            is_well = is_well and tried.is_well
            line = {
                "id": connection.pk,
                "kind": connection.kind,
                "name": connection.name,
                "ok": tried.is_well,
                "code": tried.code,
                "message": tried.message,
            }
            if options["json"]:
                self.stdout.write(json.dumps(line, ensure_ascii=False))
            else:
                mark = "ok   " if tried.is_well else "FAILS"
                self.stdout.write(f"{mark} {connection.pk} {connection.name}: {tried.message}")
        if not is_well:
            raise SystemExit(1)


def _chosen(ids: list[int]) -> list[VendorConnection]:
    """Those of these ids, or all that have credentials."""
    if not ids:
        return list(VendorConnection.objects.filter(revoked_at=None).order_by("pk"))
    try:
        return [connections.find_connection(pk) for pk in ids]
    except DomainError as error:
        raise CommandError(str(error)) from error
