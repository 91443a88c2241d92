"""Contacts as a resource of django-import-export: what a file's columns mean, what it would do.

One definition serves both sizes. A file that a person looks at is imported as a rehearsal, whose
every row is then undone; the job that imports a file of any size reads it in the same way.
"""

import csv
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from django.db import transaction
from import_export.fields import Field
from import_export.resources import Resource
from import_export.results import Error, Result, RowResult

from contacts.imports import import_contacts
from contacts.imports.columns import Targets, understand
from contacts.jobs import request_import
from workspace.access import Actor
from workspace.models import Job

# More rows than these nobody looks at: they go to the job without a rehearsal.
REHEARSED_ROWS = 10_000
_TOLD_FAULTS = 200


class ContactResource(Resource):
    """A file of contacts: which column goes where, and whether known contacts are changed.

    `columns` maps headers of the file to targets; a header mapped to an empty text is left out.
    """

    def __init__(self, *, columns: Mapping[str, str], update: bool, actor: Actor) -> None:
        super().__init__()
        self.columns = dict(columns)
        self.update = update
        self.actor = actor
        used = understand(tuple(self.columns), self.columns, Targets())
        self.fields = {
            column.header: Field(attribute=column.target.name, column_name=column.header)
            for column in used
        }

    def rehearse(self, path: Path, *, at: datetime) -> Result:
        """What an import would do: the counts, and each row that would be rejected with reasons.

        Nothing is written. Raises FileUnreadable and FileRefused.
        """
        with transaction.atomic():
            done = import_contacts(
                path, columns=self.columns, update=self.update, actor=self.actor, at=at
            )
            transaction.set_rollback(True)
        result = Result()
        result.totals.update(
            {
                RowResult.IMPORT_TYPE_NEW: done.created,
                RowResult.IMPORT_TYPE_UPDATE: done.updated,
                RowResult.IMPORT_TYPE_SKIP: done.unchanged,
                RowResult.IMPORT_TYPE_INVALID: done.rejected,
            }
        )
        result.total_rows = sum(result.totals.values())
        if done.rejected_file is not None:
            for row in _faulty_rows(done.rejected_file):
                result.append_row_result(row)
            done.rejected_file.unlink(missing_ok=True)
        return result

    def request(self, path: Path, *, name: str) -> Job:
        """Have a worker import the file."""
        return request_import(
            path, name=name, columns=self.columns, update=self.update, actor=self.actor
        )


def _faulty_rows(file: Path) -> list[RowResult]:
    """The first rows of a file of rejected ones, each with its reason."""
    found: list[RowResult] = []
    with file.open(encoding="utf-8-sig", newline="") as stream:
        lines = csv.reader(stream)
        header = next(lines, [])[1:]
        # The first cell is the reason, with the number of the row; the others are the file's own.
        for reason, *cells in lines:
            row = RowResult()
            row.import_type = RowResult.IMPORT_TYPE_INVALID
            row.row_values = dict(zip(header, cells, strict=False))
            row.errors.append(Error(ValueError(reason), row.row_values))
            found.append(row)
            if len(found) == _TOLD_FAULTS:
                break
    return found


def result_counts(result: Result) -> dict[str, Any]:
    """The counts of a rehearsal by plain names."""
    return {
        "created": result.totals[RowResult.IMPORT_TYPE_NEW],
        "updated": result.totals[RowResult.IMPORT_TYPE_UPDATE],
        "unchanged": result.totals[RowResult.IMPORT_TYPE_SKIP],
        "rejected": result.totals[RowResult.IMPORT_TYPE_INVALID],
    }
