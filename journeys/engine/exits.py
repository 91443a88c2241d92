"""Who meets the exit criteria: asked before each step of those who are about to take it."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from journeys.engine.course import Course
from journeys.engine.moves import Cause, Moved, Outcome, Source, Way, move
from segments.criteria import compile_members
from workspace import sql

EXIT = Way("", "exit", None, Cause.EXIT, Outcome.EXITED)
_LEAVING = """
SELECT p.id, p.place AS from_place, 0 AS way, greatest(%(exit_at)s, p.arrived_at) AS at
FROM journeys_participant p
WHERE p.id = ANY(%(ids)s::bigint[]) AND p.contact_id = ANY(%(contacts)s::bigint[])
"""


def meeting_exit(course: Course, contact_ids: Sequence[int], *, as_of: datetime) -> list[int]:
    """Those of these contacts who meet the exit criteria at that instant. Raises CriteriaRefused.

    One query; none where the version has no such criteria.
    """
    wanted = course.terms.exit
    if wanted is None or wanted.criteria is None or not contact_ids:
        return []
    return meeting(course, wanted.criteria, contact_ids, as_of=as_of)


def meeting(
    course: Course, document: Mapping[str, Any], contact_ids: Sequence[int], *, as_of: datetime
) -> list[int]:
    """Those of these contacts for whom criteria hold at that instant. Raises CriteriaRefused."""
    query = compile_members(course.criteria(document), now=as_of, among=list(contact_ids))
    with sql.local_settings(query.settings):
        return [contact_id for (contact_id,) in sql.lists(query.text, query.params)]


def let_out(course: Course, standing: Sequence[tuple[int, int]], *, as_of: datetime) -> Moved:
    """End the passages of those who meet the exit criteria, of participants with their contacts."""
    contacts = meeting_exit(course, [contact_id for _id, contact_id in standing], as_of=as_of)
    if not contacts:
        return Moved()
    ids = [participant_id for participant_id, _contact in standing]
    source = Source(_LEAVING, {"exit_at": as_of, "ids": ids, "contacts": contacts}, has={"at"})
    return move(course, source, [EXIT], as_of=as_of)
