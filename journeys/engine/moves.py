"""Moves: many participants at a time, with what is written about it, in one statement.

A statement takes participants from a SELECT, moves those who still stand where they were found,
and writes the transition and the counts of each move. So a step happens once or not at all.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from journeys.engine import arrivals, standings
from journeys.engine.course import Course
from journeys.engine.strides import Stretched, stretched
from journeys.engine.waits import Alarm, alarms_of, shortest_wait
from journeys.engine.ways import Cause as Cause
from journeys.engine.ways import Outcome as Outcome
from journeys.engine.ways import Way as Way
from workspace import sql

# `g` has the participants: id, from_place, way and, where they matter, at, data and context. What
# has no `at` goes on at the instant at which it came. Each is looked up by its number: a condition
# for which there is an index would, with statistics from before all came, read the whole version.
_MOVE = """
WITH w AS MATERIALIZED (
  SELECT * FROM unnest(%(numbers)s::integer[], %(nodes)s::text[], %(outcomes)s::text[],
    %(targets)s::smallint[], %(causes)s::text[], %(waits)s::boolean[], %(seconds)s::float8[],
    %(ends)s::text[], %(controls)s::boolean[], %(vias)s::smallint[], %(then_nodes)s::text[],
    %(then_outcomes)s::text[])
    AS w (way, node, outcome, target, cause, waits, seconds, ends, is_control, via, then_node,
      then_outcome)),
g AS MATERIALIZED ({source}),
moved AS (
  UPDATE journeys_participant p SET
    place = coalesce(w.target, w.via, p.place),
    state = CASE WHEN w.cause = 'failed' THEN 'failed' WHEN w.target IS NULL THEN 'done'
      WHEN w.waits THEN 'waiting' ELSE 'ready' END,
    steps = p.steps + CASE WHEN w.via IS NULL THEN 1 ELSE 2 END,
    arrived_at = {at},
    wake_at = CASE WHEN w.waits
      THEN least({due}, p.entered_at + %(timeout)s::float8 * interval '1 second') END,
    finished_at = CASE WHEN w.target IS NULL THEN {at} END,
    outcome = CASE WHEN w.target IS NULL AND w.cause <> 'failed' THEN w.ends ELSE '' END,
    is_control = p.is_control OR w.is_control{context}{problem}
  FROM g CROSS JOIN w{contacts}
  WHERE p.id = g.id AND w.way = {number} AND (p.version_id = %(version)s) IS TRUE
    AND p.place = g.from_place AND coalesce(p.finished_at, 'infinity') = 'infinity'{of_contact}
  RETURNING p.id, p.steps, p.arrived_at, g.from_place, w.way{stands}{data}),
logged AS (
  INSERT INTO journeys_transition
    (participant_id, step, from_place, node, outcome, to_place, cause, at, noticed_at, data)
  SELECT m.id, m.steps - CASE WHEN w.via IS NULL THEN 0 ELSE 1 END, m.from_place, w.node, w.outcome,
    coalesce(w.via, w.target), w.cause, m.arrived_at, %(as_of)s, {told}::jsonb
  FROM moved m JOIN w USING (way){logged_then}),
counted AS (
  INSERT INTO journeys_passage AS known (version_id, hour, node, outcome, to_place, count)
  SELECT %(version)s, n.hour, w.node, w.outcome, coalesce(w.to_place, -1), sum(n.count)
  FROM (
    SELECT m.way, date_trunc('hour', m.arrived_at, 'UTC') AS hour, count(*) AS count
    FROM moved m GROUP BY 1, 2) n
  JOIN (
    SELECT way, node, outcome, coalesce(via, target) AS to_place FROM w{counted_then}
  ) w USING (way)
  GROUP BY 2, 3, 4, 5 ORDER BY 2, 3, 4, 5
  ON CONFLICT (version_id, hour, node, outcome, to_place)
    DO UPDATE SET count = known.count + excluded.count){stood}
"""
_TELL = """
SELECT w.target, count(*), count(w.via),
  CASE WHEN coalesce(w.target, -1) = ANY(%(told)s::integer[]) THEN array_agg(m.id) END
FROM moved m JOIN w USING (way) GROUP BY w.target
"""
# The second of two steps that are taken at once.
_LOGGED_THEN = """
  UNION ALL
  SELECT m.id, m.steps, w.via, w.then_node, w.then_outcome, w.target, 'passed', m.arrived_at,
    %(as_of)s, NULL::jsonb
  FROM moved m JOIN w USING (way) WHERE w.via IS NOT NULL"""
_COUNTED_THEN = """
    UNION ALL SELECT way, then_node, then_outcome, target FROM w WHERE via IS NOT NULL"""
# What came with them is kept by kind: the codes of one activity do not replace those of another.
_CONTEXT = """,
    context = CASE WHEN g.context IS NULL THEN p.context ELSE p.context || (
      SELECT jsonb_object_agg(kind, coalesce(p.context -> kind, '{}') || said)
      FROM jsonb_each(g.context) AS given (kind, said)) END"""
_PROBLEM = """,
    problem = coalesce(left(g.problem, 500), '')"""
# Asked for only where passages end: nothing else changes how a contact stands to a journey.
_STANDS = ", p.contact_id, p.journey_id, p.entered_at"
_STAY = """
UPDATE journeys_participant p SET state = 'waiting',
  wake_at = least(g.wake_at, p.entered_at + %s::float8 * interval '1 second')
FROM unnest(%s::bigint[], %s::timestamptz[]) AS g (id, wake_at)
WHERE p.id = g.id AND (p.version_id = %s) IS TRUE AND p.place = %s AND p.state || '' = 'ready'
"""


@dataclass(frozen=True, slots=True)
class Source:
    """A SELECT of participants who are to move: id, from_place, way, and what `has` names.

    Its placeholders have names, in `params`. `way` counts the ways given with it from 0. Each
    participant stands in it once.
    """

    text: str
    params: dict[str, Any] = field(default_factory=dict)
    has: Collection[str] = ()


@dataclass(slots=True)
class Moved:
    """How many moved, for how many of them the passage is over, and how many began to wait.

    `strode_count` of them took two steps at once.
    """

    count: int = 0
    ended_count: int = 0
    stayed_count: int = 0
    strode_count: int = 0

    @property
    def step_count(self) -> int:
        """How many steps they took."""
        return self.count + self.strode_count

    def __bool__(self) -> bool:
        return bool(self.count or self.stayed_count)

    def __add__(self, other: "Moved") -> "Moved":
        return Moved(
            self.count + other.count,
            self.ended_count + other.ended_count,
            self.stayed_count + other.stayed_count,
            self.strode_count + other.strode_count,
        )


def move(
    course: Course,
    source: Source,
    ways: Sequence[Way],
    *,
    as_of: datetime,
) -> Moved:
    """Move participants of a version by these ways; what they do at new places comes later.

    Who comes to a split or an end goes on at once (`journeys.engine.strides`). What those who come
    to wait missed is signalled, and that passages ended announced, see
    `journeys.engine.arrivals`.

    Who moved meanwhile, or is not of the version, stays where it is. The caller holds the lock of
    the journey. `as_of` is when it was noticed; the moves are of the instants that `source` has,
    else of those at which the participants had come.
    """
    going = stretched(course, ways)
    told = arrivals.followed(course, {way.target for way in going.ways})
    text, params = _statement(course, source, going)
    moved = Moved()
    rows = sql.lists(text, {**params, **source.params, "as_of": as_of, "told": told})
    for target, count, strode_count, ids in rows:
        moved.count += count
        moved.strode_count += strode_count
        if target is None:
            moved.ended_count += count
        if ids:
            arrivals.follow(course, target, ids, as_of=as_of)
    return moved


def stay(course: Course, place: int, ids: Sequence[int], wake_at: Sequence[datetime | None]) -> int:
    """Let participants wait at an acting place for what comes of it, at most until `wake_at`."""
    seconds = course.terms.timeout.total_seconds()
    params = [seconds, list(ids), list(wake_at), course.version.pk, place]
    return sql.execute(_STAY, params)


def _statement(course: Course, source: Source, going: Stretched) -> tuple[str, dict[str, Any]]:
    ways = going.ways
    at = "coalesce(g.at, p.arrived_at)" if "at" in source.has else "p.arrived_at"
    places = [course.place(way.target) for way in ways]
    waits = {place.number: alarms_of(course, place) for place in places if place and place.waits}
    due, due_params = _due(waits, at)
    has_contact = bool(due_params)
    has_data = "data" in source.has
    strides = any(way.then for way in ways)
    is_end = standings.are_kept(course) and any(way.target is None for way in ways)
    text = (_MOVE + _TELL).format(
        source=source.text,
        at=at,
        due=due,
        context=_CONTEXT if "context" in source.has else "",
        problem=_PROBLEM if "problem" in source.has else "",
        contacts=", contacts_contact c" if has_contact else "",
        of_contact=" AND c.id = p.contact_id" if has_contact else "",
        data=", g.data" if has_data else "",
        number=going.number,
        logged_then=_LOGGED_THEN if strides else "",
        counted_then=_COUNTED_THEN if strides else "",
        stands=_STANDS if is_end else "",
        stood=standings.ENDED if is_end else "",
        told="m.data" if has_data else "NULL",
    )
    params = {
        "numbers": list(range(len(ways))),
        "nodes": [way.node for way in ways],
        "outcomes": [way.outcome for way in ways],
        "targets": [way.target for way in ways],
        "causes": [way.cause for way in ways],
        "waits": [way.target in waits for way in ways],
        "seconds": [
            None if way.target is None else shortest_wait(waits.get(way.target, ())) for way in ways
        ],
        "ends": [way.ends for way in ways],
        "controls": [way.is_control for way in ways],
        "vias": [way.then.place if way.then else None for way in ways],
        "then_nodes": [way.then.node if way.then else None for way in ways],
        "then_outcomes": [way.then.outcome if way.then else None for way in ways],
        "timeout": course.terms.timeout.total_seconds(),
        "version": course.version.pk,
        **due_params,
        **going.params,
    }
    return text, params


def _due(waits: Mapping[int, Sequence[Alarm]], at: str) -> tuple[str, dict[str, Any]]:
    """When time alone moves who comes at `at` to one of these places; NULL where it never does.

    With parameters where it is another instant for each contact, which the statement asks then.
    """
    cases: list[str] = []
    params: dict[str, Any] = {}
    for number, alarms in waits.items():
        if any(alarm.seconds is None for alarm in alarms):
            first = ", ".join(alarm.at(at) for alarm in alarms)
            cases.append(f"WHEN {number} THEN least({first})")
            for alarm in alarms:
                params.update(alarm.params)
    fixed = f"{at} + w.seconds * interval '1 second'"
    return (f"CASE w.target {' '.join(cases)} ELSE {fixed} END" if cases else fixed), params
