"""What an export would have: how many rows, and the first of them, before a file is written."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import OperationalError, transaction
from psycopg.errors import QueryCanceled

from contacts.models import Contact
from segments import exports, facts
from segments.export_files import SHEET_LIMIT, shown
from segments.export_settings import Wanted, check_wanted, named_columns
from workspace import sql
from workspace.access import Actor

ROWS_SHOWN = 5
TIMEOUT_SECONDS = 3.0


@dataclass(frozen=True, slots=True)
class ExportPreview:
    """The heading, the first rows as a CSV says them, and how many there are.

    `count` and `rows` are None where a few seconds did not suffice for them. `sentence` says
    whom it is narrowed to; `sheets` is how many an XLSX file needs.
    """

    names: Sequence[str]
    rows: Sequence[Sequence[str]] | None
    count: int | None
    sentence: str
    sheets: int


def preview_export(
    wanted: Wanted, *, actor: Actor, at: datetime, timeout_seconds: float = TIMEOUT_SECONDS
) -> ExportPreview:
    """Look at what `actor` would get as of `at`. Nothing is written.

    Raises what `check_wanted` does.
    """
    check_wanted(wanted, actor=actor, at=at)
    is_of_segment = wanted.segment is not None
    columns = named_columns(wanted.columns, wanted.headers or {}, of_segment=is_of_segment)
    source = exports.source_of(wanted.segment, wanted.criteria, actor=actor, as_of=at)
    rows = None
    try:
        rows = exports.first_rows(source, columns, limit=ROWS_SHOWN, seconds=timeout_seconds)
    except OperationalError as error:
        _refuse_other(error)
    count = _count(wanted, source, timeout_seconds)
    return ExportPreview(
        names=[column.name for column in columns],
        rows=None if rows is None else [[shown(value) for value in row] for row in rows],
        count=count,
        sentence=_sentence(wanted, actor),
        sheets=max(1, -(-(count or 0) // (SHEET_LIMIT - 1))),
    )


def _count(wanted: Wanted, source: exports.Source, seconds: float) -> int | None:
    if wanted.criteria is None and wanted.segment is not None:
        return wanted.segment.member_count
    if wanted.criteria is None:
        return Contact.objects.filter(erased_at__isnull=True).count()
    limits = {"statement_timeout": str(max(1, int(seconds * 1000))), **source.settings}
    try:
        with sql.local_settings(limits):
            count = sql.one(f"SELECT count(*) FROM (SELECT 1 {source.sql}) n", source.params)  # noqa: S608 - our own
            transaction.set_rollback(True)
    except OperationalError as error:
        _refuse_other(error)
        return None
    return int(count)


def _refuse_other(error: OperationalError) -> None:
    """Raise what is no mere end of the time."""
    if not isinstance(error.__cause__, QueryCanceled):
        raise error


def _sentence(wanted: Wanted, actor: Actor) -> str:
    if wanted.criteria is None:
        return ""
    return facts.explain(facts.parse_criteria(wanted.criteria, actor))
