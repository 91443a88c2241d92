"""One statement for many documents over some contacts: for each contact, which of them hold.

When a contact changes, every document that looks at the change has to be asked about it. One
statement for each would read the same events again and again; this one reads each table once,
answers each different question once, and then puts the answers together, tree by tree.

Its text does not depend on the instant: it is made once for a choice of documents and filled in as
often as it is asked.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import assert_never

from .behaviour import MovingScope
from .compile import Query, refuse_naive
from .fragments import Fragment, all_of, any_of, joined, row_id, select, sql, value
from .leaves import Leaves
from .moving import AMONG, Prepared
from .plan import ColumnTest, Constant, Groups, InSet, Plan, plan_moving
from .syntax import Criteria


@dataclass(frozen=True, slots=True)
class Vector:
    """The statement for a choice of documents, to be kept until these or the catalog change.

    Making one takes a while for each document, `at` next to nothing.
    """

    _prepared: Prepared

    def at(self, *, now: datetime, among: Sequence[int]) -> Query:
        """SELECT `contact_id` and `segment_ids` of each contact in `among` who is known.

        The ids are those of the documents that hold for the contact at `now`, in the order in which
        the documents were given; none where none does. Contacts who are erased have no row. Raises
        ValueError for a naive `now`.
        """
        refuse_naive(now)
        return Query(self._prepared.text, self._prepared.filled(now=now, among=among))


def prepare_vector(trees: Mapping[int, Criteria]) -> Vector:
    """The statement that asks all `trees`, each by the id of its segment."""
    leaves = Leaves()
    answers = []
    for segment_id, criteria in trees.items():
        scope = MovingScope.in_zone(criteria.zone)
        holds = _condition(plan_moving(criteria), leaves, scope)
        answers.append(sql("CASE WHEN {} THEN {} END", holds, row_id(segment_id)))
    columns = (
        Fragment("c.id AS contact_id"),
        sql("array_remove(ARRAY[{}]::integer[], NULL) AS segment_ids", joined(", ", answers)),
    )
    contacts = sql("contacts_contact c{}", joined("", leaves.joins()))
    among = sql("c.id = ANY({})", value(AMONG, "bigint[]"))
    statement = select(columns, contacts, (among, Fragment("c.erased_at IS NULL")))
    return Vector(Prepared.of(statement))


def compile_vector(trees: Mapping[int, Criteria], *, now: datetime, among: Sequence[int]) -> Query:
    """`prepare_vector(trees).at(now=now, among=among)`, for trees that are asked once."""
    return prepare_vector(trees).at(now=now, among=among)


def _condition(plan: Plan, leaves: Leaves, scope: MovingScope) -> Fragment:
    """True where `plan` holds for the row; else false or NULL."""
    match plan:
        case Constant(holds):
            return Fragment("true" if holds else "false")
        case ColumnTest() | InSet():
            return leaves.ask(plan, scope)
        case Groups(combinator, children):
            parts = [_condition(child, leaves, scope) for child in children]
            return all_of(parts) if combinator == "and" else any_of(parts)
        case _:
            assert_never(plan)
