from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from workspace import encryption
from workspace.console import facts
from workspace.errors import DomainError


class Command(BaseCommand):
    """Seals every secret under the first key; afterwards the other keys can go."""

    help = (
        "Re-encrypt all secrets under the first of FIELD_ENCRYPTION_KEYS. Repeated, it finds"
        " nothing to do. Exits 1 where a secret is sealed under a key that is not in the list."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="one JSON object a line")

    def handle(self, **options: Any) -> None:
        unreadable = 0
        try:
            for found in encryption.rotate():
                unreadable += found.unreadable
                told = {
                    "column": found.column,
                    "resealed": found.resealed,
                    "unreadable": found.unreadable,
                }
                if options["json"]:
                    facts(self, told, as_json=True)
                else:
                    self.stdout.write(
                        f"{found.column}: {found.resealed} resealed, {found.unreadable} unreadable"
                    )
        except DomainError as error:
            raise CommandError(str(error)) from error
        if unreadable:
            raise CommandError(
                f"{unreadable} secrets are sealed under a key that is not in the list: add that"
                " key to the end of FIELD_ENCRYPTION_KEYS and repeat."
            )
