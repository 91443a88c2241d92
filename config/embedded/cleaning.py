"""`make clean`: says what it destroys, and does so only when told to."""

import contextlib
import os
import shutil
import sys
from pathlib import Path

from . import paths, servers
from .dotenv import read_dotenv


def main(arguments: list[str]) -> int:
    """Remove `.venv` and `REGULARS_VAR`. The argument 1 says yes beforehand."""
    read_dotenv(paths.CHECKOUT / ".env")
    var = paths.var_directory(os.environ)
    if var.exists() and not paths.secret_key_file(var).exists():
        sys.stderr.write(
            f"Setting REGULARS_VAR names {var}, which was not made by Regulars: nothing is removed."
            " For example: REGULARS_VAR=./var\n"
        )
        return 1
    doomed = [path for path in (paths.CHECKOUT / ".venv", var) if path.exists()]
    if not doomed:
        sys.stdout.write("There is nothing to remove.\n")
        return 0
    sys.stdout.write("This destroys for good:\n")
    for path in doomed:
        what = "the installed packages" if path.name == ".venv" else "the database, uploads, keys"
        sys.stdout.write(f"  {path}  ({what})\n")
    if not {"1", "yes"} & set(arguments) and not _says_yes():
        sys.stdout.write("Nothing was removed. To say yes beforehand: make clean YES=1\n")
        return 1
    for name in ("postgres", "valkey"):
        if (var / "run").exists() and servers.Lease(name, var, os.environ).has_keeper():
            sys.stderr.write("Regulars still runs on these data: stop it first (Ctrl-C).\n")
            return 1
    for name in ("postgres", "valkey"):
        # Where the server could not live under var, a link or a path in /tmp leads to it.
        for path in ((var / name).resolve(), paths.socket_directory(var, name)):
            shutil.rmtree(path, ignore_errors=True)
    for path in doomed:
        _remove(path)
    return 0


def _says_yes() -> bool:
    if not sys.stdin.isatty():
        return False
    with contextlib.suppress(EOFError, KeyboardInterrupt):
        return input("Type yes to go on: ").strip().lower() == "yes"
    return False


def _remove(path: Path) -> None:
    shutil.rmtree(path)
    sys.stdout.write(f"Removed {path}\n")


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
