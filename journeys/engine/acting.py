"""Acting: a portion of those who stand at an activity that acts, by what is registered for it.

What comes of each is written with the moves, in the transaction of what was done. Somebody for whom
it cannot be done at all is set aside, so that he keeps nobody waiting.
"""

import logging
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from django.db import OperationalError

from integrations.digestion import passes
from journeys.drawing.plan import Place
from journeys.engine import cohort, decisions, exits
from journeys.engine.cohort import Acted, Cohort
from journeys.engine.course import Course
from journeys.engine.moves import Cause, Moved, Source, Way, move, stay
from journeys.engine.portions import Changed, portion
from segments.errors import CriteriaRefused
from workspace import sql
from workspace.exactjson import exact_dumps

logger = logging.getLogger(__name__)

_TRIES = 3
_CONFLICT = "40"
_PROBLEM_LIMIT = 500

_READY = """
SELECT id, contact_id, arrived_at FROM journeys_participant
WHERE version_id = %s AND place = %s AND state = 'ready'{held}
ORDER BY contact_id LIMIT %s
"""
_STANDING = """
SELECT id, contact_id FROM journeys_participant
WHERE version_id = %s AND place = %s AND state = 'ready' ORDER BY contact_id LIMIT %s
"""
_ANY = """
SELECT EXISTS (SELECT FROM journeys_participant
  WHERE version_id = %s AND place = %s AND state = 'ready')
"""
_GOING = """
SELECT g.id, %(place)s::smallint AS from_place, g.way{columns}
FROM unnest(%(ids)s::bigint[], %(taken)s::integer[]{arrays}) AS g (id, way{names})
"""
# They decide by themselves, in one statement.
_SWIFT: dict[str, Callable[..., Moved]] = {"split": decisions.split, "end": decisions.end}


def is_anybody_ready(course: Course, place: Place) -> bool:
    """Whether anybody stands at the acting place who has not been done yet."""
    return bool(sql.one(_ANY, [course.version.pk, place.number]))


def act(course: Course, place: Place, *, as_of: datetime, limit: int) -> Moved:
    """Let a portion of those at an acting place do what is to be done there, and go on.

    Where that comes to grief it is tried with fewer, until it is known with whom: he has failed.
    Raises CriteriaRefused where criteria became wrong: that is nobody's fault who stands there, and
    all wait until it is mended. Raises what will pass by itself, such as a database that is not
    there.
    """
    for attempt in range(_TRIES):
        try:
            return _act(course, place, as_of, limit)
        except OperationalError as error:
            state = getattr(error.__cause__, "sqlstate", None) or ""
            # Others wrote the same rows in another order: again, it is all undone.
            if not state.startswith(_CONFLICT) or attempt == _TRIES - 1:
                raise
        except (Changed, CriteriaRefused):
            raise
        except Exception as error:
            if passes(error):
                raise
            logger.exception("Participants at “%s” came to grief.", place.ids[0])
            if limit == 1:
                return _fail(course, place, str(error) or repr(error), as_of, limit)
            return act(course, place, as_of=as_of, limit=max(1, limit // 10))
    return Moved()


def _act(course: Course, place: Place, as_of: datetime, limit: int) -> Moved:
    node = place.nodes[0]
    swift = _SWIFT.get(node.kind)
    holds = swift is None and cohort.holds_contacts(node.kind, course.version.lane)
    held = [row[1] for row in _ready(course, place, limit)] if holds else []
    with portion(course.version.journey_id, held):
        left = Moved()
        if course.asks_exit_criteria:
            standing = sql.lists(_STANDING, [course.version.pk, place.number, limit])
            left = exits.let_out(course, standing, as_of=as_of)
            # Nobody acts who was not asked.
            limit = len(standing) - left.count
            if not limit:
                return left
        if swift is not None:
            return left + swift(course, node, place.number, as_of=as_of, limit=limit)
        rows = _ready(course, place, limit, held if holds else None)
        if not rows:
            return left
        ids, contact_ids, arrived = ([row[column] for row in rows] for column in range(3))
        standing_here = Cohort(
            course.version, course.plan, node, ids, contact_ids, arrived, at=as_of
        )
        acted = cohort.act_of(node.kind, course.version.lane)(standing_here)
        return left + _go(course, place, ids, acted, as_of)


def _ready(
    course: Course,
    place: Place,
    limit: int,
    held: Sequence[int] | None = None,
) -> list[tuple[Any, ...]]:
    params: list[Any] = [course.version.pk, place.number]
    text = ""
    if held is not None:
        text = " AND contact_id = ANY(%s::bigint[])"
        params.append(list(held))
    return sql.lists(_READY.format(held=text), [*params, limit])


def _go(course: Course, place: Place, ids: Sequence[int], acted: Acted, as_of: datetime) -> Moved:
    """Move each by what came of it, and let those wait whose result is yet to come."""
    node_id = place.ids[0]
    numbers: dict[str, int] = {}
    going, taken, staying = [], [], []
    for position, outcome in enumerate(acted.outcomes):
        if position in acted.failed:
            continue
        if outcome is None:
            staying.append(position)
        else:
            going.append(position)
            taken.append(numbers.setdefault(outcome, len(numbers)))
    moved = Moved()
    if going:
        ways = [Way(node_id, outcome, course.target(node_id, outcome)) for outcome in numbers]
        source = _source(place, ids, acted, going, taken)
        moved += move(course, source, ways, as_of=as_of)
    if staying:
        wake_at = [acted.wake_at[position] if acted.wake_at else None for position in staying]
        stay(course, place.number, [ids[position] for position in staying], wake_at)
        moved.stayed_count += len(staying)
    if acted.failed:
        problems = {ids[position]: problem for position, problem in acted.failed.items()}
        moved += fail(course, place, problems, as_of=as_of)
    return moved


def _source(
    place: Place, ids: Sequence[int], acted: Acted, going: Sequence[int], taken: Sequence[int]
) -> Source:
    params: dict[str, Any] = {
        "place": place.number,
        "ids": [ids[position] for position in going],
        "taken": list(taken),
    }
    has = set()
    for name, given in (("data", acted.data), ("context", acted.context)):
        if any(given):
            has.add(name)
            params[name] = [
                exact_dumps(given[position]) if given[position] else None for position in going
            ]
    order = sorted(has)
    text = _GOING.format(
        columns="".join(f", g.{name}::jsonb AS {name}" for name in order),
        arrays="".join(f", %({name})s::text[]" for name in order),
        names="".join(f", {name}" for name in order),
    )
    return Source(text, params, has)


def fail(course: Course, place: Place, problems: dict[int, str], *, as_of: datetime) -> Moved:
    """Set these participants aside, with the reason for people to look at."""
    text = (
        "SELECT g.id, %(place)s::smallint AS from_place, 0 AS way, g.problem,"
        " jsonb_build_object('problem', g.problem) AS data"
        " FROM unnest(%(ids)s::bigint[], %(problems)s::text[]) AS g (id, problem)"
    )
    params = {
        "place": place.number,
        "ids": list(problems),
        "problems": [problem[:_PROBLEM_LIMIT] for problem in problems.values()],
    }
    way = Way(place.ids[0], "failed", None, Cause.FAILED)
    return move(course, Source(text, params, {"problem", "data"}), [way], as_of=as_of)


def _fail(course: Course, place: Place, reason: str, as_of: datetime, limit: int) -> Moved:
    with portion(course.version.journey_id):
        rows = _ready(course, place, limit)
        reason = reason.replace("\0", "")
        return fail(course, place, {row[0]: reason for row in rows}, as_of=as_of)
