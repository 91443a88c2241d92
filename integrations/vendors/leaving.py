"""Websites that join a connection and leave it: their data at the vendor are deleted then.

A website leaves in two steps (behaviours AT-15, AT-16): somebody marks it, is told what will be
destroyed, and confirms. From then on it is `leaving`, and a job deletes its data at the vendor;
when that is done it has `left`. The job may be killed at any moment, and goes on from there.
"""

import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

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
from integrations.models import ConnectionWebsite, VendorConnection
from integrations.vendors import accounts, connections, registry, syncing
from integrations.vendors.calls import blanked
from integrations.vendors.registry import DeleteData, SyncRun
from workspace import jobs, locks
from workspace.access import SYSTEM, Actor, require
from workspace.errors import Problem
from workspace.jobs import NotCancellable, Work
from workspace.models import Job, Website

JOB = "integrations.leave"
State = ConnectionWebsite.State
# A vendor that deletes by and by is asked so often how far it is.
_POLL_SECONDS = 10.0
# Whoever synchronizes at this moment stops at its next step.
_STOP_SECONDS = 2.0
_STOPS = 60
# What failed is tried again by itself.
_AGAIN_AFTER = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class Loss:
    """What is destroyed at the vendor when a website leaves; `records` where they are counted."""

    website: Website
    records: int | None


@transaction.atomic
def attach_websites(
    connection_id: int, *, websites: Iterable[Website], actor: Actor, at: datetime
) -> list[Website]:
    """Have a connection be for these websites, too; those that are new to it.

    What is synchronized periodically is due at once. Raises ConnectionUnknown, ConnectionStill for
    a revoked one, ConnectionInvalid for a website whose data are being deleted.
    """
    require(actor, connections.CHANGE)
    connection = connections.hold_connection(connection_id)
    connections.refuse_revoked(connection)
    known = dict(
        connection.connection_websites.exclude(state=State.LEFT).values_list("website_id", "state")
    )
    chosen = list(dict.fromkeys(websites))
    problems = [
        Problem(
            "websites",
            "leaving",
            _("The data of “%(name)s” are being deleted: add it when that is done.")
            % {"name": one.name},
        )
        for one in chosen
        if known.get(one.pk) == State.LEAVING
    ]
    if problems:
        raise ConnectionInvalid(problems[0].message, problems=problems)
    new = [one for one in chosen if one.pk not in known]
    if new:
        ConnectionWebsite.objects.bulk_create(
            ConnectionWebsite(connection=connection, website=one, attached_at=at) for one in new
        )
        if connection.is_enabled and connections.is_periodic(connection.kind):
            connections.save(connection, next_sync_at=at)
        keys = [None, sorted(one.key for one in new)]
        connections.record("websites_added", connection, actor, at, websites=keys)
    return new


def losses(connection: VendorConnection, websites: Iterable[Website]) -> list[Loss]:
    """What is destroyed when these leave, to be said beforehand."""
    return [
        # A handful; each vendor counts in tables of its own.
        Loss(one, registry.record_count(connection.kind, connection.pk, one.pk))
        for one in websites
    ]


def may_delete_data(connection: VendorConnection) -> bool:
    """Whether what was uploaded can be deleted at the vendor by us."""
    is_able = registry.deleter_of(connection.kind) is not None
    return is_able and connection.connection_websites.exclude(state=State.LEFT).exists()


@transaction.atomic
def remove_websites(
    connection_id: int, *, websites: Sequence[Website], actor: Actor, at: datetime
) -> list[ConnectionWebsite]:
    """Have these websites leave: a job deletes their data at the vendor (behaviour AT-16).

    What is being synchronized is stopped for it, and done again after. Raises ConnectionUnknown,
    ConnectionStill for a revoked one, ConnectionInvalid for a website that it is not for, and where
    none would be left: then access is to be revoked.
    """
    require(actor, connections.CHANGE)
    connection = connections.hold_connection(connection_id)
    connections.refuse_revoked(connection)
    attached = connection.connection_websites.filter(state=State.ATTACHED)
    leaving = list(attached.filter(website__in=websites).select_related("website"))
    problems = []
    known = {one.website_id for one in leaving}
    for one in websites:
        if one.pk not in known:
            words = _("“%(name)s” is no website of this connection.") % {"name": one.name}
            problems.append(Problem("websites", "unknown", words))
    if leaving and len(leaving) == attached.count():
        words = _("A connection is for one website at least. To end it altogether revoke access.")
        problems.append(Problem("websites", "last", words))
    if problems:
        raise ConnectionInvalid(problems[0].message, problems=problems)
    if leaving:
        _leave(connection, leaving, actor=actor, at=at)
        keys = [sorted(one.website.key for one in leaving), None]
        connections.record("websites_removed", connection, actor, at, websites=keys)
    return leaving


@transaction.atomic
def retry_leaving(connection_id: int, *, actor: Actor, at: datetime) -> Job:
    """Go on with deleting what failed or was cancelled.

    Raises ConnectionUnknown, ConnectionStill where nothing is to be deleted.
    """
    require(actor, connections.CHANGE)
    connection = connections.hold_connection(connection_id)
    if not connection.connection_websites.filter(state=State.LEAVING).exists():
        words = _("No data of “%(name)s” are to be deleted.")
        raise ConnectionStill(words % {"name": connection.name})
    return _start(connection, actor=actor)


def leave_all(connection: VendorConnection, *, actor: Actor, at: datetime) -> Job:
    """Have every website leave a connection that is held and is being revoked; the job."""
    attached = connection.connection_websites.filter(state=State.ATTACHED)
    _leave(connection, list(attached), actor=actor, at=at)
    return _start(connection, actor=actor)


def running_job(connection: VendorConnection) -> Job | None:
    """The job that deletes data of its websites at the vendor; None while nobody is at it."""
    return jobs.unfinished(syncing.subject_of(connection.pk), JOB)


def stop_work(connection: VendorConnection, *, actor: Actor, at: datetime, kind: str) -> None:
    """Cancel what runs with a connection of this kind of job."""
    job = jobs.unfinished(syncing.subject_of(connection.pk), kind)
    if job is None or job.cancel_requested:
        return
    try:
        jobs.cancel(job, actor=actor, at=at)
    except NotCancellable:
        # It ended this moment, which is as well.
        return


def request_left(*, at: datetime) -> int:
    """Have workers go on with deletions that failed a while ago; of how many connections.

    What somebody cancelled waits for somebody, and refused credentials for new ones.
    """
    waiting = VendorConnection.objects.filter(
        connection_websites__state=State.LEAVING, error="", revoked_at=None
    ).distinct()
    count = 0
    for connection in waiting:
        # A handful, each with its own job.
        newest = Job.objects.filter(kind=JOB, subject=syncing.subject_of(connection.pk)).first()
        if newest is not None:
            is_over = newest.is_finished and newest.state != Job.State.CANCELLED
            if not is_over or (newest.finished_at or at) > at - _AGAIN_AFTER:
                continue
        with transaction.atomic():
            _start(connections.hold_connection(connection.pk), actor=SYSTEM)
        count += 1
    return count


@jobs.handler(JOB)
def leave_as_requested(work: Work) -> dict[str, Any]:
    """Delete what is to be deleted of a connection; how many records that were is the result."""

    def advance(done: int, total: int | None, message: str) -> None:
        work.advance(work.done if done < 0 else done, total, message)

    return run_leaving(work.arguments["connection"], actor=work.actor, advance=advance)


def run_leaving(
    connection_id: int,
    *,
    actor: Actor = SYSTEM,
    now: Callable[[], datetime] = timezone.now,
    sleep: Callable[[float], None] = time.sleep,
    advance: Callable[[int, int | None, str], None] = lambda done, total, message: None,
) -> dict[str, Any]:
    """Delete the data of all websites that are leaving, here and now; counts by website's key.

    Nothing is synchronized with the connection meanwhile. Where access is being revoked it has
    ended after. Raises what went wrong, after writing it down.
    """
    connection = connections.find_connection(connection_id)
    vendor = connections.find_vendor(connection.kind)
    delete = registry.deleter_of(connection.kind)
    run = syncing.open_run(connection, vendor, now=now, sleep=sleep, advance=advance)
    deleted: dict[str, Any] = {}
    names = [one.name for one in registry.syncs_of(connection.kind)]
    with ExitStack() as stack:
        for name in [JOB, *names]:
            _hold(stack, connection, name, run)
        while (one := _next_leaving(connection)) is not None:
            advance(len(deleted), None, one.website.name)
            deleted[one.website.key] = _delete(run, delete, one, connection)
    with transaction.atomic():
        connection = connections.hold_connection(connection_id)
        if connection.revoking_at is not None:
            connections.end_access(connection, actor=actor, at=now())
        elif connection.is_enabled and connections.is_periodic(connection.kind):
            # What was stopped for it.
            connections.save(connection, next_sync_at=now())
    return deleted


def _leave(
    connection: VendorConnection,
    leaving: list[ConnectionWebsite],
    *,
    actor: Actor,
    at: datetime,
) -> None:
    rows = ConnectionWebsite.objects.filter(pk__in=[one.pk for one in leaving])
    if registry.deleter_of(connection.kind) is None:
        # Nothing of it is at the vendor by our doing.
        rows.update(state=State.LEFT, leaving_at=at, left_at=at)
        return
    rows.update(state=State.LEAVING, leaving_at=at, error="")
    stop_work(connection, actor=actor, at=at, kind=syncing.JOB)
    _start(connection, actor=actor)


def _start(connection: VendorConnection, *, actor: Actor) -> Job:
    """The job that deletes; one that waits or runs finds what was added."""
    subject = syncing.subject_of(connection.pk)
    running = jobs.unfinished(subject, JOB)
    if running is not None and not running.cancel_requested:
        return running
    return jobs.start(
        JOB,
        title=_("Delete data at %(name)s") % {"name": connection.name},
        actor=actor,
        subject=subject,
        arguments={"connection": connection.pk},
    )


def _hold(stack: ExitStack, connection: VendorConnection, name: str, run: SyncRun) -> None:
    """Keep others from synchronizing this, once whoever is at it has stopped."""
    for _stop in range(_STOPS):
        run.check()
        if stack.enter_context(locks.held(syncing.lock_of(connection.pk, name))):
            return
        run.sleep(_STOP_SECONDS)
    words = _("“%(name)s” is being synchronized: it is tried again when that is over.")
    raise SyncRunning(words % {"name": connection.name})


def _next_leaving(connection: VendorConnection) -> ConnectionWebsite | None:
    leaving = connection.connection_websites.filter(state=State.LEAVING)
    return leaving.select_related("website").order_by("pk").first()


def _delete(
    run: SyncRun,
    delete: DeleteData | None,
    one: ConnectionWebsite,
    connection: VendorConnection,
) -> int:
    try:
        while (count := delete(run, one.website_id) if delete else 0) is None:
            run.check()
            run.sleep(_POLL_SECONDS)
    except ConnectorError as error:
        text = blanked(str(error), accounts.secrets_of(connection))[:500]
        # The job keeps the words, too.
        error.args = (text,)
        ConnectionWebsite.objects.filter(pk=one.pk).update(error=text)
        if isinstance(error, CredentialsRejected):
            connections.note_refused(connection.pk, error, at=run.now())
        raise
    # Not where access was ended meanwhile, and the rest is to remain there.
    leaving = ConnectionWebsite.objects.filter(pk=one.pk, state=State.LEAVING)
    if leaving.update(state=State.LEFT, left_at=run.now(), deleted_count=count, error=""):
        counts = {"website": [one.website.key, None], "deleted": [None, count]}
        connections.record("website_left", connection, SYSTEM, run.now(), **counts)
    return count
