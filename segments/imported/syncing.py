"""Bringing the imported segments of a connection up to date, each in turn (behaviour AN-27).

One that goes wrong does not keep the others from being read, unless the vendor does not answer
at all. Begun again after a failure, those that were read already are passed over.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from django.db.models import QuerySet
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from integrations.errors import (
    ConnectorError,
    CredentialsRejected,
    PermanentError,
    TemporaryError,
    ThingMissing,
)
from integrations.models import VendorConnection, VendorSync
from integrations.vendors import registry
from integrations.vendors.importers import Importer, importer_of
from integrations.vendors.registry import Sync, SyncRun
from segments import health, health_mail, lifecycle
from segments.health import Found, Kind
from segments.imported import staging
from segments.models import ImportedSegment, Segment
from workspace.access import SYSTEM
from workspace.errors import DomainError

ALL, REQUESTED = "segments", "requested_segments"
# After so many that got no answer the vendor is left in peace until the next attempt.
_PATIENCE = 2


def sync_all(run: SyncRun) -> None:
    """Synchronize every imported segment of a connection, the longest untouched first.

    After a run that failed, those that it had read within half the period are not read again.
    Raises PermanentError or TemporaryError when all are through and some failed.
    """
    done_since = _done_since(run)
    waiting = _living(run.connection_id)
    if done_since is not None:
        waiting = waiting.exclude(last_sync_at__gte=done_since)
    _sync(run, list(waiting.order_by("last_sync_at", "segment")))


def sync_requested(run: SyncRun) -> None:
    """Synchronize those imported segments of a connection that somebody asked for."""
    waiting = _living(run.connection_id).filter(requested_at__isnull=False)
    _sync(run, list(waiting.order_by("requested_at", "segment")))


def find_missing(*, at: datetime) -> None:
    """Keep what is known of segments that are missing in other systems, and mail their owners."""
    missing = ImportedSegment.objects.filter(
        missing_since__isnull=False, stopped_at__isnull=True
    ).exclude(segment__status=Segment.Status.ARCHIVED)
    found = [
        Found(
            one.segment_id, Kind.MISSING, data={"name": one.remote_name, "system": system_of(one)}
        )
        for one in missing.select_related("connection")
    ]
    if health.keep(found, kinds=[Kind.MISSING], at=at):
        health_mail.mail_findings(at=at)


def system_of(imported: ImportedSegment) -> str:
    """What the system is called that a segment comes from."""
    vendor = registry.find_vendor(imported.connection.kind)
    return vendor.label if vendor is not None else imported.connection.kind


def _living(connection_id: int) -> "QuerySet[ImportedSegment]":
    """Those that are still synchronized; inactive ones only where they were missing there."""
    found = ImportedSegment.objects.filter(connection_id=connection_id, stopped_at__isnull=True)
    found = found.exclude(segment__status=Segment.Status.ARCHIVED)
    found = found.exclude(segment__status=Segment.Status.INACTIVE, missing_since__isnull=True)
    return found.select_related("connection")


def _done_since(run: SyncRun) -> datetime | None:
    """From when on a segment counts as read already: where the last run of this failed."""
    ended = VendorSync.objects.filter(connection_id=run.connection_id, name=ALL)
    last = ended.exclude(state=VendorSync.State.RUNNING).order_by("-pk").first()
    if last is None or last.state == VendorSync.State.SUCCEEDED:
        return None
    hours = VendorConnection.objects.values_list("sync_hours", flat=True).get(pk=run.connection_id)
    return run.now() - timedelta(hours=hours) / 2


def _sync(run: SyncRun, waiting: Sequence[ImportedSegment]) -> None:
    run.counts.update(segments=0, missing=0, failed=0, matched=0, skipped_non_members=0)
    if not waiting:
        return
    importer = importer_of(waiting[0].connection.kind)
    if importer is None:
        words = _("Segments of this system cannot be read.")
        raise PermanentError(words)
    try:
        names = {one.id: one.name for one in importer.list_segments(run)}
    except ConnectorError as error:
        untouched = ImportedSegment.objects.filter(pk__in=[one.pk for one in waiting])
        untouched.update(error=str(error)[:500], attempted_at=run.now())
        raise
    failures = list[DomainError]()
    silent = 0
    try:
        for place, imported in enumerate(waiting):
            # Without its name: not everybody who sees the run may know of the segment.
            words = _("segment %(place)d of %(count)d")
            run.advance(place, len(waiting), words % {"place": place + 1, "count": len(waiting)})
            failure = _sync_one(run, importer, imported, names)
            silent = silent + 1 if isinstance(failure, TemporaryError) else 0
            if failure is not None:
                failures.append(failure)
            if silent >= _PATIENCE:
                break
        else:
            run.advance(len(waiting), len(waiting), "")
    finally:
        find_missing(at=run.now())
    if failures:
        raise _summary(failures, len(waiting))


def _sync_one(
    run: SyncRun, importer: Importer, imported: ImportedSegment, names: dict[str, str]
) -> DomainError | None:
    """Read one segment. What goes wrong with it alone is written into it, and given back."""
    try:
        # Whether it is missing says who is asked for it: a list may be short for other reasons.
        title = names.get(imported.remote_id, imported.remote_name)[:300]
        pages = _checked(run, importer.fetch_members(run, imported.remote_id))
        with staging.staged(pages, imported.match_by, advance=lambda count: None) as count:
            staging.take_over(
                imported, title=title, system=system_of(imported), source_count=count, at=run.now()
            )
    except CredentialsRejected:
        raise
    except ThingMissing as missing:
        _note_missing(imported, missing, at=run.now())
        run.counts["missing"] += 1
    except DomainError as error:
        _note_failure(imported, error, at=run.now())
        run.counts["failed"] += 1
        return error
    else:
        run.counts["segments"] += 1
        run.counts["matched"] += imported.matched_count
        run.counts["skipped_non_members"] += imported.non_member_count + imported.unknown_count
    ImportedSegment.objects.filter(pk=imported.pk, requested_at=imported.requested_at).update(
        requested_at=None
    )
    return None


def _checked(run: SyncRun, pages: Iterator[Sequence[str]]) -> Iterator[Sequence[str]]:
    for page in pages:
        run.check()
        yield page


def _note_missing(imported: ImportedSegment, error: ThingMissing, *, at: datetime) -> None:
    """It is not there any more: ours keeps its members, and goes out of use."""
    segment = Segment.objects.get(pk=imported.segment_id)
    if segment.status == Segment.Status.ACTIVE:
        lifecycle.inactivate(segment, actor=SYSTEM, at=at)
    ImportedSegment.objects.filter(pk=imported.pk, missing_since__isnull=True).update(
        missing_since=at
    )
    ImportedSegment.objects.filter(pk=imported.pk).update(error=str(error)[:500], attempted_at=at)


def _note_failure(imported: ImportedSegment, error: DomainError, *, at: datetime) -> None:
    text = str(error)[:500]
    ImportedSegment.objects.filter(pk=imported.pk).update(error=text, attempted_at=at)
    Segment.objects.filter(pk=imported.segment_id).update(failure=text, failed_at=at)


def _summary(failures: Sequence[DomainError], count: int) -> ConnectorError:
    """What is said of a run in which some failed: temporary where one of them was."""
    words = ngettext(
        "%(failed)d of %(count)d segment could not be synchronized. %(first)s",
        "%(failed)d of %(count)d segments could not be synchronized. %(first)s",
        count,
    ) % {"failed": len(failures), "count": count, "first": failures[0]}
    is_temporary = any(isinstance(one, TemporaryError) for one in failures)
    return TemporaryError(words) if is_temporary else PermanentError(words)


SYNCS = (
    Sync(ALL, gettext_lazy("Imported segments"), sync_all),
    Sync(
        REQUESTED,
        gettext_lazy("Segments that somebody asked for"),
        sync_requested,
        is_periodic=False,
    ),
)
