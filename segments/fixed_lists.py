"""Fixed lists: segments of those who were in another one at a moment, or who came or went.

A fixed list stays as it is: its members are on it until they are erased. It is not a file: it has
contacts and no keys, so that nobody new can come in.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from django.db import transaction
from django.utils.formats import date_format
from django.utils.timezone import localtime
from django.utils.translation import gettext as _

from segments import contact_lists, lifecycle, membership, past
from segments.criteria import Query
from segments.errors import SegmentUnknown
from segments.models import ContactList, Segment, everyone
from workspace import access, jobs, sql
from workspace.access import Actor
from workspace.jobs import Work
from workspace.models import AuditEntry, Job

FILL_JOB = "segments.fill_list"
Kind = Literal["members", "entered", "left"]


@dataclass(frozen=True, slots=True)
class Choice:
    """Who: the members of a segment at `until`, or who entered or left after `since` up to it."""

    segment: Segment
    kind: Kind
    until: datetime
    since: datetime | None = None

    @property
    def title(self) -> str:
        """What the list is called; without the name of the segment, which not all may know."""
        words = {"since": _told(self.since), "until": _told(self.until)}
        if self.kind == "members":
            return _("members on %(until)s") % words
        if self.kind == "entered":
            return _("entered from %(since)s to %(until)s") % words
        return _("left from %(since)s to %(until)s") % words

    def query(self) -> Query:
        """SELECT their `contact_id`."""
        if self.kind == "members":
            return past.members_query(self.segment, at=self.until)
        return past.flow_query(self.segment, self.kind, since=self.since, until=self.until)


@dataclass(frozen=True, slots=True)
class Filled:
    """What a list holds."""

    segment: str
    listed: int
    members: int


def request_list(
    choice: Choice, *, actor: Actor, at: datetime, **settings: Any
) -> tuple[Segment, Job]:
    """Make a segment of those who are chosen, filled by a worker; `settings` as create_segment's.

    Raises SegmentUnknown, PastNotYet, PastForgotten, and what create_segment raises.
    """
    access.require(actor, "segments.view_segment")
    if not access.is_visible(choice.segment, actor):
        raise SegmentUnknown(choice.segment.key)
    past.check_moment(choice.segment, at=choice.until, now=at)
    with transaction.atomic():
        made = lifecycle.create_segment(
            actor=actor, at=at, criteria=everyone(), source=Segment.Source.LIST, **settings
        )
        job = jobs.start(
            FILL_JOB,
            title=_("Fill segment “%(name)s”") % {"name": made.name},
            actor=actor,
            arguments={
                "segment_id": made.pk,
                "of_segment_id": choice.segment.pk,
                "kind": choice.kind,
                "since": choice.since.isoformat() if choice.since else None,
                "until": choice.until.isoformat(),
            },
            subject=f"segment:{made.pk}",
        )
    return made, job


def fill_requested(work: Work, *, at: datetime) -> Filled:
    """Fill the list that a job is about, and calculate its members. Safe to run again."""
    given = work.arguments
    segment = Segment.objects.get(pk=given["segment_id"])
    choice = Choice(
        Segment.objects.get(pk=given["of_segment_id"]),
        given["kind"],
        datetime.fromisoformat(given["until"]),
        datetime.fromisoformat(given["since"]) if given["since"] else None,
    )
    return fill(segment, choice, actor=work.actor, at=at, work=work)


def fill(
    segment: Segment, choice: Choice, *, actor: Actor, at: datetime, work: Work | None = None
) -> Filled:
    """Put those who are chosen on the list of a segment; erased contacts are passed over.

    Of merged ones the survivor is chosen.

    A segment that has its list already keeps it.
    """
    held = Segment.objects.select_related("contact_list").get(pk=segment.pk)
    kept = held.contact_list or _fill(segment, choice, actor=actor, at=at)
    if work is not None:
        work.advance(kept.row_count, kept.row_count, _("calculating"))
    if held.status == Segment.Status.ACTIVE:
        membership.refresh(segment.pk, as_of=at, cause="list", wait=True)
    segment.refresh_from_db()
    return Filled(segment.key, kept.row_count, segment.member_count)


def _fill(segment: Segment, choice: Choice, *, actor: Actor, at: datetime) -> ContactList:
    query = choice.query()
    is_user = actor.kind == AuditEntry.ActorKind.USER
    is_api = actor.kind == AuditEntry.ActorKind.API
    with sql.local_settings(query.settings):
        membership.hold_off_erasures()
        kept = ContactList.objects.create(
            segment=segment,
            title=choice.title,
            user_id=actor.id if is_user else None,
            api_user_id=actor.id if is_api else None,
            created_at=at,
        )
        count = sql.execute(
            "INSERT INTO segments_listedcontact (contact_list_id, contact_id)"  # noqa: S608
            f" SELECT DISTINCT %s::bigint, c.id FROM ({query.text}) q"
            " LEFT JOIN contacts_contactmerge m ON m.loser_id = q.contact_id"
            " JOIN contacts_contact c ON c.id = coalesce(m.survivor_id, q.contact_id)"
            "   AND c.erased_at IS NULL ORDER BY 2",
            [kept.pk, *query.params],
        )
        kept.row_count = kept.matched_count = count
        kept.save()
        contact_lists.count_anew(kept)
        lifecycle.take_list(segment, kept, actor=actor, at=at)
    return kept


def _told(at: datetime | None) -> str:
    return _("the beginning") if at is None else date_format(localtime(at), "DATETIME_FORMAT")
