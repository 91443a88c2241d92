"""DuckDB and chdb on the same tables, filled from PostgreSQL by way of Parquet."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from django.db import connection

from segments.synthetic import vocabulary as words
from workspace import sql

# Named, not imported: they are there only for benchmarks, and one of them has no types.
duckdb: Any = import_module("duckdb")
chdb: Any = import_module("chdb")
sessions: Any = import_module("chdb.session")
pa: Any = import_module("pyarrow")
pc: Any = import_module("pyarrow.csv")
pq: Any = import_module("pyarrow.parquet")

Ids = npt.NDArray[np.int64]

_TEXTS = [f"t{k}" for k in range(1, len(words.TEXT_VALUE_COUNTS) + 1)]
_NUMBERS = [f"n{k}" for k in range(1, len(words.NUMBER_LIMITS) + 1)]
# What may be missing; ClickHouse is slower where that is said of everything.
_NULLABLE = {"birth_date", "amount", *_TEXTS, *_NUMBERS}
_AMOUNT = pa.decimal128(12, 2)


class Engine(Protocol):
    """Something that answers SQL."""

    name: str

    def members(self, query: str) -> Ids:
        """The ids that a query gives, in order."""

    def count(self, query: str) -> int:
        """How many ids a query gives."""


class DuckDB:
    """DuckDB in this process, on a file of its own, with as many threads as there are cores.

    Its events lie as ours do: month by month, in no order of time within one. `by_time` asks a
    second copy of them that is sorted by time.
    """

    name = f"DuckDB {duckdb.__version__}"

    def __init__(self, file: Path, parquet: Path) -> None:
        is_new = not file.exists()
        self._connection = duckdb.connect(str(file))
        if is_new:
            for table in TABLES:
                source = parquet / f"{table}.parquet"
                self._connection.execute(
                    f"CREATE TABLE {table} AS SELECT * FROM read_parquet('{source}')"
                )
            self._connection.execute("CREATE SCHEMA by_time")
            self._connection.execute(
                "CREATE TABLE by_time.events AS SELECT * FROM events ORDER BY moment"
            )
            self._connection.execute("CHECKPOINT")

    def by_time(self, is_wanted: bool) -> None:
        """Ask the copy that is sorted by time from now on, or no more."""
        path = "by_time,main" if is_wanted else "main"
        self._connection.execute(f"SET search_path = '{path}'")

    def members(self, query: str) -> Ids:
        found = self._connection.execute(query).fetchnumpy()
        return np.sort(next(iter(found.values())).astype(np.int64))

    def count(self, query: str) -> int:
        row = self._connection.execute(f"SELECT count(*) FROM ({query}) q").fetchone()
        return int(row[0])

    def close(self) -> None:
        self._connection.close()


class ClickHouse:
    """ClickHouse in this process, by chdb, with MergeTree tables."""

    name = f"chdb {chdb.__version__}"
    _ORDERS = {
        "contacts": "id",
        "events": "(type, moment)",
        "urls": "id",
        "tags": "(tag_id, contact_id)",
        "categories": "(category_id, contact_id)",
        "consents": "(consent_id, contact_id)",
        "members": "contact_id",
    }

    def __init__(self, folder: Path, parquet: Path) -> None:
        is_new = not folder.exists()
        self._session = sessions.Session(str(folder))
        self._run("CREATE DATABASE IF NOT EXISTS bench ENGINE = Atomic")
        self._run("USE bench")
        self._run("SET schema_inference_make_columns_nullable = 'auto'")
        if is_new:
            for table in TABLES:
                self._run(
                    f"CREATE TABLE {table} ENGINE = MergeTree ORDER BY {self._ORDERS[table]}"
                    f" AS SELECT * FROM file('{parquet / table}.parquet', Parquet)"
                )

    def members(self, query: str) -> Ids:
        answer = self._session.query(query, "CSV").bytes()
        return np.sort(np.array(answer.split(), dtype=np.int64))

    def count(self, query: str) -> int:
        return int(self._session.query(f"SELECT count() FROM ({query}) q", "CSV").bytes())

    def close(self) -> None:
        self._session.close()

    def _run(self, statement: str) -> None:
        self._session.query(statement)


TABLES: dict[str, tuple[str, dict[str, Any]]] = {
    "contacts": (
        "SELECT id, city, birth_date, lead_score::integer AS lead_score, "
        + ", ".join(f"attributes->>'{key}' AS {key}" for key in (*_TEXTS, *_NUMBERS))
        + " FROM contacts_contact ORDER BY id",
        {
            "id": pa.int64(),
            "city": pa.string(),
            "birth_date": pa.date32(),
            "lead_score": pa.int32(),
            **{key: pa.string() for key in _TEXTS},
            **{key: pa.int32() for key in _NUMBERS},
        },
    ),
    "events": (
        "SELECT contact_id, definition_id::smallint AS type, (extract(epoch FROM occurred_at)"
        " * 1000000)::bigint AS moment, amount, url_id FROM contacts_event",
        {
            "contact_id": pa.int64(),
            "type": pa.int16(),
            "moment": pa.int64(),
            "amount": _AMOUNT,
            "url_id": pa.int32(),
        },
    ),
    "urls": ("SELECT id, url FROM contacts_url", {"id": pa.int32(), "url": pa.string()}),
    "tags": (
        "SELECT contact_id, tag_id FROM contacts_contacttag",
        {"contact_id": pa.int64(), "tag_id": pa.int32()},
    ),
    "categories": (
        "SELECT contact_id, category_id FROM contacts_contactcategory",
        {"contact_id": pa.int64(), "category_id": pa.int32()},
    ),
    "consents": (
        "SELECT contact_id, definition_id AS consent_id FROM contacts_consentstate"
        " WHERE state = 'granted'",
        {"contact_id": pa.int64(), "consent_id": pa.int32()},
    ),
    "members": (
        "SELECT m.contact_id FROM segments_membership m JOIN segments_segment s"
        " ON s.id = m.segment_id WHERE s.key = 'other'",
        {"contact_id": pa.int64()},
    ),
}


@contextmanager
def columnar_engines(place: Path) -> Iterator[tuple[DuckDB, ClickHouse]]:
    """Both engines with the data of the workspace; filled once for each state of it."""
    folder = place / "columnar"
    stamp = (place / "made.json").read_text("utf-8")
    if not (folder / "made.json").exists() or (folder / "made.json").read_text("utf-8") != stamp:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        for table, (query, types) in TABLES.items():
            _export(query, types, folder / f"{table}.parquet")
    duck = DuckDB(folder / "duckdb", folder)
    house = ClickHouse(folder / "clickhouse", folder)
    (folder / "made.json").write_text(stamp, "utf-8")
    for table in TABLES:
        (folder / f"{table}.parquet").unlink(missing_ok=True)
    try:
        yield duck, house
    finally:
        duck.close()
        house.close()


class _Stream:
    """What COPY sends, as a file to read from."""

    closed = False

    def __init__(self, blocks: Iterator[Any]) -> None:
        self._blocks, self._left = blocks, b""

    def read(self, size: int = -1) -> bytes:
        parts, length = [self._left], len(self._left)
        while size < 0 or length < size:
            block = next(self._blocks, None)
            if block is None:
                break
            parts.append(bytes(block))
            length += len(block)
        data = b"".join(parts)
        if size < 0:
            size = len(data)
        self._left = data[size:]
        return data[:size]

    def readable(self) -> bool:
        return True

    def close(self) -> None:
        self.closed = True


def _export(query: str, types: dict[str, Any], file: Path) -> None:
    statement = f"COPY ({query}) TO STDOUT (FORMAT csv, HEADER)"
    # In the order in which the rows lie. An index would sort the events by their type, which no
    # copy that follows the arrivals is.
    plain = {"enable_indexscan": "off", "enable_indexonlyscan": "off", "enable_bitmapscan": "off"}
    with sql.local_settings(plain), connection.cursor() as cursor, cursor.copy(statement) as copy:
        options = pc.ConvertOptions(column_types=types, strings_can_be_null=True)
        stream = pa.PythonFile(_Stream(iter(copy)), mode="r")
        reader = pc.open_csv(stream, convert_options=options)
        schema = pa.schema(
            [pa.field(name, kind, nullable=name in _NULLABLE) for name, kind in types.items()]
        )
        with pq.ParquetWriter(file, schema, compression="lz4") as writer:
            for batch in reader:
                writer.write_batch(pa.RecordBatch.from_arrays(batch.columns, schema=schema))
