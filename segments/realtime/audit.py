"""The second opinion: each night every segment that follows is compared with a full evaluation.

It must find nothing. What it finds is put right with the cause "audit", and is an alarm: a finding
of the segment's health, a line of the audit trail, a mail to the owner who wants them, and a
complaint of `doctor`, until a later audit finds nothing.
"""

import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from time import monotonic

from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from segments import health, membership
from segments.criteria import compile_members
from segments.health import Found, Kind
from segments.models import Finding, Following, Segment
from segments.realtime import documents, state
from segments.realtime.documents import Documents
from segments.realtime.moving import Asked, Ours, ask
from workspace import audit, checkup, sql
from workspace.access import SYSTEM
from workspace.checkup import Finding as Examined

logger = logging.getLogger(__name__)

CAUSE = "audit"
# So many contacts are put right one by one; above it the segment is refreshed in full.
_LISTED = 50_000
_SILENCE = timedelta(minutes=5)

# Whom the rounds have still to ask is not wrong yet: his touch is seen by the same snapshot.
_WRONG = """
WITH fitting AS MATERIALIZED (SELECT contact_id FROM ({members}) n ORDER BY contact_id)
SELECT coalesce(f.contact_id, m.contact_id) AS contact_id, m.contact_id IS NULL AS is_new
FROM fitting f
FULL JOIN (SELECT contact_id FROM segments_membership WHERE segment_id = %s) m
  ON m.contact_id = f.contact_id
WHERE (f.contact_id IS NULL OR m.contact_id IS NULL)
  AND NOT EXISTS (
    SELECT FROM contacts_touch t WHERE t.contact_id = coalesce(f.contact_id, m.contact_id))
  AND NOT EXISTS (
    SELECT FROM segments_owed o
    WHERE o.segment_id = %s AND o.contact_id = coalesce(f.contact_id, m.contact_id))
LIMIT %s
"""


@dataclass(frozen=True, slots=True)
class Audited:
    """What the audit of a segment found: members who were missing, and who should not be in.

    `skipped` says why it could not be compared; then it is not known.
    """

    segment_id: int
    segment_key: str
    missing: int = 0
    surplus: int = 0
    milliseconds: float = 0.0
    skipped: str = ""

    @property
    def is_wrong(self) -> bool:
        """Whether somebody was in who should not be, or the other way round."""
        return bool(self.missing or self.surplus)


def audit_all(segment_ids: Iterable[int] | None = None, *, at: datetime) -> Iterator[Audited]:
    """Compare all segments that follow, or these, one after the other, and keep what is found."""
    following = Following.objects.order_by("segment_id")
    if segment_ids is not None:
        following = following.filter(segment__in=list(segment_ids))
    done = []
    for segment_id in list(following.values_list("segment_id", flat=True)):
        # Each a transaction of its own: while it is compared, its contacts are owed.
        audited = audit_segment(segment_id, at=at)
        done.append(audited)
        yield audited
    _keep(done, at=at)


def audit_segment(segment_id: int, *, at: datetime) -> Audited:
    """Compare the members of one segment with who satisfies its criteria, and put them right.

    Contacts who are still to be asked are left out, and those whom time turned since it was last
    looked at. Nobody else writes its members meanwhile.
    """
    begun = monotonic()
    with transaction.atomic():
        membership.take_turn_to_read(segment_id)
        segment = Segment.objects.select_related("following").get(pk=segment_id)
        known = documents.load()
        if (skipped := _skipped(segment, known)) is not None:
            return Audited(segment.pk, segment.key, skipped=skipped)
        found = _wrong(segment, known, at)
        if found is None:
            message = _("The date changes this moment.")
            return Audited(segment.pk, segment.key, skipped=message)
        missing, surplus = _put_right(segment, found, known, at)
        if missing or surplus:
            _raise_alarm(segment, missing, surplus, at=at)
    milliseconds = round((monotonic() - begun) * 1000, 3)
    return Audited(segment.pk, segment.key, missing, surplus, milliseconds)


def examine() -> Examined:
    """Whether the members of segments that follow are right, for `doctor`."""
    wrong = Finding.objects.filter(kind=Kind.ASTRAY).count()
    if wrong:
        message = ngettext(
            "The last audit put the members of %(count)d segment right: see its page.",
            "The last audit put the members of %(count)d segments right: see their pages.",
            wrong,
        )
        return Examined("membership", False, message % {"count": wrong})
    silent = sql.one(
        "SELECT count(*) FROM segments_following"
        " WHERE stale_since IS NULL AND followed_until < now() - %s",
        [_SILENCE],
    )
    if silent:
        message = ngettext(
            "%(count)d segment should follow its contacts, and nobody has looked for minutes: is"
            " manage.py run_rounds running?",
            "%(count)d segments should follow their contacts, and nobody has looked for minutes:"
            " is manage.py run_rounds running?",
            silent,
        )
        return Examined("membership", False, message % {"count": silent})
    count = Following.objects.count()
    message = ngettext(
        "%(count)d segment follows its contacts.",
        "%(count)d segments follow their contacts.",
        count,
    )
    return Examined("membership", True, message % {"count": count})


def register() -> None:
    """Have `doctor` examine the members of segments that follow. May be called again."""
    checkup.register("membership", examine)


def _skipped(segment: Segment, known: Documents) -> str | None:
    """Why a segment cannot be compared now; None where it can."""
    if not state.is_live(segment):
        return _("It does not follow its contacts, or waits for a full refresh.")
    if known.digests.get(segment.pk) != segment.following.digest:
        return _("Its criteria have just changed.")
    waiting = sql.lists("SELECT DISTINCT topic FROM contacts_touch WHERE contact_id = 0")
    if any(segment.pk in known.concerned(topic) for (topic,) in waiting):
        return _("A change of very many contacts has not been followed up yet.")
    return None


def _wrong(segment: Segment, known: Documents, at: datetime) -> set[int] | None:
    """Those who are in or out and should not be; None where time asks for a full refresh."""
    pk, tree = segment.pk, known.trees[segment.pk]
    turned = known.clock((pk,)).between(segment.following.followed_until, at)
    if any(needs.next_at <= at for needs in turned.needs_full.values()):
        return None
    query = compile_members(tree, now=at)
    with sql.local_settings({"work_mem": "64MB", **query.settings}):
        params = [*query.params, pk, pk, _LISTED]
        rows = sql.lists(_WRONG.format(members=query.text), params)
    found = {contact_id for contact_id, _is_new in rows}
    if found and turned.query is not None:
        with sql.local_settings(turned.query.settings):
            rows = sql.lists(turned.query.text, turned.query.params)
        found -= {contact_id for _segment_id, contact_id in rows}
    return found


def _put_right(
    segment: Segment, found: set[int], known: Documents, at: datetime
) -> tuple[int, int]:
    if not found:
        return 0, 0
    membership.hold_off_erasures()
    ours = Ours.of({segment.pk} | known.dependents({segment.pk}))
    asked = Asked()
    asked.pairs[segment.pk] = dict.fromkeys(found, CAUSE)
    members = segment.membership_set.filter(contact__in=found).values_list("contact_id", flat=True)
    before = set(members.all())
    ask(asked, known, ours=ours, at=at)
    after = set(members.all())
    return len(after - before), len(before - after)


def _raise_alarm(segment: Segment, missing: int, surplus: int, *, at: datetime) -> None:
    logger.error(
        "The audit put the members of segment %s right: %d were missing, %d too many.",
        segment.key,
        missing,
        surplus,
    )
    changes = {"missing": [missing, 0], "surplus": [surplus, 0]}
    audit.record(
        actor=SYSTEM, action="segment.members_put_right", subject=segment, changes=changes, at=at
    )


def _keep(done: list[Audited], *, at: datetime) -> None:
    """Let the findings say what this audit found; of what it skipped they stay as they were."""
    compared = {one.segment_id for one in done if not one.skipped}
    kept = Finding.objects.filter(kind=Kind.ASTRAY).exclude(segment__in=compared)
    others = [Found(one.segment_id, Kind.ASTRAY, data=one.data) for one in kept]
    found = [
        Found(
            one.segment_id,
            Kind.ASTRAY,
            data={"missing": one.missing, "surplus": one.surplus, "at": at.isoformat()},
        )
        for one in done
        if one.is_wrong
    ]
    health.keep([*others, *found], kinds=[Kind.ASTRAY], at=at)
