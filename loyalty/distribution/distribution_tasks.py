"""Whom a distribution has to reach: tasks, written in the transaction of what triggered them.

So none is lost, whoever is killed. A cause counts once for a contact in a distribution, so none is
done twice: each entering of a segment, each event, each change of tier, each sending by hand.
"""

import json
from collections.abc import Sequence
from datetime import datetime

from contacts.followed_events import FollowedEvent
from contacts.survivors import survivor_of
from loyalty.distribution.distribution_settings import EVENT_OF
from loyalty.models import Distribution, DistributionTask
from loyalty.programme.tiers import TierChange
from segments.moves import Moved
from workspace import rounds, sql

CHANNEL = "regulars_distribute"
Trigger, State = Distribution.Trigger, DistributionTask.State

# Not who left because the segment was archived, nor what moved because two contacts became one:
# nobody did anything. The log may be a little ahead of the clock.
_MOVED = """
INSERT INTO loyalty_distributiontask (distribution_id, contact_id, cause, context, due_at)
SELECT d.id, c.contact_id,
  c.kind || ':' || to_char(c.at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), '{}',
  least(c.at, statement_timestamp())
FROM unnest(%s::integer[], %s::timestamptz[]) AS moved (segment_id, at)
JOIN loyalty_distribution d ON d.segment_id = moved.segment_id AND d.state = 'active'
  AND d.trigger IN ('segment_entered', 'segment_left')
JOIN segments_membershipchange c ON c.segment_id = moved.segment_id AND c.at = moved.at
  AND c.kind = CASE d.trigger WHEN 'segment_entered' THEN 'entered' ELSE 'left' END
  AND c.cause NOT IN ('merge', 'archived')
ORDER BY d.id, c.contact_id
ON CONFLICT DO NOTHING
"""
_FOLLOWED = """
SELECT EXISTS (SELECT FROM loyalty_distribution WHERE segment_id = ANY(%s) AND state = 'active')
"""
# Who was reached before, for whatever cause, is not reached again because he is in there.
_PRESENT = """
INSERT INTO loyalty_distributiontask (distribution_id, contact_id, cause, context, due_at)
SELECT %s, m.contact_id, 'present', '{}', %s FROM segments_membership m
WHERE m.segment_id = %s AND NOT EXISTS (
  SELECT FROM loyalty_distributiontask t
  WHERE t.distribution_id = %s AND t.contact_id = m.contact_id)
ORDER BY m.contact_id ON CONFLICT DO NOTHING
"""
_MEMBERS = """
INSERT INTO loyalty_distributiontask (distribution_id, contact_id, cause, context, due_at)
SELECT %s, m.contact_id, %s, '{}', %s FROM segments_membership m WHERE m.segment_id = %s
ORDER BY m.contact_id ON CONFLICT DO NOTHING
"""
_GIVEN = """
INSERT INTO loyalty_distributiontask (distribution_id, contact_id, cause, context, due_at)
SELECT g.distribution_id, g.contact_id, g.cause, g.context::jsonb, %s
FROM unnest(%s::integer[], %s::bigint[], %s::text[], %s::text[])
  AS g (distribution_id, contact_id, cause, context)
ORDER BY 1, 2, 3 ON CONFLICT DO NOTHING
"""
_AGAIN = """
UPDATE loyalty_distributiontask SET state = 'pending', attempts = 0, due_at = %s, problem = '',
  finished_at = NULL
WHERE distribution_id = %s AND state IN ('failed', 'refused')
  AND (%s::bigint[] IS NULL OR id = ANY(%s::bigint[]))
"""
# (distribution, contact, cause, context as JSON)
_Row = tuple[int, int, str, str]


def wake() -> None:
    """Have the round look, once the transaction is committed."""
    rounds.wake(CHANNEL)


def follow_moves(moved: Sequence[Moved]) -> None:
    """Leave a task for each who entered or left a segment that an active distribution follows."""
    segments, instants = [pk for pk, _at in moved], [at for _pk, at in moved]
    if sql.one(_FOLLOWED, [segments]) and sql.execute(_MOVED, [segments, instants]):
        wake()


def follow_events(events: Sequence[FollowedEvent], at: datetime) -> None:
    """Leave a task for each event for which an active distribution waits."""
    waiting: dict[str, list[tuple[int, str | None]]] = {}
    kinds = (Trigger.EVENT, *EVENT_OF)
    active = Distribution.objects.filter(state=Distribution.State.ACTIVE, trigger__in=kinds)
    for pk, trigger, key in active.values_list("pk", "trigger", "trigger_key"):
        name, campaign = (EVENT_OF[trigger], key) if trigger in EVENT_OF else (key, None)
        waiting.setdefault(name, []).append((pk, campaign))
    rows: list[_Row] = []
    for event in events:
        for pk, campaign in waiting.get(event.name, ()):
            if campaign is None or event.properties.get("campaign") == campaign:
                rows.append((pk, event.contact_id, f"event:{event.message_id}", _told(event)))
    _add(rows, at)


def follow_tiers(changes: Sequence[TierChange], at: datetime) -> None:
    """Leave a task for each member who came to the tier for which a distribution waits."""
    active = Distribution.objects.filter(
        state=Distribution.State.ACTIVE, trigger=Trigger.TIER_CHANGED
    )
    waiting = list(active.values_list("pk", "trigger_key"))
    rows: list[_Row] = []
    for change in changes:
        told = json.dumps({"tier": {"before": change.before, "after": change.after}})
        cause = f"tier:{change.after}:{at.isoformat()}"
        rows += [
            (pk, change.contact_id, cause, told)
            for pk, key in waiting
            if not key or key == change.after
        ]
    _add(rows, at)


def add_present(distribution: Distribution, *, at: datetime) -> int:
    """Leave a task for each member of the segment whom the distribution never reached."""
    pk = distribution.pk
    return sql.execute(_PRESENT, [pk, at, distribution.segment_id, pk])


def add_members(distribution: Distribution, *, at: datetime) -> int:
    """Leave a task for each member of the segment, for this sending."""
    cause = f"manual:{at.isoformat()}"
    count = sql.execute(_MEMBERS, [distribution.pk, cause, at, distribution.segment_id])
    wake()
    return count


def add_contact(distribution: Distribution, contact_id: int, *, at: datetime) -> int:
    """Leave a task for one contact, for this sending; of a merged one for the survivor."""
    cause = f"manual:{at.isoformat()}"
    return _add([(distribution.pk, survivor_of(contact_id), cause, "{}")], at)


def ask_again(distribution: Distribution, *, at: datetime, task_ids: Sequence[int] | None) -> int:
    """Queue again what failed or was refused; how many."""
    ids = None if task_ids is None else list(task_ids)
    count = sql.execute(_AGAIN, [at, distribution.pk, ids, ids])
    wake()
    return count


def _add(rows: Sequence[_Row], at: datetime) -> int:
    if not rows:
        return 0
    columns = [list(column) for column in zip(*rows, strict=True)]
    count = sql.execute(_GIVEN, [at, *columns])
    if count:
        wake()
    return count


def _told(event: FollowedEvent) -> str:
    """What templates and webhooks are told of the event."""
    told = {
        "name": event.name,
        "occurred_at": event.occurred_at,
        "properties": event.properties,
    }
    return json.dumps({"event": told}, default=str)
