"""Long work of this room, as workers do it."""

from typing import Any

from django.utils import timezone

from integrations import held_batches
from workspace import jobs
from workspace.jobs import Work


@jobs.handler(held_batches.DEAL_JOB)
def deal_with_held(work: Work) -> dict[str, Any]:
    """Replay or dismiss all held events of a problem."""
    return held_batches.deal_as_requested(work, at=timezone.now())
