"""Acting upon signals: what happened to those inside, noted when it did.

Of several for one participant the earliest moves him, of those of the same instant that of the
activity that was drawn first; but an exit comes before all. What came too late, or is for an
activity at which he does not stand, means nothing. All that were seen are gone afterwards.
"""

from collections.abc import Sequence
from datetime import datetime

from journeys.engine import exits
from journeys.engine.course import Course
from journeys.engine.moves import Cause, Moved, Source, Way, move
from journeys.models import Signal
from workspace import sql

Kind = Signal.Kind

# Those of the participants of these versions; without, of all.
_DUE = """
SELECT s.id FROM journeys_signal s
WHERE s.journey_id = %s AND s.at <= %s AND s.kind = ANY(%s::text[])
  AND (%s::integer[] IS NULL OR EXISTS (
    SELECT FROM journeys_participant p
    WHERE p.id = s.participant_id AND p.version_id = ANY(%s::integer[])))
ORDER BY s.at, s.id LIMIT %s
"""
# By OFFSET each is looked up by its number, whatever the statistics say of how many there are.
PARTICIPANT = "(SELECT p.* FROM journeys_participant p WHERE p.id = s.participant_id OFFSET 0) p"
_LEAVING = f"""
SELECT DISTINCT ON (p.id) p.id, p.place AS from_place, 0 AS way,
  greatest(s.at, p.arrived_at) AS at, s.data
FROM journeys_signal s CROSS JOIN LATERAL {PARTICIPANT}
WHERE s.id = ANY(%(signals)s::bigint[]) AND s.kind = 'exit'
  AND p.version_id = %(version)s AND p.finished_at IS NULL AND s.at > p.entered_at
ORDER BY p.id, s.at, s.id
"""  # noqa: S608  made of our own words only
# A result belongs to who came to the activity before it, or at the same instant.
_MOVING = f"""
SELECT DISTINCT ON (p.id) p.id, p.place AS from_place, k.number - 1 AS way, s.at, s.data
FROM journeys_signal s CROSS JOIN LATERAL {PARTICIPANT}
JOIN unnest(%(places)s::smallint[], %(names)s::text[], %(results)s::text[])
  WITH ORDINALITY AS k (place, node, outcome, number)
  ON k.place = p.place AND k.node = s.node AND k.outcome = s.outcome
WHERE s.id = ANY(%(signals)s::bigint[]) AND p.version_id = %(version)s AND p.state = 'waiting'
  AND CASE s.kind WHEN 'event' THEN s.at > p.arrived_at WHEN 'result' THEN s.at >= p.arrived_at END
  AND s.at < p.entered_at + %(timeout)s::float8 * interval '1 second'
ORDER BY p.id, s.at, k.number, s.id
"""  # noqa: S608  made of our own words only
_STANDING = f"""
SELECT DISTINCT p.id, p.contact_id
FROM journeys_signal s CROSS JOIN LATERAL {PARTICIPANT}
WHERE s.id = ANY(%s::bigint[]) AND p.version_id = %s AND p.state = 'waiting'
"""  # noqa: S608  made of our own words only


def due_signals(
    journey_id: int,
    kinds: Sequence[str],
    *,
    as_of: datetime,
    limit: int,
    versions: Sequence[int] | None = None,
) -> list[int]:
    """The ids of the signals of these kinds that are to be acted upon, the earliest first.

    Where `versions` are given, of their participants only.
    """
    ids = None if versions is None else list(versions)
    found = sql.lists(_DUE, [journey_id, as_of, list(kinds), ids, ids, limit])
    return [signal_id for (signal_id,) in found]


def let_out(course: Course, signal_ids: Sequence[int], *, as_of: datetime) -> Moved:
    """End those passages of the version that these exit signals end."""
    params = {"signals": list(signal_ids)}
    return move(course, Source(_LEAVING, params, {"at", "data"}), [exits.EXIT], as_of=as_of)


def act_upon(course: Course, signal_ids: Sequence[int], *, as_of: datetime) -> Moved:
    """Move those participants of the version whom these signals move."""
    ids = list(signal_ids)
    keys, ways = _ways(course)
    if not ways:
        return Moved()
    left = Moved()
    if course.asks_exit_criteria:
        left = exits.let_out(course, sql.lists(_STANDING, [ids, course.version.pk]), as_of=as_of)
    params = {
        "signals": ids,
        "places": [place for place, _node, _outcome in keys],
        "names": [node for _place, node, _outcome in keys],
        "results": [outcome for _place, _node, outcome in keys],
    }
    source = Source(_MOVING, params, {"at", "data"})
    return left + move(course, source, ways, as_of=as_of)


def forget(signal_ids: Sequence[int]) -> None:
    """Delete signals that were acted upon or mean nothing."""
    sql.execute("DELETE FROM journeys_signal WHERE id = ANY(%s::bigint[])", [list(signal_ids)])


def _ways(course: Course) -> tuple[list[tuple[int, str, str]], list[Way]]:
    """What a signal may say at which place, and the way that each opens; in the order drawn."""
    keys, ways = [], []
    for place in course.plan.places:
        for node in course.nodes_of(place):
            outcomes = ("next",) if place.waits else ("next", "error", "timeout")
            for outcome in outcomes:
                cause = Cause.EVENT if place.waits else Cause.RESULT
                keys.append((place.number, node.id, outcome))
                ways.append(Way(node.id, outcome, course.target(node.id, outcome), cause))
    return keys, ways
