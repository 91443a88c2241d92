"""Long work: started, watched, cancelled, and taken up again when its worker died.

A job is a row; the broker only carries "job n waits". What a lost message or a killed worker left
behind, `sweep` finds. So a handler may run twice, and has to be safe to run again.
"""

import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from celery import current_app
from django.db import InterfaceError, OperationalError, connection, transaction
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext as _
from kombu.exceptions import OperationalError as BrokerUnreachable

from workspace import audit
from workspace.access import SYSTEM, Actor, actor_of_api_user, actor_of_user
from workspace.errors import DomainError
from workspace.models import AuditEntry, Job

logger = logging.getLogger(__name__)

# A worker says every second that it is alive; one that was silent for so long is dead.
SILENCE_LIMIT = timedelta(seconds=45)
# A message that did not arrive in this time is sent again.
PICKUP_LIMIT = timedelta(seconds=20)
ATTEMPT_LIMIT = 3
_PULSE_SECONDS = 1.0
# admin_shutdown, crash_shutdown, cannot_connect_now
_SERVER_STOPS = frozenset({"57P01", "57P02", "57P03"})


class Cancelled(Exception):
    """Raised inside a handler when a person cancelled its job."""


class NotCancellable(DomainError):
    """The job is over already."""

    code = "job_finished"


@dataclass(slots=True)
class Work:
    """A job in the hands of its handler."""

    job: Job
    actor: Actor
    done: int = 0
    total: int | None = None
    message: str = ""
    is_cancelled: threading.Event = field(default_factory=threading.Event)

    @property
    def arguments(self) -> dict[str, Any]:
        """What the job was started with."""
        arguments: dict[str, Any] = self.job.arguments
        return arguments

    def advance(self, done: int, total: int | None = None, message: str = "") -> None:
        """Say how far the work is; costs nothing. Raises Cancelled where it is to stop."""
        self.done, self.message = done, message or self.message
        if total is not None:
            self.total = total
        self.check()

    def check(self) -> None:
        """Raise Cancelled where the work is to stop."""
        if self.is_cancelled.is_set():
            raise Cancelled


Handler = Callable[[Work], Mapping[str, Any] | None]


@dataclass(frozen=True, slots=True)
class _Registered:
    run: Handler
    queue: str


_handlers: dict[str, _Registered] = {}


def handler(kind: str, *, queue: str = "bulk") -> Callable[[Handler], Handler]:
    """Mark the function that does jobs of `kind`. What it returns is the job's result."""

    def register(run: Handler) -> Handler:
        _handlers[kind] = _Registered(run, queue)
        return run

    return register


def start(
    kind: str,
    *,
    title: str,
    actor: Actor,
    arguments: Mapping[str, Any] | None = None,
    subject: str = "",
) -> Job:
    """Queue work for a worker, as soon as the transaction is committed.

    `subject` names what it is about ("segment:12"). Raises ValueError for an unknown kind.
    """
    if kind not in _handlers:
        raise ValueError(f"No handler does jobs of the kind {kind}.")
    job = Job.objects.create(
        kind=kind,
        title=title[:300],
        subject=subject,
        arguments=dict(arguments or {}),
        user_id=actor.id if actor.kind == AuditEntry.ActorKind.USER else None,
        api_user_id=actor.id if actor.kind == AuditEntry.ActorKind.API else None,
        created_at=timezone.now(),
    )
    transaction.on_commit(lambda: _nudge(job.pk, kind))
    return job


def unfinished(subject: str, kind: str | None = None) -> Job | None:
    """The newest job about `subject` that is not over; None without one."""
    jobs = Job.objects.filter(subject=subject, state__in=[Job.State.QUEUED, Job.State.RUNNING])
    return (jobs.filter(kind=kind) if kind else jobs).order_by("-pk").first()


def cancel(job: Job, *, actor: Actor, at: datetime) -> Job:
    """Cancel a job: at once if it waits, else as soon as its worker notices.

    Raises NotCancellable for one that is over.
    """
    waiting = Job.objects.filter(pk=job.pk, state=Job.State.QUEUED)
    if not waiting.update(state=Job.State.CANCELLED, cancel_requested=True, finished_at=at):
        running = Job.objects.filter(pk=job.pk, state=Job.State.RUNNING)
        if not running.update(cancel_requested=True):
            raise NotCancellable(_("The job “%(title)s” is over already.") % {"title": job.title})
    audit.record(actor=actor, action="job.cancelled", subject=job, at=at)
    job.refresh_from_db()
    return job


def run(job_id: int) -> Job | None:
    """Do one job that waits, here and now; None where another worker has it or it is over.

    What goes wrong is written into the job; a defect surfaces besides.
    """
    now = timezone.now()
    claimed = Job.objects.filter(pk=job_id, state=Job.State.QUEUED).update(
        state=Job.State.RUNNING,
        started_at=now,
        heartbeat_at=now,
        attempts=F("attempts") + 1,
    )
    if not claimed:
        return None
    job = Job.objects.select_related("user", "api_user").get(pk=job_id)
    work = Work(job, _actor_of(job))
    heart = _Heart(work)
    heart.start()
    outcome: dict[str, Any] = {"state": Job.State.FAILED}
    try:
        result = _handlers[job.kind].run(work)
        outcome = {"state": Job.State.SUCCEEDED, "result": dict(result or {})}
    except Cancelled:
        outcome = {"state": Job.State.CANCELLED, "message": _("Cancelled.")}
    except DomainError as error:
        outcome["message"] = str(error)
        outcome["result"] = {
            "code": error.code,
            "errors": [
                {"path": p.path, "code": p.code, "message": p.message} for p in error.problems
            ],
        }
    except (OperationalError, InterfaceError) as error:
        # A long statement is stopped by its server when the job is cancelled.
        if work.is_cancelled.is_set():
            outcome = {"state": Job.State.CANCELLED, "message": _("Cancelled.")}
        elif _is_database_lost(error):
            outcome = _once_more(job)
            logger.warning("Job %s lost the database: %s", job_id, error)
        else:
            outcome["message"] = _("The database refused: %(error)s") % {"error": error}
            raise
    except (SystemExit, KeyboardInterrupt):
        # The worker is told to stop: another one does it.
        outcome = _once_more(job)
        raise
    except BaseException as error:
        outcome["message"] = _("It failed by a defect: %(error)s") % {"error": repr(error)[:500]}
        raise
    finally:
        heart.stop()
        # Where the database does not answer yet, the sweep finds the job by its silence.
        if not connection.in_atomic_block:
            connection.close_if_unusable_or_obsolete()
        finished = {"message": work.message, "finished_at": timezone.now(), **outcome}
        Job.objects.filter(pk=job_id, state=Job.State.RUNNING).update(
            done=work.done, total=work.total, **finished
        )
    job.refresh_from_db()
    return job


def _is_database_lost(error: OperationalError | InterfaceError) -> bool:
    """Whether the server went away, rather than refused: it may be back already."""
    code = getattr(error.__cause__, "sqlstate", None)
    # What its client noticed by itself has no code.
    return code is None or code[:2] == "08" or code in _SERVER_STOPS


def _once_more(job: Job) -> dict[str, Any]:
    """The state of a job that was interrupted: it waits again, unless that happened too often."""
    if job.attempts >= ATTEMPT_LIMIT:
        message = _("It was interrupted %(count)d times.") % {"count": job.attempts}
        return {"state": Job.State.FAILED, "message": message}
    return {"state": Job.State.QUEUED, "finished_at": None}


def sweep(*, at: datetime) -> int:
    """Send again what nobody took up, and take up again what a dead worker left.

    After `ATTEMPT_LIMIT` dead workers a job has failed. Returns how many jobs were sent.
    """
    silent = Job.objects.filter(state=Job.State.RUNNING, heartbeat_at__lt=at - SILENCE_LIMIT)
    silent.filter(cancel_requested=True).update(state=Job.State.CANCELLED, finished_at=at)
    silent.filter(attempts__gte=ATTEMPT_LIMIT).update(
        state=Job.State.FAILED,
        finished_at=at,
        message=_("Its worker died %(count)d times.") % {"count": ATTEMPT_LIMIT},
    )
    silent.update(state=Job.State.QUEUED)
    waiting = Job.objects.filter(Q(created_at__lt=at - PICKUP_LIMIT), state=Job.State.QUEUED)
    found = list(waiting.order_by("pk").values_list("pk", "kind")[:1000])
    for job_id, kind in found:
        _nudge(job_id, kind)
    return len(found)


def _nudge(job_id: int, kind: str) -> None:
    registered = _handlers.get(kind)
    if registered is None:
        logger.error("Job %s is of the unknown kind %s.", job_id, kind)
        return
    try:
        # By name: the task imports this module.
        current_app.send_task("workspace.tasks.run_job", [job_id], queue=registered.queue)
    except BrokerUnreachable as error:
        # The row is safe: the next sweep sends it.
        logger.warning("Job %s waits for the broker: %s", job_id, error)


def _actor_of(job: Job) -> Actor:
    if job.user is not None:
        return actor_of_user(job.user)
    return SYSTEM if job.api_user is None else actor_of_api_user(job.api_user)


class _Heart(threading.Thread):
    """Says beside the work that it goes on, writes its progress, hears that it is cancelled.

    On a connection of its own: the work's transaction is not to be seen before it ends.
    """

    def __init__(self, work: Work) -> None:
        super().__init__(name=f"job {work.job.pk}", daemon=True)
        self._work = work
        self._is_over = threading.Event()
        # The connection of the thread that works, whose statement is stopped from here.
        connection.ensure_connection()
        self._busy = connection.connection

    def stop(self) -> None:
        self._is_over.set()
        self.join()

    def run(self) -> None:
        try:
            while not self._is_over.wait(_PULSE_SECONDS):
                self._pulse()
        finally:
            connection.close()

    def _pulse(self) -> None:
        work = self._work
        try:
            with connection.cursor() as cursor:
                cursor.execute(
                    "UPDATE workspace_job SET heartbeat_at = now(), done = %s, total = %s,"
                    " message = %s WHERE id = %s RETURNING cancel_requested",
                    [work.done, work.total, work.message, work.job.pk],
                )
                row = cursor.fetchone()
        except OperationalError as error:
            logger.warning("Job %s could not report: %s", work.job.pk, error)
            connection.close()
            return
        if row is not None and row[0]:
            work.is_cancelled.set()
            self._busy.cancel_safe(timeout=5)
