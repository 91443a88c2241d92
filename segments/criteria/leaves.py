"""What many documents ask of some contacts, each question once, by the table that answers it.

Each table is read once for the contacts asked about and gives a row for each contact, with a
column for each question, or with arrays of what the contact has. `Leaves.ask` gives the condition
on these rows, and `Leaves.joins` the rows.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import assert_never

from .behaviour import (
    MovingScope,
    asks_address,
    behaviour_set,
    event_condition,
    lifetime_test,
    measure_passes,
    measured_property,
)
from .comparisons import attribute_test, column_test, complemented, time_test, typed_test
from .fragments import Fragment, any_of, joined, row_id, select, sql, value
from .moving import AMONG, NOW, Earliest
from .plan import (
    EVERYONE,
    ColumnTest,
    Conditions,
    Consented,
    EventScan,
    EventTest,
    Followed,
    Happened,
    InSet,
    Keyed,
    Known,
    Labelled,
    Lifetime,
    Measured,
    MemberOf,
    Source,
)
from .spans import Moving, Span
from .storage import attribute
from .syntax import (
    AttributeField,
    ContactField,
    Fact,
    Function,
    InLast,
    KeyedFact,
    MetricField,
    OccurredAt,
)
from .times import LAST_INSTANT

# A table of the server has at most 1664 columns: of more questions to one table, it is read again.
MOST_COLUMNS = 1000

# Of each thing that contacts have: the table, and the column of the thing.
_HELD = {
    "tag": ("contacts_contacttag t", "t.tag_id"),
    "category": ("contacts_contactcategory t", "t.category_id"),
    "segment": ("segments_membership t", "t.segment_id"),
}
_EVENT_COLUMNS = tuple(
    Fragment(f"e.{name}")
    for name in ("contact_id", "definition_id", "occurred_at", "amount", "url_id", "properties")
)
_NOW = value(NOW, "timestamptz")

Bounds = tuple[Moving | datetime, ...]
"""The earliest instants that one reader of events knows; it reads those later than all of them."""


def _among(column: str) -> Fragment:
    return sql("{} = ANY({})", Fragment(column), value(AMONG, "bigint[]"))


@dataclass(slots=True)
class _Answers:
    """Questions to one table: aggregates over the rows of one contact, each asked once."""

    name: str
    columns: dict[str, tuple[str, Fragment]] = field(default_factory=dict)

    def ask(self, aggregate: Fragment) -> Fragment:
        """The column with the answer; NULL where the contact has no row."""
        block, place = f"{self.name}{len(self.columns) // MOST_COLUMNS}", len(self.columns)
        key = f"{aggregate.text}{aggregate.params!r}"
        known, _ = self.columns.setdefault(key, (f"{block}.a{place}", aggregate))
        return Fragment(known)

    def joins(self, contact: str, table: Fragment) -> Iterator[Fragment]:
        """LEFT JOIN of the rows; `table` is what follows FROM, `contact` its column of contacts."""
        named = [
            sql("{} AS {}", aggregate, Fragment(name.rpartition(".")[2]))
            for name, aggregate in self.columns.values()
        ]
        for begin in range(0, len(named), MOST_COLUMNS):
            columns = (Fragment(f"{contact} AS contact_id"), *named[begin : begin + MOST_COLUMNS])
            found = sql("SELECT {} FROM {} GROUP BY 1", joined(", ", columns), table)
            yield _joined_rows(found, f"{self.name}{begin // MOST_COLUMNS}")


def _joined_rows(rows: Fragment, name: str) -> Fragment:
    alias = Fragment(name)
    return sql(" LEFT JOIN ({}) {} ON {}.contact_id = c.id", rows, alias, alias)


@dataclass(slots=True)
class Leaves:
    """The questions of some documents, about contacts in a row `c`."""

    attributes: dict[AttributeField, str] = field(default_factory=dict)
    held: dict[str, set[int] | None] = field(default_factory=dict)
    keyed: dict[KeyedFact, tuple[str, set[int]]] = field(default_factory=dict)
    asks_consents: bool = False
    asks_last_seen: bool = False
    metrics: _Answers = field(default_factory=lambda: _Answers("metric"))
    metric_ids: set[int] = field(default_factory=set)
    facts: dict[tuple[str, str], _Answers] = field(default_factory=dict)
    statistics: _Answers = field(default_factory=lambda: _Answers("stat"))
    statistic_ids: set[int] = field(default_factory=set)
    counts_again: bool = False
    events: _Answers = field(default_factory=lambda: _Answers("event"))
    readers: dict[int, set[Bounds]] = field(default_factory=dict)
    asks_addresses: bool = False
    sequences: dict[str, tuple[str, Fragment]] = field(default_factory=dict)

    def ask(self, leaf: ColumnTest | InSet, scope: MovingScope) -> Fragment:
        """The condition for `leaf`, true where it holds; perhaps NULL where it does not."""
        match leaf:
            case ColumnTest(AttributeField() as field, test, negated):
                name = self.attributes.setdefault(field, f"attribute.a{len(self.attributes)}")
                found = attribute_test(field, test, Fragment(name))
                return complemented(found, negated=negated)
            case ColumnTest(field, test, negated):
                return column_test(field, test, row="c", negated=negated)
        return complemented(self._set(leaf.source, scope), negated=leaf.negated)

    def joins(self) -> Iterator[Fragment]:
        """What to join to the contacts `c`: the rows with the answers."""
        if self.attributes:
            yield self._attributes()
        yield from (_held(kind, *_HELD[kind], ids) for kind, ids in self.held.items())
        for fact, (name, things) in self.keyed.items():
            # The owner's literals; a percent sign in them is no placeholder.
            holds = Fragment("(" + fact.condition.replace("%", "%%") + ")")
            yield _held(name, f"{fact.table} t", f"t.{fact.item_column}", things, holds)
        if self.asks_consents:
            yield _consents()
        if self.asks_last_seen:
            yield Fragment(" LEFT JOIN contacts_lastseen seen ON seen.contact_id = c.id")
        if self.metric_ids:
            ids = sql("t.metric_id = ANY({})", _ids(self.metric_ids))
            template = "contacts_metricvalue t WHERE {} AND {}"
            yield from self.metrics.joins(
                "t.contact_id", sql(template, _among("t.contact_id"), ids)
            )
        for (table, contact), answers in self.facts.items():
            where = _among(f"t.{contact}")
            yield from answers.joins(f"t.{contact}", sql(f"{table} t WHERE {{}}", where))
        if self.statistic_ids:
            yield from self.statistics.joins("s.contact_id", self._statistics())
        if self.readers:
            yield from self.events.joins("e.contact_id", self._events())
        for name, rows in self.sequences.values():
            yield _joined_rows(sql("SELECT DISTINCT q.contact_id FROM ({}) q", rows), name)

    def _set(self, source: Source, scope: MovingScope) -> Fragment:
        match source:
            case Labelled(kind, ids):
                return self._has(kind, ids)
            case MemberOf(ids):
                return self._has("segment", ids)
            case Keyed(fact, ids):
                name, known = self.keyed.setdefault(fact, (f"keyed{len(self.keyed)}", set()))
                known.update(ids)
                return _has(name, ids)
            case Consented(consent_id, states):
                self.asks_consents = True
                consent = row_id(consent_id)
                given = [Fragment(f"consents.{state}") for state in states]
                return any_of(sql("{} = ANY({})", consent, one) for one in given)
            case Known():
                return self._known(source)
            case Lifetime(event_id, function):
                self.statistic_ids.add(event_id)
                self.counts_again |= function is not Function.FIRST
                column = {Function.COUNT: "event_count", Function.FIRST: "first_at"}
                test = lifetime_test(source, Fragment(f"s.{column.get(function, 'last_at')}"))
                named = sql("s.definition_id = {}", row_id(event_id))
                return self.statistics.ask(sql("bool_or({} AND {})", named, test))
            case Happened(events):
                return self.events.ask(sql("bool_or({})", self._reads(events, scope)))
            case Measured(events, measure, test, negated):
                only = sql(" FILTER (WHERE {})", self._reads(events, scope))
                measured = measured_property(measure)
                passes = measure_passes(measure, test, measured=measured, only=only)
                return self.events.ask(complemented(passes, negated=negated))
            case Followed():
                found = behaviour_set(source, scope)
                key = f"{found.text}{found.params!r}"
                name, _ = self.sequences.setdefault(key, (f"sequence{len(self.sequences)}", found))
                return Fragment(f"{name}.contact_id IS NOT NULL")
            case _:
                assert_never(source)

    def _has(self, kind: str, ids: Sequence[int]) -> Fragment:
        known = self.held.setdefault(kind, set())
        if not ids:
            self.held[kind] = None
            return Fragment(f"{kind}.ids IS NOT NULL")
        if known is not None:
            known.update(ids)
        return _has(kind, ids)

    def _known(self, source: Known) -> Fragment:
        match source.field:
            case MetricField(_, metric_id, _, type_):
                self.metric_ids.add(metric_id)
                metric = sql("t.metric_id = {}", row_id(metric_id))
                test = typed_test(Fragment(f"t.{type_.value}"), source.test, type_)
                return self.metrics.ask(sql("bool_or({} AND {})", metric, test))
            case ContactField(_, type_):
                self.asks_last_seen = True
                return typed_test(Fragment("seen.last_seen_at"), source.test, type_)
            case Fact(table=table, contact_column=contact) as fact:
                name = f"fact{len(self.facts)}_"
                answers = self.facts.setdefault((table, contact), _Answers(name))
                # The owner's literals; a percent sign in them is no placeholder.
                found = Fragment("(" + fact.condition.replace("%", "%%") + ")")
                if fact.column:
                    test = typed_test(Fragment(f"t.{fact.column}"), source.test, fact.type)
                    found = sql("{} AND {}", found, test)
                return answers.ask(sql("bool_or({})", found))
            case _:
                assert_never(source.field)

    def _reads(self, events: EventScan, scope: MovingScope) -> Fragment:
        """The condition on the row `e` of an event; has the events read from early enough on."""
        self.readers.setdefault(events.event_id, set()).add(_bounds(events))
        self.asks_addresses |= asks_address(events.rest)
        conditions = [sql("e.definition_id = {}", row_id(events.event_id))]
        high = None if events.span.high == LAST_INSTANT else events.span.high
        if events.span.low is not None or high is not None:
            conditions.append(time_test(Fragment("e.occurred_at"), Span(events.span.low, high)))
        if events.rest != EVERYONE:
            rest = event_condition(events.rest, row="e", zone=scope.zone, urls="u")
            conditions.append(rest)
        return joined(" AND ", conditions)

    def _attributes(self) -> Fragment:
        """Each attribute taken out of its document once: without OFFSET, once for each test."""
        columns = (
            sql("{} AS {}", attribute(known, "c"), Fragment(name.rpartition(".")[2]))
            for known, name in self.attributes.items()
        )
        return sql(" CROSS JOIN LATERAL (SELECT {} OFFSET 0) attribute", joined(", ", columns))

    def _statistics(self) -> Fragment:
        """The statistics up to now, as they would be without the events that are later."""
        where = (
            _among("s.contact_id"),
            sql("s.definition_id = ANY({})", _ids(self.statistic_ids)),
            sql("s.first_at <= {}", _NOW),
        )
        if not self.counts_again:
            return _from("contacts_eventstatistic s", where)
        later = sql("s.last_at > {}", _NOW)
        again = select(
            (Fragment("count(*) AS event_count"), Fragment("max(e.occurred_at) AS last_at")),
            "contacts_event e",
            (
                later,
                Fragment("e.definition_id = s.definition_id AND e.contact_id = s.contact_id"),
                sql("e.occurred_at <= {}", _NOW),
            ),
        )
        template = "contacts_eventstatistic s LEFT JOIN LATERAL ({}) again ON {}"
        columns = (
            *(Fragment(f"s.{name}") for name in ("contact_id", "definition_id", "first_at")),
            *(
                Fragment(f"coalesce(again.{name}, s.{name}) AS {name}")
                for name in ("event_count", "last_at")
            ),
        )
        return sql("({}) s", select(columns, sql(template, again, later), where))

    def _events(self) -> Fragment:
        """The events that any question reads, each once."""
        from_somewhere = {kind: found for kind, found in self.readers.items() if all(found)}
        whole = [kind for kind in self.readers if kind not in from_somewhere]
        arms = []
        if from_somewhere:
            every = tuple(one for found in from_somewhere.values() for one in _in_order(found))
            where = [*_events_of(tuple(from_somewhere)), _not_before(every)]
            if len(from_somewhere) > 1:
                where.append(
                    any_of(
                        sql(
                            "(e.definition_id = {} AND {})",
                            row_id(kind),
                            _not_before(tuple(_in_order(found))),
                        )
                        for kind, found in from_somewhere.items()
                    )
                )
            arms.append(where)
        if whole:
            arms.append(_events_of(tuple(whole)))
        addresses = Fragment(" LEFT JOIN contacts_url u ON u.id = e.url_id")
        if not self.asks_addresses:
            addresses = Fragment("")
        if len(arms) == 1:
            template = "contacts_event e{} WHERE {}"
            return sql(template, addresses, joined(" AND ", arms[0]))
        found = joined(" UNION ALL ", (select(_EVENT_COLUMNS, "contacts_event e", a) for a in arms))
        return sql("({}) e{}", found, addresses)


def _from(table: str, where: Sequence[Fragment]) -> Fragment:
    """What follows FROM."""
    return sql("{} WHERE {}", Fragment(table), joined(" AND ", where))


def _has(name: str, ids: Sequence[int]) -> Fragment:
    if len(ids) == 1:
        return sql(f"{{}} = ANY({name}.ids)", row_id(ids[0]))
    return sql(f"{name}.ids && {{}}", _ids(ids))


def _held(
    name: str, table: str, column: str, ids: set[int] | None, *conditions: Fragment
) -> Fragment:
    """The arrays of what contacts have; with `ids`, of these things only."""
    where = [_among("t.contact_id"), *conditions]
    if ids is not None:
        where.append(sql(f"{column} = ANY({{}})", _ids(ids)))
    columns = (Fragment("t.contact_id"), Fragment(f"array_agg({column}::integer) AS ids"))
    return _joined_rows(sql("{} GROUP BY 1", select(columns, table, where)), name)


def _consents() -> Fragment:
    # All consents: with a condition on the kind, the index that begins with that is read instead.
    where = (_among("t.contact_id"),)
    columns = (
        Fragment("t.contact_id"),
        *(
            Fragment(
                f"array_agg(t.definition_id::integer) FILTER (WHERE t.state = '{state}') AS {state}"
            )
            for state in ("granted", "withdrawn")
        ),
    )
    found = select(columns, "contacts_consentstate t", where)
    return _joined_rows(sql("{} GROUP BY 1", found), "consents")


def _ids(ids: Iterable[int]) -> Fragment:
    return sql("ARRAY[{}]", joined(", ", map(row_id, sorted(ids))))


def _events_of(kinds: Sequence[int]) -> list[Fragment]:
    kind = sql("e.definition_id = {}", row_id(kinds[0]))
    if len(kinds) > 1:
        kind = sql("e.definition_id = ANY({})", _ids(kinds))
    return [kind, _among("e.contact_id"), sql("e.occurred_at <= {}", _NOW)]


def _not_before(readers: tuple[Bounds, ...]) -> Fragment:
    return sql("e.occurred_at >= {}", value(Earliest(readers), "timestamptz"))


def _in_order(found: set[Bounds]) -> list[Bounds]:
    """In an order that is the same every time."""
    return sorted(found, key=repr)


def _bounds(events: EventScan) -> Bounds:
    rest = events.rest
    is_all = isinstance(rest, Conditions) and rest.combinator == "and"
    parts = rest.children if is_all and isinstance(rest, Conditions) else (rest,)
    found: list[Moving | datetime] = []
    if isinstance(events.span.low, datetime):
        found.append(events.span.low)
    for part in parts:
        match part:
            case EventTest(OccurredAt(), Moving(InLast()) as window, False):
                found.append(window)
    return tuple(found)
