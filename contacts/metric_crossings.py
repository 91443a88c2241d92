"""Whose metrics time alone changes between two instants: events come of age, or leave a window.

Whichever of both instants is the later one.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from contacts.formula_statements import Scope
from contacts.metric_bases import kinds_of, measured_formula
from contacts.metric_recipes import Statement, registered_recipes
from contacts.models import ComputedMetric

# A kind of events, and between which times (the first not included) they make a difference.
_Edge = tuple[int, datetime, datetime]


def crossings(
    moves: Iterable[tuple[ComputedMetric, datetime]],
    scope: Scope,
    *,
    orders_since: Iterable[datetime] = (),
) -> tuple[str, list[Any]] | None:
    """A statement of those whom time changes from an instant, of each metric, to the scope's.

    Besides them who ordered since. Days that are counted are not among them: whoever has a value
    has another one the next day. None where nothing lies between.
    """
    edges: set[_Edge] = set()
    for since in orders_since:
        edges.update(_edges(scope.of.event_id, None, since, scope.as_of))
    turned: dict[tuple[str, datetime], Statement] = {}
    for computed, since in moves:
        if since == scope.as_of:
            continue
        formula = measured_formula(computed)
        if formula is not None:
            for kind in kinds_of(formula, scope):
                edges.update(_edges(kind, formula.window_days, since, scope.as_of))
            continue
        key = computed.computation or _ranked(computed).computation
        turned[key, since] = registered_recipes()[key].turned(since, scope.as_of)
    edges = {edge for edge in edges if edge[1] != edge[2]}
    parts = [_EDGE] * len(edges) + [text for text, _params in turned.values()]
    params: list[Any] = [value for edge in sorted(edges) for value in edge]
    params += [value for _text, given in turned.values() for value in given]
    if not parts:
        return None
    return " UNION ".join(f"SELECT contact_id FROM ({part}) p" for part in parts), params  # noqa: S608


_EDGE = """SELECT contact_id FROM contacts_event
WHERE definition_id = %s AND occurred_at > %s AND occurred_at <= %s"""


def _edges(kind: int, days: int | None, since: datetime, until: datetime) -> Iterable[_Edge]:
    before, after = sorted((since, until))
    yield kind, before, after
    if days is None:
        return
    try:
        yield kind, before - timedelta(days=days), after - timedelta(days=days)
    except OverflowError:
        # No event is as old as the window reaches.
        return


def _ranked(computed: ComputedMetric) -> ComputedMetric:
    assert computed.ranked is not None
    ranked: ComputedMetric = computed.ranked.computed
    return ranked
