"""What has outlived its time: each room says how it forgets, one round asks them all."""

import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import DatabaseError

from workspace.errors import DomainError
from workspace.job_files import purge_uploads
from workspace.models import IdempotencyRecord, Job

logger = logging.getLogger(__name__)

# How many of what were forgotten, of things which had outlived their time at an instant.
Purge = Callable[[datetime], Mapping[str, int]]

ANSWERS_KEPT = timedelta(hours=24)
JOBS_KEPT = timedelta(days=90)

_purges: dict[str, Purge] = {}


@dataclass(frozen=True, slots=True)
class Purged:
    """What one kind of thing forgot; `error` says why it could not."""

    kind: str
    counts: Mapping[str, int]
    error: str = ""


def register(kind: str, purge: Purge) -> None:
    """Have `purge` called in each round; called again it finds nothing more to do."""
    _purges[kind] = purge


def purge_expired(*, as_of: datetime) -> Iterator[Purged]:
    """Forget what had outlived its time at `as_of`, kind by kind.

    One that fails does not stop the others; the next round tries it again.
    """
    for kind in sorted(_purges):
        try:
            yield Purged(kind, _purges[kind](as_of))
        except (DomainError, DatabaseError, OSError) as error:
            logger.exception("What has expired of the kind %s could not be purged.", kind)
            yield Purged(kind, {}, str(error).strip())


def _purge_answers(as_of: datetime) -> dict[str, int]:
    old = IdempotencyRecord.objects.filter(created_at__lt=as_of - ANSWERS_KEPT)
    return {"answers": old.delete()[0]}


def _purge_jobs(as_of: datetime) -> dict[str, int]:
    return {"jobs": Job.objects.filter(finished_at__lt=as_of - JOBS_KEPT).delete()[0]}


register("idempotency", _purge_answers)
register("jobs", _purge_jobs)
register("uploads", purge_uploads)
