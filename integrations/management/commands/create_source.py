from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from integrations.models import Source
from integrations.sources import create_source
from workspace.access import SYSTEM
from workspace.console import facts
from workspace.errors import DomainError
from workspace.models import ApiUser


class Command(BaseCommand):
    """Creates a source of events and prints its write key."""

    help = (
        "Create a source of events and print its write key. A name that is taken changes nothing"
        " and exits 1."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", metavar="NAME", help="what the source is called")
        parser.add_argument(
            "--kind",
            choices=Source.Kind.values,
            default=Source.Kind.SERVER,
            help="what sends the events (default: server)",
        )
        parser.add_argument("--key", default="", help="its stable key (default: made of the name)")
        parser.add_argument("--description", default="", help="for the list of sources")
        parser.add_argument(
            "--api-user",
            default="",
            metavar="NAME",
            help="the API user that sends as a source of the kind voucherify",
        )
        parser.add_argument("--json", action="store_true", help="one JSON object")

    def handle(self, **options: Any) -> None:
        api_user = None
        if options["api_user"]:
            api_user = ApiUser.objects.filter(name=options["api_user"]).first()
            if api_user is None:
                message = "There is no API user “{}”. Make one with create_api_key."
                raise CommandError(message.format(options["api_user"]))
        try:
            source, write_key = create_source(
                name=options["name"],
                kind=options["kind"],
                key=options["key"],
                description=options["description"],
                api_user=None if api_user is None else api_user.pk,
                actor=SYSTEM,
                at=timezone.now(),
            )
        except DomainError as error:
            raise CommandError(str(error)) from error
        if options["json"]:
            found = {
                "name": source.name,
                "key": source.key,
                "kind": source.kind,
                "write_key": write_key,
            }
            facts(self, found, as_json=True)
        else:
            # The key alone on its line: a script can take it.
            self.stdout.write(write_key)
