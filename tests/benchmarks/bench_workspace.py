"""The workspace that is timed: a database of its own, kept while nothing that makes it changes."""

import hashlib
import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from django.db.backends.postgresql.base import DatabaseWrapper

from config.embedded import paths

SEED = 42


@dataclass(frozen=True, slots=True)
class Size:
    """How large the workspace is."""

    name: str
    contact_count: int
    event_count: int


SIZES = {
    size.name: size
    for size in (
        Size("10k", 10_000, 200_000),
        Size("100k", 100_000, 2_000_000),
        Size("1m", 1_000_000, 20_000_000),
        Size("3m", 3_000_000, 60_000_000),
    )
}


def choose_place(size: Size) -> Path:
    """Have the settings name a place for this size below the usual one, and no other server."""
    place = paths.var_directory(os.environ) / "bench" / size.name
    place.mkdir(parents=True, exist_ok=True)
    os.environ["REGULARS_VAR"] = str(place)
    os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
    os.environ["DEBUG"] = ""
    for name in ("DATABASE_URL", "BROKER_URL", "CACHE_URL"):
        os.environ[name] = ""
    return place


def fill(size: Size, place: Path) -> None:
    """Make the database and its data, unless it has them already. Django is set up by now."""
    from django.core.management import call_command
    from django.db import connection

    stamp = place / "made.json"
    wanted = {"contacts": size.contact_count, "events": size.event_count, "made_by": _recipe()}
    known = json.loads(stamp.read_text("utf-8")) if stamp.exists() else None
    if known != wanted:
        stamp.unlink(missing_ok=True)
        with connection.cursor() as cursor:
            cursor.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
        connection.close()
        call_command("migrate", interactive=False, verbosity=0)
        call_command(
            "generate_data", contacts=size.contact_count, events=size.event_count, seed=SEED
        )
        stamp.write_text(json.dumps(wanted), "utf-8")


def forget(place: Path) -> None:
    """Have the next run make the data anew."""
    (place / "made.json").unlink(missing_ok=True)


@contextmanager
def empty_workspace() -> Iterator[None]:
    """Be in another database of the same server, with tables and nothing in them; it goes away."""
    from django.core.management import call_command
    from django.db import connections

    # The wrapper itself and not its proxy, which is no instance of it.
    connection = connections["default"]

    def move(name: str) -> None:
        connection.close()
        if isinstance(connection, DatabaseWrapper):
            connection.close_pool()
        connection.settings_dict["NAME"] = name

    home, name = connection.settings_dict["NAME"], "bench_empty"
    with connection.cursor() as cursor:
        cursor.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        cursor.execute(f"CREATE DATABASE {name}")
    try:
        move(name)
        call_command("migrate", interactive=False, verbosity=0)
        yield
    finally:
        move(home)
        with connection.cursor() as cursor:
            cursor.execute(f"DROP DATABASE {name} WITH (FORCE)")


def _recipe() -> str:
    """A digest of the code that makes the tables and their rows."""
    digest = hashlib.sha256()
    for pattern in ("*/migrations/*.py", "segments/synthetic/*.py", "segments/criteria/*.sql"):
        for file in sorted(paths.CHECKOUT.glob(pattern)):
            digest.update(file.read_bytes())
    return digest.hexdigest()


def with_ids(sql: str) -> str:
    """The SQL of a question with the ids of this workspace for what it names."""
    return re.sub(r"\{(\w+):([\w-]+)\}", lambda found: str(_id(found[1], found[2])), sql)


_known: dict[tuple[str, str], int] = {}


def _id(kind: str, key: str) -> int:
    from contacts.models import Category, ConsentDefinition, EventDefinition, Tag
    from segments.models import Segment

    if not _known:
        for name, model in (
            ("tag", Tag),
            ("category", Category),
            ("consent", ConsentDefinition),
            ("segment", Segment),
        ):
            for found, pk in model._default_manager.values_list("key", "pk"):
                _known[name, found] = pk
        for found, pk in EventDefinition.objects.values_list("name", "pk"):
            _known["event", found] = pk
    return _known[kind, key]
