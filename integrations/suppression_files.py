"""Files of addresses that nothing is to be sent to: read by a worker, a few thousand at a time."""

from collections.abc import Iterator
from datetime import datetime
from itertools import chain, islice
from pathlib import Path
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from contacts.jobs import given_file
from contacts.tabular import Table, open_table
from integrations import suppressions
from integrations.suppressions import Reason, Unwanted
from workspace import access, jobs
from workspace.access import Actor
from workspace.jobs import Work
from workspace.models import Job

IMPORT_JOB = "integrations.suppress_file"
_AT_ONCE = 5_000
_SHOWN = 10
_NAMES = frozenset({"email", "e-mail", "mail", "e-mail address", "email address", "address"})


def request_import(path: Path, *, name: str, detail: str, actor: Actor, at: datetime) -> Job:
    """Have a worker suppress all addresses of a file that people call `name`.

    The file is removed when it was read. Raises FileUnreadable where it is no table.
    """
    access.require(actor, "integrations.add_suppression")
    open_table(path)
    return jobs.start(
        IMPORT_JOB,
        title=_("Suppress the addresses of %(name)s") % {"name": name},
        actor=actor,
        arguments={"path": str(path), "name": name, "detail": detail},
    )


def import_as_requested(work: Work, *, at: datetime) -> dict[str, Any]:
    """Suppress the addresses of the file that a job names. Safe to run again."""
    path = Path(work.arguments["path"])
    with given_file(path):
        return _import(path, work, at)


def _import(path: Path, work: Work, at: datetime) -> dict[str, Any]:
    table = open_table(path)
    addresses = _addresses(table)
    read = added = 0
    rejected: list[str] = []
    rejected_count = 0
    while batch := list(islice(addresses, _AT_ONCE)):
        wrong = [one for one in batch if not suppressions.is_address(one)]
        rejected_count += len(wrong)
        rejected += wrong[: _SHOWN - len(rejected)]
        found = [Unwanted(one, Reason.MANUAL, work.arguments["detail"]) for one in batch]
        # A transaction for each batch: one that is begun again finds the first ones there.
        added += suppressions.note(found, at=at)
        read += len(batch)
        work.advance(read, max(table.row_estimate, read))
    with transaction.atomic():
        if added:
            suppressions.record_added(
                added, detail=work.arguments["detail"], actor=work.actor, at=at
            )
    return {
        "read": read,
        "added": added,
        "known": read - added - rejected_count,
        "rejected": rejected_count,
        "rejected_examples": [one[:100] for one in rejected],
    }


def _addresses(table: Table) -> Iterator[str]:
    """The cells of the column that holds addresses, the first row too where it is one itself."""
    rows = table.rows()
    first = next(rows, None)
    place = _column(table, first)
    if "@" in table.columns[place]:
        yield table.columns[place]
    if first is not None:
        rows = chain([first], rows)
    for row in rows:
        if place < len(row) and row[place].strip():
            yield row[place]


def _column(table: Table, first: list[str] | None) -> int:
    for place, name in enumerate(table.columns):
        if name.strip().lower() in _NAMES:
            return place
    for cells in (table.columns, first or ()):
        for place, cell in enumerate(cells[: len(table.columns)]):
            if "@" in cell:
                return place
    return 0
