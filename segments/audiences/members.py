"""The difference between a segment and its list at a vendor: who is added, who is taken off."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from contacts.identities import lower_case
from contacts.models import Contact, ContactMerge
from integrations.errors import TemporaryError, ThingMissing
from integrations.vendors import syncing
from integrations.vendors.list_keepers import Added, ListKeeper
from integrations.vendors.patience import patiently, pause_for
from integrations.vendors.registry import SyncRun
from segments.audiences.models import Audience, AudienceMember
from workspace import sql

State = AudienceMember.State
_AGAIN_AFTER = timedelta(days=7)
# What was sent and not answered may be worked on at the vendor for so long.
_LOST_FOR = timedelta(minutes=5)
_POLL_SECONDS = 5.0
_POLL_LIMIT = 720
# Neither among those whom the vendor took nor among those whom it refused.
_NOT_TAKEN = "not_taken"

_DIFFERENCE = """
WITH people AS MATERIALIZED (
  SELECT m.contact_id, n.value AS address,
    n.value IS NOT NULL AND (
      EXISTS (SELECT FROM integrations_suppression s
        WHERE s.channel = 'email' AND s.address = n.value)
      OR EXISTS (SELECT FROM integrations_suppression s WHERE s.channel = 'email'
        AND s.address = 'sha256:' || encode(sha256(convert_to(n.value, 'UTF8')), 'hex'))
      OR (%(consent)s::int IS NOT NULL AND NOT EXISTS (
        SELECT FROM contacts_consentstate k WHERE k.contact_id = m.contact_id
          AND k.definition_id = %(consent)s AND k.state = 'granted'))) AS is_held_back
  FROM segments_membership m
  JOIN contacts_contact c ON c.id = m.contact_id AND c.erased_at IS NULL
  LEFT JOIN (
    SELECT DISTINCT ON (i.contact_id) i.contact_id, i.value
    FROM contacts_identity i JOIN contacts_contact c ON c.id = i.contact_id
    WHERE i.namespace = 'email'
    ORDER BY i.contact_id, (i.value = lower(c.email)) DESC, i.created_at, i.value
  ) n ON n.contact_id = m.contact_id
  WHERE m.segment_id = %(segment)s),
wanted AS (
  SELECT contact_id, address FROM people WHERE address IS NOT NULL AND NOT is_held_back),
old AS MATERIALIZED (
  SELECT contact_id, address, state, may_be_there, at FROM segments_audiencemember
  WHERE audience_id = %(audience)s),
unwanted AS (
  SELECT o.* FROM old o WHERE NOT EXISTS (
    SELECT FROM wanted w WHERE w.contact_id = o.contact_id AND w.address = o.address)),
dropped AS (
  DELETE FROM segments_audiencemember r USING unwanted u WHERE NOT u.may_be_there
    AND r.audience_id = %(audience)s AND r.contact_id = u.contact_id AND r.address = u.address),
gone AS (
  UPDATE segments_audiencemember r SET state = 'leaving', reason = '' FROM unwanted u
  WHERE u.may_be_there AND r.state <> 'leaving' AND r.audience_id = %(audience)s
    AND r.contact_id = u.contact_id AND r.address = u.address),
due AS (
  INSERT INTO segments_audiencemember AS r
    (contact_id, audience_id, address, state, may_be_there, reason)
  SELECT w.contact_id, %(audience)s, w.address, 'due', coalesce(o.may_be_there, false), ''
  FROM wanted w LEFT JOIN old o ON o.contact_id = w.contact_id AND o.address = w.address
  WHERE o.state IS NULL OR o.state IN ('leaving', 'adding')
    OR (o.state = 'refused' AND o.at < %(again)s)
  ON CONFLICT (contact_id, audience_id, address) DO UPDATE SET state = 'due', reason = '')
SELECT count(*) FILTER (WHERE address IS NULL), count(*) FILTER (WHERE is_held_back) FROM people
"""
_CLAIM = """
UPDATE segments_audiencemember r SET state = 'adding', may_be_there = true
FROM (
  SELECT contact_id, address FROM segments_audiencemember
  WHERE audience_id = %(audience)s AND state = 'due' ORDER BY contact_id LIMIT %(limit)s) d
WHERE r.audience_id = %(audience)s AND r.contact_id = d.contact_id AND r.address = d.address
RETURNING r.address
"""
_SETTLE = """
WITH taken AS (
  SELECT * FROM unnest(%(addresses)s::text[], %(ids)s::bigint[]) AS t (address, remote_id)),
refused AS (
  SELECT * FROM unnest(%(refused)s::text[], %(reasons)s::text[]) AS f (address, reason))
UPDATE segments_audiencemember r SET
  state = CASE WHEN t.address IS NOT NULL THEN 'there' ELSE 'refused' END,
  may_be_there = t.address IS NOT NULL,
  remote_id = coalesce(t.remote_id, r.remote_id),
  reason = CASE WHEN t.address IS NULL THEN left(coalesce(f.reason, %(otherwise)s), 60) ELSE '' END,
  at = %(at)s
FROM segments_audiencemember a
LEFT JOIN taken t ON t.address = a.address
LEFT JOIN refused f ON f.address = a.address
WHERE a.audience_id = %(audience)s AND a.state = 'adding' AND r.audience_id = a.audience_id
  AND r.contact_id = a.contact_id AND r.address = a.address
"""
_NUMBER = """
UPDATE segments_audiencemember r SET remote_id = t.remote_id
FROM unnest(%s::text[], %s::bigint[]) AS t (address, remote_id)
WHERE r.audience_id = %s AND r.state = 'leaving' AND r.remote_id IS NULL AND r.address = t.address
"""
# Of an address that another contact has now there is one member there: it stays, and the other
# contact's row knows that it is there, should that one leave before it is added.
_HAND_OVER = """
WITH gone AS (
  DELETE FROM segments_audiencemember r WHERE r.audience_id = %(audience)s AND r.state = 'leaving'
    AND EXISTS (SELECT FROM segments_audiencemember o WHERE o.audience_id = r.audience_id
      AND o.address = r.address AND o.contact_id <> r.contact_id AND o.state <> 'leaving')
  RETURNING r.address, r.remote_id)
UPDATE segments_audiencemember o SET may_be_there = true,
  remote_id = coalesce(o.remote_id, g.remote_id)
FROM gone g WHERE o.audience_id = %(audience)s AND o.address = g.address AND o.state <> 'leaving'
"""
_FORGET = """
WITH dropped AS (
  DELETE FROM segments_audiencemember WHERE contact_id = ANY(%(ids)s) AND NOT may_be_there
  RETURNING 1),
gone AS (
  UPDATE segments_audiencemember SET state = 'leaving', reason = ''
  WHERE contact_id = ANY(%(ids)s) AND may_be_there AND state <> 'adding' RETURNING 1)
SELECT (SELECT count(*) FROM dropped) + (SELECT count(*) FROM gone), (
  SELECT array_agg(DISTINCT a.connection_id)
  FROM segments_audiencemember r JOIN segments_audience a ON a.id = r.audience_id
  WHERE r.contact_id = ANY(%(ids)s) AND r.may_be_there)
"""
# Whoever was being added when he was erased.
_LEAVE_ERASED = """
UPDATE segments_audiencemember r SET state = 'leaving', reason = ''
WHERE r.audience_id = %s AND r.state = 'due' AND r.may_be_there AND r.contact_id = ANY(%s)
"""
_LOOKED_FOR = "looked_for"


@dataclass(frozen=True, slots=True)
class Moved:
    """How many were put on a list and taken off it."""

    added: int
    removed: int


def mirror(run: SyncRun, keeper: ListKeeper, audience: Audience) -> Moved:
    """Make the list of an audience the same as its segment, as far as we put people on it.

    May be killed at any moment, and is right when it was done again.
    """
    _settle_lost(run, audience)
    note_difference(audience, as_of=run.now())
    removed = _remove(run, keeper, audience, AudienceMember.objects.all())
    return Moved(added=_add_due(run, keeper, audience), removed=removed)


def take_off_erased(run: SyncRun, keeper: ListKeeper, audience: Audience) -> int:
    """Take who was erased off a list that is left as it is otherwise; how many these were."""
    _settle_lost(run, audience)
    # Few: of most audiences nobody was erased since the last synchronization.
    waiting = _of_erased().filter(audience=audience, state=State.DUE, may_be_there=True)
    ids = list(waiting.values_list("contact_id", flat=True))
    sql.execute(_LEAVE_ERASED, [audience.pk, ids])
    return _remove(run, keeper, audience, _of_erased())


def audiences_with_erased(connection_id: int) -> "QuerySet[Audience]":
    """The audiences of a connection on whose lists erased contacts still are, or may be."""
    states = [State.LEAVING, State.ADDING, State.DUE]
    theirs = _of_erased().filter(audience=OuterRef("pk"), state__in=states, may_be_there=True)
    return Audience.objects.filter(Exists(theirs), connection_id=connection_id)


def note_difference(audience: Audience, *, as_of: datetime) -> None:
    """Mark who is to be added and who is to be taken off, in one statement.

    Who was refused comes again after a week.
    """
    [(nameless, held_back)] = sql.lists(
        _DIFFERENCE,
        {
            "segment": audience.segment_id,
            "audience": audience.pk,
            "consent": audience.consent_id,
            "again": as_of - _AGAIN_AFTER,
        },
    )
    audience.nameless_count, audience.held_back_count = nameless, held_back
    audience.save(update_fields=["nameless_count", "held_back_count"])


def count_there(audience: Audience) -> None:
    """Count again who is on the list, and who was refused."""
    found = dict(
        sql.lists(
            "SELECT state, count(*) FROM segments_audiencemember WHERE audience_id = %s GROUP BY 1",
            [audience.pk],
        )
    )
    audience.there_count = found.get(State.THERE.value, 0)
    audience.refused_count = found.get(State.REFUSED.value, 0)
    audience.save(update_fields=["there_count", "refused_count"])


def forget_contacts(contact_ids: list[int]) -> int:
    """Have erased contacts taken off their lists by the next synchronization; how many rows.

    It comes within a day. Until then their addresses are kept, because the vendor knows them by
    nothing else. Who is just being added is taken off when it is known what came of it.
    """
    [(count, connection_ids)] = sql.lists(_FORGET, {"ids": contact_ids})
    syncing.hasten(connection_ids or [], at=timezone.now())
    return int(count)


def _settle_lost(run: SyncRun, audience: Audience) -> None:
    """Let time pass where an addition was not answered: it could come after what is done now."""
    adding = AudienceMember.objects.filter(audience=audience, state=State.ADDING)
    if not adding.exists():
        return
    if audience.lost_at is None:
        # Whoever was at it was killed.
        audience.lost_at = run.now()
        audience.save(update_fields=["lost_at"])
    pause_for(run, (audience.lost_at + _LOST_FOR - run.now()).total_seconds())
    with transaction.atomic():
        adding.update(state=State.DUE)
        audience.lost_at = None
        audience.save(update_fields=["lost_at"])


def _add_due(run: SyncRun, keeper: ListKeeper, audience: Audience) -> int:
    count = 0
    total = AudienceMember.objects.filter(audience=audience, state=State.DUE).count()
    while addresses := [
        row[0] for row in sql.lists(_CLAIM, {"audience": audience.pk, "limit": keeper.at_once})
    ]:
        try:
            added = _add(run, keeper, audience, sorted(addresses))
        except BaseException:
            audience.lost_at = run.now()
            audience.save(update_fields=["lost_at"])
            raise
        sql.execute(
            _SETTLE,
            {
                "audience": audience.pk,
                "addresses": [lower_case(address) for address, _id in added.ids],
                "ids": [number for _address, number in added.ids],
                "refused": [lower_case(address) for address, _reason in added.refused],
                "reasons": [reason for _address, reason in added.refused],
                "otherwise": _NOT_TAKEN,
                "at": run.now(),
            },
        )
        count += len(added.ids)
        # Without its name: who sees the job need not know of the segment.
        run.advance(min(count, total), total, "")
    return count


def _add(run: SyncRun, keeper: ListKeeper, audience: Audience, addresses: Sequence[str]) -> Added:
    """Add some, and wait for what came of it. Raises TemporaryError where it failed as a whole."""
    job = patiently(run, lambda: keeper.add(audience.list_id, addresses))
    for _turn in range(_POLL_LIMIT):
        pause_for(run, _POLL_SECONDS)
        try:
            added = patiently(run, lambda: keeper.added(job))
        except ThingMissing as error:
            raise TemporaryError(_("The vendor has forgotten what was to be added.")) from error
        if added is None:
            continue
        if added.failure:
            words = _("The vendor could not add contacts to a list: %(why)s.")
            raise TemporaryError(words % {"why": added.failure})
        return added
    raise TemporaryError(_("The vendor has been busy adding contacts for an hour."))


def _remove(
    run: SyncRun, keeper: ListKeeper, audience: Audience, some: "QuerySet[AudienceMember]"
) -> int:
    """Take those off the list that leave it among some; how many."""
    sql.execute(_HAND_OVER, {"audience": audience.pk})
    leaving = some.filter(audience=audience, state=State.LEAVING)
    if not leaving.exists():
        return 0
    # Others may come to leave while the vendor is asked: these were not looked for.
    if leaving.filter(remote_id__isnull=True).update(reason=_LOOKED_FOR):
        _number(run, keeper, audience)
        # Whom the list does not have any more there is nothing to take off.
        leaving.filter(remote_id__isnull=True, reason=_LOOKED_FOR).delete()
    count = 0
    while ids := list(
        leaving.filter(remote_id__isnull=False)
        .order_by("contact_id")
        .values_list("remote_id", flat=True)[: keeper.at_once]
    ):
        numbers = [pk for pk in ids if pk is not None]
        patiently(run, partial(keeper.remove, audience.list_id, numbers))
        count += leaving.filter(remote_id__in=ids).delete()[0]
    return count


def _number(run: SyncRun, keeper: ListKeeper, audience: Audience) -> None:
    """Look up the vendor's ids of those who are to be taken off."""
    for page in patiently(run, lambda: list(keeper.members(audience.list_id))):
        addresses = [lower_case(address) for address, _id in page]
        sql.execute(_NUMBER, [addresses, [number for _address, number in page], audience.pk])
        run.check()


def _of_erased() -> "QuerySet[AudienceMember]":
    """The rows of contacts that were erased, and not merged into one that lives on."""
    survives = ContactMerge.objects.filter(
        loser_id=OuterRef("contact_id"), survivor__erased_at__isnull=True
    )
    erased = Contact.objects.filter(pk=OuterRef("contact_id"), erased_at__isnull=False)
    return AudienceMember.objects.filter(Exists(erased), ~Exists(survives))
