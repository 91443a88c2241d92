"""Long work of this room, for the worker."""

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import InterfaceError, OperationalError
from django.utils import timezone
from django.utils.translation import gettext as _

from contacts import computed_metrics, website_metrics
from contacts.event_imports import import_events
from contacts.imports import import_contacts
from workspace import jobs
from workspace.access import SYSTEM, Actor
from workspace.jobs import Work
from workspace.models import Job

IMPORT_JOB = "contacts.import"
EVENT_IMPORT_JOB = "contacts.import_events"
METRICS_JOB = "contacts.compute_metrics"
# What the job is about; there is one at a time.
METRICS_SUBJECT = "metrics"


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


def request_event_import(
    path: Path,
    *,
    name: str,
    event: str,
    contact_column: str,
    at_column: str,
    property_columns: Mapping[str, str],
    actor: Actor,
) -> Job:
    """Have a worker import the file's events of one kind; `name` is what people call it.

    A file among the uploads is removed when the work is over.
    """
    return jobs.start(
        EVENT_IMPORT_JOB,
        title=_("Import “%(event)s” events from %(name)s") % {"event": event, "name": name},
        actor=actor,
        arguments={
            "path": str(path),
            "event": event,
            "contact_column": contact_column,
            "at_column": at_column,
            "property_columns": dict(property_columns),
        },
    )


def request_computation(
    *, actor: Actor, keys: Collection[str] | None = None, is_anew: bool = False
) -> Job:
    """Have a worker compute the metrics named, or all, as of when it begins.

    All of them are computed on each website, too; with `is_anew` of everyone and not only of who
    can have changed since. The answer is the job. Asked again before the worker began, it answers
    the same job.
    """
    waiting = Job.objects.filter(
        subject=METRICS_SUBJECT, kind=METRICS_JOB, state=Job.State.QUEUED
    ).order_by("-pk")
    for job in waiting:
        asked = job.arguments.get("keys")
        if is_anew and not job.arguments.get("is_anew"):
            continue
        if asked is None or (keys is not None and set(keys) <= set(asked)):
            return job
    return jobs.start(
        METRICS_JOB,
        title=_("Compute metrics"),
        actor=actor,
        subject=METRICS_SUBJECT,
        arguments={"keys": None if keys is None else sorted(keys)}
        | ({"is_anew": True} if is_anew else {}),
    )


def request_computation_once(*, at: datetime) -> Job | None:
    """The same of all, for who asks every minute: None where it was asked for in the last hour."""
    lately = Job.objects.filter(
        subject=METRICS_SUBJECT, kind=METRICS_JOB, created_at__gt=at - timedelta(hours=1)
    )
    if any(job.arguments.get("keys") is None for job in lately):
        return None
    return request_computation(actor=SYSTEM)


@jobs.handler(METRICS_JOB)
def run_computation(work: Work) -> dict[str, Any]:
    """Compute the metrics named, or all and those of websites; what each did is the result."""
    at, keys = timezone.now(), work.arguments["keys"]
    is_anew = bool(work.arguments.get("is_anew"))
    if keys is not None:
        # One that was deleted since is not missed.
        keys = sorted(set(keys) & set(computed_metrics.known_keys()))
    done = computed_metrics.compute(as_of=at, keys=keys, is_anew=is_anew, progress=work)
    result: dict[str, Any] = {
        one.key: {"values": one.value_count, "changed": one.changed_count} for one in done
    }
    if keys is None:
        websites = website_metrics.compute_website_metrics(as_of=at, is_anew=is_anew, progress=work)
        result |= {
            f"website:{one.website.key}": {
                "contacts": one.contact_count,
                "changed": one.changed_count,
            }
            for one in websites
        }
    return result


@jobs.handler(IMPORT_JOB)
def run_import(work: Work) -> dict[str, Any]:
    """Import the file; counts and the path of the rejected rows are the result.

    Done again after its worker died, it finds what it has written and leaves it alone.
    """
    path = Path(work.arguments["path"])
    with given_file(path):
        result = import_contacts(
            path,
            columns=work.arguments.get("columns"),
            update=bool(work.arguments.get("update")),
            actor=work.actor,
            at=timezone.now(),
            work=work,
        )
    return {
        "created": result.created,
        "updated": result.updated,
        "unchanged": result.unchanged,
        "rejected": result.rejected,
        "rejected_file": None if result.rejected_file is None else str(result.rejected_file),
    }


@jobs.handler(EVENT_IMPORT_JOB)
def run_event_import(work: Work) -> dict[str, Any]:
    """Import the file's events; counts and the path of the rejected rows are the result.

    Done again after its worker died, it adds only what is missing.
    """
    path = Path(work.arguments["path"])
    with given_file(path):
        result = import_events(
            path,
            name=work.arguments["event"],
            contact_column=work.arguments["contact_column"],
            at_column=work.arguments["at_column"],
            property_columns=work.arguments["property_columns"],
            actor=work.actor,
            at=timezone.now(),
            work=work,
        )
    return {
        "accepted": result.accepted,
        "duplicates": result.duplicates,
        "rejected": result.rejected,
        "rejected_file": None if result.rejected_file is None else str(result.rejected_file),
    }


@contextmanager
def given_file(path: Path) -> Iterator[None]:
    """Remove an upload when the work is over; not where it is interrupted and done again."""
    try:
        yield
    except (OperationalError, InterfaceError, SystemExit, KeyboardInterrupt):
        raise
    except BaseException:
        _remove(path)
        raise
    _remove(path)


def _remove(path: Path) -> None:
    """Files elsewhere than among the uploads belong to somebody else."""
    if path.is_relative_to(settings.UPLOADS_ROOT):
        path.unlink(missing_ok=True)
