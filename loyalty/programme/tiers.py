"""Tiers of members: which level the points earned lately are enough for.

A level is an active mechanism of the kind "tier", with the points it takes in its settings. What
counts is what a member earned in the last days (`Programme.tier_window_days`): points issued to
him, without those that were taken back since. Who earns enough goes up at once; who has not enough
any more goes down when all are recalculated, every night. A tier that no mechanism is called was
given by hand and stays; so do all of them while no level is in force.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction

from loyalty.models import Mechanism, Member
from loyalty.programme import programmes
from workspace import audit, sql
from workspace.access import SYSTEM

# So many members are recalculated in one transaction.
PORTION = 50_000

_EARNED = """
SELECT coalesce(sum(p.points), 0)::bigint AS points FROM loyalty_pointsposting p
WHERE p.contact_id = {member} AND p.debit = 'issued' AND p.at > %(since)s AND p.at <= %(at)s
  AND NOT EXISTS (SELECT FROM loyalty_pointsposting r
    WHERE r.contact_id = p.contact_id AND r.reverses_id = p.id)
"""
# Member by member through the index: as fast for many whose statistics are not there yet, which a
# join with the sums of all is not. In the order of their ids, as everyone locks members.
_CHANGES = f"""
WITH levels AS (
  SELECT * FROM unnest(%(keys)s::text[], %(thresholds)s::bigint[]) AS level (key, threshold))
SELECT m.contact_id, m.tier AS before, w.key AS after
FROM loyalty_member m
CROSS JOIN LATERAL ({_EARNED.format(member="m.contact_id")}) e
LEFT JOIN levels own ON own.key = m.tier
CROSS JOIN LATERAL (
  SELECT coalesce((array_agg(l.key ORDER BY l.threshold DESC))[1], '') AS key,
    coalesce(max(l.threshold), -1) AS threshold
  FROM levels l WHERE l.threshold <= e.points) w
WHERE m.left_at IS NULL AND {{chosen}}
  AND (m.tier = '' OR m.tier = ANY(%(managed)s::text[])) AND w.key <> m.tier
  AND (NOT %(only_up)s OR w.threshold > coalesce(own.threshold, -1))
ORDER BY m.contact_id FOR UPDATE OF m
"""  # noqa: S608  made of our own words only
_LISTED = "m.contact_id = ANY(%(listed)s::bigint[])"
_SPAN = "m.contact_id BETWEEN %(first)s AND %(last)s"
_WRITE = """
UPDATE loyalty_member m SET tier = new.tier
FROM unnest(%s::bigint[], %s::text[]) AS new (contact_id, tier) WHERE m.contact_id = new.contact_id
"""
_LAST_ID = "SELECT max(contact_id) FROM loyalty_member"
_END_OF_PORTION = """
SELECT max(contact_id) FROM (
  SELECT contact_id FROM loyalty_member WHERE contact_id > %s ORDER BY contact_id LIMIT %s) portion
"""


@dataclass(frozen=True, slots=True)
class Level:
    """A tier that is in force: the points it takes."""

    key: str
    name: str
    threshold: int


@dataclass(frozen=True, slots=True)
class TierChange:
    """A member who went up or down; '' is no tier."""

    contact_id: int
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Standing:
    """How far a member is: what counts now, his level and the next one above."""

    points: int
    level: Level | None
    following: Level | None

    @property
    def share(self) -> float:
        """Of the way to the next level, from 0 to 1; 1 where there is none."""
        return min(self.points / self.following.threshold, 1.0) if self.following else 1.0


Consume = Callable[[Sequence[TierChange], datetime], None]

_consumers: dict[str, Consume] = {}


def register_consumer(name: str, consume: Consume) -> None:
    """Have `consume` told of changes, in the transaction that makes them. May be called again."""
    _consumers[name] = consume


def levels() -> list[Level]:
    """The tiers that are in force, the lowest first."""
    found = Mechanism.objects.filter(kind=Mechanism.Kind.TIER, status=Mechanism.Status.ACTIVE)
    made = [
        Level(one.key, one.name, threshold)
        for one in found
        if (threshold := threshold_of(one.settings)) is not None
    ]
    return sorted(made, key=lambda level: (level.threshold, level.key))


def threshold_of(settings: Mapping[str, Any]) -> int | None:
    """The points that a tier takes, by its settings; None where they do not say."""
    threshold = settings.get("threshold")
    is_usable = isinstance(threshold, int) and not isinstance(threshold, bool) and threshold >= 0
    return threshold if is_usable else None


@transaction.atomic
def lift(contact_ids: Collection[int], *, at: datetime) -> list[TierChange]:
    """Have those of these members go up who earned enough; nobody goes down."""
    known = levels()
    return _apply(known, (0, max(contact_ids)), contact_ids, True, at) if known else []


def recalculate(contact_ids: Collection[int] | None, *, at: datetime) -> list[TierChange]:
    """Give these members, or all, the tier that they have as of `at`; whose changed.

    Doing it again changes nothing. All of them are done in portions, each in its transaction.
    """
    known = levels()
    if not known or (contact_ids is not None and not contact_ids):
        return []
    if contact_ids is not None:
        return _apply(known, (0, max(contact_ids)), contact_ids, False, at)
    done: list[TierChange] = []
    after = -(2**63)
    # A statement for each portion, so that nobody waits long for members that are locked.
    while (end := sql.one(_END_OF_PORTION, [after, PORTION])) is not None:
        done += _apply(known, (after + 1, end), None, False, at)
        after = end
    return done


def standing_of(contact_id: int, *, at: datetime) -> Standing:
    """What counts of a member's points for tiers now, and how far the next one is."""
    since = at - timedelta(days=programmes.programme().tier_window_days)
    words = {"since": since, "at": at, "contact_id": contact_id}
    points = int(sql.one(_EARNED.format(member="%(contact_id)s"), words))
    tier = Member.objects.filter(pk=contact_id).values_list("tier", flat=True).first()
    known = levels()
    level = next((one for one in known if one.key == tier), None)
    above = (one for one in known if one.threshold > max(points, level.threshold if level else -1))
    return Standing(points, level, next(above, None))


@transaction.atomic
def _apply(
    known: Sequence[Level],
    span: tuple[int, int],
    contact_ids: Collection[int] | None,
    only_up: bool,
    at: datetime,
) -> list[TierChange]:
    since = at - timedelta(days=programmes.programme().tier_window_days)
    managed = Mechanism.objects.filter(kind=Mechanism.Kind.TIER).values_list("key", flat=True)
    words = {
        "since": since,
        "at": at,
        "keys": [level.key for level in known],
        "thresholds": [level.threshold for level in known],
        "managed": list(managed),
        "only_up": only_up,
        "listed": sorted(contact_ids or ()),
        "first": span[0],
        "last": span[1],
    }
    chosen = _SPAN if contact_ids is None else _LISTED
    rows = sql.lists(_CHANGES.format(chosen=chosen), words)
    changes = [TierChange(*row) for row in rows]
    if changes:
        sql.execute(_WRITE, [[row[0] for row in rows], [row[2] for row in rows]])
        audit.record_many(
            actor=SYSTEM,
            action="member.tier_changed",
            object_type=Member._meta.label_lower,
            changes={str(one.contact_id): {"tier": [one.before, one.after]} for one in changes},
            at=at,
        )
        for consume in _consumers.values():
            consume(changes, at)
    return changes
