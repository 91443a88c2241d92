"""Who is to enter, because he entered or left a segment, or goes on from another journey.

Entrances are written in the transaction of their cause, so that none is lost, and a cause counts
once for a contact and a journey. The next tick lets them in, or says why not.
(`journeys.following` writes those of events, `journeys.reading` lets in those whom it reads.)
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from journeys.models import Lane
from segments import moves
from segments.moves import Moved
from workspace import rounds, sql
from workspace.exactjson import exact_dumps

CHANNEL = "regulars_journeys"
SEGMENT_ENTRY = "segment_entry"

# The journeys that begin when somebody enters or leaves one of these segments.
_FOLLOWING = """
SELECT v.journey_id, s.id, n.node #>> '{config,on}'
FROM segments_segment s
JOIN journeys_journeyversion v ON v.is_open AND v.lane = %s AND v.ended_at IS NULL
CROSS JOIN LATERAL jsonb_array_elements(v.drawing -> 'nodes') AS n (node)
WHERE s.id = ANY(%s) AND n.node ->> 'kind' = %s AND n.node #>> '{config,segment}' = s.key
"""
# Not who left because the segment was archived, nor what moved because two contacts became one:
# nobody did anything.
_MOVED = """
INSERT INTO journeys_entrance (journey_id, lane, contact_id, cause, at, context)
SELECT w.journey_id, %s, c.contact_id,
  'segment:' || s.id || ':' || (extract(epoch FROM c.at) * 1000000)::bigint, c.at,
  jsonb_build_object('entry', jsonb_build_object(
    'segment', s.key, 'name', c.kind, 'occurred_at', c.at))
FROM unnest(%s::integer[], %s::integer[], %s::text[]) AS w (journey_id, segment_id, kind)
JOIN unnest(%s::integer[], %s::timestamptz[]) AS moved (segment_id, at)
  ON moved.segment_id = w.segment_id
JOIN segments_segment s ON s.id = w.segment_id
JOIN segments_membershipchange c ON c.segment_id = moved.segment_id AND c.at = moved.at
  AND c.kind = w.kind AND c.cause NOT IN ('merge', 'archived')
ORDER BY w.journey_id, c.contact_id ON CONFLICT DO NOTHING
"""
_GIVEN = """
INSERT INTO journeys_entrance (journey_id, lane, contact_id, cause, at, context)
SELECT %s, %s, g.contact_id, g.cause, g.at, g.context::jsonb
FROM unnest(%s::bigint[], %s::text[], %s::timestamptz[], %s::text[])
  AS g (contact_id, cause, at, context)
ORDER BY g.contact_id, g.cause ON CONFLICT DO NOTHING
"""


def follow_moves(moved: Sequence[Moved]) -> None:
    """Note who enters a journey because he entered or left a segment. A consumer of `moves`."""
    segments, instants = [pk for pk, _at in moved], [at for _pk, at in moved]
    following = sql.lists(_FOLLOWING, [Lane.LIVE, segments, SEGMENT_ENTRY])
    if not following:
        return
    columns = [list(column) for column in zip(*following, strict=True)]
    if sql.execute(_MOVED, [Lane.LIVE, *columns, segments, instants]):
        rounds.wake(CHANNEL)


def enter_many(
    journey_id: int,
    *,
    lane: int,
    contact_ids: Sequence[int],
    causes: Sequence[str],
    moments: Sequence[datetime],
    contexts: Sequence[Mapping[str, Any]],
) -> int:
    """Note that contacts are to enter a journey, each for its cause and as of its moment.

    Returns how many did not stand there yet. The sequences belong together by position. One
    statement, in the caller's transaction.
    """
    if not contact_ids:
        return 0
    told = [exact_dumps(context) for context in contexts]
    columns = [list(contact_ids), list(causes), list(moments), told]
    count = sql.execute(_GIVEN, [journey_id, lane, *columns])
    if count:
        rounds.wake(CHANNEL)
    return count


def register() -> None:
    """Hear of who moves between segments. May be called again."""
    moves.register_consumer("journeys", follow_moves)
