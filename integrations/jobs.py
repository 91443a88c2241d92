"""Long work of this room, as workers do it."""

from typing import Any

from django.utils import timezone

from integrations import held_batches, suppression_files
from workspace import jobs
from workspace.jobs import Work


@jobs.handler(held_batches.DEAL_JOB)
def deal_with_held(work: Work) -> dict[str, Any]:
    """Replay or dismiss all held events of a problem."""
    return held_batches.deal_as_requested(work, at=timezone.now())


@jobs.handler(suppression_files.IMPORT_JOB)
def suppress_file(work: Work) -> dict[str, Any]:
    """Suppress the addresses of a file."""
    return suppression_files.import_as_requested(work, at=timezone.now())
