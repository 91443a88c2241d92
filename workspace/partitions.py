"""Monthly partitions of the large tables: made before they are needed, dropped by retention."""

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime

from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper
from psycopg import sql

# What lies outside goes to the default partition: a typing error must not make a thousand tables.
FIRST_MONTH = date(1970, 1, 1)
LAST_MONTH = date(2099, 12, 1)

_OPTIONS = sql.SQL(
    "autovacuum_vacuum_insert_scale_factor = 0.02, autovacuum_vacuum_scale_factor = 0.02"
)


@dataclass(frozen=True, slots=True)
class Month:
    """One partition: the table and the first instant that is in it (UTC)."""

    table: str
    begins_at: datetime

    @property
    def ends_at(self) -> datetime:
        """The first instant that is no more in it."""
        return _next(self.begins_at)


def ensure_months(table: str, times: Iterable[datetime]) -> list[str]:
    """Make the partitions of `table` that rows of these times need; returns the new ones.

    One query when all exist. Safe to call from many processes at once; takes a lock in the
    database until the transaction ends only when one is missing.
    """
    wanted = {_begin(at) for at in times}
    wanted = {at for at in wanted if FIRST_MONTH <= at.date() <= LAST_MONTH}
    missing = wanted - {month.begins_at for month in months(table)}
    if not missing:
        return []
    with transaction.atomic(), connection.cursor() as cursor:
        for begins_at in sorted(missing):
            _lock(cursor, table, begins_at)
        missing -= {month.begins_at for month in months(table)}
        return [_make(cursor, table, begins_at) for begins_at in sorted(missing)]


@contextmanager
def filled_month(table: str, at: datetime) -> Iterator[tuple[str, bool]]:
    """The table into which a mass of rows of one month goes, and whether it is new and empty.

    A new one is attached when the block ends, so that its indexes are built over all rows at
    once; until then it is seen by nobody, and COPY may FREEZE its rows. One transaction.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"months {table}"])
        begins_at = _begin(at)
        known = {month.begins_at: month.table for month in months(table)}
        if begins_at in known:
            yield known[begins_at], False
            return
        name = _create(cursor, table, begins_at)
        yield name, True
        _attach(cursor, table, begins_at)


def ensure_ahead(table: str, *, at: datetime, count: int = 3) -> list[str]:
    """Make the partition of `at` and those of the `count` months after it."""
    times = [at]
    for _ in range(count):
        times.append(_next(_begin(times[-1])))
    return ensure_months(table, times)


def tables() -> list[str]:
    """All tables that are partitioned by month."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT c.relname FROM pg_partitioned_table p JOIN pg_class c ON c.oid = p.partrelid"
            " WHERE p.partstrat = 'r' AND pg_table_is_visible(c.oid) ORDER BY c.relname"
        )
        return [row[0] for row in cursor.fetchall()]


def analyze(table: str) -> None:
    """Count anew what is in `table`: the server does it by itself for its partitions only."""
    with connection.cursor() as cursor:
        cursor.execute(sql.SQL("ANALYZE {}").format(sql.Identifier(table)))


def months(table: str) -> list[Month]:
    """The monthly partitions of `table`, oldest first; not the default one."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid"
            " WHERE i.inhparent = to_regclass(%s) ORDER BY c.relname",
            [table],
        )
        names = [row[0] for row in cursor.fetchall()]
    pattern = re.compile(rf"{re.escape(table)}_([0-9]{{4}})_([0-9]{{2}})")
    return [
        Month(name, datetime(int(match[1]), int(match[2]), 1, tzinfo=UTC))
        for name in names
        if (match := pattern.fullmatch(name))
    ]


def drop_month(table: str, month: Month) -> None:
    """Destroy one partition of `table` with all its rows."""
    with connection.cursor() as cursor:
        cursor.execute(sql.SQL("DROP TABLE {}").format(sql.Identifier(month.table)))


def _lock(cursor: CursorWrapper, table: str, begins_at: datetime) -> None:
    """Let nobody else make this partition until the transaction ends."""
    name = f"{table}_{begins_at:%Y_%m}"
    cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [name])


def _make(cursor: CursorWrapper, table: str, begins_at: datetime) -> str:
    # Made apart and attached: that locks the parent less than CREATE … PARTITION OF.
    name = _create(cursor, table, begins_at)
    _attach(cursor, table, begins_at)
    return name


def _create(cursor: CursorWrapper, table: str, begins_at: datetime) -> str:
    name = f"{table}_{begins_at:%Y_%m}"
    statement = sql.SQL(
        "CREATE TABLE {} (LIKE {} INCLUDING DEFAULTS INCLUDING GENERATED"
        " INCLUDING CONSTRAINTS INCLUDING STORAGE) WITH ({})"
    )
    cursor.execute(statement.format(sql.Identifier(name), sql.Identifier(table), _OPTIONS))
    return name


def _attach(cursor: CursorWrapper, table: str, begins_at: datetime) -> None:
    statement = sql.SQL("ALTER TABLE {} ATTACH PARTITION {} FOR VALUES FROM ({}) TO ({})")
    name = sql.Identifier(f"{table}_{begins_at:%Y_%m}")
    begin, end = sql.Literal(begins_at), sql.Literal(_next(begins_at))
    cursor.execute(statement.format(sql.Identifier(table), name, begin, end))


def _begin(at: datetime) -> datetime:
    return at.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)


def _next(begins_at: datetime) -> datetime:
    year, month = divmod(begins_at.year * 12 + begins_at.month, 12)
    return begins_at.replace(year=year, month=month + 1)
