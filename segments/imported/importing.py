"""Segments of other systems imported, synchronized at once, and let go (AN-25 to AN-29)."""

import time
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from integrations.errors import ConnectionStill, SyncRunning
from integrations.models import VendorConnection
from integrations.vendors import syncing as vendor_syncing
from integrations.vendors.importers import RemoteSegment, importer_of
from segments import lifecycle
from segments.definitions import NAME_LIMIT
from segments.errors import ImportRefused, SegmentNotImported
from segments.imported import offers, syncing
from segments.models import ImportedSegment, Segment, everyone
from workspace import access, audit, jobs
from workspace.access import Actor
from workspace.errors import Problem
from workspace.jobs import Work
from workspace.models import Job

SYNC_JOB = "segments.sync_imported"
_WAIT_SECONDS = 2.0


def import_segments(
    connection: VendorConnection,
    remote_ids: Iterable[str],
    *,
    actor: Actor,
    at: datetime,
    groups: Iterable[str] = (),
    members_only: bool = True,
    mail_findings: bool = True,
) -> tuple[list[Segment], Job]:
    """Make a segment of each of these at the other end, and have a worker read who is in them.

    They are named as there, belong to the user groups `groups`, and hold loyalty members only
    where nothing else is said. Asks the vendor what it has: not to be called in a transaction.
    Raises ImportRefused with every fault, what `offers.offers` raises, and InputInvalid where a
    user group is missing; nothing is made then.
    """
    offered = {one.remote.id: one for one in offers.offers(connection, actor=actor)}
    chosen = list(dict.fromkeys(remote_ids))
    problems = []
    if not chosen:
        problems.append(Problem("segments", "required", _("Choose at least one segment.")))
    for index, remote_id in enumerate(chosen):
        offer = offered.get(remote_id)
        if offer is None:
            words = _("There is no segment “%(id)s” in “%(name)s”.")
            text = words % {"id": remote_id[:40], "name": connection.name}
            problems.append(Problem(f"segments[{index}]", "unknown_segment", text))
        elif offer.is_imported:
            problems.append(_taken(index, offer.remote, offer.segment))
    if problems:
        raise ImportRefused(problems[0].message, problems=problems)
    settings = {
        "groups": list(groups),
        "members_only": members_only,
        "mail_findings": mail_findings,
    }
    with transaction.atomic():
        made = [
            _import(connection, offered[remote_id].remote, actor=actor, at=at, **settings)
            for remote_id in chosen
        ]
        return made, _queue(connection, actor)


@transaction.atomic
def request_sync(segment: Segment, *, actor: Actor, at: datetime) -> Job:
    """Have a worker read an imported segment now. One that waits already is answered.

    Raises SegmentUnknown, SegmentNotImported where it is not (or no more) imported, and
    ConnectionStill where its connection is paused, revoked or refused.
    """
    imported = _hold(segment, actor=actor, permission="segments.refresh_segment")
    connection = imported.connection
    if not connection.is_enabled:
        words = _("“%(name)s” is %(state)s: nothing is synchronized with it.")
        state = VendorConnection.State(connection.state).label
        raise ConnectionStill(words % {"name": connection.name, "state": state})
    if segment.status == Segment.Status.INACTIVE and imported.missing_since is None:
        words = _("Segment “%(name)s” is inactive. Activate it first.")
        raise SegmentNotImported(words % {"name": segment.name}, key=segment.key)
    imported.requested_at = at
    imported.save(update_fields=["requested_at"])
    audit.record(actor=actor, action="segment.sync_requested", subject=segment, at=at)
    return _queue(connection, actor)


@transaction.atomic
def stop_importing(segment: Segment, *, actor: Actor, at: datetime) -> Segment:
    """Read nothing more for an imported segment: it stays as it is, with its last members.

    One that was missing at the other end stays inactive. It cannot be begun again; the segment
    there can be imported anew, as another one. Raises SegmentUnknown, SegmentArchived,
    SegmentNotImported.
    """
    segment = lifecycle.hold_to_change(segment, actor=actor)
    imported = _hold(segment, actor=actor, permission="segments.change_segment")
    imported.stopped_at, imported.requested_at = at, None
    imported.save(update_fields=["stopped_at", "requested_at"])
    audit.record(
        actor=actor,
        action="segment.import_stopped",
        subject=segment,
        changes={"connection": [imported.connection.name, None]},
        at=at,
    )
    transaction.on_commit(lambda: syncing.find_missing(at=at))
    return segment


def find_imported(segment: Segment) -> ImportedSegment | None:
    """Where a segment comes from; None for one that is not imported, or was copied from one."""
    found = ImportedSegment.objects.filter(pk=segment.pk)
    return found.select_related("connection").first()


def next_reading_at(segment: Segment) -> datetime | None:
    """When an imported segment is read next by itself; None for others, and where nothing is."""
    if segment.source != Segment.Source.IMPORTED:
        return None
    imported = find_imported(segment)
    if imported is None or imported.stopped_at is not None:
        return None
    return imported.connection.next_sync_at


def sync_as_requested(work: Work, *, sleep: Callable[[float], None] = time.sleep) -> dict[str, Any]:
    """Read what somebody asked for, as soon as nobody else does so with the same connection."""
    connection_id = work.arguments["connection"]

    def advance(done: int, total: int | None, message: str) -> None:
        work.advance(work.done if done < 0 else done, total, message)

    while True:
        try:
            kept = vendor_syncing.run_sync(
                connection_id, syncing.REQUESTED, job=work.job, advance=advance
            )
        except SyncRunning:
            # The run that is at it may have begun before this was asked for.
            work.check()
            sleep(_WAIT_SECONDS)
        else:
            return dict(kept.counts)


def _import(
    connection: VendorConnection,
    remote: RemoteSegment,
    *,
    actor: Actor,
    at: datetime,
    **settings: Any,
) -> Segment:
    importer = importer_of(connection.kind)
    if importer is None:
        raise ValueError(f"Nothing imports from {connection.kind}.")
    # An archived one of ours stands no more for the one there.
    ImportedSegment.objects.filter(
        connection=connection,
        remote_id=remote.id,
        stopped_at__isnull=True,
        segment__status=Segment.Status.ARCHIVED,
    ).update(stopped_at=at)
    segment = lifecycle.create_segment(
        actor=actor,
        at=at,
        name=remote.name.strip()[:NAME_LIMIT] or remote.id,
        criteria=everyone(),
        source=Segment.Source.IMPORTED,
        is_demo=connection.is_demo,
        **settings,
    )
    try:
        with transaction.atomic():
            ImportedSegment.objects.create(
                segment=segment,
                connection=connection,
                remote_id=remote.id,
                remote_name=remote.name[:300],
                remote_kind=remote.kind[:40],
                match_by=importer.identity(connection.settings),
                imported_at=at,
                requested_at=at,
            )
    except IntegrityError as error:
        problem = _taken(0, remote, None)
        raise ImportRefused(problem.message, problems=[problem]) from error
    audit.record(
        actor=actor,
        action="segment.imported",
        subject=segment,
        changes={"connection": [None, connection.name], "segment_there": [None, remote.name]},
        at=at,
    )
    return segment


def _queue(connection: VendorConnection, actor: Actor) -> Job:
    subject = f"import:{connection.pk}"
    waiting = jobs.unfinished(subject, SYNC_JOB)
    if (
        waiting is not None
        and waiting.state == Job.State.QUEUED
        and access.has_started(waiting, actor)
    ):
        return waiting
    return jobs.start(
        SYNC_JOB,
        title=_("Read segments of %(name)s") % {"name": connection.name},
        actor=actor,
        subject=subject,
        arguments={"connection": connection.pk},
    )


def _hold(segment: Segment, *, actor: Actor, permission: str) -> ImportedSegment:
    access.require(actor, permission)
    lifecycle.find_segment(segment.key, actor=actor)
    # Not the connection's row: its runs are not to wait for this.
    rows = ImportedSegment.objects.select_for_update(of=("self",)).select_related("connection")
    imported = rows.filter(pk=segment.pk, stopped_at__isnull=True).first()
    if imported is None or segment.status == Segment.Status.ARCHIVED:
        words = _("The members of segment “%(name)s” are not read from another system (any more).")
        raise SegmentNotImported(words % {"name": segment.name}, key=segment.key)
    return imported


def _taken(index: int, remote: RemoteSegment, segment: Segment | None) -> Problem:
    if segment is None:
        text = _("“%(name)s” is imported already.") % {"name": remote.name}
    else:
        words = _("“%(name)s” is imported already, as segment “%(key)s”.")
        text = words % {"name": remote.name, "key": segment.key}
    return Problem(f"segments[{index}]", "imported_already", text)
