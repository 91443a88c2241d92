"""Whom time alone may have turned between two instants, for many documents in one statement.

`Clock.between` finds the contacts with a time on an edge that has moved over it (`edges.py`). They
are candidates: more than those who turned, and never fewer, so whoever asks the documents about
them at the end of the stretch has missed nobody. That also holds where a contact was asked at an
instant in between. What no index finds comes back as `needs_full`.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal
from zoneinfo import ZoneInfo

from .behaviour import asks_address, event_condition, later
from .comparisons import time_test
from .compile import Query, refuse_naive
from .edges import (
    Arrival,
    EventEdge,
    FieldEdge,
    Line,
    Moved,
    Patience,
    Range,
    Unindexed,
    edges_of,
    next_date,
)
from .fragments import Fragment, Param, all_of, joined, row_id, sql, value
from .moving import NOW, Array, Filling, Prepared, Since
from .plan import EVERYONE, plan_moving
from .spans import TICK, Span
from .storage import attribute, column, time_text
from .syntax import AttributeField, ContactField, Criteria, Fact
from .times import LAST_INSTANT


@dataclass(frozen=True, slots=True)
class Turns:
    """How time alone may turn a document; false where it cannot.

    `edges` are found by `Clock.between`; `dates` turn when it is another date, `properties` at any
    moment, and both of them ask for a full refresh.
    """

    edges: bool = False
    dates: bool = False
    properties: bool = False

    def __bool__(self) -> bool:
        return self.edges or self.dates or self.properties


@dataclass(frozen=True, slots=True)
class NeedsFull:
    """The document has to be asked about everyone at `next_at`, and not before.

    For the reason "date" that is the next date in its time zone. A window on a "property" of events
    may turn anyone at any moment: `next_at` is a microsecond after the beginning of the stretch.
    """

    reason: Literal["date", "property"]
    next_at: datetime


@dataclass(frozen=True, slots=True)
class Turned:
    """What time did in a stretch of it.

    The query gives rows of `segment_id` and `contact_id`, each once; None where there are none to
    look for. `needs_full` has all documents that need it some day: now, where `next_at` has come.
    """

    query: Query | None
    needs_full: Mapping[int, NeedsFull]


def turns_by_time(criteria: Criteria) -> Turns:
    """How time alone may turn `criteria` for some contact."""
    found = set(_edges(criteria))
    return Turns(
        any(not isinstance(edge, Unindexed) for edge in found),
        Unindexed("date") in found,
        Unindexed("property") in found,
    )


def compile_turned(trees: Mapping[int, Criteria], *, since: datetime, until: datetime) -> Turned:
    """`prepare_clock(trees).between(since, until)`, for trees that are asked once."""
    return prepare_clock(trees).between(since, until)


def prepare_clock(trees: Mapping[int, Criteria], *, only_early: bool = False) -> "Clock":
    """The statement for `trees`, each by the id of its segment.

    With `only_early`, an event that has come counts only if it was received before it happened: for
    callers who ask the documents about a contact after each of its events was received, at an
    instant that is not before it was.
    """
    events, fields = _Events(only_early), _Fields()
    unindexed: dict[int, tuple[Literal["date", "property"], ZoneInfo]] = {}
    for segment_id, criteria in trees.items():
        for edge in _edges(criteria):
            match edge:
                case EventEdge():
                    events.add(segment_id, edge, criteria.zone)
                case FieldEdge():
                    fields.add(segment_id, edge)
                case Unindexed(reason):
                    # One that may turn at any moment needs no date.
                    known, _ = unindexed.get(segment_id, (reason, criteria.zone))
                    worse: Literal["date", "property"] = (
                        "property" if "property" in (known, reason) else "date"
                    )
                    unindexed[segment_id] = worse, criteria.zone
    arms = [*events.arms(), *fields.arms()]
    every = joined(" UNION ALL ", (arm.statement for arm in arms))
    found = sql("SELECT DISTINCT f.segment_id, f.contact_id FROM ({}) f", every)
    prepared = Prepared.of(found) if arms else None
    return Clock(prepared, tuple(arms), unindexed)


def _edges(criteria: Criteria) -> Iterator[Moved]:
    return edges_of(plan_moving(criteria), criteria.zone)


@dataclass(frozen=True, slots=True)
class _Arm:
    """A SELECT, and the lines whose ranges go into its arrays, each as row `place` of them."""

    name: str
    statement: Fragment
    lines: tuple[tuple[int, Line], ...]
    kinds: tuple[int, ...] = ()
    is_text: bool = False


@dataclass(frozen=True, slots=True)
class Clock:
    """The statement for a choice of documents, to be kept until these or the catalog change."""

    _prepared: Prepared | None
    _arms: tuple[_Arm, ...]
    _unindexed: Mapping[int, tuple[Literal["date", "property"], ZoneInfo]]

    def between(self, since: datetime, until: datetime) -> Turned:
        """What time did after `since`, up to `until`. Raises ValueError for a naive instant.

        Members are those written in the table of members: a document that time can only have made
        false is asked about these, one that it can only have made true about the others.
        """
        refuse_naive(since)
        refuse_naive(until)
        since, until = since.astimezone(UTC), until.astimezone(UTC)
        needs_full = {
            segment_id: NeedsFull(
                reason, since + TICK if reason == "property" else next_date(since, zone)
            )
            for segment_id, (reason, zone) in self._unindexed.items()
        }
        if self._prepared is None or until <= since:
            return Turned(None, needs_full)
        passed: dict[Line, Range | None] = {}
        arrays: dict[str, Param] = {}
        for arm in self._arms:
            rows: list[tuple[int, Range]] = []
            for place, line in arm.lines:
                if line not in passed:
                    passed[line] = line.passed(since, until)
                reach = passed[line]
                if reach is not None and reach[0] <= reach[1]:
                    rows.append((place, reach))
            arrays[f"{arm.name}.place"] = [place for place, _ in rows]
            arrays[f"{arm.name}.kind"] = [arm.kinds[place] for place, _ in rows if arm.kinds]
            for index, name in enumerate(("low", "high")):
                times = [reach[index] for _, reach in rows]
                texts = [time_text(at) for at in times]
                arrays[f"{arm.name}.{name}"] = texts if arm.is_text else times
        filling = Filling(until, since=since, arrays=arrays)
        query = Query(self._prepared.text, self._prepared.filled_with(filling))
        return Turned(query, needs_full)


# --- The SELECTs ---------------------------------------------------------------------------------

_EVENT_SELECT = (
    "SELECT wish.segment_id, e.contact_id"
    " FROM unnest({}, {}, {}, {}) line(place, kind, low, high) JOIN contacts_event e ON {}{}"
    " JOIN {} ON wish.place = line.place WHERE CASE wish.condition {} END AND {}"
)
_FIELD_SELECT = (
    "SELECT wish.segment_id, {} AS contact_id"
    " FROM unnest({}, {}, {}) line(place, low, high) JOIN {} ON {} BETWEEN line.low AND line.high{}"
    " JOIN {} ON wish.place = line.place WHERE {}"
)
# Whoever may have turned to true was no member, and who may have turned to false was one. Not by
# EXISTS: for that, the server would read the members of all segments into a hash table.
_MAY_TURN = (
    "(wish.towards = 0 OR (wish.towards < 0) = ((SELECT true FROM segments_membership m"
    " WHERE m.segment_id = wish.segment_id AND m.contact_id = {}) IS NOT NULL))"
)


def _array(arm: str, name: str, type_name: str) -> Fragment:
    return value(Array(f"{arm}.{name}"), f"{type_name}[]")


def _wishes(rows: Iterable[tuple[int, ...]], columns: str) -> Fragment:
    """Which segments look for whom on which line, as a FROM item."""
    listed = joined(
        ", ",
        (sql("({})", joined(", ", map(row_id, row))) for row in rows),
    )
    return sql(f"(VALUES {{}}) wish({columns})", listed)


@dataclass(slots=True)
class _EventArm:
    """Edges of events that are looked for in one scan."""

    name: str
    lines: dict[tuple[int, Line], int] = field(default_factory=dict)
    conditions: dict[str, tuple[int, Fragment]] = field(default_factory=dict)
    wishes: dict[tuple[int, ...], None] = field(default_factory=dict)
    asks_addresses: bool = False

    def add(self, segment_id: int, edge: EventEdge, condition: Fragment) -> None:
        place = self.lines.setdefault((edge.event_id, edge.line), len(self.lines))
        key = f"{condition.text}{condition.params!r}"
        number, _ = self.conditions.setdefault(key, (len(self.conditions), condition))
        self.wishes[place, segment_id, edge.towards, number] = None
        self.asks_addresses |= asks_address(edge.rest)

    def arm(self, *more: Fragment) -> _Arm:
        """The SELECT; `more` holds for all of its events."""
        names = (("place", "integer"), ("kind", "integer"), ("low", "timestamptz"))
        arrays = [_array(self.name, *one) for one in (*names, ("high", "timestamptz"))]
        join = joined(
            " AND ",
            (
                Fragment("e.definition_id = line.kind"),
                Fragment("e.occurred_at BETWEEN line.low AND line.high"),
                *more,
            ),
        )
        cases = joined(
            " ",
            (
                sql("WHEN {} THEN {}", row_id(number), condition)
                for number, condition in self.conditions.values()
            ),
        )
        addresses = " LEFT JOIN contacts_url u ON u.id = e.url_id" if self.asks_addresses else ""
        statement = sql(
            _EVENT_SELECT,
            *arrays,
            join,
            Fragment(addresses),
            _wishes(self.wishes, "place, segment_id, towards, condition"),
            cases,
            sql(_MAY_TURN, Fragment("e.contact_id")),
        )
        lines = tuple((place, line) for (_, line), place in self.lines.items())
        kinds = tuple(event_id for event_id, _ in self.lines)
        return _Arm(self.name, statement, lines, kinds)


@dataclass(slots=True)
class _Events:
    """The edges of events: those that an index alone answers, others, and those of arrivals."""

    only_early: bool
    narrow: _EventArm = field(default_factory=lambda: _EventArm("narrow"))
    wide: _EventArm = field(default_factory=lambda: _EventArm("wide"))
    early: _EventArm = field(default_factory=lambda: _EventArm("early"))

    def add(self, segment_id: int, edge: EventEdge, zone: ZoneInfo) -> None:
        condition = _event_condition(edge, zone)
        if self.only_early and edge.line == Arrival():
            self.early.add(segment_id, edge, condition)
        elif "e.properties" in condition.text:
            self.wide.add(segment_id, edge, condition)
        else:
            self.narrow.add(segment_id, edge, condition)

    def arms(self) -> Iterator[_Arm]:
        for arm in (self.narrow, self.wide):
            if arm.lines:
                yield arm.arm()
        if self.early.lines:
            yield self.early.arm(Fragment("e.received_at < e.occurred_at"))


def _event_condition(edge: EventEdge, zone: ZoneInfo) -> Fragment:
    """What has to hold of an event on the line; true also for addresses that are in no index."""
    parts = []
    high = None if edge.span.high == LAST_INSTANT else edge.span.high
    if edge.span.low is not None or high is not None:
        parts.append(time_test(Fragment("e.occurred_at"), Span(edge.span.low, high)))
    if isinstance(edge.line, Patience):
        end = later("e.occurred_at", edge.line.within, edge.line.zone)
        since, until = (value(at, "timestamptz") for at in (Since(), NOW))
        parts.append(sql("{} >= {} AND {} < {}", end, since, end, until))
    if edge.rest != EVERYONE:
        parts.append(
            event_condition(edge.rest, row="e", zone=zone, urls="u", reads_addresses=False)
        )
    return all_of(parts)


@dataclass(slots=True)
class _Fields:
    """The edges of times in fields, one SELECT for each field."""

    lines: dict[ContactField | AttributeField | Fact, dict[Line, int]] = field(default_factory=dict)
    wishes: dict[ContactField | AttributeField | Fact, dict[tuple[int, ...], None]] = field(
        default_factory=dict
    )

    def add(self, segment_id: int, edge: FieldEdge) -> None:
        lines = self.lines.setdefault(edge.field, {})
        place = lines.setdefault(edge.line, len(lines))
        self.wishes.setdefault(edge.field, {})[place, segment_id, edge.towards] = None

    def arms(self) -> Iterator[_Arm]:
        for number, (known, lines) in enumerate(self.lines.items()):
            name = f"field{number}"
            is_text = isinstance(known, AttributeField)
            type_name = "text" if is_text else "timestamptz"
            names = (("place", "integer"), ("low", type_name), ("high", type_name))
            table, contact, at, where = _times_of(known)
            statement = sql(
                _FIELD_SELECT,
                contact,
                *(_array(name, *one) for one in names),
                table,
                at,
                where,
                _wishes(self.wishes[known], "place, segment_id, towards"),
                sql(_MAY_TURN, contact),
            )
            listed = tuple((place, line) for line, place in lines.items())
            yield _Arm(name, statement, listed, is_text=is_text)


def _times_of(
    known: ContactField | AttributeField | Fact,
) -> tuple[Fragment, Fragment, Fragment, Fragment]:
    """The table of a field, its contact and time, and what else has to hold of its rows."""
    contacts, contact, nothing = Fragment("contacts_contact c"), Fragment("c.id"), Fragment("")
    match known:
        case ContactField("last_seen_at"):
            seen = Fragment("contacts_lastseen t")
            return seen, Fragment("t.contact_id"), Fragment("t.last_seen_at"), nothing
        case ContactField():
            return contacts, contact, column(known, "c"), nothing
        case AttributeField():
            return contacts, contact, attribute(known, "c"), nothing
        case Fact():
            # The owner's literals; a percent sign in them is no placeholder.
            where = Fragment(" AND (" + known.condition.replace("%", "%%") + ")")
            at = Fragment(f"t.{known.column}")
            return Fragment(f"{known.table} t"), Fragment(f"t.{known.contact_column}"), at, where
