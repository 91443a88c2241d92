"""What the worker does for this room."""

from celery import shared_task
from django.utils import timezone

from workspace import jobs


@shared_task
def run_job(job_id: int) -> None:
    """Do one job that waits."""
    jobs.run(job_id)


@shared_task
def sweep_jobs() -> int:
    """Find jobs that nobody took up or whose worker died."""
    return jobs.sweep(at=timezone.now())
