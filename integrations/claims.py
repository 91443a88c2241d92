"""Who sends what: due deliveries are taken by one of many, and put back where nobody sent them.

A connection gives no more than it has room for, than it takes in a second, and nothing while it
rests. What has an order key waits until all before it with the same key are over.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from math import floor

from django.db import transaction

from integrations.models import Connection, Delivery
from integrations.registry import Room
from workspace import sql

# Of what it takes in a second a connection takes so much at once, after a pause.
_AT_ONCE_SECONDS = 0.2
# So many are taken together where there is room; more only where everybody gets as many.
_FEW, _EVERYBODY = 20, 16
# A turn that comes within a thousandth is there: instants are whole microseconds.
_LITTLE = 1e-3

_KINDS = """
SELECT * FROM unnest(%(kinds)s::text[], %(shares)s::integer[], %(batches)s::integer[],
  %(paces)s::float8[]) AS k (kind, share, batch, per_second)
"""
# Of a connection, at the moment: how much may be in flight, whether it rests, how many a second.
_PRESENT = """
SELECT CASE WHEN c.failing_since IS NULL THEN k.share ELSE 1 END AS share,
  coalesce(c.breaker_until > %(due_by)s, false) AS rests,
  coalesce(CASE WHEN jsonb_typeof(c.settings->'per_second') = 'number'
    THEN nullif(greatest((c.settings->>'per_second')::float8, 0), 0) END,
    k.per_second) AS per_second
"""
# Nobody before it, of the same key, is still to be sent.
_ITS_TURN = """
(d.order_key = '' OR NOT EXISTS (
  SELECT FROM integrations_delivery e
  WHERE e.connection_id = d.connection_id AND e.order_key = d.order_key AND e.order_key <> ''
    AND e.state IN ('queued', 'in_flight') AND e.id < d.id))
"""
# The connection that has the fewest in flight, among those whose turn it can be. It is not locked:
# two who choose at once may together take a few more than its share.
_CHOOSE = f"""
SELECT c.id, least(k.batch, p.share - f.flying) AS room, p.rests, p.per_second, k.kind
FROM ({_KINDS}) k JOIN integrations_connection c ON c.kind = k.kind
CROSS JOIN LATERAL ({_PRESENT}) p
CROSS JOIN LATERAL (
  SELECT count(*) AS flying FROM integrations_delivery d
  WHERE d.connection_id = c.id AND d.state = 'in_flight') f
CROSS JOIN LATERAL (
  (SELECT d.due_at FROM integrations_delivery d
  WHERE NOT p.rests AND d.connection_id = c.id AND d.state = 'queued' AND d.due_at <= %(due_by)s
    AND {_ITS_TURN}
  ORDER BY d.due_at, d.id LIMIT 1)
  UNION ALL
  (SELECT d.due_at FROM integrations_delivery d
  WHERE p.rests AND d.connection_id = c.id AND d.state = 'queued' AND d.due_at <= %(due_by)s
    AND d.keeps_time AND {_ITS_TURN}
  ORDER BY d.due_at, d.id LIMIT 1)) q
WHERE c.is_enabled AND p.share > f.flying AND (p.per_second IS NULL
  OR coalesce(c.paced_at, '-infinity')
    <= %(at)s::timestamptz - make_interval(secs => 0.999 / p.per_second))
ORDER BY f.flying, q.due_at, c.id LIMIT 1
"""  # noqa: S608  made of our own words only
_PICK = {
    rests: f"""
WITH picked AS MATERIALIZED (
  SELECT d.id FROM integrations_delivery d
  WHERE d.connection_id = %s AND d.state = 'queued' AND d.due_at <= %s {condition}
    AND {_ITS_TURN}
  ORDER BY d.due_at, d.id LIMIT %s FOR UPDATE SKIP LOCKED
)
UPDATE integrations_delivery d SET state = 'in_flight', claimed_at = %s
FROM picked WHERE d.id = picked.id RETURNING d.id
"""  # noqa: S608  made of our own words only
    for rests, condition in ((False, ""), (True, "AND d.keeps_time"))
}
# When the first of the connections that only wait for the next second takes something.
_NEXT_TURN = f"""
SELECT min(extract(epoch FROM c.paced_at - %(at)s) + 1 / p.per_second)
FROM ({_KINDS}) k JOIN integrations_connection c ON c.kind = k.kind
CROSS JOIN LATERAL ({_PRESENT}) p
WHERE c.is_enabled AND NOT p.rests AND p.per_second IS NOT NULL
  AND c.paced_at > %(at)s::timestamptz - make_interval(secs => 0.999 / p.per_second)
  AND EXISTS (SELECT FROM integrations_delivery d
    WHERE d.connection_id = c.id AND d.state = 'queued' AND d.due_at <= %(due_by)s)
"""  # noqa: S608  made of our own words only
_WAITING = """
SELECT count(*) FROM (
  SELECT FROM integrations_delivery d
  WHERE d.connection_id = %s AND d.state = 'queued' AND d.due_at <= %s
  ORDER BY d.due_at, d.id LIMIT %s) few
"""
_BEGIN = """
UPDATE integrations_delivery d SET begun_at = %s
FROM unnest(%s::bigint[], %s::timestamptz[]) AS g (id, claimed_at)
WHERE d.id = g.id AND d.state = 'in_flight' AND d.claimed_at = g.claimed_at RETURNING d.id
"""
_RELEASE = """
UPDATE integrations_delivery d SET state = 'queued', claimed_at = NULL
FROM unnest(%s::bigint[], %s::timestamptz[]) AS g (id, claimed_at)
WHERE d.id = g.id AND d.state = 'in_flight' AND d.claimed_at = g.claimed_at
"""


@transaction.atomic
def claim(
    *,
    due_by: datetime,
    kinds: Sequence[str],
    limit: int,
    at: datetime,
    rooms: Mapping[str, Room] | None = None,
) -> list[Delivery]:
    """Take due deliveries of one enabled connection of these kinds, the oldest first.

    As many as its kind has `room` for, up to `limit` where nothing is said of the kind, and as it
    takes at this moment. They are in flight until who took them says what came of each, for
    `outbox.LEASE` at most. `at` is the present, also where `due_by` is not.
    """
    need_not_wait()
    known = {kind: (rooms or {}).get(kind, Room(batch=limit)) for kind in kinds}
    chosen = sql.lists(_CHOOSE, {**_columns(known), "due_by": due_by, "at": at})
    if not chosen:
        return []
    (connection_id, room, rests, per_second, kind) = chosen[0]
    is_one_call = known[kind].is_one_call
    if not is_one_call:
        room = _fair_part(connection_id, room, due_by=due_by)
    if per_second is not None:
        turns = _take_turns(connection_id, 1 if is_one_call else room, per_second, at=at)
        room = room if is_one_call and turns else turns
    ids = [pk for (pk,) in sql.lists(_PICK[rests], [connection_id, due_by, room, at])]
    if per_second is not None and not is_one_call and len(ids) < turns:
        _give_back(connection_id, turns - len(ids), per_second)
    if not ids:
        return []
    taken = Delivery.objects.select_related("connection").filter(pk__in=ids)
    return list(taken.order_by("due_at", "pk"))


def seconds_to_next_turn(
    *, due_by: datetime, kinds: Sequence[str], rooms: Mapping[str, Room], at: datetime
) -> float | None:
    """How long until a connection takes more that took all it takes in a second; None without one.

    Only of those for which something due waits.
    """
    known = {kind: rooms.get(kind, Room()) for kind in kinds}
    found = sql.one(_NEXT_TURN, {**_columns(known), "due_by": due_by, "at": at})
    return None if found is None else max(float(found), 0.0)


def begin(delivery: Delivery, *, at: datetime) -> bool:
    """Write that a delivery which must not be repeated is handed over now; false where it is lost.

    It is lost where the claim was, and then must not be sent. What repeats needs no such line, and
    the database is not asked.
    """
    return bool(begin_all([delivery], at=at))


def begin_all(some: Sequence[Delivery], *, at: datetime) -> list[Delivery]:
    """The same for deliveries that are handed over together; those that may be sent."""
    once = [one for one in some if not one.repeats]
    if not once:
        return list(some)
    with transaction.atomic():
        begun = {pk for (pk,) in sql.lists(_BEGIN, [at, *_tokens(once)])}
    return [one for one in some if one.repeats or one.pk in begun]


def release(some: Sequence[Delivery]) -> None:
    """Put back what was taken and not yet tried."""
    if some:
        sql.execute(_RELEASE, _tokens(some))


def count_due(*, kinds: Sequence[str], limit: int, at: datetime) -> int:
    """How many deliveries wait to be sent over enabled connections of these kinds, up to `limit`.

    Those count too whose connection has its share in flight.
    """
    due = Delivery.objects.filter(
        state=Delivery.State.QUEUED,
        due_at__lte=at,
        connection__in=Connection.objects.filter(is_enabled=True, kind__in=kinds),
    )
    return len(due.order_by().values_list("pk")[:limit])


def need_not_wait() -> None:
    """Let the commit not wait for the disk: should its machine fail, a message goes out twice."""
    sql.execute("SET LOCAL synchronous_commit = off")


def _columns(known: Mapping[str, Room]) -> dict[str, list[object]]:
    return {
        "kinds": list(known),
        "shares": [one.share for one in known.values()],
        "batches": [one.batch for one in known.values()],
        "paces": [one.per_second for one in known.values()],
    }


def _fair_part(connection_id: int, room: int, *, due_by: datetime) -> int:
    """How many to take, up to `room`, so that a short queue before a slow server is shared."""
    if room <= _FEW:
        return room
    waiting = sql.one(_WAITING, [connection_id, due_by, room * _EVERYBODY])
    return max(_FEW, min(room, int(waiting) // _EVERYBODY))


def _take_turns(connection_id: int, wanted: int, per_second: float, *, at: datetime) -> int:
    """How many of `wanted` the connection takes now; they are used. Its row is locked."""
    paced_at = (
        Connection.objects.select_for_update(no_key=True)
        .values_list("paced_at", flat=True)
        .get(pk=connection_id)
    )
    # After a pause it takes at once what would have come in this time, and one at least.
    idle = timedelta(seconds=max(1.0, per_second * _AT_ONCE_SECONDS) / per_second)
    begin_at = at - idle if paced_at is None else max(paced_at, at - idle)
    there = floor((at - begin_at).total_seconds() * per_second + _LITTLE)
    turns = max(0, min(wanted, there))
    if turns:
        _set_pace(connection_id, begin_at + timedelta(seconds=turns / per_second))
    return turns


def _give_back(connection_id: int, turns: int, per_second: float) -> None:
    """Turns that nobody used, in the transaction that took them."""
    paced_at = Connection.objects.values_list("paced_at", flat=True).get(pk=connection_id)
    if paced_at is not None:
        _set_pace(connection_id, paced_at - timedelta(seconds=turns / per_second))


def _set_pace(connection_id: int, paced_at: datetime) -> None:
    Connection.objects.filter(pk=connection_id).update(paced_at=paced_at)


def _tokens(some: Sequence[Delivery]) -> list[list[object]]:
    """Ids and tokens of claims, as statements take them."""
    return [[one.pk for one in some], [one.claimed_at for one in some]]
