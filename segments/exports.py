"""Contacts to a file: the members of a segment, those whom criteria describe, or all.

A job streams them into a file with a name that cannot be guessed, which can be fetched for seven
days by whoever may see it, and is then deleted from disk. An export belongs to who asked for it,
or to the people of its user groups; nobody sees one of a segment that he may not know of.
"""

import os
import re
import secrets
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, BinaryIO

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _

from contacts.models import Contact
from segments import announcements, export_notices
from segments.criteria import compile_members
from segments.errors import ExportExpired, ExportNotReady, ExportUnknown
from segments.export_columns import DEFAULT_COLUMNS, Column
from segments.export_files import (
    PLAIN,
    DecimalMark,
    Encoding,
    Layout,
    Separator,
    Unfitting,
    write,
)
from segments.export_settings import (
    Wanted,
    check_wanted,
    may_export,
    named_columns,
    wanted_of,
)
from segments.facts import parse_criteria
from segments.models import Export, ExportSchedule, Segment
from workspace import access, audit, jobs, sql
from workspace.access import Actor
from workspace.errors import DomainError
from workspace.jobs import Cancelled, Work
from workspace.models import AuditEntry, Job

EXPORT_JOB = "segments.export"
KEPT_FOR = timedelta(days=7)
_FETCHED = 2000
_NAME_LENGTH = 100
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


def members_described_by(
    segment: Segment, document: Any, *, actor: Actor, as_of: datetime
) -> Source:
    """The members of a segment for whom criteria hold besides. Raises CriteriaRefused."""
    query = compile_members(parse_criteria(document, actor), now=as_of)
    text = (
        f"FROM ({query.text}) f JOIN segments_membership m ON m.contact_id = f.contact_id"
        " JOIN contacts_contact c ON c.id = f.contact_id"
        " WHERE m.segment_id = %s ORDER BY m.contact_id"
    )
    params = (*query.params, segment.pk)
    return Source(text, params, dict(query.settings), of_segment=True)


def described_by(document: Any, *, actor: Actor, as_of: datetime) -> Source:
    """Those for whom criteria that `actor` wrote hold. Raises CriteriaRefused."""
    query = compile_members(parse_criteria(document, actor), now=as_of)
    text = f"FROM ({query.text}) f JOIN contacts_contact c ON c.id = f.contact_id ORDER BY c.id"
    return Source(text, query.params, dict(query.settings))


def source_of(segment: Segment | None, criteria: Any, *, actor: Actor, as_of: datetime) -> Source:
    """Whose rows an export has. Raises CriteriaRefused."""
    if segment is None:
        if criteria is None:
            return everyone()
        return described_by(criteria, actor=actor, as_of=as_of)
    if criteria is None:
        return members_of(segment)
    return members_described_by(segment, criteria, actor=actor, as_of=as_of)


@dataclass(slots=True)
class Written:
    """How many rows a file has, and in how many of them letters were replaced."""

    rows: int = 0
    replaced_rows: int = 0


def write_contacts(
    stream: BinaryIO,
    source: Source,
    *,
    columns: Sequence[str],
    file_format: str,
    headers: Mapping[str, str] | None = None,
    layout: Layout = PLAIN,
    work: Work | None = None,
    total: int | None = None,
) -> Written:
    """Write contacts to a stream, in memory only a few thousand at a time.

    All as of one moment. Raises InputInvalid for columns that do not exist, LetterUnfitting.
    """
    chosen = named_columns(columns, headers or {}, of_segment=source.of_segment)
    written = Written()

    def counted(rows: Iterable[list[Any]]) -> Iterator[list[Any]]:
        for row in rows:
            if work is not None and written.rows % _FETCHED == 0:
                work.advance(written.rows, total=total)
            written.rows += 1
            yield row

    names = [column.name for column in chosen]
    # Closed at once where writing fails: what is said of the failure is no part of the reading.
    with closing(_rows(source, chosen)) as found:
        written.replaced_rows = write(
            stream, names, counted(found), file_format=file_format, layout=layout
        )
    if work is not None:
        work.advance(written.rows, total=written.rows)
    return written


def request_export(
    *,
    actor: Actor,
    at: datetime,
    segment: Segment | None = None,
    criteria: Any = None,
    columns: Sequence[str] = DEFAULT_COLUMNS,
    file_format: str = Export.Format.CSV,
    bom: bool = False,
    headers: Mapping[str, str] | None = None,
    separator: str = Separator.COMMA,
    encoding: str = Encoding.UTF_8,
    unfitting: str = Unfitting.REFUSE,
    decimal_mark: str = DecimalMark.POINT,
    groups: Iterable[str] | None = None,
    mail_when_ready: bool = False,
) -> Export:
    """Have a worker write a file: of a segment, of whom `criteria` describe, or of everyone.

    With both a segment and criteria it is the members for whom they hold. Once exports belong to
    user groups and no `groups` are named, they are those of the segment, or the only one that
    the actor has. `bom` is the encoding "utf-8-bom", of a CSV. Raises what `check_wanted` does.
    """
    is_marked = bom and file_format == Export.Format.CSV and encoding == Encoding.UTF_8
    wanted = Wanted(
        segment=segment,
        criteria=criteria,
        columns=columns,
        headers=headers,
        file_format=file_format,
        layout=Layout(
            separator, Encoding.UTF_8_BOM if is_marked else encoding, unfitting, decimal_mark
        ),
        groups=groups,
        mail_when_ready=mail_when_ready,
    )
    return request_wanted(wanted, actor=actor, at=at)


@transaction.atomic
def request_wanted(
    wanted: Wanted, *, actor: Actor, at: datetime, schedule: ExportSchedule | None = None
) -> Export:
    """The same, for what was put together before. Raises what `check_wanted` does."""
    groups = check_wanted(wanted, actor=actor, at=at)
    export = Export.objects.create(
        **wanted.fields(), schedule=schedule, created_at=at, **owner_fields(actor)
    )
    export.groups.set(groups)
    export.job = jobs.start(
        EXPORT_JOB,
        title=_("Export “%(name)s”") % {"name": export.subject_name},
        actor=actor,
        arguments={"export_id": export.pk},
        subject=f"export:{export.pk}",
    )
    export.save(update_fields=["job"])
    told = told_of(wanted, groups=[group.name for group in groups])
    changes = {name: [None, value] for name, value in told.items()}
    audit.record(actor=actor, action="export.requested", subject=export, changes=changes, at=at)
    return export


def owner_fields(actor: Actor) -> dict[str, int | None]:
    """To whom something belongs that `actor` makes: a person, a program, or the system."""
    is_person = actor.kind == AuditEntry.ActorKind.USER
    is_program = actor.kind == AuditEntry.ActorKind.API
    return {
        "user_id": actor.id if is_person else None,
        "api_user_id": actor.id if is_program else None,
    }


def told_of(wanted: Wanted, *, groups: Sequence[str]) -> dict[str, Any]:
    """What the audit trail tells of an export or a schedule."""
    told = wanted.fields()
    told["segment"] = wanted.segment.key if wanted.segment else None
    told["groups"] = sorted(groups)
    return {name: value for name, value in told.items() if value not in ({}, [], False)}


def make_file(export_id: int, *, work: Work, at: datetime) -> dict[str, Any]:
    """Write the file of an export that was requested; safe to run again.

    Whether the actor may have it is asked again. Raises what `may_export` does, InputInvalid,
    LetterUnfitting.
    """
    export = Export.objects.select_related("segment", "user").get(pk=export_id)
    if export.state in {Export.State.READY, Export.State.DELETED}:
        return _result(export)
    folder = exports_folder()
    export.file_name = f"{secrets.token_urlsafe(32)}.{export.format}"
    part = folder / f"{export.file_name}.part"
    Export.objects.filter(pk=export.pk).update(state=Export.State.RUNNING)
    try:
        may_export(export.segment, actor=work.actor, at=at)
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as stream:
            written = _write_wanted(stream, wanted_of(export), work=work, as_of=at)
        export.rows, export.replaced_rows = written.rows, written.replaced_rows
        export.size = part.stat().st_size
        part.replace(folder / export.file_name)
    except BaseException as error:
        part.unlink(missing_ok=True)
        is_cancelled = isinstance(error, Cancelled) or work.is_cancelled.is_set()
        state = Export.State.CANCELLED if is_cancelled else Export.State.FAILED
        failure = str(error) if isinstance(error, DomainError) else ""
        Export.objects.filter(pk=export.pk).update(state=state, failure=failure)
        raise
    export.state, export.expires_at = Export.State.READY, at + KEPT_FOR
    export.failure = ""
    with transaction.atomic():
        export.save(
            update_fields=[
                *("state", "rows", "replaced_rows", "size", "file_name", "expires_at", "failure")
            ]
        )
        announcements.tell_export_ready(export, at=at)
    if export.mail_when_ready:
        export_notices.mail_ready(export)
    return _result(export)


def _write_wanted(stream: BinaryIO, wanted: Wanted, *, work: Work, as_of: datetime) -> Written:
    segment = wanted.segment
    total = None
    if wanted.criteria is None:
        known = Contact.objects.filter(erased_at__isnull=True)
        total = segment.member_count if segment is not None else known.count()
    return write_contacts(
        stream,
        source_of(segment, wanted.criteria, actor=work.actor, as_of=as_of),
        columns=wanted.columns,
        headers=wanted.headers,
        file_format=wanted.file_format,
        layout=wanted.layout,
        work=work,
        total=total,
    )


def _result(export: Export) -> dict[str, Any]:
    result = {"export": export.pk, "rows": export.rows, "size": export.size}
    return result | ({"replaced_rows": export.replaced_rows} if export.replaced_rows else {})


def visible_exports(actor: Actor) -> "QuerySet[Export]":
    """The exports that the actor may see: his own and those of his user groups.

    Of segments only where he may know of them. An administrator sees all.
    """
    exports = Export.objects.select_related(
        "segment", "job", "user", "api_user", "schedule"
    ).prefetch_related("groups")
    if actor.is_admin:
        return exports
    return exports.filter(owned_or_shared(Export, actor), of_known_segments(actor))


def owned_or_shared(model: type[Any], actor: Actor) -> Q:
    """Those of an export model that belong to the actor, or to a user group that he is in."""
    own = Q(pk__in=[])
    if actor.kind == AuditEntry.ActorKind.USER:
        own = Q(user_id=actor.id)
    elif actor.kind == AuditEntry.ActorKind.API:
        own = Q(api_user_id=actor.id)
    return (own & ~_grouped(model)) | _of_groups(model, actor)


def of_known_segments(actor: Actor) -> Q:
    """Those of an export model that are of no segment, or of one that the actor may know of."""
    segments = access.visible(Segment.objects.all(), actor)
    return Q(segment__isnull=True) | Q(segment__in=segments.values("pk"))


def exports_of_known_segments(actor: Actor) -> "QuerySet[Export]":
    """Everybody's exports, less those of segments and user groups that the actor is not to know."""
    return known_of(Export, actor)


def known_of(model: type[Any], actor: Actor) -> "QuerySet[Any]":
    """Those of an export model that are of no segment or user group kept from the actor."""
    things: QuerySet[Any] = model.objects.all()
    if actor.is_admin:
        return things
    is_open = ~_grouped(model) | _of_groups(model, actor)
    return things.filter(is_open, of_known_segments(actor))


def _grouped(model: type[Any]) -> Q:
    return Q(pk__in=model.objects.filter(groups__isnull=False).values("pk"))


def _of_groups(model: type[Any], actor: Actor) -> Q:
    return Q(pk__in=model.objects.filter(groups__in=actor.group_ids).values("pk"))


def find_export(export_id: int, *, actor: Actor) -> Export:
    """An export that the actor may know of. Raises ExportUnknown."""
    export = visible_exports(actor).filter(pk=export_id).first()
    if export is None:
        raise ExportUnknown.of(export_id)
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
    """The path of the file, for who may see and export it now; the trail notes who fetched it.

    Raises NotAllowed, ExportUnknown, ExportNotReady or ExportExpired.
    """
    access.require(actor, "segments.export_segment")
    export = find_export(export.pk, actor=actor)
    if export.segment is None:
        access.require(actor, "contacts.view_contact")
    state = state_of(export, at=at)
    if state == Export.State.EXPIRED:
        raise ExportExpired(_("The file was deleted: files are kept for 7 days."))
    if state == Export.State.DELETED:
        raise ExportExpired(_("The file was deleted by hand."))
    path = exports_folder() / export.file_name
    if state != Export.State.READY or not path.is_file():
        message = _("The file of export %(id)d is not there: it is %(state)s.")
        raise ExportNotReady(message % {"id": export.pk, "state": state.label})
    audit.record(actor=actor, action="export.downloaded", subject=export, at=at)
    return path


def may_delete(export: Export, actor: Actor) -> bool:
    """Whether the actor may delete the file of an export that he sees: his own, or as his right."""
    owner = owner_fields(actor)
    is_own = actor.id is not None and (export.user_id, export.api_user_id) == (
        owner["user_id"],
        owner["api_user_id"],
    )
    return is_own or actor.may("segments.delete_export")


@transaction.atomic
def delete_file(export: Export, *, actor: Actor, at: datetime) -> Export:
    """Delete the file of an export from disk now, or keep it from being written; safe to repeat.

    The line stays, so that the list says what there was. Raises NotAllowed, ExportUnknown.
    """
    export = find_export(export.pk, actor=actor)
    if not may_delete(export, actor):
        access.require(actor, "segments.delete_export")
    export = (
        Export.objects.select_for_update(of=("self",)).select_related("segment").get(pk=export.pk)
    )
    if export.state == Export.State.DELETED:
        return export
    if export.job is not None and not export.job.is_finished:
        jobs.cancel(export.job, actor=actor, at=at)
    if export.file_name:
        (exports_folder() / export.file_name).unlink(missing_ok=True)
    changes = {"state": [str(export.state), str(Export.State.DELETED)]}
    export.state = Export.State.DELETED
    export.save(update_fields=["state"])
    audit.record(actor=actor, action="export.deleted", subject=export, changes=changes, at=at)
    return export


def download_name(export: Export) -> str:
    """What the file is called for whoever fetches it: the segment's name and the day."""
    name = export.segment.name if export.segment else "contacts"
    name = re.sub(r'[\\/:*?"<>|\x00-\x1f\x7f]+', " ", name).strip(" .")[:_NAME_LENGTH]
    return f"{name or 'contacts'}-{export.created_at:%Y-%m-%d}.{export.format}"


def content_type(export: Export) -> str:
    """The media type of the file."""
    match export.format:
        case Export.Format.CSV:
            charset = str(export.encoding).removesuffix("-bom")
            return f"text/csv; charset={charset}"
        case Export.Format.XLSX:
            return "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
        case _:
            return "application/x-ndjson"


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


def first_rows(
    source: Source, columns: Sequence[Column], *, limit: int, seconds: float
) -> list[list[Any]]:
    """A few rows, where they are found in so many seconds."""
    settings_ = {"statement_timeout": str(max(1, int(seconds * 1000))), **source.settings}
    selected, params, readers = _selection(columns)
    with sql.local_settings(settings_), connection.cursor() as cursor:
        cursor.execute(f"SELECT {selected} {source.sql} LIMIT %s", [*params, *source.params, limit])
        found = cursor.fetchall()
        transaction.set_rollback(True)
    return [_read(row, readers) for row in found]


def _selection(columns: Sequence[Column]) -> tuple[str, list[Any], list[Any]]:
    selected = ", ".join(column.sql for column in columns)
    params = [param for column in columns for param in column.params]
    return selected, params, [column.read for column in columns]


def _read(row: Sequence[Any], readers: Sequence[Any]) -> list[Any]:
    return [
        value if read is None else read(value) for value, read in zip(row, readers, strict=True)
    ]


def _rows(source: Source, columns: Sequence[Column]) -> Generator[list[Any], None, None]:
    """The rows one by one, fetched by a cursor of the server in one transaction."""
    selected, params, readers = _selection(columns)
    # All rows are wanted: not the plan that is quickest for the first.
    hints = {"cursor_tuple_fraction": "1.0", **source.settings}
    with sql.local_settings(hints), connection.chunked_cursor() as cursor:
        cursor.execute(f"SELECT {selected} {source.sql}", [*params, *source.params])
        while found := cursor.fetchmany(_FETCHED):
            for row in found:
                yield _read(row, readers)
