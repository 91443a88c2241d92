"""Plan → SQL: SELECT the contacts for whom criteria hold.

Every statement reads in one of two ways. Where the contact's own row is asked about, or nothing
positive is, it starts from `contacts_contact`; else from the smallest kind of set, and never
touches the contacts' table but to keep erased ones out. Sets are joined to it by IN and NOT
EXISTS, which the server turns into semi- and anti-joins; OR over behaviour is a UNION.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import assert_never

from .behaviour import Scope, behaviour_set, event_condition, is_unique
from .comparisons import column_test, typed_test
from .fragments import Fragment, Param, all_of, any_of, joined, select, sql, value
from .plan import (
    Behaviour,
    ColumnTest,
    Consented,
    Constant,
    Followed,
    Groups,
    Happened,
    InSet,
    Keyed,
    Known,
    Labelled,
    Lifetime,
    Measured,
    MemberOf,
    Plan,
    Source,
    negate,
    plan_conditions,
    plan_criteria,
)
from .syntax import ContactField, Criteria, Fact, MetricField

_ID = (Fragment("c.id AS contact_id"),)
_CONTACTS = "contacts_contact c"
_LIVING = Fragment("c.erased_at IS NULL")
_NOT_ERASED = Fragment(
    "NOT EXISTS (SELECT FROM contacts_contact x"
    " WHERE x.id = d.contact_id AND x.erased_at IS NOT NULL)"
)
# More than the server's default, so that a set of millions is still looked up in a hash table:
# without one, the server would read the set again for every contact.
_HASHED = {"work_mem": "256MB"}
# A hash table of exact sums misses the processor's caches; the index gives contacts in order.
_SORTED = {"enable_hashagg": "off"}
# Joins of sets are over before helpers have begun: at a million contacts, on two cores, Q5 of
# docs/benchmarks.md took 73 ms with them and 50 without. A scan of all contacts does gain by them.
_ALONE = {"max_parallel_workers_per_gather": "0"}


@dataclass(frozen=True, slots=True)
class Query:
    """A statement and the values of its %s placeholders, in order.

    `settings` make it quick: for SET LOCAL in the same transaction, names and values are ours.
    """

    text: str
    params: tuple[Param, ...]
    settings: Mapping[str, str] = field(default_factory=dict)


def compile_members(
    criteria: Criteria, *, now: datetime, among: Sequence[int] | None = None
) -> Query:
    """SELECT `contact_id` of everyone for whom `criteria` hold at `now`, each once.

    With `among`, of these contacts only. Raises ValueError for a naive `now`.
    """
    return _query(criteria, "{}", now=now, among=among)


def compile_count(
    criteria: Criteria, *, now: datetime, among: Sequence[int] | None = None
) -> Query:
    """SELECT how many contacts `compile_members` gives."""
    return _query(criteria, "SELECT count(*) FROM ({}) m", now=now, among=among)


def compile_sample(criteria: Criteria, *, now: datetime, limit: int, after: int = 0) -> Query:
    """SELECT the first `limit` of the contacts that `compile_members` gives, ids above `after`."""
    template = "SELECT m.contact_id FROM ({}) m WHERE m.contact_id > {} ORDER BY 1 LIMIT {}"
    parts = (value(after, "bigint"), value(limit, "bigint"))
    return _query(criteria, template, *parts, now=now, among=None)


def compile_where(criteria: Criteria, *, now: datetime) -> Query:
    """A condition on a row `e` of contacts_event, from `parse_where`; true or false, never NULL.

    It does not look at the kind of the event, nor whether it is later than `now`.
    """
    refuse_naive(now)
    condition = plan_conditions(criteria.root, criteria, now=now)
    found = sql("({}) IS TRUE", event_condition(condition, row="e", zone=criteria.zone))
    return Query(found.text, found.params)


def members(plan: Plan, scope: Scope) -> Fragment:
    """SELECT `contact_id` of everyone for whom `plan` holds, each once, erased ones not."""
    found = _select(plan, scope)
    if found.starts_from_contacts:
        return found.fragment
    return select((Fragment("d.contact_id"),), sql("({}) d", found.once()), (_NOT_ERASED,))


def settings_for(plan: Plan) -> dict[str, str]:
    """What to SET LOCAL so that the statement for `plan` is quick."""
    found: dict[str, str] = {}
    if any(isinstance(source, Measured) for source in _sources(plan)):
        found |= _SORTED
    if any(_is_looked_up(group) for group in _groups(plan)):
        found |= _HASHED
    elif any(True for _ in _sources(plan)):
        found |= _ALONE
    return found


def _query(
    criteria: Criteria,
    template: str,
    *parts: Fragment,
    now: datetime,
    among: Sequence[int] | None,
) -> Query:
    refuse_naive(now)
    plan = plan_criteria(criteria, now=now)
    scope = Scope(now, criteria.zone, None if among is None else tuple(among))
    found = sql(template, members(plan, scope), *parts)
    return Query(found.text, found.params, settings_for(plan))


def refuse_naive(now: datetime) -> None:
    """Raise ValueError where `now` is no instant."""
    if now.tzinfo is None:
        raise ValueError("An evaluation needs an instant: `now` has no time zone.")


@dataclass(frozen=True, slots=True)
class _Selection:
    """A SELECT of `contact_id`."""

    fragment: Fragment
    is_unique: bool = True
    starts_from_contacts: bool = False

    def once(self) -> Fragment:
        """The SELECT with each contact once."""
        if self.is_unique:
            return self.fragment
        return sql("SELECT DISTINCT n.contact_id FROM ({}) n", self.fragment)


def _select(plan: Plan, scope: Scope) -> _Selection:
    """The contacts for whom `plan` holds; erased ones may be in, unless it starts from contacts."""
    match plan:
        case InSet(source, False):
            return _Selection(_set(source, scope), _gives_each_once(source))
        case Groups("or", children) if _is_union(children):
            return _united(children, scope)
        case Groups("or", children) if any(_is_absence(child) for child in children):
            return _from_contacts((plan,), scope)
        case Groups("and", children):
            return _joined(children, scope)
        case _:
            return _from_contacts((plan,), scope)


def _joined(children: tuple[Plan, ...], scope: Scope) -> _Selection:
    """All of `children`: from the contacts, or from the set that is likely the smallest."""
    drivers = [child for child in children if isinstance(child, InSet) and not child.negated]
    if not drivers or any(_asks_row(child) for child in children):
        return _from_contacts(children, scope)
    driver = min(drivers, key=lambda child: _size_rank(child.source))
    rest = [child for child in children if child is not driver]
    where = [_conjunct(child, "d.contact_id", scope) for child in rest]
    start = sql("({}) d", _select(driver, scope).once())
    return _Selection(select((Fragment("d.contact_id"),), start, where))


def _from_contacts(conjuncts: Sequence[Plan], scope: Scope) -> _Selection:
    where = [_conjunct(child, "c.id", scope) for child in conjuncts]
    found = select(_ID, _CONTACTS, (_LIVING, *scope.of("c.id"), *where))
    return _Selection(found, starts_from_contacts=True)


def _united(children: tuple[Plan, ...], scope: Scope) -> _Selection:
    """At least one of `children`: what the contacts' rows answer in one scan, and each set."""
    rows = [child for child in children if _asks_row(child) and not _is_behaviour(child)]
    arms = [_select(child, scope).fragment for child in children if child not in rows]
    if rows:
        found = any_of(_in_row(child, scope) for child in rows)
        arms.append(select(_ID, _CONTACTS, (_LIVING, *scope.of("c.id"), found)))
    return _Selection(joined(" UNION ", (sql("({})", arm) for arm in arms)))


def _conjunct(plan: Plan, contact: str, scope: Scope) -> Fragment:
    """A condition that stands in AND, where the server can make it a join."""
    match plan:
        case InSet(source, negated):
            found = _set(source, scope)
            return _absent(found, contact) if negated else _present(found, contact)
        case Groups("or", children) if any(_is_absence(child) for child in children):
            return _absent(_select(negate(plan), scope).fragment, contact)
        case Groups("or", children) if _is_union(children):
            return _present(_select(plan, scope).fragment, contact)
        case _:
            return _in_row(plan, scope)


def _in_row(plan: Plan, scope: Scope) -> Fragment:
    """A condition on the row `c` of a contact, in AND or OR; true where `plan` holds."""
    match plan:
        case Constant(holds):
            return Fragment("true" if holds else "false")
        case ColumnTest(column, test, negated):
            return column_test(column, test, row="c", negated=negated)
        case InSet(source, negated):
            found = _set(source, scope)
            return _absent(found, "c.id") if negated else _present(found, "c.id")
        case Groups(combinator, children):
            parts = [_in_row(child, scope) for child in children]
            return all_of(parts) if combinator == "and" else any_of(parts)
        case _:
            assert_never(plan)


def _present(found: Fragment, contact: str) -> Fragment:
    return sql("{} IN ({})", Fragment(contact), found)


def _absent(found: Fragment, contact: str) -> Fragment:
    # Never NOT IN: it is no join, and not true where the set holds a NULL.
    template = "NOT EXISTS (SELECT FROM ({}) n WHERE n.contact_id = {})"
    return sql(template, found, Fragment(contact))


def _set(source: Source, scope: Scope) -> Fragment:
    """SELECT the contacts in a set, some perhaps more than once."""
    match source:
        case Labelled(kind, ids):
            table, column = _LABELS[kind]
            named = [sql("{} = ANY({})", Fragment(column), value(list(ids), "integer[]"))]
            if len(ids) == 1:
                named = [sql("{} = {}", Fragment(column), value(ids[0], "integer"))]
            return _rows(table, "t.contact_id", named if ids else [], scope)
        case Consented(consent_id, states):
            consent = sql("t.definition_id = {}", value(consent_id, "integer"))
            given = sql("t.state = ANY({})", value(list(states), "text[]"))
            if len(states) == 1:
                given = sql("t.state = {}", value(states[0], "text"))
            return _rows("contacts_consentstate t", "t.contact_id", [consent, given], scope)
        case MemberOf(ids):
            named = [sql("t.segment_id = ANY({})", value(list(ids), "integer[]"))]
            if len(ids) == 1:
                named = [sql("t.segment_id = {}", value(ids[0], "integer"))]
            return _rows("segments_membership t", "t.contact_id", named, scope)
        case Keyed(fact, ids):
            named = [sql(f"t.{fact.item_column} = ANY({{}})", value(list(ids), "integer[]"))]
            if len(ids) == 1:
                named = [sql(f"t.{fact.item_column} = {{}}", value(ids[0], "integer"))]
            # The owner's literals; a percent sign in them is no placeholder.
            named.append(Fragment("(" + fact.condition.replace("%", "%%") + ")"))
            return _rows(f"{fact.table} t", "t.contact_id", named, scope)
        case Known():
            return _known(source, scope)
        case _:
            return behaviour_set(source, scope)


_LABELS = {
    "tag": ("contacts_contacttag t", "t.tag_id"),
    "category": ("contacts_contactcategory t", "t.category_id"),
}


def _known(source: Known, scope: Scope) -> Fragment:
    match source.field:
        case MetricField(_, metric_id, _, type_):
            metric = sql("t.metric_id = {}", value(metric_id, "integer"))
            test = typed_test(Fragment(f"t.{type_.value}"), source.test, type_)
            return _rows("contacts_metricvalue t", "t.contact_id", [metric, test], scope)
        case ContactField(_, type_):
            test = typed_test(Fragment("t.last_seen_at"), source.test, type_)
            return _rows("contacts_lastseen t", "t.contact_id", [test], scope)
        case Fact() as fact:
            # The owner's literals; a percent sign in them is no placeholder.
            where = [Fragment("(" + fact.condition.replace("%", "%%") + ")")]
            if fact.column:
                found = Fragment(f"t.{fact.column}")
                where.append(typed_test(found, source.test, fact.type))
            return _rows(f"{fact.table} t", f"t.{fact.contact_column}", where, scope)
        case _:
            assert_never(source.field)


def _rows(table: str, column: str, where: Sequence[Fragment], scope: Scope) -> Fragment:
    name = column if column.endswith(".contact_id") else f"{column} AS contact_id"
    return select((Fragment(name),), table, (*where, *scope.of(column)))


def _gives_each_once(source: Source) -> bool:
    match source:
        case Labelled(_, ids) | MemberOf(ids) | Keyed(_, ids):
            return len(ids) == 1
        case Consented() | Known():
            return True
        case _:
            return is_unique(source)


def _size_rank(source: Source) -> int:
    """A guess which set is the smallest; the server reorders what it can join by itself."""
    match source:
        case Labelled(_, ids) | MemberOf(ids) | Keyed(_, ids):
            return 0 if len(ids) == 1 else 5
        case Consented() | Known():
            return 1
        case Measured():
            return 2
        case Followed():
            return 3
        case Happened():
            return 4
        case Lifetime():
            return 5
        case _:
            assert_never(source)


def _asks_row(plan: Plan) -> bool:
    """Whether `plan`, standing in AND, needs the contact's own row."""
    match plan:
        case InSet():
            return False
        case Groups("or", children):
            return not _is_union(children) and not any(_is_absence(child) for child in children)
        case Groups("and", children):
            return any(_asks_row(child) for child in children)
        case _:
            return True


def _is_union(children: Sequence[Plan]) -> bool:
    """Whether OR is best a union of sets: it has behaviour in it, or nothing of the contact's row.

    Columns and small sets are answered in one scan; a scan per event set would not end.
    """
    if any(_is_absence(child) for child in children):
        return False
    return any(map(_is_behaviour, children)) or not any(map(_has_column, children))


def _is_absence(plan: Plan) -> bool:
    """Whether this is most contacts; in OR, who does *not* fit is a smaller set."""
    return isinstance(plan, InSet) and plan.negated


def _has_column(plan: Plan) -> bool:
    match plan:
        case Groups(_, children):
            return any(map(_has_column, children))
        case _:
            return isinstance(plan, ColumnTest | Constant)


def _is_behaviour(plan: Plan) -> bool:
    """Whether there is behaviour in it."""
    return any(isinstance(source, Behaviour) for source in _sources(plan))


def _is_looked_up(group: Groups) -> bool:
    """Whether sets are looked up for each contact, in OR with columns."""
    is_scan = group.combinator == "or" and _asks_row(group)
    return is_scan and any(True for _ in _sources(group))


def _sources(plan: Plan) -> Iterator[Source]:
    match plan:
        case InSet(source):
            yield source
        case Groups(_, children):
            for child in children:
                yield from _sources(child)


def _groups(plan: Plan) -> Iterator[Groups]:
    if isinstance(plan, Groups):
        yield plan
        for child in plan.children:
            yield from _groups(child)
