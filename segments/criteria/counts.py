"""How many contacts each part of criteria holds for, in few statements.

What the contact's own row answers is counted in one scan for all such parts together; every
other part has a statement of its own, in the shape that suits it. Parts that mean the same are
counted once.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from .behaviour import Scope
from .comparisons import column_test
from .compile import Query, members, refuse_naive, settings_for
from .fragments import Fragment, all_of, any_of, joined, sql
from .plan import Behaviour, ColumnTest, Constant, Groups, InSet, Plan, plan_criteria
from .syntax import Criteria, Group, Node


@dataclass(frozen=True, slots=True)
class CountQuery:
    """A statement with one row, whose n-th column is the count of the parts at `paths[n]`.

    `members` selects those counted, where there is one column; for who has no time for all.
    """

    paths: tuple[tuple[str, ...], ...]
    query: Query
    members: Query | None = None


def compile_counts(
    criteria: Criteria, *, now: datetime, restrict: Callable[[Criteria], Criteria] | None = None
) -> tuple[CountQuery, ...]:
    """What counts every rule and group of `criteria` at `now`, each at its path.

    Rules inside a `where` are part of theirs. `restrict` says of each part for whom it is asked,
    where that is not everyone. The quickest statements come first. Raises ValueError for a naive
    `now`.
    """
    refuse_naive(now)
    scope = Scope(now, criteria.zone)
    by_plan = _by_plan(criteria, now, restrict)
    rows = [(plan, paths) for plan, paths in by_plan if _is_of_row(plan)]
    sets = [(plan, paths) for plan, paths in by_plan if not _is_of_row(plan)]
    if len(rows) < 2:
        # Alone it may be answered by an index.
        return tuple(_each_alone([*rows, *sets], scope))
    return (_in_one_scan(rows), *_each_alone(sets, scope))


def _by_plan(
    criteria: Criteria, now: datetime, restrict: Callable[[Criteria], Criteria] | None
) -> list[tuple[Plan, tuple[str, ...]]]:
    found: dict[str, tuple[Plan, list[str]]] = {}
    for node in _nodes(criteria.root):
        root = node if isinstance(node, Group) else Group(node.path, "and", (node,))
        part = Criteria(root, criteria.zone)
        plan = plan_criteria(restrict(part) if restrict else part, now=now)
        # By how they are written: Python takes true for 1, criteria do not.
        found.setdefault(repr(plan), (plan, []))[1].append(node.path)
    return [(plan, tuple(paths)) for plan, paths in found.values()]


def _nodes(group: Group) -> Iterator[Node]:
    yield group
    for child in group.children:
        if isinstance(child, Group):
            yield from _nodes(child)
        else:
            yield child


def _in_one_scan(parts: Sequence[tuple[Plan, tuple[str, ...]]]) -> CountQuery:
    counts = joined(
        ", ", (sql("count(*) FILTER (WHERE {})", _condition(plan)) for plan, _paths in parts)
    )
    found = sql("SELECT {} FROM contacts_contact c WHERE c.erased_at IS NULL", counts)
    return CountQuery(tuple(paths for _plan, paths in parts), Query(found.text, found.params))


def _each_alone(
    parts: Sequence[tuple[Plan, tuple[str, ...]]], scope: Scope
) -> Iterator[CountQuery]:
    for plan, paths in sorted(parts, key=lambda part: _cost(part[0])):
        selected = members(plan, scope)
        counted = sql("SELECT count(*) FROM ({}) m", selected)
        settings = settings_for(plan)
        yield CountQuery(
            (paths,),
            Query(counted.text, counted.params, settings),
            Query(selected.text, selected.params, settings),
        )


def _condition(plan: Plan) -> Fragment:
    match plan:
        case Constant(holds):
            return Fragment("true" if holds else "false")
        case ColumnTest(column, test, negated):
            return column_test(column, test, row="c", negated=negated)
        case Groups(combinator, children):
            parts = [_condition(child) for child in children]
            return all_of(parts) if combinator == "and" else any_of(parts)
        case InSet():
            raise ValueError("A set is not in the row of a contact.")


def _is_of_row(plan: Plan) -> bool:
    match plan:
        case Groups(_, children):
            return all(map(_is_of_row, children))
        case InSet():
            return False
        case _:
            return True


def _cost(plan: Plan) -> int:
    """A guess which statement takes longer: behaviour reads events, groups read several sets."""
    match plan:
        case InSet(source):
            return 10 if isinstance(source, Behaviour) else 1
        case Groups(_, children):
            return 1 + sum(map(_cost, children))
        case _:
            return 1
