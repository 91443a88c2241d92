"""Segments from files: the members are those who are both in the file and in the base.

Nobody is created. Keys that are not in the base, and rows that cannot be read, go to a file of
their own; it is kept for seven days, for whoever brought the file and for administrators.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from django.conf import settings as django_settings
from django.db import transaction
from django.utils.translation import gettext as _
from psycopg import sql

from contacts.imports.statements import execute
from contacts.rejections import RejectionFile, rejections_root
from segments import contact_lists, lifecycle, membership
from segments.errors import SegmentBusy, SegmentNotFromFile, UnmatchedGone
from segments.file_keys import Choice, Staged, choose, staged
from segments.models import ContactList, ListedContact, ListedKey, Segment, everyone
from workspace import access, audit, jobs
from workspace.access import Actor
from workspace.console import Progress
from workspace.errors import DomainError
from workspace.jobs import Cancelled
from workspace.models import AuditEntry, Job

READ_JOB = "segments.read_file"
UNMATCHED_KEPT = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class FileRead:
    """What a file gave. Each different key is matched or unmatched; further ones are duplicates."""

    segment: str
    rows: int
    matched: int
    not_in_base: int
    duplicates: int
    faulty: int
    members: int


def request_segment(
    path: Path,
    *,
    file_name: str,
    column: str = "",
    position: int | None = None,
    identity: str = "",
    has_header: bool | None = None,
    actor: Actor,
    at: datetime,
    **settings: Any,
) -> tuple[Segment, Job]:
    """Make a segment whose members a worker reads from the file; `settings` as create_segment's.

    What is not said of column and identity is guessed. A file among the uploads is removed when
    the work is over. Raises FileUnreadable, FileMisread, and what create_segment raises.
    """
    access.require(actor, "segments.add_segment")
    choice = choose(
        path, column=column, position=position, identity=identity, has_header=has_header
    )
    with transaction.atomic():
        segment = _create(actor=actor, at=at, **settings)
        return segment, _queue(segment, choice, file_name, actor)


def create_segment(
    path: Path,
    *,
    file_name: str,
    column: str = "",
    position: int | None = None,
    identity: str = "",
    has_header: bool | None = None,
    actor: Actor,
    at: datetime,
    work: Progress | None = None,
    **settings: Any,
) -> FileRead:
    """The same here and now, without a worker."""
    access.require(actor, "segments.add_segment")
    choice = choose(
        path, column=column, position=position, identity=identity, has_header=has_header
    )
    segment = _create(actor=actor, at=at, **settings)
    return read_into(segment, choice, file_name=file_name, actor=actor, at=at, work=work)


def request_replacement(
    segment: Segment,
    path: Path,
    *,
    file_name: str,
    column: str = "",
    position: int | None = None,
    identity: str = "",
    has_header: bool | None = None,
    actor: Actor,
    at: datetime,
) -> Job:
    """Have a worker read another file for a segment from a file: a new version of its source.

    Until it is read the old one counts. Raises SegmentNotFromFile, SegmentArchived, SegmentBusy
    while a file is being read, and what `request_segment` raises of the file.
    """
    access.require(actor, "segments.change_segment")
    choice = choose(
        path, column=column, position=position, identity=identity, has_header=has_header
    )
    with transaction.atomic():
        held = lifecycle.hold_to_change(segment, actor=actor)
        if held.source != Segment.Source.CSV:
            message = _("The members of segment “%(name)s” do not come from a file.")
            raise SegmentNotFromFile(message % {"name": held.name}, key=held.key)
        if jobs.unfinished(_subject(held), READ_JOB) is not None:
            message = _("A file is being read for segment “%(name)s”. Wait until it is over.")
            raise SegmentBusy(message % {"name": held.name}, key=held.key)
        return _queue(held, choice, file_name, actor)


def read_requested(work: jobs.Work, *, at: datetime) -> FileRead:
    """Read the file that a job is about."""
    given = work.arguments
    segment = Segment.objects.select_related("contact_list").get(pk=given["segment_id"])
    if (kept := segment.contact_list) is not None and kept.job_id == work.job.pk:
        # Its worker died after the list was taken.
        return _calculate(segment, kept, at=at, work=work)
    try:
        choice = choose(
            Path(given["path"]),
            position=given["position"],
            identity=given["identity"],
            has_header=given["has_header"],
        )
    except DomainError as error:
        _note_failure(segment, str(error), at)
        raise
    return read_into(
        segment,
        choice,
        file_name=given["file_name"],
        actor=work.actor,
        at=at,
        work=work,
        job=work.job,
    )


def read_into(
    segment: Segment,
    choice: Choice,
    *,
    file_name: str,
    actor: Actor,
    at: datetime,
    work: Progress | None = None,
    job: Job | None = None,
) -> FileRead:
    """Read a file for a segment, and calculate its members as of `at` where it is active.

    Where that fails the segment keeps the list that it had, and the failure is written into it.
    Done again after its worker died, it reads the file again.
    """
    rejections = RejectionFile(choice.table.path, choice.table.columns)
    try:
        with staged(choice, rejections, work) as found:
            kept = _keep(segment, choice, found, rejections, file_name, actor=actor, at=at, job=job)
    except Cancelled:
        rejections.discard()
        message = _("Reading the file “%(name)s” was cancelled.") % {"name": file_name}
        _note_failure(segment, message, at)
        raise
    except DomainError as error:
        rejections.discard()
        _note_failure(segment, str(error), at)
        raise
    except BaseException:
        rejections.discard()
        raise
    return _calculate(segment, kept, at=at, work=work)


def _calculate(
    segment: Segment, kept: ContactList, *, at: datetime, work: Progress | None
) -> FileRead:
    if work is not None:
        work.advance(kept.row_count, kept.row_count, _("calculating"))
    if Segment.objects.get(pk=segment.pk).status == Segment.Status.ACTIVE:
        membership.refresh(segment.pk, as_of=at, cause="file", wait=True)
    segment.refresh_from_db()
    return FileRead(
        segment.key,
        kept.row_count,
        kept.matched_count,
        kept.unmatched_count,
        kept.duplicate_count,
        kept.faulty_count,
        segment.member_count,
    )


def unmatched_file(found: ContactList, *, actor: Actor, at: datetime) -> Path:
    """The rows that are not in the base or cannot be read, each with the reason; it is logged.

    For whoever brought the file and for administrators. Raises UnmatchedGone to all others, and
    when its time is over.
    """
    if not may_download(found, actor, at=at):
        raise UnmatchedGone(_("There is no such file, or its time is over."))
    count = found.unmatched_count + found.faulty_count
    audit.record(
        actor=actor,
        action="segment.unmatched_downloaded",
        subject=found.segment,
        changes={"rows": [None, count]},
        at=at,
    )
    return rejections_root() / found.unmatched_file


def may_download(found: ContactList, actor: Actor, *, at: datetime) -> bool:
    """Whether the file of unmatched rows is there, and is this actor's to read."""
    is_api = actor.kind == AuditEntry.ActorKind.API
    owner_id = found.api_user_id if is_api else found.user_id
    is_own = owner_id is not None and owner_id == actor.id
    if not (is_own or actor.is_admin) or not found.unmatched_file:
        return False
    is_kept = found.unmatched_until is not None and at < found.unmatched_until
    return is_kept and (rejections_root() / found.unmatched_file).is_file()


def purge_unmatched(as_of: datetime) -> dict[str, int]:
    """Delete the files of unmatched rows whose time is over."""
    old = ContactList.objects.filter(unmatched_until__lte=as_of).exclude(unmatched_file="")
    names = list(old.values_list("unmatched_file", flat=True))
    for name in names:
        (rejections_root() / name).unlink(missing_ok=True)
    ContactList.objects.filter(unmatched_file__in=names).update(unmatched_file="")
    return {"unmatched_files": len(names)}


def remove_upload(path: Path) -> None:
    """Remove a file that was refused; files elsewhere than among the uploads stay."""
    if path.is_relative_to(django_settings.UPLOADS_ROOT):
        path.unlink(missing_ok=True)


def _create(*, actor: Actor, at: datetime, **settings: Any) -> Segment:
    return lifecycle.create_segment(
        actor=actor, at=at, criteria=everyone(), source=Segment.Source.CSV, **settings
    )


def _queue(segment: Segment, choice: Choice, file_name: str, actor: Actor) -> Job:
    return jobs.start(
        READ_JOB,
        title=_("Read the file “%(file)s” for segment “%(name)s”")
        % {"file": file_name[:80], "name": segment.name},
        actor=actor,
        arguments={
            "segment_id": segment.pk,
            "path": str(choice.table.path),
            "file_name": file_name,
            "position": choice.position,
            "identity": choice.identity,
            "has_header": choice.has_header,
        },
        subject=_subject(segment),
    )


@transaction.atomic
def _keep(
    segment: Segment,
    choice: Choice,
    found: Staged,
    rejections: RejectionFile,
    file_name: str,
    *,
    actor: Actor,
    at: datetime,
    job: Job | None,
) -> ContactList:
    """Make what is staged the list of the segment."""
    # Before its row: a refresh takes its turn first, too.
    membership.hold_off_erasures()
    rejections.close()
    is_api = actor.kind == AuditEntry.ActorKind.API
    is_user = actor.kind == AuditEntry.ActorKind.USER
    kept = ContactList.objects.create(
        segment=segment,
        title=file_name[:300],
        identity=choice.identity,
        column=choice.column[:300],
        key_check=contact_lists.key_check(),
        row_count=found.row_count,
        matched_count=found.matched_count,
        unmatched_count=found.unmatched_count,
        duplicate_count=found.duplicate_count,
        faulty_count=found.faulty_count,
        unmatched_file="" if rejections.path is None else rejections.path.name,
        unmatched_until=None if rejections.path is None else at + UNMATCHED_KEPT,
        user_id=actor.id if is_user else None,
        api_user_id=actor.id if is_api else None,
        created_at=at,
        job=job,
    )
    row = found.shifts.row(sql.SQL("t.id"))
    if contact_lists.uses_keys(choice.identity):
        statement = sql.SQL(
            "INSERT INTO {table} (contact_list_id, digest, row)"
            " SELECT {list}, {digest}, min({row}) FROM import_target t GROUP BY 2"
        ).format(
            table=sql.Identifier(ListedKey._meta.db_table),
            list=sql.Literal(kept.pk),
            digest=contact_lists.digest_of(sql.SQL("t.key")),
            row=row,
        )
    else:
        statement = sql.SQL(
            "INSERT INTO {table} (contact_list_id, contact_id, row)"
            " SELECT {list}, t.contact_id, {row} FROM import_target t"
            " JOIN contacts_contact c ON c.id = t.contact_id AND c.erased_at IS NULL"
            " ORDER BY t.contact_id"
        ).format(
            table=sql.Identifier(ListedContact._meta.db_table), list=sql.Literal(kept.pk), row=row
        )
    execute(statement)
    contact_lists.count_anew(kept)
    lifecycle.take_list(segment, kept, actor=actor, at=at)
    return kept


def _note_failure(segment: Segment, failure: str, at: datetime) -> None:
    Segment.objects.filter(pk=segment.pk).update(failure=failure[:2000], failed_at=at)


def _subject(segment: Segment) -> str:
    return f"segment:{segment.pk}"
