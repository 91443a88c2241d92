"""Long work of this room, for the worker."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from django.conf import settings
from django.utils import timezone
from django.utils.translation import gettext as _

from contacts.imports import import_contacts
from workspace import jobs
from workspace.access import Actor
from workspace.jobs import Work
from workspace.models import Job

IMPORT_JOB = "contacts.import"


def request_import(
    path: Path,
    *,
    name: str,
    columns: Mapping[str, str] | None = None,
    update: bool,
    actor: Actor,
) -> Job:
    """Have a worker import the file; `name` is what people call it.

    A file among the uploads is removed when the work is over.
    """
    return jobs.start(
        IMPORT_JOB,
        title=_("Import contacts from %(name)s") % {"name": name},
        actor=actor,
        arguments={"path": str(path), "columns": dict(columns or {}), "update": update},
    )


@jobs.handler(IMPORT_JOB)
def run_import(work: Work) -> dict[str, Any]:
    """Import the file; counts and the path of the rejected rows are the result.

    Done again after its worker died, it finds what it has written and leaves it alone.
    """
    path = Path(work.arguments["path"])
    try:
        result = import_contacts(
            path,
            columns=work.arguments.get("columns"),
            update=bool(work.arguments.get("update")),
            actor=work.actor,
            at=timezone.now(),
            work=work,
        )
    finally:
        if path.is_relative_to(settings.UPLOADS_ROOT):
            path.unlink(missing_ok=True)
    return {
        "created": result.created,
        "updated": result.updated,
        "unchanged": result.unchanged,
        "rejected": result.rejected,
        "rejected_file": None if result.rejected_file is None else str(result.rejected_file),
    }
