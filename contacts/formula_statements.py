"""SQL of formulas: one statement that computes metrics of all contacts, or of each website.

Whatever looks at events of one kind shares one pass over them. A statement gives a row for each
contact, or for each website and contact, with a column for each metric in the order of the given
ones: `v0`, `v1`, … Missing values are NULL.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings

from contacts.formulas import OF_NUMBERS, Formula, Function, ways_of
from contacts.identity_rules import ANONYMOUS_ID
from contacts.models import EventDefinition
from contacts.orders import DEFAULT_PROPERTY, Orders, number_sql
from contacts.values import TEXT_LIMIT
from workspace.models import Website

# What the column of numbers holds before the point.
NUMBER_LIMIT = "1e22"
# A name, or the host of an address: without scheme, "www.", port and path.
_HOST = r"^(?:[a-z][a-z0-9+.-]*://)?(?:www\.)?([^/:?#]*)"

# Who is more than an anonymous visitor of a page: `{contact}` is the column of the id.
REGISTERED = (
    "EXISTS (SELECT FROM contacts_identity i WHERE i.contact_id = {contact}"
    f" AND i.namespace <> '{ANONYMOUS_ID}')"
)


@dataclass(frozen=True, slots=True)
class Ready:
    """A statement by itself, with rows of contact_id and number: what a recipe gives."""

    text: str
    params: Sequence[Any]


@dataclass(frozen=True, slots=True)
class Scope:
    """What all formulas are computed with: the instant, the order event, the kinds of events."""

    as_of: datetime
    of: Orders
    event_ids: Mapping[str, int]

    def event_id(self, name: str) -> int:
        """The kind of events of this name, the orders for none; 0 where none ever came."""
        return self.event_ids.get(name, 0) if name else self.of.event_id


@dataclass(frozen=True, slots=True)
class Ranked:
    """A rank of contacts by something else, a formula or a recipe."""

    by: Formula | Ready


Computable = Formula | Ready | Ranked


@dataclass(frozen=True, slots=True)
class Sites:
    """The websites of the workspace, by what events may call them; `chosen` are computed."""

    ids: Mapping[str, int]
    chosen: Sequence[int]
    only_id: int | None


def scope_of(formulas: Sequence[Formula], *, of: Orders, as_of: datetime) -> Scope:
    """Look up the events that the formulas name."""
    names = {name for one in formulas for name in (one.event_name, one.other_event_name) if name}
    known = EventDefinition.objects.filter(name__in=names).values_list("name", "pk")
    return Scope(as_of, of, dict(known) if names else {})


def sites_of(websites: Sequence[Website], chosen: Sequence[int]) -> Sites:
    """All websites of the workspace, and those of which metrics are computed."""
    ids: dict[str, int] = {}
    for website in sorted(websites, key=lambda one: one.pk):
        for name in (website.key, website.domain):
            if name.strip():
                ids.setdefault(bare_host(name), website.pk)
    only = websites[0].pk if len(websites) == 1 else None
    return Sites(ids, list(chosen), only)


def bare_host(text: str) -> str:
    """What names a website in an event: lower case, of an address its host without "www."."""
    found = re.match(_HOST, text.strip().lower())
    return found.group(1) if found else ""


def select_values(
    computables: Sequence[Computable],
    scope: Scope,
    sites: Sites | None = None,
    *,
    among: str = "",
    are_ranked: bool = True,
) -> tuple[str, dict[str, Any]]:
    """The statement that computes these, and its parameters by name.

    Of all contacts that are not erased: contact_id, v0, v1, … With `sites`, of registered contacts
    on each website, with website_id before: those who ordered there, and everyone on the only
    website of a workspace. `among` names a table of contacts, for those in it only. What is not
    ranked has, instead of its rank, the value by which it would be, and none without a rank.
    """
    made = _Statement(scope, sites, among)
    columns = [f"{made.expression(one)} AS v{place}" for place, one in enumerate(computables)]
    keys = ["contact_id"] if sites is None else ["website_id", "contact_id"]
    base, joins = made.base(), "".join(made.joins())
    text = (
        f"{made.passes_text()} SELECT {', '.join(f'c.{key}' for key in keys)},"  # noqa: S608
        f" {', '.join(columns)} FROM {base}{joins}"
    )
    ranks = {place for place, one in enumerate(computables) if isinstance(one, Ranked)}
    if ranks and are_ranked:
        shown = [
            f"{_rank(f'v{place}', keys[:-1])} AS v{place}" if place in ranks else f"v{place}"
            for place in range(len(computables))
        ]
        only = "WHERE v0 IS NOT NULL" if len(computables) == 1 else ""
        text = f"SELECT {', '.join([*keys, *shown])} FROM ({text}) found {only}"  # noqa: S608
    return text, made.params


def rank_sql(smaller: str, count: str) -> str:
    """Of the others, the share in per cent that is smaller; 100 for an only one.

    Cut off after one digit: so a few that come or move do not change the ranks of all others.
    """
    share = f"{smaller} * 100::numeric / ({count} - 1)"
    return f"CASE WHEN {count} = 1 THEN 100 ELSE trunc({share}, 1) END"


def _rank(column: str, within: Sequence[str]) -> str:
    """The rank among those that have a value."""
    part = f"PARTITION BY {', '.join([*within, f'{column} IS NULL'])}"
    found = rank_sql(f"(rank() OVER ({part} ORDER BY {column}) - 1)", f"count(*) OVER ({part})")
    return f"CASE WHEN {column} IS NOT NULL THEN {found} END"


@dataclass(slots=True)
class _Pass:
    """One pass over the events of a kind, grouped by contact: what is aggregated on the way."""

    alias: str
    event_id: int
    columns: list[str] = field(default_factory=list)
    windows: list[int | None] = field(default_factory=list)


class _Statement:
    """A statement in the making: its parameters, its passes over events, and what it joins."""

    def __init__(self, scope: Scope, sites: Sites | None, among: str) -> None:
        self.scope, self.sites, self.among = scope, sites, among
        self.params: dict[str, Any] = {}
        self.names: dict[tuple[type, str], str] = {}
        self.passes: dict[int, _Pass] = {}
        self.others: list[tuple[str, str, bool]] = []
        zone = ZoneInfo(settings.TIME_ZONE)
        self.zone = self.value(settings.TIME_ZONE)
        self.day = f"{self.value(scope.as_of.astimezone(zone).date())}::date"
        self.as_of = self.value(scope.as_of)

    def value(self, given: Any) -> str:
        # The same value by the same name, so that what is computed twice is recognized.
        name = self.names.setdefault((type(given), repr(given)), f"p{len(self.params)}")
        self.params[name] = given
        return f"%({name})s"

    # --- What a metric is ---

    def expression(self, one: Computable) -> str:
        if isinstance(one, Ready):
            return self._recipe(one)
        if isinstance(one, Formula):
            return self._formula(one)
        if isinstance(one.by, Ready):
            return self._recipe(one.by)
        if one.by.function in {Function.COUNT, Function.SUM}:
            # Who did nothing of it has no rank, though the number and the sum of it are 0.
            return f"CASE WHEN {self._count(one.by)} > 0 THEN {self._formula(one.by)} END"
        return self._formula(one.by)

    def _formula(self, formula: Formula) -> str:
        function = formula.function
        if function in OF_NUMBERS:
            return self._number(formula)
        last = "(max(e.occurred_at) FILTER (WHERE {}))"
        first = "(min(e.occurred_at) FILTER (WHERE {}))"
        match function:
            case Function.COUNT:
                return f"coalesce({self._count(formula)}, 0)::numeric"
            case Function.FIRST_DATE:
                return self._day_of(self._aggregate(formula, first))
            case Function.LAST_DATE:
                return self._day_of(self._aggregate(formula, last))
            case Function.DAYS_SINCE:
                return f"({self.day} - {self._day_of(self._aggregate(formula, last))})::numeric"
            case Function.SHARE:
                return self._share(formula)
            case Function.MOST_FREQUENT:
                return self._most_frequent(formula)
        raise ValueError(f"Not a function of events: {function}.")

    def _number(self, formula: Formula) -> str:
        name = {
            Function.SUM: "sum",
            Function.AVERAGE: "avg",
            Function.MINIMUM: "min",
            Function.MAXIMUM: "max",
        }[Function(formula.function)]
        aggregate = f"({name}({self._amount(formula)}) FILTER (WHERE {{}}))"
        found = self._aggregate(formula, aggregate)
        if formula.function == Function.SUM:
            found = f"coalesce({found}, 0)"
        # What a metric cannot hold is missing.
        return f"CASE WHEN abs({found}) < {NUMBER_LIMIT}::numeric - 1 THEN round({found}, 8) END"

    def _amount(self, formula: Formula) -> str:
        way = formula.value_property or self.scope.of.amount_property
        if way == DEFAULT_PROPERTY:
            # The database keeps it in a column of its own, which the indexes have.
            return "e.amount"
        return number_sql(f"{self.value(way.split('.'))}::text[]")

    def _share(self, formula: Formula) -> str:
        whole = Formula(Function.COUNT, formula.event_name, window_days=formula.window_days)
        part = Formula(
            Function.COUNT,
            formula.other_event_name or formula.event_name,
            window_days=formula.window_days,
            filter_property=formula.filter_property,
            filter_value=formula.filter_value,
        )
        counted, among = self._count(part), self._count(whole)
        return f"round(coalesce({counted}, 0) * 100::numeric / nullif({among}, 0), 2)"

    def _day_of(self, instant: str) -> str:
        return f"({instant} AT TIME ZONE {self.zone})::date"

    def _most_frequent(self, formula: Formula) -> str:
        ways = ways_of(formula.value_property or self.scope.of.category_property)
        paths = [f"{self.value(_json_path(way))}::jsonpath" for way in ways]
        cases = [f"WHEN jsonb_path_exists(e.properties, {path}) THEN {path}" for path in paths]
        chosen = f"CASE {' '.join(cases[:-1])} ELSE {paths[-1]} END" if cases[:-1] else paths[-1]
        event_id = self.scope.event_id(formula.event_name)
        keys = self._keys("e")
        alias = f"m{len(self.others)}"
        text = f"""SELECT DISTINCT ON ({self._keys("g")}) {self._keys("g")}, g.text AS value FROM (
  SELECT {keys}, v.found #>> '{{}}' AS text, count(*) AS times, max(e.occurred_at) AS last_at
  FROM {self._events(event_id, formula.window_days)} e
  CROSS JOIN LATERAL jsonb_path_query(e.properties, {chosen}) AS v (found)
  WHERE length(v.found #>> '{{}}') <= {TEXT_LIMIT} AND {self._condition(formula)}
  GROUP BY {keys}, text) g
ORDER BY {self._keys("g")}, g.times DESC, g.last_at DESC, g.text COLLATE "C" """  # noqa: S608
        self.others.append((alias, text, True))
        return f"{alias}.value"

    def _recipe(self, ready: Ready) -> str:
        alias = f"m{len(self.others)}"
        first, *rest = ready.text.split("%s")
        given = zip((self.value(one) for one in ready.params), rest, strict=True)
        self.others.append((alias, first + "".join(f"{name}{text}" for name, text in given), False))
        return f"{alias}.number"

    # --- What it is computed from ---

    def _count(self, formula: Formula) -> str:
        return self._aggregate(formula, "(count(*) FILTER (WHERE {}))")

    def _aggregate(self, formula: Formula, text: str) -> str:
        """A column of the pass over these events; `{}` is where its condition goes."""
        event_id = self.scope.event_id(formula.event_name)
        over = self.passes.setdefault(event_id, _Pass(f"a{len(self.passes)}", event_id))
        over.windows.append(formula.window_days)
        column = text.format(self._condition(formula))
        if column not in over.columns:
            over.columns.append(column)
        return f"{over.alias}.f{over.columns.index(column)}"

    def _condition(self, formula: Formula) -> str:
        found = []
        if formula.window_days is not None:
            found.append(f"e.occurred_at > {self._begin(formula.window_days)}")
        if formula.filter_property:
            way = f"{self.value(formula.filter_property.split('.'))}::text[]"
            found.append(f"e.properties #>> {way} = {self.value(formula.filter_value)}")
        return " AND ".join(found) or "true"

    def _begin(self, days: int) -> str:
        try:
            return f"{self.value(self.scope.as_of - timedelta(days=days))}::timestamptz"
        except OverflowError:
            return "'-infinity'::timestamptz"

    def _events(self, event_id: int, window_days: int | None) -> str:
        """The events of a kind until the instant, with the website where it matters."""
        where = f"e.definition_id = {self.value(event_id)} AND e.occurred_at <= {self.as_of}"
        if window_days is not None:
            where += f" AND e.occurred_at > {self._begin(window_days)}"
        where += self._narrow("e.contact_id")
        columns = "e.contact_id, e.occurred_at, e.amount, e.properties"
        if self.sites is None:
            return f"(SELECT {columns} FROM contacts_event e WHERE {where})"  # noqa: S608
        return (
            f"(SELECT {columns}, s.website_id FROM contacts_event e"  # noqa: S608
            f" JOIN {self._site_names()} ON s.name = {self._site()} WHERE {where})"
        )

    def _site_names(self) -> str:
        assert self.sites is not None
        ids = {name: one for name, one in self.sites.ids.items() if one in self.sites.chosen}
        if self.sites.only_id is not None:
            # What names no website was done on the only one.
            ids |= {"": self.sites.only_id}
        names = f"{self.value(list(ids))}::text[]"
        return (
            f"unnest({names}, {self.value(list(ids.values()))}::bigint[]) AS s (name, website_id)"
        )

    def _site(self) -> str:
        way = f"{self.value(self.scope.of.website_property.split('.'))}::text[]"
        named = f"coalesce(nullif(btrim(e.properties #>> {way}), ''), e.properties ->> 'url')"
        return f"coalesce(substring(lower(btrim({named})) FROM {self.value(_HOST)}), '')"

    def _narrow(self, column: str) -> str:
        if not self.among:
            return ""
        return f" AND {column} IN (SELECT contact_id FROM {self.among})"  # noqa: S608 - our own text

    def _keys(self, alias: str) -> str:
        names = ("contact_id",) if self.sites is None else ("website_id", "contact_id")
        return ", ".join(f"{alias}.{name}" for name in names)

    # --- Put together ---

    def base(self) -> str:
        """Of whom there is a row; ends in a place where joins may follow."""
        if self.sites is None:
            return (
                "(SELECT k.id AS contact_id FROM contacts_contact k"  # noqa: S608 - our own text
                f" WHERE k.erased_at IS NULL{self._narrow('k.id')}) c"
            )
        living = f"k.erased_at IS NULL{self._narrow('k.id')}"
        living += f" AND {REGISTERED.format(contact='k.id')}"
        if self.sites.only_id is not None:
            only = self.value(self.sites.only_id)
            return (
                f"(SELECT {only}::bigint AS website_id, k.id AS contact_id"  # noqa: S608
                f" FROM contacts_contact k WHERE {living}) c"
            )
        # Of ever, so that the pass looks at all orders.
        ordered = self._count(Formula(Function.COUNT)).partition(".")[0]
        return (
            f"(SELECT o.website_id, o.contact_id FROM {ordered} o"  # noqa: S608
            f" JOIN contacts_contact k ON k.id = o.contact_id WHERE {living}) c"
        )

    def passes_text(self) -> str:
        """Each pass by its name, for the beginning of the statement."""
        found = [f"{one.alias} AS ({self._pass_text(one)})" for one in self.passes.values()]
        return f"WITH {', '.join(found)}" if found else ""

    def joins(self) -> list[str]:
        """What the columns come from; after `base`, with which they are joined."""
        found = []
        for over in self.passes.values():
            same = self._same(over.alias, are_parted=True)
            found.append(f" LEFT JOIN {over.alias} ON {same}")
        for alias, text, are_parted in self.others:
            found.append(f" LEFT JOIN ({text}) {alias} ON {self._same(alias, are_parted)}")
        return found

    def _same(self, alias: str, are_parted: bool) -> str:
        same = f"{alias}.contact_id = c.contact_id"
        if self.sites is None or not are_parted:
            return same
        return f"{same} AND {alias}.website_id = c.website_id"

    def _pass_text(self, over: _Pass) -> str:
        days = [one for one in over.windows if one is not None]
        widest = max(days) if len(days) == len(over.windows) else None
        columns = [f"{text} AS f{place}" for place, text in enumerate(over.columns)]
        keys = self._keys("e")
        return (
            f"SELECT {', '.join([keys, *columns])}"  # noqa: S608 - our own text
            f" FROM {self._events(over.event_id, widest)} e GROUP BY {keys}"
        )


def _json_path(way: str) -> str:
    """A way as PostgreSQL's JSON path, through lists too, to whatever is one value."""
    steps = "".join(f".{json.dumps(name)}" for name in way.split("."))
    kinds = '@.type() == "string" && @ != "" || @.type() == "number" || @.type() == "boolean"'
    return f"lax ${steps} ? ({kinds})"
