"""The vendors' systems on this machine, to try the product without accounts."""

import signal
from argparse import ArgumentParser
from threading import Event, Thread
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError, connection

from contacts.models import Contact
from integrations.sandbox.registry import SANDBOXES
from integrations.sandbox.server import Sandbox, make_server

# So many are known from the beginning; of whom the vendors hear later they know by then.
_PEOPLE = 20_000


class Command(BaseCommand):
    """Runs local servers that behave like the vendors' systems, until it is stopped."""

    help = (
        "Run local servers that behave like the vendors' systems, all or those named, until Ctrl-C."
        " Prints the settings with which the product calls them, and what to authorize with."
        " They know the contacts of the workspace, but for some."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("names", nargs="*", metavar="NAME", help="default: all")
        parser.add_argument(
            "--port", type=int, metavar="PORT",
            help="the port of the first; the others follow (default: 8301 and on)",
        )  # fmt: skip
        parser.add_argument(
            "--unknown", type=int, default=5, metavar="PERCENT",
            help="how many contacts of a hundred the vendors do not know (default: 5); 100: nobody",
        )  # fmt: skip

    def handle(self, *args: Any, **options: Any) -> None:
        names = options["names"] or list(SANDBOXES)
        if unknown := [name for name in names if name not in SANDBOXES]:
            known = ", ".join(SANDBOXES)
            raise CommandError(f"There is no sandbox {', '.join(unknown)}. There are: {known}.")
        if not 0 <= options["unknown"] <= 100:
            raise CommandError("--unknown is a percentage: 0 to 100.")
        people = self._people()
        over = Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_given: over.set())
        servers = []
        lines = ["OUTBOUND_ALLOW=127.0.0.0/8"]
        help_lines: list[str] = []
        for place, name in enumerate(names):
            offered = SANDBOXES[name]
            port = options["port"] + place if options["port"] else offered.port
            sandbox: Sandbox = offered.make()
            sandbox.move_in(people, unknown=options["unknown"])
            try:
                server = make_server(sandbox, port)
            except OSError as error:
                raise CommandError(
                    f"Port {port} for {name} cannot be used: {error.strerror}."
                    " Choose another one with --port."
                ) from error
            thread = Thread(target=server.serve_forever, daemon=True)
            thread.start()
            servers.append((server, thread))
            lines += [f"{setting}={sandbox.url}" for setting in offered.settings]
            help_lines += [f"{name}: {line}" for line in sandbox.describe()]
        self.stdout.write("Put these into .env, and start the product again:\n")
        self.stdout.write("\n".join([*lines, "", *help_lines, "", "Ctrl-C ends it."]))
        self.stdout.flush()
        over.wait()
        for server, thread in servers:
            server.shutdown()
            thread.join()
            server.server_close()

    def _people(self) -> list[str]:
        """The addresses of the workspace's contacts; none where its database does not answer."""
        found = Contact.objects.filter(erased_at__isnull=True, email__gt="").order_by("pk")
        try:
            return list(found.values_list("email", flat=True)[:_PEOPLE])
        except DatabaseError as error:
            self.stderr.write(
                f"The database of the workspace has no contacts to tell of: {error}".strip()
            )
            return []
        finally:
            connection.close()
