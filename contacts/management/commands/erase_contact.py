"""Forgets a person everywhere."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from contacts.erasure import erase_contact
from workspace.access import SYSTEM
from workspace.console import facts
from workspace.errors import DomainError


class Command(BaseCommand):
    """Erase one contact and print the proof."""

    help = (
        "Forgets a person everywhere and prints what was deleted, by table. The emptied row of"
        " the contact stays, so that sums still add up; its id is never used again."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("id", metavar="ID", type=int, help="the id of the contact")
        parser.add_argument("--json", action="store_true", help="one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            proof = erase_contact(options["id"], actor=SYSTEM, at=timezone.now())
        except DomainError as error:
            raise CommandError(str(error)) from error
        if options["json"]:
            facts(self, proof.as_json(), as_json=True)
            return
        found: dict[str, Any] = {"contact": proof.contact_id, "erased_at": proof.erased_at}
        found |= {f"deleted from {name}": count for name, count in proof.deleted.items()}
        found["rows_that_remain"] = sum(proof.remaining.values())
        facts(self, found, as_json=False)
