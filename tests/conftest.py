"""The servers that the tests run on: throw-away ones, made before Django is loaded.

The settings module is named here and not in pytest's configuration, because pytest-django would
load it before this file could say where the database is.
"""

import gc
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import django
import pytest
import pytest_django
from django.conf import settings as django_settings
from django.core.management import call_command
from django.db import connection as database_connection
from django.db import connections
from django.db.backends.postgresql.base import DatabaseWrapper
from django.template import Context, Template
from django.test.signals import template_rendered

from config.celery import app as celery_app
from config.embedded import paths, postgres, valkey
from config.embedded.errors import StartRefused
from config.embedded.process import end, is_alive, spawn
from tests import emptying, prepared

_GIGABYTE = 2**30
_PREFIX = "regulars-test-"
_TEMPLATE = "regulars_template"
_SERVERS = pytest.StashKey[ExitStack]()
_NOT_FROM_DOTENV = (
    *("ALLOWED_HOSTS", "BASE_URL", "BIND", "CACHE_URL", "CSRF_TRUSTED_ORIGINS", "DEBUG"),
    *(
        "DEFAULT_FROM_EMAIL",
        "EMAIL_PER_SECOND",
        "EMAIL_URL",
        "EMAIL_PROVIDER",
        "EVENT_RETENTION_DAYS",
    ),
    *("BOUNCE_ADDRESS", "BOUNCE_IMAP_URL", "MAIL_HOOKS_SECRET"),
    *("SOFT_BOUNCE_DAYS", "SOFT_BOUNCE_LIMIT"),
    *("DOTDIGITAL_URL", "EMARSYS_URL", "EMARSYS_AUTH_URL", "SEGMENT_URL", "OUTBOUND_ALLOW"),
    *("INGESTION_REQUESTS_PER_SECOND", "MESSAGE_CAP", "PORT", "PUSH_HOSTS", "TIME_ZONE"),
    *("MESSAGE_MACHINES_COUNT", "METRICS_EVERY_MINUTES"),
)
# The first one is Chromium without a window, which is all that tests need, for half the work.
_BROWSERS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
_NO_BROWSER = (
    "BROWSER TESTS WERE SKIPPED: no Chromium was found. Install one, or name it: CHROMIUM=/path"
)


def _roomy_directory() -> Path:
    """Memory where at least one gigabyte is free, else the directory for temporary files."""
    memory = Path("/dev/shm")
    if os.access(memory, os.W_OK) and shutil.disk_usage(memory).free >= _GIGABYTE:
        return memory
    return Path(tempfile.gettempdir())


def _make_home() -> Path:
    """A fresh directory whose name says which process made it; those of killed runs are removed."""
    parent = _roomy_directory()
    for left in parent.glob(f"{_PREFIX}*"):
        maker = left.name.removeprefix(_PREFIX).split("-")[0]
        if maker.isdigit() and not is_alive(int(maker)):
            shutil.rmtree(left, ignore_errors=True)
    home = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-", dir=parent))
    # Where root has no user namespaces the server runs as nobody and has to get in.
    home.chmod(0o711)
    return home


# A worker of pytest-xdist inherits the environment, and with it the servers of the process that
# started it; what it has for itself is a database (pytest-django makes it) and numbers in Valkey.
_xdist_worker = os.environ.get("PYTEST_XDIST_WORKER", "")
_home = None if _xdist_worker else _make_home()
_given = {name for name in ("DATABASE_URL", "BROKER_URL") if os.environ.get(name)}

if django_settings.configured:
    raise pytest.UsageError(
        "DJANGO_SETTINGS_MODULE is set in the environment or in pytest's configuration, so that"
        " the settings were read before the tests' database was there: unset it."
    )
if _home is not None:
    os.environ["REGULARS_VAR"] = str(_home / "var")
    os.environ.setdefault("SECRET_KEY", secrets.token_hex(32))
    os.environ.setdefault("FIELD_ENCRYPTION_KEYS", "bm90LWEtc2VjcmV0LWtleS1mb3ItdGVzdHMtMzJieXQ=")
    # Empty means the default: what a developer's .env says is not for tests.
    for name in _NOT_FROM_DOTENV:
        os.environ.setdefault(name, "")
    # Playwright drives the browser from an event loop in the thread of the test.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    if "DATABASE_URL" not in _given:
        os.environ["DATABASE_URL"] = postgres.address(_home / "postgres" / "socket")
    if "BROKER_URL" not in _given:
        os.environ["REGULARS_TEST_VALKEY"] = str(_home / "valkey" / "socket")
if socket_dir := os.environ.get("REGULARS_TEST_VALKEY"):
    _number = 2 * int(_xdist_worker.removeprefix("gw") or 0)
    os.environ["BROKER_URL"] = valkey.broker_address(Path(socket_dir), number=_number)
    os.environ["CACHE_URL"] = valkey.cache_address(Path(socket_dir), number=_number + 1)

# Named for a moment only: pytest-django in a worker of pytest-xdist would find the name that the
# worker inherits, and read the settings before this file has said what they are to be.
os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
django.setup()
del os.environ["DJANGO_SETTINGS_MODULE"]
_database_name = database_connection.settings_dict["NAME"]
if template := os.environ.get("REGULARS_TEST_TEMPLATE"):
    database_connection.settings_dict["TEST"]["TEMPLATE"] = template
# What is loaded now stays: looking through it again and again takes a twentieth of all the time.
gc.freeze()
gc.set_threshold(100_000, 50, 50)
# A hash that is meant to be slow takes longer than most tests.
django_settings.PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.MD5PasswordHasher",
    *django_settings.PASSWORD_HASHERS,
]


def pytest_configure(config: pytest.Config) -> None:
    if _home is None:
        return
    config.stash[_SERVERS] = running = ExitStack()
    running.callback(shutil.rmtree, _home, ignore_errors=True)
    try:
        if "DATABASE_URL" not in _given:
            _start_postgres(_home, running, getattr(config, "cache", None))
        if "BROKER_URL" not in _given:
            broker = valkey.Valkey(
                data=_home / "valkey" / "data",
                socket_dir=_home / "valkey" / "socket",
                log=_home / "valkey.log",
                program=valkey.find_program(),
            )
            running.callback(broker.stop, broker.start())
    except StartRefused as error:
        raise pytest.UsageError(str(error)) from error


def _start_postgres(home: Path, running: ExitStack, cache: pytest.Cache | None) -> None:
    """A server with a migrated database, which each worker copies."""
    server = postgres.Postgres(
        home=home / "postgres",
        socket_dir=home / "postgres" / "socket",
        log=home / "postgres.log",
        binaries=postgres.find_binaries(os.environ),
        durable=False,
    )
    data = server.data
    kept = prepared.place(cache.mkdir("regulars"), server.binaries) if cache else None
    if kept is None or not prepared.take(kept, data):
        process = server.start()
        try:
            _make_template()
        finally:
            server.stop(process)
        if kept is not None:
            prepared.keep(data, kept)
    running.callback(server.stop, server.start())
    os.environ["REGULARS_TEST_TEMPLATE"] = _TEMPLATE
    database_connection.settings_dict["TEST"]["TEMPLATE"] = _TEMPLATE


def pytest_collection_finish() -> None:
    # The tests themselves stay as well.
    gc.freeze()


def _make_template() -> None:
    """Migrate a database that is copied: to migrate takes longer than all the copies."""
    database_connection.settings_dict["NAME"] = _TEMPLATE
    try:
        with database_connection._nodb_cursor() as cursor:
            cursor.execute(f"CREATE DATABASE {_TEMPLATE}")
        call_command("migrate", verbosity=0)
    finally:
        _let_go()
        database_connection.settings_dict["NAME"] = _database_name


def _let_go() -> None:
    """Close all connections to the database."""
    for connection in connections.all(initialized_only=True):
        connection.close()
        if isinstance(connection, DatabaseWrapper):
            connection.close_pool()


def pytest_unconfigure(config: pytest.Config) -> None:
    _let_go()
    if _SERVERS in config.stash:
        config.stash[_SERVERS].close()


def find_chromium() -> str | None:
    """The path of the browser: `CHROMIUM`, else the first one found."""
    if named := os.environ.get("CHROMIUM"):
        return shutil.which(named)
    return next(filter(None, map(shutil.which, _BROWSERS)), None)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    skipped = terminalreporter.stats.get("skipped", [])
    if any(_NO_BROWSER in str(report.longrepr) for report in skipped):
        terminalreporter.section("NOT EVERYTHING WAS TESTED", sep="!", red=True, bold=True)
        terminalreporter.line(_NO_BROWSER)


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of a Chromium. Without one the test is skipped, with `REQUIRE_BROWSER=1` it fails.

    For Playwright: `launch(executable_path=chromium, args=["--no-sandbox"])`.
    """
    path = find_chromium()
    if path is None and os.environ.get("REQUIRE_BROWSER", "") not in {"", "0"}:
        pytest.fail("REQUIRE_BROWSER is set, and no Chromium was found.", pytrace=False)
    if path is None:
        pytest.skip(_NO_BROWSER)
    return path


@pytest.fixture(scope="session")
def django_db_keepdb(request: pytest.FixtureRequest) -> bool:
    """Whether databases stay: on a server of our own, which goes with all that it holds."""
    is_ours = "DATABASE_URL" not in _given or "REGULARS_TEST_TEMPLATE" in os.environ
    return is_ours or bool(request.config.option.reuse_db)


@pytest.fixture(scope="session")
def django_db_setup(
    django_db_setup: None, django_db_blocker: pytest_django.DjangoDbBlocker
) -> Iterator[None]:
    """The database of pytest-django, to which tests that commit give back what they changed."""
    with django_db_blocker.unblock():
        is_able = emptying.keep_aside()
    with emptying.quickly() if is_able else nullcontext():
        yield


@pytest.fixture(scope="session", autouse=True)
def _pages_are_told_once(django_test_environment: None) -> None:
    """Django tells a test of each template with a copy of all that it knows; here of the first
    only, and not of the hundreds of small ones that a page is put together from."""
    inside = threading.local()

    def render(template: Template, context: Context) -> str:
        if getattr(inside, "is_page", False):
            return template.nodelist.render(context)
        template_rendered.send(sender=template, template=template, context=context)
        inside.is_page = True
        try:
            return template.nodelist.render(context)
        finally:
            inside.is_page = False

    Template._render = render  # type: ignore[attr-defined]


def _empty_queues() -> None:
    """Throw away what other tests sent, and no worker took."""
    with celery_app.connection_for_write() as broker:
        for queue in ("default", "bulk"):
            channel: Any = broker.default_channel
            channel.queue_purge(queue)


@contextmanager
def celery_worker(log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A real worker in a process of its own, on the test's database and broker."""
    parts = urlsplit(os.environ["DATABASE_URL"])
    database = urlunsplit(parts._replace(path=f"/{database_connection.settings_dict['NAME']}"))
    with log.open("wb") as output:
        process = spawn(
            [
                *(sys.executable, "-m", "celery", "-A", "config", "worker"),
                *("-Q", "default,bulk", "-c", "2", "--loglevel", "INFO"),
            ],
            output=output,
            environ={**os.environ, "DATABASE_URL": database},
            directory=paths.CHECKOUT,
        )
    try:
        deadline = time.monotonic() + 60
        while not celery_app.control.ping(timeout=1.0):
            if process.poll() is not None or time.monotonic() > deadline:
                pytest.fail(f"The worker did not start:\n{log.read_text('utf-8')}")
        yield process
    finally:
        end(process, ((signal.SIGTERM, 15), (signal.SIGKILL, 5)))


@pytest.fixture
def celery_not_eager(transactional_db: None) -> Iterator[None]:
    """Tasks that the test sends go to workers. The database is emptied after the test."""
    eager_before = celery_app.conf.task_always_eager
    celery_app.conf.task_always_eager = False
    _empty_queues()
    yield
    _empty_queues()
    celery_app.conf.task_always_eager = eager_before


@pytest.fixture
def celery_worker_process(
    celery_not_eager: None, tmp_path: Path
) -> Iterator[subprocess.Popen[bytes]]:
    """A worker to which the tasks go that the test sends."""
    with celery_worker(tmp_path / "worker.log") as process:
        yield process
