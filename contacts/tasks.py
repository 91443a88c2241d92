"""What the worker does for this room."""

from celery import shared_task
from django.utils import timezone

from contacts import computed_metrics, jobs
from workspace import partitions, retention
from workspace.access import SYSTEM
from workspace.errors import Busy


@shared_task
def make_partitions() -> list[str]:
    """Make the partitions of the next months, of all partitioned tables; look at each anew."""
    at = timezone.now()
    made = []
    for table in partitions.tables():
        made += partitions.ensure_ahead(table, at=at)
        partitions.analyze(table)
    return made


@shared_task
def purge_expired() -> list[str]:
    """Forget what has outlived its time; returns the kinds that could not."""
    purged = retention.purge_expired(as_of=timezone.now())
    return [one.kind for one in purged if one.error]


@shared_task
def compute_metrics() -> int:
    """Request that all computed metrics are computed; the number of the job."""
    return int(jobs.request_computation(actor=SYSTEM).pk)


@shared_task
def compute_metrics_anew() -> int:
    """Request that all computed metrics are computed of everyone; the number of the job."""
    return int(jobs.request_computation(actor=SYSTEM, is_anew=True).pk)


@shared_task
def compute_due_metrics() -> int | None:
    """Compute all metrics of who did something, where that is due; how many values changed.

    None where it is not, where others are computing just now, or where everyone has to be
    computed: then a job is requested.
    """
    now = timezone.now()
    if not computed_metrics.are_due(as_of=now):
        return None
    try:
        done = computed_metrics.compute_recent(as_of=now)
    except Busy:
        return None
    if done is None:
        jobs.request_computation_once(at=now)
        return None
    return sum(one.changed_count for one in done)
