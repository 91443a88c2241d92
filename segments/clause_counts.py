"""How many contacts each rule and group of criteria holds for, beside where they stand.

All of them share one limit of time; what could not be counted in it is a lower bound, or not
known. What is faulty has no count, and what stands in it or around it has none either.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from time import monotonic
from typing import Any

from django.db import OperationalError

from segments import criteria, facts, tickets
from segments.criteria import CountQuery, Criteria
from segments.errors import CriteriaRefused
from segments.models import Segment
from segments.preview import count_some
from workspace import sql
from workspace.access import Actor

TIMEOUT_SECONDS = 3.0
# What one statement may take of it, so that one slow part leaves time for the others.
_STATEMENT_SECONDS = 1.5
# What is left for counting as far as one comes where that did not suffice.
_AFTERTHOUGHT_SECONDS = 0.25
# The rule or group that a fault is in; what stands in a `where` belongs to its rule.
_PART = re.compile(r"rules\[\d+\](?:\.rules\[\d+\])*")


@dataclass(frozen=True, slots=True)
class ClauseCount:
    """How many contacts a part holds for: at least so many where it is not exact.

    None for `count` where not even that is known.
    """

    count: int | None
    exact: bool


_UNKNOWN = ClauseCount(None, exact=False)


def count_clauses(
    document: Any,
    *,
    actor: Actor,
    as_of: datetime,
    timeout_seconds: float = TIMEOUT_SECONDS,
    segment: Segment | None = None,
    members_only: bool = False,
    ticket: str = "",
) -> dict[str, ClauseCount]:
    """Count every rule and group of a document that `actor` wrote, by path, as of an instant.

    Each is counted as if it stood alone (for loyalty members only, where so wanted): the
    outermost group, path "", as the whole. Faulty parts and those around them are left out: the
    preview tells the faults. A newer call with the same `ticket` ends an older one, which raises
    PreviewOutdated. Nothing is written.
    """
    tree, faulty = _readable(document, actor, segment)
    if tree is None:
        return {}
    restrict = facts.restrict_to_members if members_only else None
    queries = criteria.compile_counts(tree, now=as_of, restrict=restrict)
    place = tickets.take_place("counts", ticket, actor)
    deadline = monotonic() + timeout_seconds
    found: dict[str, ClauseCount] = {}
    for query in queries:
        wanted = [[path for path in paths if path not in faulty] for paths in query.paths]
        if any(wanted):
            place.refuse_taken()
            for paths, count in zip(wanted, _counted(query, deadline, place.name), strict=True):
                found.update(dict.fromkeys(paths, count))
    return found


def _readable(
    document: Any, actor: Actor, segment: Segment | None
) -> tuple[Criteria | None, frozenset[str]]:
    """The tree without its faulty parts, and the paths of those around them."""
    catalog = facts.catalog_for(actor, segment=segment)
    try:
        return facts.parse_criteria(document, actor, catalog=catalog), frozenset()
    except CriteriaRefused as refused:
        parts = [_PART.match(problem.path) for problem in refused.criteria_problems]
    paths = {part.group() for part in parts if part is not None}
    if not all(parts):
        # The fault is the outermost group's: nothing can be told apart.
        return None, frozenset()
    try:
        tree = facts.parse_criteria(_without(document, paths), actor, catalog=catalog)
    except CriteriaRefused:
        return None, frozenset()
    return tree, frozenset({"", *(around for path in paths for around in _around(path))})


def _without(document: Any, paths: Iterable[str], path: str = "") -> Any:
    """The document with the parts at `paths` disabled."""
    if path in paths:
        return {"rules": [], "disabled": True}
    prefix = f"{path}." if path else ""
    children = document.get("rules") if isinstance(document, dict) else None
    # Nowhere else: what nobody checked yet nests as deep as its writer likes.
    if not isinstance(children, list) or not any(found.startswith(prefix) for found in paths):
        return document
    inner = [
        _without(child, paths, f"{prefix}rules[{index}]") for index, child in enumerate(children)
    ]
    return {**document, "rules": inner}


def _around(path: str) -> list[str]:
    steps = path.split(".")
    return [".".join(steps[:length]) for length in range(1, len(steps))]


def _counted(query: CountQuery, deadline: float, name: str) -> Sequence[ClauseCount]:
    """The counts of one statement, in its columns' order."""
    begun = monotonic()
    seconds = min(_STATEMENT_SECONDS, deadline - begun)
    unknown = [_UNKNOWN] * len(query.paths)
    if seconds <= 0:
        return unknown
    try:
        with tickets.reading(query.query, seconds, name):
            [counts] = sql.lists(query.query.text, query.query.params)
    except OperationalError as error:
        tickets.refuse_outdated(error, begun, seconds)
        if query.members is None:
            return unknown
        least, _sample = count_some(query.members, _AFTERTHOUGHT_SECONDS, name)
        return [ClauseCount(least, exact=False)] if least else unknown
    return [ClauseCount(count, exact=True) for count in counts]
