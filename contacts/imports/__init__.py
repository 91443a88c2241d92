"""Contacts from files of any size: in sets, with the reasons of refusals.

The file is copied into a temporary table as it is. What its cells mean is read by the server where
they are plain and by Python where not; then the rows come to the contacts in portions, each in a
transaction of its own, as if they came one after the other:

- A row is about the contact whose identities it names, or about a new one. It is rejected where
  they belong to different contacts, or where the contact found has another external id.
- A contact that exists is left alone, with `update` it is changed where the row says something
  new. An empty cell says nothing. A list of tags or categories replaces the list.
- Rows that name the same contact count in their order: the first makes it, later ones find it.
"""

from collections.abc import Mapping
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from django.db import DatabaseError, connection, transaction
from django.utils.translation import gettext as _
from psycopg import sql

from contacts.imports import checks
from contacts.imports.cells import Known, reading_of
from contacts.imports.columns import Column, Targets, understand
from contacts.imports.headers import Header, read_header
from contacts.imports.merge import PORTION, Merge, Merged
from contacts.imports.staging import Shifts, stage, temporary_tables
from contacts.imports.statements import execute
from contacts.models import Contact
from contacts.rejections import RejectionFile
from contacts.tabular import Table, open_table
from workspace import audit, copying
from workspace.access import Actor
from workspace.console import Progress

__all__ = ["Header", "ImportResult", "import_contacts", "read_header"]

# Index-only scans live on the visibility map: after so many changes it is brought up to date.
_VACUUM_CHANGES = 5_000
_FIRST_PORTIONS = 4


@dataclass(frozen=True, slots=True)
class ImportResult:
    """What became of the rows of a file; `rejected_file` is none where all were used."""

    created: int
    updated: int
    unchanged: int
    rejected: int
    rejected_file: Path | None


def import_contacts(
    path: str | Path,
    *,
    columns: Mapping[str, str] | None = None,
    update: bool,
    actor: Actor,
    at: datetime,
    work: Progress | None = None,
    portion_size: int = PORTION,
) -> ImportResult:
    """Import contacts; `columns` says what those columns are whose names do not say it.

    A column that is mapped to an empty text is passed over. Rows that cannot be used go to a file
    of their own. Importing a file again writes nothing. Raises FileUnreadable and FileRefused
    before anything is written. Stopped in the middle, the portions that are done stay, except at
    the first import into an empty workspace.
    """
    table = open_table(path)
    used = understand(table.columns, columns, Targets())
    rejections = RejectionFile(table.path, table.columns)
    merged = Merged()
    with temporary_tables():
        try:
            count, shifts = stage(table, rejections, work)
            merge = _prepare(used, update=update, actor=actor, at=at)
        except BaseException:
            rejections.discard()
            raise
        is_first = _is_first_import(count, portion_size)
        try:
            with copying.bare(Contact._meta.db_table) if is_first else nullcontext():
                for first in range(1, count + 1, portion_size):
                    if work is not None:
                        work.advance(first - 1, count, _("importing"))
                    merged += merge.portion(first, first + portion_size - 1)
                if work is not None:
                    work.advance(count, count, _("finishing"))
            _write_rejected(table, shifts, rejections)
        except BaseException:
            if is_first:
                merged = Merged()
            # What is done is told, unless the connection is gone.
            with suppress(DatabaseError, transaction.TransactionManagementError):
                _tell(table, merged, rejections, actor=actor, at=at)
            rejections.close()
            raise
    rejections.close()
    _tell(table, merged, rejections, actor=actor, at=at)
    if merged.created + merged.updated >= _VACUUM_CHANGES:
        _refresh_statistics()
    return ImportResult(
        created=merged.created,
        updated=merged.updated,
        unchanged=merged.unchanged,
        rejected=rejections.row_count,
        rejected_file=rejections.path,
    )


def _is_first_import(count: int, portion_size: int) -> bool:
    """Whether a large file comes to a workspace without contacts.

    Then indexes are made afterwards, in a quarter of the time, and all is one transaction: there
    is nobody yet who could be kept waiting.
    """
    is_large = count >= _FIRST_PORTIONS * portion_size
    return is_large and not connection.in_atomic_block and not Contact.objects.exists()


def _prepare(used: tuple[Column, ...], *, update: bool, actor: Actor, at: datetime) -> Merge:
    known = Known()
    readings = [reading_of(column, known) for column in used]
    with transaction.atomic():
        checks.check(readings)
        return Merge(readings, update=update, actor=actor, at=at)


def _write_rejected(table: Table, shifts: Shifts, rejections: RejectionFile) -> None:
    names = [sql.Identifier("f", f"c{position}") for position in range(len(table.columns))]
    rejections.copy(
        sql.SQL(
            "SELECT {reason}, {cells} FROM import_file f JOIN ("
            " SELECT id, string_agg(reason, ' ') AS reason FROM import_fault GROUP BY id) x"
            " USING (id) ORDER BY f.id"
        ).format(reason=shifts.reason(), cells=sql.SQL(", ").join(names))
    )


def _tell(
    table: Table, merged: Merged, rejections: RejectionFile, *, actor: Actor, at: datetime
) -> None:
    """One line of the trail for the whole run."""
    counts = {
        "created": merged.created,
        "updated": merged.updated,
        "unchanged": merged.unchanged,
        "rejected": rejections.row_count,
    }
    audit.record(
        actor=actor,
        action="contacts.imported",
        object_type=Contact._meta.label_lower,
        label=table.path.name,
        changes={name: [None, count] for name, count in counts.items()},
        at=at,
    )


def _refresh_statistics() -> None:
    """Bring what the planner knows up to date; a transaction of the caller's cannot do so."""
    tables = "contacts_contact, contacts_identity"
    if connection.in_atomic_block:
        execute(f"ANALYZE {tables}")
    else:
        execute(f"VACUUM (ANALYZE) {tables}")
