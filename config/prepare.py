"""What `make run` does between the servers' start and the product's: migrate, load, collect."""

import sys

import django
import psycopg
from django.core.management import call_command, get_commands
from django.db import connection, connections
from django.db.migrations.executor import MigrationExecutor
from kombu.exceptions import OperationalError as BrokerUnreachable

from config.celery import app
from config.env import SettingInvalid

OLDEST_POSTGRES = 15
_PATIENCE_SECONDS = 5


def check_database() -> None:
    """Raise SettingInvalid when the database cannot be reached or is too old."""
    example = "postgresql://regulars:secret@127.0.0.1:5432/regulars"
    parameters = {**connection.get_connection_params(), "connect_timeout": _PATIENCE_SECONDS}
    try:
        with psycopg.connect(**parameters) as server:
            major = server.info.server_version // 10000
    except psycopg.OperationalError as error:
        reason = str(error).strip().splitlines()[-1].strip()
        raise SettingInvalid(
            "DATABASE_URL", f"names a database that cannot be reached ({reason})", example
        ) from error
    if major < OLDEST_POSTGRES:
        raise SettingInvalid(
            "DATABASE_URL",
            f"names PostgreSQL {major}, and {OLDEST_POSTGRES} is the oldest that will do",
            example,
        )


def check_broker() -> None:
    """Raise SettingInvalid when the broker cannot be reached."""
    try:
        with app.connection_for_write() as broker:
            broker.ensure_connection(max_retries=1, timeout=_PATIENCE_SECONDS)
    except (BrokerUnreachable, OSError, ValueError, KeyError, ImportError) as error:
        raise SettingInvalid(
            "BROKER_URL",
            f"names a broker that cannot be reached ({error})",
            "redis://127.0.0.1:6379/0",
        ) from error


def main() -> None:
    """Make the database and the static files ready for the product."""
    django.setup()
    check_database()
    check_broker()
    executor = MigrationExecutor(connection)
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if plan:
        _say(f"Migrating the database: {len(plan)} steps …")
    call_command("migrate", interactive=False, verbosity=0)
    if "load_demo_data" in get_commands():
        call_command("load_demo_data", if_empty=True)
    call_command("collectstatic", interactive=False, verbosity=0)
    connections.close_all()


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
