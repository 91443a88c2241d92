"""Synchronizations: begun by hand or when they are due, watched, cancelled, and told of after.

Each is a job (workspace.jobs) about "connection:<id>", and a `VendorSync` that is kept. One may be
killed at any moment and is then done again from its beginning: whoever registers one keeps in
tables of its own what must not be done twice.
"""

import time
from collections.abc import Callable, Collection
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from integrations.errors import (
    ConnectionInvalid,
    ConnectionStill,
    ConnectorError,
    CredentialsRejected,
    SyncRunning,
)
from integrations.models import VendorConnection, VendorSync
from integrations.vendors import accounts, connections, registry
from integrations.vendors.calls import blanked
from integrations.vendors.registry import Sync, SyncRun, Vendor
from workspace import jobs, locks
from workspace.access import SYSTEM, Actor, require
from workspace.errors import DomainError, Problem
from workspace.jobs import Cancelled, Work
from workspace.models import Job

JOB = "integrations.sync"
_SYNC = "integrations.sync_vendorconnection"
# What failed is tried again soon, and not only when it is due again.
_AGAIN_AFTER = timedelta(minutes=15)
# What is there of erased contacts goes within so long, however seldom one synchronizes.
_FORGOTTEN_WITHIN = timedelta(hours=24)


def subject_of(connection_id: int) -> str:
    """What jobs of a connection are about."""
    return f"connection:{connection_id}"


def request_sync(
    connection_id: int, *, actor: Actor, at: datetime, names: list[str] | None = None
) -> Job:
    """Have a worker synchronize what is named, or all that is periodic, now.

    The answer is the job; asked again before it is over, the same one. Raises ConnectionUnknown,
    ConnectionStill, ConnectionInvalid for a name that is not synchronized with this vendor.
    """
    require(actor, _SYNC)
    connection = connections.find_connection(connection_id)
    if not connection.is_enabled:
        words = _("“%(name)s” is %(state)s: nothing is synchronized with it.")
        state = VendorConnection.State(connection.state).label
        raise ConnectionStill(words % {"name": connection.name, "state": state})
    known = registry.syncs_of(connection.kind)
    wanted = names or [one.name for one in known if one.is_periodic]
    if unknown := [name for name in wanted if name not in {one.name for one in known}]:
        words = _("“%(name)s” is not synchronized with this system.")
        text = words % {"name": unknown[0][:40]}
        raise ConnectionInvalid(text, problems=[Problem("names", "unknown", text)])
    running = jobs.unfinished(subject_of(connection.pk), JOB)
    is_same = running is not None and not running.cancel_requested
    if running is not None and is_same and set(wanted) <= set(running.arguments.get("names", [])):
        return running
    job = jobs.start(
        JOB,
        title=_("Synchronize with %(name)s") % {"name": connection.name},
        actor=actor,
        subject=subject_of(connection.pk),
        arguments={"connection": connection.pk, "names": wanted},
    )
    connections.record("sync_requested", connection, actor, at, names=[None, wanted])
    return job


def request_due(*, at: datetime) -> int:
    """Have workers synchronize all that is due; of how many connections."""
    due = VendorConnection.objects.filter(is_enabled=True, next_sync_at__lte=at)
    count = 0
    for connection in due.order_by("next_sync_at"):
        # A handful, each with its own job.
        with transaction.atomic():
            taken = VendorConnection.objects.filter(
                pk=connection.pk, next_sync_at=connection.next_sync_at
            ).update(next_sync_at=next_due(connection, after=at))
            if taken:
                request_sync(connection.pk, actor=SYSTEM, at=at)
                count += 1
    return count


def hasten(connection_ids: Collection[int], *, at: datetime) -> None:
    """Have connections synchronized within a day: something of erased contacts is there."""
    latest = at + _FORGOTTEN_WITHIN
    late = VendorConnection.objects.filter(pk__in=connection_ids, next_sync_at__gt=latest)
    late.update(next_sync_at=latest)


def next_due(connection: VendorConnection, *, after: datetime) -> datetime:
    """When a connection is synchronized next.

    Where that is every so many days, and a setting `sync_hour` says at which hour of the
    workspace's day, it is then; else so many hours later.
    """
    due = after + timedelta(hours=connection.sync_hours)
    hour = str(connection.settings.get("sync_hour") or "")
    if connection.sync_hours % 24 or not hour.isdecimal() or int(hour) > 23:
        return due
    local = due.astimezone(ZoneInfo(settings.TIME_ZONE))
    moment = local.replace(hour=int(hour), minute=0, second=0, microsecond=0, fold=0)
    # On the clock of the wall: a day may have 23 hours, or 25.
    if moment.astimezone(UTC) > due:
        moment -= timedelta(days=1)
    if moment.astimezone(UTC) <= after:
        moment += timedelta(days=1)
    return moment.astimezone(UTC)


@jobs.handler(JOB)
def sync_as_requested(work: Work) -> dict[str, Any]:
    """Do the synchronizations of a job, one after the other; their counts are the result."""
    found: dict[str, Any] = {}

    def advance(done: int, total: int | None, message: str) -> None:
        work.advance(work.done if done < 0 else done, total, message)

    for name in work.arguments["names"]:
        # The total of the one before is none of this one.
        work.total = None
        work.advance(0, None, name)
        found[name] = run_sync(
            work.arguments["connection"], name, job=work.job, advance=advance
        ).counts
    return found


def run_sync(
    connection_id: int,
    name: str,
    *,
    now: Callable[[], datetime] = timezone.now,
    sleep: Callable[[float], None] = time.sleep,
    advance: Callable[[int, int | None, str], None] = lambda done, total, message: None,
    job: Job | None = None,
) -> VendorSync:
    """Synchronize one thing with one connection, here and now; what came of it.

    Raises what went wrong, after writing it down: ConnectorError, ConnectionStill; SyncRunning
    where another process is at it; ConnectionUnknown. Refused credentials stop the connection.
    """
    connection = connections.find_connection(connection_id)
    vendor = registry.find_vendor(connection.kind)
    sync = {one.name: one for one in registry.syncs_of(connection.kind)}.get(name)
    if vendor is None or sync is None:
        raise ConnectionInvalid(_("“%(name)s” is not synchronized.") % {"name": name[:40]})
    if not connection.is_enabled:
        raise ConnectionStill(_("“%(name)s” is still.") % {"name": connection.name})
    with locks.held(lock_of(connection_id, name)) as is_held:
        if not is_held:
            words = _("“%(sync)s” of “%(name)s” is being synchronized: wait until that is over.")
            raise SyncRunning(words % {"sync": sync.label, "name": connection.name})
        # Whoever was at it died: nobody else holds the lock.
        connection.syncs.filter(name=name, state=VendorSync.State.RUNNING).update(
            state=VendorSync.State.FAILED, finished_at=now(), error=_("Its worker died.")
        )
        kept = VendorSync.objects.create(
            connection=connection, name=name, job=job, started_at=now()
        )
        run = open_run(connection, vendor, now=now, sleep=sleep, advance=advance)
        _do(sync, run, kept)
    return kept


def open_run(
    connection: VendorConnection,
    vendor: Vendor,
    *,
    now: Callable[[], datetime] = timezone.now,
    sleep: Callable[[float], None] = time.sleep,
    advance: Callable[[int, int | None, str], None] = lambda done, total, message: None,
) -> SyncRun:
    """What speaks to a connection: for a synchronization, or to look something up meanwhile."""
    credentials = accounts.credentials_of(connection)
    return SyncRun(
        connection_id=connection.pk,
        settings=connection.settings,
        credentials=credentials,
        http=accounts.http_of(connection, vendor, credentials, now=now),
        now=now,
        sleep=sleep,
        advance=advance,
    )


def lock_of(connection_id: int, name: str) -> str:
    """The name of the lock that whoever synchronizes holds."""
    return f"sync {connection_id} {name}"


def _do(sync: Sync, run: SyncRun, kept: VendorSync) -> None:
    state, error = VendorSync.State.FAILED, ""
    try:
        sync.run(run)
        state = VendorSync.State.SUCCEEDED
    except Cancelled:
        state = VendorSync.State.CANCELLED
        raise
    except CredentialsRejected as refused:
        error = _without_secrets(run, refused)
        connections.note_refused(run.connection_id, refused, at=run.now())
        raise
    except DomainError as refused:
        error = _without_secrets(run, refused)
        _try_again(run, is_temporary=isinstance(refused, ConnectorError))
        raise
    except BaseException as defect:
        error = repr(defect)
        raise
    finally:
        kept.state, kept.error, kept.finished_at = state, error[:500], run.now()
        kept.counts = run.counts
        kept.save(update_fields=["state", "error", "finished_at", "counts"])
    known = VendorConnection.objects.filter(pk=run.connection_id)
    known.update(last_synced_at=kept.finished_at)
    if sync.is_periodic:
        known.filter(first_synced_at__isnull=True).update(first_synced_at=kept.finished_at)


def _without_secrets(run: SyncRun, refused: DomainError) -> str:
    """The words of a refusal without secrets, also for who keeps them further up, as jobs do."""
    secrets = accounts.secrets_of(connections.find_connection(run.connection_id))
    refused.args = (blanked(str(refused), secrets),)
    return str(refused)


def _try_again(run: SyncRun, *, is_temporary: bool) -> None:
    if is_temporary:
        again = run.now() + _AGAIN_AFTER
        VendorConnection.objects.filter(
            pk=run.connection_id, is_enabled=True, next_sync_at__gt=again
        ).update(next_sync_at=again)
