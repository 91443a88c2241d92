from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from django.utils.translation import gettext as _

from workspace.access import SCOPES, SYSTEM
from workspace.console import facts
from workspace.errors import DomainError
from workspace.keys import create_api_user
from workspace.management.groups import groups_named


class Command(BaseCommand):
    """Creates an API user and prints its key, which nobody can read again."""

    help = "Create an API user and print its key, once. Without --scope it has every scope."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", metavar="NAME", help="what the program is called")
        parser.add_argument(
            "--scope",
            action="extend",
            nargs="+",
            metavar="S",
            dest="scopes",
            help=f"what it may do: {', '.join(SCOPES)} (default: all)",
        )
        parser.add_argument(
            "--group", action="extend", nargs="+", metavar="G", default=[], help="user group"
        )
        parser.add_argument("--description", default="", help="for the list of API users")
        parser.add_argument(
            "--requests-per-minute", type=int, default=600, metavar="N", help="default: 600"
        )
        parser.add_argument("--json", action="store_true", help="one JSON object")

    def handle(self, **options: Any) -> None:
        try:
            api_user, key = create_api_user(
                name=options["name"],
                actor=SYSTEM,
                at=timezone.now(),
                scopes=SCOPES if options["scopes"] is None else options["scopes"],
                groups=groups_named(options["group"]),
                description=options["description"],
                requests_per_minute=options["requests_per_minute"],
            )
        except DomainError as error:
            raise CommandError(str(error)) from error
        if options["json"]:
            found = {
                "id": api_user.pk,
                "name": api_user.name,
                "key": key,
                "scopes": api_user.scopes,
            }
            facts(self, found, as_json=True)
        else:
            # The key alone on its line: a script can take it.
            self.stdout.write(key)
            self.stderr.write(_("id of the API user (X-App-Id): %(id)s") % {"id": api_user.pk})
