"""Files that name contacts: which column does, what it holds, and whom it finds in the base.

A column holds numbers of ours (`id`), e-mail addresses, or names in any other namespace
(`user_id`, `phone`, `ipresso_id`…). Cells mean what they mean to imports of contacts.
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from django.db import transaction
from django.utils.translation import gettext as _
from psycopg import sql

from contacts.fields import EMAIL_PATTERN
from contacts.identities import EMAIL, NAMESPACE_OF, PHONE, USER_ID, check_namespace, normalize
from contacts.imports import checks
from contacts.imports.cells import Known, Reading, reading_of
from contacts.imports.columns import Column, Kind, Target, Targets
from contacts.imports.staging import Shifts, stage, temporary_tables
from contacts.imports.statements import count, execute, typed_rows
from contacts.rejections import RejectionFile
from contacts.tabular import Table, open_table
from contacts.values import ValueRefused
from segments.contact_lists import NUMBER
from segments.errors import FileMisread
from workspace import sql as statements
from workspace.console import Progress
from workspace.errors import Problem

TRIAL_ROWS = 1000
SHOWN_ROWS = 10
_NUMBER = re.compile(r"#?0*([0-9]{1,18})")
_PLAIN_NUMBER = r"^[1-9][0-9]{0,17}$"
_EMAIL = re.compile(EMAIL_PATTERN)
_NUMBER_HEADERS = {"id", "contactid", "contactnumber", "regularsid"}
# Of the first cells of a column, how many have to look alike for us to believe it.
_CONVINCING = 0.6
_LOOKED_COLUMNS = 40
_LOOKED_CELLS = 200
# Each namespace that is in use, found by jumping from one to the next.
_NAMESPACES = """
WITH RECURSIVE found AS (
  (SELECT namespace FROM contacts_identity ORDER BY namespace LIMIT 1)
  UNION ALL
  SELECT (SELECT i.namespace FROM contacts_identity i WHERE i.namespace > f.namespace
          ORDER BY i.namespace LIMIT 1)
  FROM found f WHERE f.namespace IS NOT NULL)
SELECT namespace FROM found WHERE namespace IS NOT NULL
"""
_SETTINGS = {"work_mem": "128MB"}
# Each key once, with the row where it stands first, and whose it is.
_MATCHED = """
CREATE TEMP TABLE import_target AS
SELECT k.key, k.id, {contact} AS contact_id
FROM (SELECT t.{key} AS key, min(t.id) AS id FROM ({rows}) t WHERE t.{key} IS NOT NULL
      GROUP BY t.{key}) k
LEFT JOIN {source}
"""


@dataclass(frozen=True, slots=True)
class Look:
    """A file before anything is read: its columns, first rows, and what seems to name contacts.

    Without a header the columns are called by their first cells. `column` is empty where nothing
    in the file seems to name anybody.
    """

    table: Table
    has_header: bool
    rows: tuple[tuple[str, ...], ...]
    column: str
    identity: str


@dataclass(frozen=True, slots=True)
class Trial:
    """Of the first rows: how many there are, whom they find, and how many cannot be read."""

    row_count: int
    matched_count: int
    faulty_count: int


@dataclass(frozen=True, slots=True)
class Choice:
    """A file, the place of the column that names contacts, and what it holds."""

    table: Table
    position: int
    identity: str
    has_header: bool

    @property
    def column(self) -> str:
        """The name of the column; where the file has no header, its number."""
        if self.has_header:
            return self.table.columns[self.position]
        return _("column %(number)d") % {"number": self.position + 1}


@dataclass(frozen=True, slots=True)
class Staged:
    """The file in temporary tables: `import_target` has `key`, `id` and `contact_id`."""

    row_count: int
    matched_count: int
    unmatched_count: int
    duplicate_count: int
    faulty_count: int
    shifts: Shifts


def identities() -> list[str]:
    """What a column may hold: `id`, the usual namespaces, and all others that are in use."""
    usual = [NUMBER, EMAIL, USER_ID, PHONE]
    used = [row["namespace"] for row in statements.rows(_NAMESPACES)]
    return [*usual, *(name for name in used if name not in usual)]


def look_at(path: Path) -> Look:
    """What a file looks like, and which column seems to name contacts. Raises FileUnreadable."""
    table = open_table(path)
    rows = list(islice(table.rows(), TRIAL_ROWS))
    has_header = _names_columns(table.columns)
    column, identity = _guessed(table, rows, has_header=has_header)
    all_rows = rows if has_header else [list(table.columns), *rows]
    return Look(table, has_header, tuple(map(tuple, all_rows[:SHOWN_ROWS])), column, identity)


def choose(
    path: Path,
    *,
    column: str = "",
    position: int | None = None,
    identity: str = "",
    has_header: bool | None = None,
) -> Choice:
    """The file with what is to be read of it; what is not said is guessed.

    `column` is a name, or a number from 1 on; `position` one from 0 on. Raises FileUnreadable, or
    FileMisread where the file has no such column, where there can be no such identity, or where
    nothing can be guessed.
    """
    look = look_at(path)
    table = look.table
    if position is None:
        position = _position(table, column.strip() or look.column)
    if not identity:
        rows = list(islice(table.rows(), TRIAL_ROWS))
        identity = _guessed(table, rows, has_header=look.has_header, position=position)[1]
    if not identity:
        message = _("Say what the column “%(name)s” holds: id, email or another identity.")
        told = message % {"name": table.columns[position]}
        raise FileMisread(told, problems=[Problem("identity", "required", told)])
    return Choice(
        table,
        position,
        _checked_identity(identity),
        look.has_header if has_header is None else has_header,
    )


def _position(table: Table, column: str) -> int:
    if not column:
        message = _("No column seems to name contacts. Say which one does, and what it holds.")
        raise FileMisread(message, problems=[Problem("column", "required", message)])
    if column in table.columns:
        return table.columns.index(column)
    if column.isdecimal() and 1 <= int(column) <= len(table.columns):
        return int(column) - 1
    message = _("The file has no column “%(name)s”. It has: %(columns)s.")
    told = message % {"name": column, "columns": ", ".join(table.columns[:20])}
    raise FileMisread(told, problems=[Problem("column", "unknown_column", told)])


def try_rows(choice: Choice) -> Trial:
    """Whom the first thousand rows find. Two queries; nothing is kept."""
    place = choice.position
    cells = [row[place] if place < len(row) else "" for row in _first(choice)]
    keys, faulty = set[str](), 0
    for cell in cells:
        try:
            keys.add(_key(choice.identity, cell))
        except ValueRefused:
            faulty += 1
    return Trial(len(cells), len(_known_names({(choice.identity, key) for key in keys})), faulty)


@contextmanager
def staged(choice: Choice, rejections: RejectionFile, work: Progress | None) -> Iterator[Staged]:
    """Copy the file to the server, read its keys and find whose they are, in a few statements.

    Rows that cannot be read and keys that are nobody's go to `rejections`. Raises FileUnreadable.
    """
    with temporary_tables():
        row_count, shifts = stage(choice.table, rejections, work)
        if not choice.has_header:
            _add_first_row(choice.table)
            row_count += 1
        row_count += rejections.row_count
        reading = _reading(choice)
        if work is not None:
            work.advance(row_count, row_count, _("comparing with the base"))
        with statements.local_settings(_SETTINGS), transaction.atomic():
            checks.check([reading])
            _note_empty(reading)
            _match(choice, reading)
            named = count(
                sql.SQL("SELECT count(*) FROM ({}) t WHERE t.{} IS NOT NULL").format(
                    typed_rows([reading]), sql.Identifier(_key_column(choice, reading))
                )
            )
            found = count("SELECT count(*) FROM import_target")
            matched = count("SELECT count(contact_id) FROM import_target")
            execute(
                sql.SQL(
                    "INSERT INTO import_fault SELECT id, {} FROM import_target"
                    " WHERE contact_id IS NULL"
                ).format(sql.Literal(_("It is not in the base.")))
            )
            _write_rejected(choice.table, shifts, rejections)
        yield Staged(
            row_count=row_count,
            matched_count=matched,
            unmatched_count=found - matched,
            duplicate_count=named - found,
            faulty_count=row_count - named,
            shifts=shifts,
        )


def _match(choice: Choice, reading: Reading) -> None:
    if choice.identity == NUMBER:
        contact: sql.Composable = sql.SQL("c.id")
        source: sql.Composable = sql.SQL(
            "contacts_contact c ON c.id = k.key::bigint AND c.erased_at IS NULL"
        )
    else:
        contact = sql.SQL("i.contact_id")
        source = sql.SQL("contacts_identity i ON i.namespace = {} AND i.value = k.key").format(
            sql.Literal(choice.identity)
        )
    execute(
        sql.SQL(_MATCHED).format(
            key=sql.Identifier(_key_column(choice, reading)),
            contact=contact,
            rows=typed_rows([reading]),
            source=source,
        )
    )


def _key_column(choice: Choice, reading: Reading) -> str:
    return reading.value_column if choice.identity == NUMBER else reading.name_column


def _reading(choice: Choice) -> Reading:
    header = choice.column
    if choice.identity == NUMBER:
        column = Column(choice.position, header, Target(Kind.IDENTITY, NUMBER, header))
        return Reading(
            column,
            lambda cell: sql.SQL("{} ~ {}").format(cell, sql.Literal(_PLAIN_NUMBER)),
            lambda cell: cell,
            lambda raw: _number(raw) if raw.strip() else None,
        )
    is_field = choice.identity in {EMAIL, PHONE}
    kind = Kind.FIELD if is_field else Kind.IDENTITY
    target = Target(kind, choice.identity, header)
    return reading_of(Column(choice.position, header, target), Known())


def _note_empty(reading: Reading) -> None:
    execute(
        sql.SQL(
            "INSERT INTO import_fault SELECT f.id, {} FROM import_file f WHERE {} IS NULL"
        ).format(
            sql.Literal(_("The row does not say who it is about.")),
            sql.Identifier("f", reading.column.name),
        )
    )


def _add_first_row(table: Table) -> None:
    """What was taken for names of columns is a row, too: the first."""
    cells = [cell or None for cell in table.columns]
    names = sql.SQL(", ").join(sql.Identifier(f"c{n}") for n in range(len(cells)))
    values = sql.SQL(", ").join(map(sql.Literal, cells))
    execute(
        sql.SQL("INSERT INTO import_file (id, {}) OVERRIDING SYSTEM VALUE VALUES (0, {})").format(
            names, values
        )
    )


def _write_rejected(table: Table, shifts: Shifts, rejections: RejectionFile) -> None:
    names = [sql.Identifier("f", f"c{position}") for position in range(len(table.columns))]
    rejections.copy(
        sql.SQL(
            "SELECT {reason}, {cells} FROM import_file f JOIN import_fault x USING (id)"
            " ORDER BY f.id"
        ).format(reason=shifts.reason(), cells=sql.SQL(", ").join(names))
    )


def _first(choice: Choice) -> list[list[str]]:
    rows = islice(choice.table.rows(), TRIAL_ROWS)
    return list(rows) if choice.has_header else [list(choice.table.columns), *rows][:TRIAL_ROWS]


def _checked_identity(identity: str) -> str:
    identity = NAMESPACE_OF.get(identity.strip(), identity.strip()).removeprefix("identity.")
    try:
        return check_namespace(identity)
    except ValueRefused as refused:
        problem = Problem("identity", "invalid", str(refused))
        raise FileMisread(str(refused), problems=[problem]) from refused


def _key(identity: str, cell: str) -> str:
    """The key that a cell names. Raises ValueRefused."""
    return _number(cell) if identity == NUMBER else normalize(identity, cell)


def _number(raw: str) -> str:
    found = _NUMBER.fullmatch(raw.strip())
    if found is None or found[1] == "0":
        message = _("“%(value)s” is no number of a contact.")
        raise ValueRefused(message % {"value": raw.strip()[:60]})
    return found[1]


def _known_names(wanted: set[tuple[str, str]]) -> set[tuple[str, str]]:
    """Those of these identities and keys that are somebody's. Two queries."""
    numbers = [int(key) for identity, key in wanted if identity == NUMBER]
    others = [name for name in wanted if name[0] != NUMBER]
    rows = statements.rows(
        "SELECT namespace, value FROM contacts_identity"
        " JOIN unnest(%s::text[], %s::text[]) AS wanted (namespace, value)"
        " USING (namespace, value)",
        [[identity for identity, _key in others], [key for _identity, key in others]],
    )
    statement = (
        "SELECT id::text AS value FROM contacts_contact"
        " WHERE id = ANY(%s::bigint[]) AND erased_at IS NULL"
    )
    found = {(row["namespace"], row["value"]) for row in rows}
    return found | {(NUMBER, row["value"]) for row in statements.rows(statement, [numbers])}


def _names_columns(header: Sequence[str]) -> bool:
    """Whether the first row names columns, rather than contacts."""
    if any(_EMAIL.fullmatch(cell) for cell in header):
        return False
    return not all(_NUMBER.fullmatch(cell) for cell in header)


def _guessed(
    table: Table, rows: Sequence[Sequence[str]], *, has_header: bool, position: int | None = None
) -> tuple[str, str]:
    """The column that seems to name contacts, and what it seems to hold; empty where none does.

    Of columns that may, by their names or looks, the one that finds most in the base. With
    `position` only that column is looked at.
    """
    known, targets = identities(), Targets()
    places = range(min(len(table.columns), _LOOKED_COLUMNS)) if position is None else [position]
    cells = {place: _cells(table, rows, place, has_header=has_header) for place in places}
    likely: list[tuple[int, str]] = []
    if has_header:
        named = ((place, _named(table.columns[place], known, targets)) for place in places)
        likely += [(place, identity) for place, identity in named if identity]
    likely += [(place, EMAIL) for place in places if _look_like_addresses(cells[place])]
    told = {place for place, _identity in likely}
    rest = [(place, name) for place in places if place not in told for name in known]
    candidates = [*likely, *rest]
    keys = [{(name, key) for key in _keys(name, cells[place])} for place, name in candidates]
    found = _known_names(set().union(*keys))
    counts = [len(wanted & found) for wanted in keys]
    best = max(range(len(candidates)), key=counts.__getitem__, default=None)
    if best is None or (not counts[best] and not likely):
        return "", ""
    place, identity = candidates[best if counts[best] else 0]
    return table.columns[place], identity


def _cells(
    table: Table, rows: Sequence[Sequence[str]], place: int, *, has_header: bool
) -> list[str]:
    """Some cells of a column that say anything."""
    first = [] if has_header else [table.columns[place]]
    cells = [row[place] for row in rows if place < len(row) and row[place].strip()]
    return [*first, *cells][:_LOOKED_CELLS]


def _named(header: str, known: Sequence[str], targets: Targets) -> str:
    """What a column of this name holds, where the name says so."""
    plain = "".join(letter for letter in header.casefold() if letter.isalnum())
    if plain in _NUMBER_HEADERS:
        return NUMBER
    if (target := targets.find(header)) is not None and target.namespace:
        return target.namespace
    plain_names = {name.replace("_", ""): name for name in known}
    return plain_names.get(plain, "")


def _look_like_addresses(cells: Sequence[str]) -> bool:
    addresses = sum(bool(_EMAIL.fullmatch(cell.strip())) for cell in cells)
    return bool(cells) and addresses >= _CONVINCING * len(cells)


def _keys(identity: str, cells: Sequence[str]) -> set[str]:
    keys = set()
    for cell in cells:
        try:
            keys.add(_key(identity, cell))
        except ValueRefused:
            continue
    return keys
