"""The servers that the tests run on: a throw-away PostgreSQL, made before Django is loaded.

The settings module is named here and not in pytest's configuration, because pytest-django would
load it before this file could say where the database is.
"""

import os
import secrets
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from config.embedded import postgres
from config.embedded.errors import StartRefused
from config.embedded.process import is_alive

_GIGABYTE = 2**30
_PREFIX = "regulars-test-"
_SERVER = pytest.StashKey[subprocess.Popen[bytes]]()


def _roomy_directory() -> Path:
    """Memory where at least one gigabyte is free, else the directory for temporary files."""
    memory = Path("/dev/shm")
    if os.access(memory, os.W_OK) and shutil.disk_usage(memory).free >= _GIGABYTE:
        return memory
    return Path(tempfile.gettempdir())


def _sweep(parent: Path) -> None:
    """Remove what test runs left that were killed. The name says which process made it."""
    for left in parent.glob(f"{_PREFIX}*"):
        maker = left.name.removeprefix(_PREFIX).split("-")[0]
        if maker.isdigit() and not is_alive(int(maker)):
            shutil.rmtree(left, ignore_errors=True)


def _make_home() -> Path:
    parent = _roomy_directory()
    _sweep(parent)
    home = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-", dir=parent))
    # Where root has no user namespaces the server runs as nobody and has to get in.
    home.chmod(0o711)
    return home


# Workers of pytest-xdist inherit the environment, and with it the server of the one that started
# them: only that one has a home of its own.
_home = None if "PYTEST_XDIST_WORKER" in os.environ else _make_home()
_starts_server = _home is not None and not os.environ.get("DATABASE_URL")

if _home is not None:
    os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
    os.environ["REGULARS_VAR"] = str(_home / "var")
    os.environ.setdefault("SECRET_KEY", secrets.token_hex(32))
    os.environ.setdefault("FIELD_ENCRYPTION_KEYS", "bm90LWEtc2VjcmV0LWtleS1mb3ItdGVzdHMtMzJieXQ=")
    # Playwright drives the browser from an event loop in the thread of the test.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    if _starts_server:
        os.environ["DATABASE_URL"] = postgres.address(_home / "postgres" / "socket")


def pytest_configure(config: pytest.Config) -> None:
    if _home is None or not _starts_server:
        return
    try:
        server = postgres.Postgres(
            home=_home / "postgres",
            socket_dir=_home / "postgres" / "socket",
            log=_home / "postgres.log",
            binaries=postgres.find_binaries(os.environ),
            durable=False,
        )
        config.stash[_SERVER] = server.start()
    except StartRefused as error:
        raise pytest.UsageError(str(error)) from error


def pytest_unconfigure(config: pytest.Config) -> None:
    if server := config.stash.get(_SERVER, None):
        postgres.stop(server)
    if _home is not None:
        shutil.rmtree(_home, ignore_errors=True)
