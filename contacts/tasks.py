"""What the worker does for this room."""

from celery import shared_task
from django.utils import timezone

from contacts import computed_metrics, jobs
from workspace import partitions, retention
from workspace.access import SYSTEM


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
def compute_recent_orders() -> int:
    """Request that what time alone changes from hour to hour is computed."""
    return int(jobs.request_computation(actor=SYSTEM, keys=computed_metrics.hourly_keys()).pk)
