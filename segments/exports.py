"""Contacts to a file: the members of a segment, those whom criteria describe, or all.

A job streams them into a file with a name that cannot be guessed, which can be fetched for seven
days by whoever asked for it, and is then deleted from disk.
"""

import json
import os
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, BinaryIO

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _

from segments.criteria import compile_members
from segments.errors import ExportExpired, ExportNotReady, ExportUnknown, SegmentUnknown
from segments.export_columns import DEFAULT_COLUMNS, Column, choose_columns
from segments.export_files import write
from segments.facts import parse_criteria
from segments.models import Export, Segment
from workspace import access, audit, jobs, sql
from workspace.access import Actor
from workspace.errors import InputInvalid, Problem
from workspace.exactjson import exact_dumps
from workspace.jobs import Cancelled, Work
from workspace.models import AuditEntry, Job

EXPORT_JOB = "segments.export"
KEPT_FOR = timedelta(days=7)
_FETCHED = 2000
# A file of no export that nobody has written to for so long was left by a killed worker.
_ABANDONED_AFTER = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Source:
    """Whose rows: SQL that names the contact `c` (and the membership `m`), ordered by id."""

    sql: str
    params: tuple[Any, ...]
    settings: dict[str, str]
    of_segment: bool = False


def members_of(segment: Segment) -> Source:
    """The members of a segment, as of its last calculation."""
    text = (
        "FROM segments_membership m JOIN contacts_contact c ON c.id = m.contact_id"
        " WHERE m.segment_id = %s ORDER BY m.contact_id"
    )
    return Source(text, (segment.pk,), {}, of_segment=True)


def everyone() -> Source:
    """All contacts."""
    return Source("FROM contacts_contact c WHERE c.erased_at IS NULL ORDER BY c.id", (), {})


def described_by(document: Any, *, actor: Actor, as_of: datetime) -> Source:
    """Those for whom criteria that `actor` wrote hold. Raises CriteriaRefused."""
    query = compile_members(parse_criteria(document, actor), now=as_of)
    text = f"FROM ({query.text}) f JOIN contacts_contact c ON c.id = f.contact_id ORDER BY c.id"
    return Source(text, query.params, dict(query.settings))


def write_contacts(
    stream: BinaryIO,
    source: Source,
    *,
    columns: Sequence[str],
    file_format: str,
    bom: bool = False,
    work: Work | None = None,
    total: int | None = None,
) -> int:
    """Write contacts to a stream, in memory only a few thousand at a time; returns how many.

    All as of one moment. Raises InputInvalid for columns that do not exist.
    """
    chosen = choose_columns(columns, of_segment=source.of_segment)
    count = 0

    def counted() -> Iterator[list[Any]]:
        nonlocal count
        for row in _rows(source, chosen):
            if work is not None and count % _FETCHED == 0:
                work.advance(count, total=total)
            count += 1
            yield row

    write(stream, [column.name for column in chosen], counted(), file_format=file_format, bom=bom)
    if work is not None:
        work.advance(count, total=count)
    return count


@transaction.atomic
def request_export(
    *,
    actor: Actor,
    at: datetime,
    segment: Segment | None = None,
    criteria: Any = None,
    columns: Sequence[str] = DEFAULT_COLUMNS,
    file_format: str = Export.Format.CSV,
    bom: bool = False,
) -> Export:
    """Have a worker write a file: of a segment, of whom `criteria` describe, or of everyone.

    Raises InputInvalid for columns or a format that do not exist.
    """
    access.require(actor, "segments.export_segment")
    if segment is not None and not access.is_visible(segment, actor):
        raise SegmentUnknown(segment.key)
    if file_format not in Export.Format.values:
        message = _("The format is “csv”, “xlsx” or “jsonl”.")
        raise InputInvalid(message, problems=[Problem("format", "invalid_choice", message)])
    choose_columns(columns, of_segment=segment is not None)
    filters: dict[str, Any] = {"bom": True} if bom else {}
    if criteria is not None:
        parse_criteria(criteria, actor)
        filters["criteria"] = json.loads(exact_dumps(criteria))
    export = Export.objects.create(
        segment=segment,
        filters=filters,
        columns=list(columns),
        format=file_format,
        user_id=actor.id if actor.kind == AuditEntry.ActorKind.USER else None,
        api_user_id=actor.id if actor.kind == AuditEntry.ActorKind.API else None,
        created_at=at,
    )
    name = _("contacts") if segment is None else segment.name
    export.job = jobs.start(
        EXPORT_JOB,
        title=_("Export “%(name)s”") % {"name": name},
        actor=actor,
        arguments={"export_id": export.pk},
        subject=f"export:{export.pk}",
    )
    export.save(update_fields=["job"])
    changes = {"segment": [None, segment.key if segment else None], "columns": [None, columns]}
    audit.record(actor=actor, action="export.requested", subject=export, changes=changes, at=at)
    return export


def make_file(export_id: int, *, work: Work, at: datetime) -> dict[str, Any]:
    """Write the file of an export that was requested; safe to run again."""
    export = Export.objects.select_related("segment").get(pk=export_id)
    if export.state == Export.State.READY:
        return {"export": export.pk, "rows": export.rows, "size": export.size}
    folder = exports_folder()
    export.file_name = f"{secrets.token_urlsafe(32)}.{export.format}"
    part = folder / f"{export.file_name}.part"
    Export.objects.filter(pk=export.pk).update(state=Export.State.RUNNING)
    try:
        source = _source(export, actor=work.actor, as_of=at)
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as stream:
            export.rows = write_contacts(
                stream,
                source,
                columns=export.columns,
                file_format=export.format,
                bom=bool(export.filters.get("bom")),
                work=work,
                total=export.segment.member_count if export.segment else None,
            )
        export.size = part.stat().st_size
        part.replace(folder / export.file_name)
    except BaseException as error:
        part.unlink(missing_ok=True)
        is_cancelled = isinstance(error, Cancelled) or work.is_cancelled.is_set()
        state = Export.State.CANCELLED if is_cancelled else Export.State.FAILED
        Export.objects.filter(pk=export.pk).update(state=state)
        raise
    export.state, export.expires_at = Export.State.READY, at + KEPT_FOR
    export.save(update_fields=["state", "rows", "size", "file_name", "expires_at"])
    return {"export": export.pk, "rows": export.rows, "size": export.size}


def visible_exports(actor: Actor) -> "QuerySet[Export]":
    """The exports that the actor asked for, and of segments that he may still know of.

    An administrator sees all.
    """
    exports = Export.objects.select_related("segment", "job")
    if actor.is_admin:
        return exports
    own = Q(pk__in=[])
    if actor.kind == AuditEntry.ActorKind.USER:
        own = Q(user_id=actor.id)
    elif actor.kind == AuditEntry.ActorKind.API:
        own = Q(api_user_id=actor.id)
    return exports.filter(own, pk__in=exports_of_known_segments(actor).values("pk"))


def exports_of_known_segments(actor: Actor) -> "QuerySet[Export]":
    """Everybody's exports, less those of segments that the actor may not know of."""
    segments = access.visible(Segment.objects.all(), actor)
    return Export.objects.filter(Q(segment__isnull=True) | Q(segment__in=segments.values("pk")))


def find_export(export_id: int, *, actor: Actor) -> Export:
    """An export that the actor may know of. Raises ExportUnknown."""
    export = visible_exports(actor).filter(pk=export_id).first()
    if export is None:
        raise ExportUnknown(_("There is no export %(id)d.") % {"id": export_id})
    return export


def state_of(export: Export, *, at: datetime) -> Export.State:
    """The state to show: of one whose job was cancelled while it waited, and of one too old."""
    job = export.job
    if export.state in {Export.State.QUEUED, Export.State.RUNNING} and job is not None:
        if job.state == Job.State.CANCELLED:
            return Export.State.CANCELLED
        if job.state == Job.State.FAILED:
            return Export.State.FAILED
    if export.state == Export.State.READY and export.expires_at and export.expires_at <= at:
        return Export.State.EXPIRED
    return Export.State(export.state)


def file_to_download(export: Export, *, actor: Actor, at: datetime) -> Path:
    """The path of the file, for its owner; the trail notes who fetched it.

    Raises ExportUnknown, ExportNotReady or ExportExpired.
    """
    access.require(actor, "segments.export_segment")
    export = find_export(export.pk, actor=actor)
    state = state_of(export, at=at)
    if state == Export.State.EXPIRED:
        raise ExportExpired(_("The file was deleted: files are kept for 7 days."))
    path = exports_folder() / export.file_name
    if state != Export.State.READY or not path.is_file():
        message = _("The file of export %(id)d is not there: it is %(state)s.")
        raise ExportNotReady(message % {"id": export.pk, "state": state.label})
    audit.record(actor=actor, action="export.downloaded", subject=export, at=at)
    return path


def download_name(export: Export) -> str:
    """What the file is called for whoever fetches it."""
    name = export.segment.key if export.segment else "contacts"
    return f"{name}-{export.created_at:%Y-%m-%d}.{export.format}"


def purge_exports(as_of: datetime) -> dict[str, int]:
    """Delete the files whose time is over; returns how many exports expired, for the round."""
    over = Export.objects.filter(state=Export.State.READY, expires_at__lte=as_of)
    folder = exports_folder()
    # Files first: a row says that its file is there as long as it may be.
    names = list(over.values_list("file_name", flat=True))
    for name in names:
        (folder / name).unlink(missing_ok=True)
    count = over.filter(file_name__in=names).update(state=Export.State.EXPIRED)
    return {"exports": count, "abandoned_files": _delete_abandoned(folder, as_of)}


def _delete_abandoned(folder: Path, as_of: datetime) -> int:
    """Delete files that belong to no export, which a worker left that was killed."""
    ready = Export.objects.filter(state=Export.State.READY)
    kept = set(ready.values_list("file_name", flat=True))
    limit = (as_of - _ABANDONED_AFTER).timestamp()
    left = [
        path for path in folder.iterdir() if path.name not in kept and path.stat().st_mtime < limit
    ]
    for path in left:
        path.unlink(missing_ok=True)
    return len(left)


def exports_folder() -> Path:
    """Where the files are; only this program may look into it."""
    folder = Path(settings.EXPORTS_ROOT)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def _source(export: Export, *, actor: Actor, as_of: datetime) -> Source:
    if export.segment is not None:
        return members_of(export.segment)
    if "criteria" in export.filters:
        return described_by(export.filters["criteria"], actor=actor, as_of=as_of)
    return everyone()


def _rows(source: Source, columns: Sequence[Column]) -> Iterator[list[Any]]:
    """The rows one by one, fetched by a cursor of the server in one transaction."""
    selected = ", ".join(column.sql for column in columns)
    params = [param for column in columns for param in column.params]
    readers = [column.read for column in columns]
    # All rows are wanted: not the plan that is quickest for the first.
    hints = {"cursor_tuple_fraction": "1.0", **source.settings}
    with sql.local_settings(hints), connection.chunked_cursor() as cursor:
        cursor.execute(f"SELECT {selected} {source.sql}", [*params, *source.params])
        while found := cursor.fetchmany(_FETCHED):
            for row in found:
                yield [
                    value if read is None else read(value)
                    for value, read in zip(row, readers, strict=True)
                ]
