#!/usr/bin/env python
"""Django's entrance. Where no database is named, the embedded servers run while a command does."""

import os
import sys

from django.core.management import execute_from_command_line

from config.embedded import keys, paths, servers
from config.embedded.dotenv import read_dotenv
from config.embedded.errors import StartRefused

# They neither read nor write the database: nothing is started for them.
WITHOUT_SERVERS = {
    "check",
    "collectstatic",
    "compilemessages",
    "diffsettings",
    "findstatic",
    "help",
    "makemessages",
    "spectacular",
    "startapp",
    "version",
}


def main(arguments: list[str]) -> None:
    """Run one management command."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    read_dotenv(paths.CHECKOUT / ".env")
    needed = servers.needed(os.environ)
    var = paths.var_directory(os.environ)
    try:
        if "postgres" in needed:
            keys.generate_missing(var)
        if not needed or not _uses_servers(arguments[1:]):
            execute_from_command_line(arguments)
            return
        with servers.in_use(var, os.environ):
            execute_from_command_line(arguments)
    except StartRefused as error:
        raise SystemExit(str(error)) from None


def _uses_servers(arguments: list[str]) -> bool:
    if not arguments or {"-h", "--help", "--version"} & set(arguments):
        return False
    return arguments[0] not in WITHOUT_SERVERS


if __name__ == "__main__":
    main(sys.argv)
