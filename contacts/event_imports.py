"""Events from files: of any size, in sets, and the same file twice adds nothing.

The file is copied into a temporary table, read there by a few statements, and stored in portions
of `_PORTION` rows, each in a transaction of its own. What a cell says:

- contact: an external id or an e-mail address; the external id wins where both are somebody's;
- time: ISO 8601; without an offset wall time in the workspace's time zone, a date its first moment;
- property: a number where it is written as JSON writes numbers (`12.50`, not `007`), `true` and
  `false` as such, any other text as it is; an empty cell is no property.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import DatabaseError, connection, transaction
from django.utils.translation import gettext as _
from psycopg import sql

from contacts import urls
from contacts.event_definitions import NAME_LIMIT, define_events, learn_schemas
from contacts.event_properties import DIGIT_LIMIT, SIZE_LIMIT
from contacts.event_schemas import (
    BREACH,
    Schema,
    Tally,
    count_breaches,
    fault_expression,
    load_schemas,
)
from contacts.events import TABLE, share_recording, store_events
from contacts.models import EventDefinition
from contacts.rejections import RejectionFile
from contacts.tabular import Table, open_table
from workspace import audit, partitions
from workspace import sql as statements
from workspace.access import Actor
from workspace.console import Progress
from workspace.errors import InputInvalid, Problem

_PORTION = 50_000
_PROPERTY_NAME_LIMIT = 200
# Memory for sorting and joining all rows of the file.
_SETTINGS = {"work_mem": "256MB"}


class ImportRefused(InputInvalid):
    """What was asked for does not fit the file: nothing was imported."""

    code = "import_refused"


@dataclass(frozen=True, slots=True)
class EventImportResult:
    """What became of the rows of a file; `rejected_file` is none where all were used."""

    accepted: int
    duplicates: int
    rejected: int
    rejected_file: Path | None


def import_events(
    path: str | Path,
    *,
    name: str,
    contact_column: str,
    at_column: str,
    property_columns: Mapping[str, str],
    actor: Actor,
    at: datetime,
    work: Progress | None = None,
) -> EventImportResult:
    """Import events of one kind; `property_columns` says which column is which property.

    The message id is made from the event, the contact, the time, the properties and the ordinal
    among identical rows: importing the file again adds nothing, and identical rows within it all
    count. Rows that cannot be used go to a file of their own. Raises FileUnreadable and
    ImportRefused before anything is stored.
    """
    table = open_table(path)
    _refuse(table, name, [contact_column, at_column], property_columns)
    names = [f"c{number}" for number in range(len(table.columns))]
    column = dict(zip(table.columns, names, strict=True))
    rejections = RejectionFile(table.path, table.columns)
    progress = _Halves(work, table.row_estimate)
    with _temporary("import_file", "import_read", "import_events"):
        try:
            schema = _enforced_schema(name)
            _copy_file(table, names, rejections, progress)
            properties = {column[source]: target for source, target in property_columns.items()}
            _read_rows(column[contact_column], column[at_column], properties, schema)
            _reject_rows(column[contact_column], column[at_column], names, rejections)
            _number_rows(name)
        except BaseException:
            rejections.discard()
            raise
        result = _store(name, list(properties.values()), at, rejections, progress)
        _count_breaches(name, schema, at)
    rejections.close()
    audit.record(
        actor=actor,
        action="events.imported",
        object_type="contacts.event",
        label=name,
        changes={
            key: [None, value] for key, value in asdict(result).items() if isinstance(value, int)
        },
        at=at,
    )
    return result


class _Halves:
    """Progress of the two halves of the work, each over all rows."""

    def __init__(self, work: Progress | None, row_count: int) -> None:
        self._work, self._row_count = work, row_count

    def read(self, row_count: int) -> None:
        self._show(min(row_count, self._row_count), _("reading"))

    def store(self, share: float) -> None:
        self._show(self._row_count + int(self._row_count * share), _("storing"))

    def _show(self, done: int, message: str) -> None:
        if self._work is not None:
            self._work.advance(done, 2 * self._row_count, message)


def _refuse(
    table: Table, name: str, needed: Sequence[str], property_columns: Mapping[str, str]
) -> None:
    problems = []
    if not name.strip() or len(name) > NAME_LIMIT or "\0" in name:
        words: dict[str, Any] = {"limit": NAME_LIMIT}
        sentence = _("The name of an event has 1 to %(limit)d characters.") % words
        problems.append(Problem("name", "invalid", sentence))
    for column in [*needed, *property_columns]:
        if column not in table.columns:
            words = {"column": column, "columns": ", ".join(table.columns)}
            sentence = _("There is no column “%(column)s”. The file has: %(columns)s.") % words
            problems.append(Problem(column, "unknown_column", sentence))
    for target in property_columns.values():
        if not 0 < len(target) <= _PROPERTY_NAME_LIMIT or "\0" in target:
            words = {"limit": _PROPERTY_NAME_LIMIT}
            sentence = _("The name of a property has 1 to %(limit)d characters.") % words
            problems.append(Problem(target, "invalid", sentence))
    if len(set(property_columns.values())) < len(property_columns):
        problems.append(Problem("properties", "invalid", _("Two columns are the same property.")))
    if problems:
        raise ImportRefused(" ".join(one.message for one in problems), problems=problems)


@contextmanager
def _temporary(*tables: str) -> Iterator[None]:
    """Temporary tables of these names may be made; they are gone afterwards."""
    drop = sql.SQL("DROP TABLE IF EXISTS {}").format(
        sql.SQL(", ").join(sql.Identifier("pg_temp", table) for table in tables)
    )
    with connection.cursor() as cursor:
        cursor.execute(drop)
    try:
        yield
    finally:
        # Where the connection or its transaction is broken, they are gone with it.
        broken = (DatabaseError, transaction.TransactionManagementError)
        with suppress(*broken), connection.cursor() as cursor:
            cursor.execute(drop)


def _copy_file(
    table: Table, names: Sequence[str], rejections: RejectionFile, progress: _Halves
) -> None:
    columns = sql.SQL(", ").join(sql.SQL("{} text").format(sql.Identifier(name)) for name in names)
    count = 0
    # A fault of the file ends the COPY with an error, which would end the caller's transaction.
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(sql.SQL("CREATE TEMP TABLE import_file ({})").format(columns))
        with cursor.copy(table.copy_statement("import_file", names)) as copy:
            for chunk in table.chunks(rejections.write):
                copy.write(chunk.data)
                count += chunk.row_count
                progress.read(count)
        cursor.execute("ANALYZE import_file")


_DAYS = (
    "(0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])|(0[469]|11)-(0[1-9]|[12][0-9]|30)"
    "|02-(0[1-9]|1[0-9]|2[0-9])"
)
_CLOCK = r"([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9](\.[0-9]{1,6})?)?"
_OFFSET = "(Z|[+-](0[0-9]|1[0-5]):?[0-5][0-9])"
_LEAP_YEAR = "([0-9]{2}(0[48]|[2468][048]|[13579][26])|([02468][048]|[13579][26])00)"
# Casts fail for a 30 February, and one row must not spoil the file: so the calendar comes first.
# Its first and last days are left out: in another zone they may lie outside.
_INSTANT = """CASE
  WHEN written !~ {iso} OR left(written, 4) = '0000'
    OR left(written, 10) IN ('0001-01-01', '9999-12-31')
    OR (written ~ '^....-02-29' AND written !~ {leap})
    THEN NULL
  WHEN length(written) = 10 THEN written::date::timestamp AT TIME ZONE {zone}
  WHEN right(written, 1) = 'Z' OR left(right(written, 6), 1) IN ('+', '-')
    OR left(right(written, 5), 1) IN ('+', '-') THEN written::timestamptz
  ELSE written::timestamp AT TIME ZONE {zone} END"""
_NUMBER = r"^-?(0|[1-9][0-9]*)(\.[0-9]+)?$"
_SPACE = " \t\r\n\u00a0"


def _enforced_schema(name: str) -> Schema | None:
    """The schema that the rows are held against, if there is one."""
    definition_id = EventDefinition.objects.filter(name=name).values_list("pk", flat=True).first()
    return load_schemas([definition_id]).get(definition_id) if definition_id else None


def _count_breaches(name: str, schema: Schema | None, at: datetime) -> None:
    """Count the rows that break the schema; of the last one the first fault."""
    if schema is None:
        return
    [found] = statements.rows(
        "SELECT count(*) AS rows, (array_agg(coalesce(remark, refusal) ORDER BY place DESC))[1]"
        " AS message FROM import_read WHERE coalesce(remark, refusal) IS NOT NULL"
        " AND contact_id IS NOT NULL AND occurred_at IS NOT NULL"
    )
    if not found["rows"]:
        return
    tally = Tally(last=[Problem("", BREACH, found["message"])])
    if schema.refuses:
        tally.refused = found["rows"]
    else:
        tally.marked = found["rows"]
    count_breaches({define_events([name])[name].id: tally}, at=at)


def _read_rows(contact: str, at: str, properties: Mapping[str, str], schema: Schema | None) -> None:
    """Make `import_read`: of each row of the file its contact, its time and its properties.

    Where they break the schema, `refusal` says why the row is not used, `remark` why it is marked.
    """
    instant = sql.SQL(_INSTANT).format(
        iso=sql.Literal(f"^[0-9]{{4}}-({_DAYS})([T ]{_CLOCK}{_OFFSET}?)?$"),
        leap=sql.Literal(f"^{_LEAP_YEAR}"),
        zone=sql.Literal(settings.TIME_ZONE),
    )
    value = sql.SQL(
        "CASE WHEN {cell} ~ {number} AND length({cell}) <= {limit} OR {cell} IN ('true', 'false')"
        " THEN {cell}::jsonb ELSE to_jsonb({cell}) END"
    )
    pairs = sql.SQL(", ").join(
        sql.SQL("{name}::text, {value}").format(
            name=sql.Literal(name),
            value=value.format(
                cell=sql.Identifier(column),
                number=sql.Literal(_NUMBER),
                limit=sql.Literal(DIGIT_LIMIT),
            ),
        )
        for column, name in properties.items()
    )
    fault: sql.Composable = sql.SQL("NULL::text")
    if schema is not None:
        fault = fault_expression(schema, sql.SQL("read.properties"))
    nothing = sql.SQL("NULL::text")
    statement = sql.SQL("""
        CREATE TEMP TABLE import_read AS
        SELECT read.*, {refusal} AS refusal, {remark} AS remark FROM (
        SELECT f.ctid AS place, coalesce(external.contact_id, mail.contact_id) AS contact_id,
          {instant} AS occurred_at, jsonb_strip_nulls(jsonb_build_object({pairs})) AS properties
        FROM import_file f
        CROSS JOIN LATERAL (
          SELECT btrim({contact}, {space}) AS name, btrim({at}, {space}) AS written OFFSET 0) t
        LEFT JOIN contacts_identity external
          ON external.namespace = 'user_id' AND external.value = t.name
        LEFT JOIN contacts_identity mail
          ON mail.namespace = 'email' AND mail.value = lower(t.name)
        WHERE NOT f.* IS NULL OFFSET 0) read
        """).format(
        refusal=fault if schema and schema.refuses else nothing,
        remark=fault if schema and not schema.refuses else nothing,
        instant=instant,
        pairs=pairs,
        contact=sql.Identifier(contact),
        at=sql.Identifier(at),
        space=sql.Literal(_SPACE),
    )
    with statements.local_settings(_SETTINGS), connection.cursor() as cursor:
        cursor.execute(statement)


_REASON = """CASE
  WHEN coalesce(btrim({contact}, {space}), '') = '' THEN {no_contact}
  WHEN r.contact_id IS NULL THEN replace({unknown_contact}, '{{}}', {contact})
  WHEN coalesce(btrim({at}, {space}), '') = '' THEN {no_time}
  WHEN r.occurred_at IS NULL THEN replace({bad_time}, '{{}}', {at})
  ELSE coalesce(r.refusal, {too_large}) END"""


def _reject_rows(contact: str, at: str, names: Sequence[str], rejections: RejectionFile) -> None:
    reason = sql.SQL(_REASON).format(
        contact=sql.Identifier(contact),
        at=sql.Identifier(at),
        space=sql.Literal(_SPACE),
        no_contact=sql.Literal(_("The row names no contact.")),
        unknown_contact=sql.Literal(_("No contact has the external id or e-mail address “{}”.")),
        no_time=sql.Literal(_("The row has no time.")),
        bad_time=sql.Literal(_("“{}” is no ISO date or time, as in 2026-01-31T12:00:00Z.")),
        too_large=sql.Literal(
            _("The properties have more than %(limit)d bytes.") % {"limit": SIZE_LIMIT}
        ),
    )
    query = sql.SQL(
        "SELECT {reason}, {cells} FROM import_read r JOIN import_file f ON f.ctid = r.place"
        " WHERE NOT ({usable}) ORDER BY r.place"
    ).format(
        reason=reason,
        cells=sql.SQL(", ").join(sql.Identifier("f", name) for name in names),
        usable=_USABLE,
    )
    rejections.copy(query)


_USABLE = sql.SQL(
    "r.contact_id IS NOT NULL AND r.occurred_at IS NOT NULL"
    " AND octet_length(r.properties::text) <= {} AND r.refusal IS NULL"
).format(sql.Literal(SIZE_LIMIT))


def _number_rows(name: str) -> None:
    """Make `import_events`: the rows to store, with their message ids, numbered by contact.

    By contact, so that a portion changes the statistics of as few contacts as possible.
    """
    statement = sql.SQL("""
        CREATE TEMP TABLE import_events AS
        SELECT contact_id, occurred_at, properties,
          digest || '-' || row_number() OVER (PARTITION BY contact_id, occurred_at, digest)
            AS message_id,
          row_number() OVER (ORDER BY contact_id, occurred_at, digest) AS number
        FROM (
          SELECT r.*, md5(concat_ws(' ', {name}::text, contact_id,
            extract(epoch FROM occurred_at), properties)) AS digest
          FROM import_read r WHERE {usable}) usable
        """).format(name=sql.Literal(name), usable=_USABLE)
    with statements.local_settings(_SETTINGS), connection.cursor() as cursor:
        cursor.execute(statement)
        cursor.execute("CREATE INDEX ON import_events (number)")
        cursor.execute("ANALYZE import_events")


def _store(
    name: str,
    properties: Sequence[str],
    at: datetime,
    rejections: RejectionFile,
    progress: _Halves,
) -> EventImportResult:
    [found] = statements.rows(
        "SELECT count(*) AS total, array_agg(DISTINCT date_trunc('month', occurred_at, 'UTC'))"
        " AS months FROM import_events"
    )
    accepted = erased = 0
    # One portion after the other, each in its own transaction: others wait for a second at most.
    first = 1
    while first <= found["total"]:
        bounds = [first, first + _PORTION - 1]
        with transaction.atomic():
            share_recording()
            if not _hold_contacts(bounds):
                continue
            known = define_events([name])
            if first == 1:
                learn_schemas(known, {name: _seen(properties)})
            partitions.ensure_months(TABLE, found["months"])
            if "url" in properties:
                _list_urls(bounds)
            accepted += store_events(_SOURCE, [known[name].id, at, *bounds])
            erased += statements.one(_ERASED, bounds)
        first += _PORTION
        progress.store(min(1.0, first / found["total"]))
    if accepted > _PORTION:
        # The server itself never looks at a partitioned table as a whole.
        statements.execute("ANALYZE contacts_event, contacts_eventstatistic")
    return EventImportResult(
        accepted=accepted,
        duplicates=found["total"] - accepted - erased,
        rejected=rejections.row_count + erased,
        rejected_file=rejections.path,
    )


# Contacts that became others after the file was read. Until the portion is stored none is merged.
_HOLD = """SELECT FROM contacts_contact WHERE id IN (
  SELECT contact_id FROM import_events WHERE number BETWEEN %s AND %s) ORDER BY id FOR KEY SHARE"""
_FOLLOW = """UPDATE import_events i SET contact_id = m.survivor_id FROM contacts_contactmerge m
  WHERE m.loser_id = i.contact_id AND i.number BETWEEN %s AND %s"""
# Contacts that were erased after the file was read.
_ERASED = """SELECT count(*) FROM import_events JOIN contacts_contact c ON c.id = contact_id
  WHERE c.erased_at IS NOT NULL AND number BETWEEN %s AND %s"""

_SOURCE = """(
  SELECT i.contact_id, %s AS definition_id, i.occurred_at, %s::timestamptz AS received_at,
    i.message_id, i.properties,
    CASE WHEN i.properties ->> 'url' IS NULL THEN 0
      WHEN jsonb_typeof(i.properties -> 'url') = 'string' THEN u.id END AS url_id
  FROM import_events i
  LEFT JOIN contacts_url u ON u.url = i.properties ->> 'url'
  WHERE i.number BETWEEN %s AND %s AND NOT EXISTS (
    SELECT FROM contacts_contact c WHERE c.id = i.contact_id AND c.erased_at IS NOT NULL)
) AS incoming"""


def _hold_contacts(bounds: Sequence[int]) -> bool:
    """Keep the contacts of a portion from being merged; false where one was, just before."""
    statements.execute(_FOLLOW, bounds)
    statements.execute(_HOLD, bounds)
    return not statements.execute(_FOLLOW, bounds)


def _list_urls(bounds: Sequence[int]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT DISTINCT properties ->> 'url' FROM import_events"
            " WHERE jsonb_typeof(properties -> 'url') = 'string' AND number BETWEEN %s AND %s",
            bounds,
        )
        urls.list_urls({url for [url] in cursor.fetchall() if urls.listable(url)})


def _seen(properties: Sequence[str]) -> dict[str, list[str]]:
    """The JSON types of the properties, as schemas name them."""
    query = sql.SQL(" UNION ").join(
        sql.SQL(
            "SELECT {name}::text, jsonb_typeof(properties -> {name}) FROM import_events"
        ).format(name=sql.Literal(name))
        for name in properties
    )
    seen: dict[str, list[str]] = {name: [] for name in properties}
    if properties:
        with connection.cursor() as cursor:
            cursor.execute(query)
            for name, kind in cursor.fetchall():
                if kind is not None:
                    seen[name].append("text" if kind == "string" else kind)
    return {name: kinds for name, kinds in seen.items() if kinds}
