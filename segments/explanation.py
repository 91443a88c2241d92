"""Why a contact is in a segment, or is not: each clause, the value it compared, until when."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from django.db import connection, transaction
from django.db.backends.postgresql.psycopg_any import mogrify
from django.utils.translation import gettext as _

from contacts.errors import ContactUnknown
from contacts.models import Contact
from segments import facts
from segments.criteria import Criteria, Query, compile_clauses, compile_members
from segments.criteria.references import rules_of
from segments.criteria.syntax import Group, Rule, SegmentRule
from segments.deadlines import until
from segments.export_columns import short_number
from segments.models import Membership, Segment
from workspace import access, sql
from workspace.access import SYSTEM, Actor
from workspace.exactjson import exact_loads

PLAN_LIMIT_SECONDS = 300


@dataclass(frozen=True, slots=True)
class Clause:
    """One rule: where it stands, whether it holds, what it compared.

    `until` is when time alone will turn it around, where that is known. `holds` and `value` are
    None where the rule asks for a segment that the reader may not know of: they would tell who is
    in it.
    """

    path: str
    holds: bool | None
    value: Any
    until: datetime | None
    sentence: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """What the criteria of a segment say about one contact as of an instant.

    `entered_at` is since when the contact is in, as of the last calculation; `member` is what the
    criteria say now. An archived segment has no members, whatever its criteria say.
    """

    contact_id: int
    segment: str
    member: bool
    entered_at: datetime | None
    as_of: datetime
    sentence: str
    clauses: tuple[Clause, ...]


def explain_contact(
    segment: Segment, contact_id: int, *, as_of: datetime, actor: Actor = SYSTEM
) -> Explanation:
    """Why a contact is in a segment or not, as `actor` may know it.

    Raises ContactUnknown, and CriteriaRefused where the criteria became wrong.
    """
    if not Contact.objects.filter(pk=contact_id, erased_at__isnull=True).exists():
        raise ContactUnknown(_("There is no contact %(id)d.") % {"id": contact_id})
    catalog = facts.reading_catalog(actor)
    tree = facts.criteria_of(segment, catalog=catalog)
    found = _rows(compile_clauses(tree, now=as_of, contact_id=contact_id))
    fits = bool(_rows(compile_members(tree, now=as_of, among=[contact_id])))
    hidden = _hidden_keys(tree, actor)
    by_path = {rule.path: rule for rule in rules_of(tree.root)}
    entered = Membership.objects.filter(segment=segment, contact_id=contact_id)
    return Explanation(
        contact_id=contact_id,
        segment=segment.key,
        member=fits and segment.status != Segment.Status.ARCHIVED,
        entered_at=entered.values_list("entered_at", flat=True).first(),
        as_of=as_of,
        sentence=facts.explain(tree),
        clauses=tuple(_clause(by_path[row["path"]], row, hidden, as_of, tree) for row in found),
    )


def written_sql(segment: Segment, *, as_of: datetime) -> str:
    """The statement that finds the members, with its values written in, and its settings."""
    query = compile_members(facts.criteria_of(segment), now=as_of)
    settings = [f"SET LOCAL {name} = '{value}';" for name, value in query.settings.items()]
    return "\n".join([*settings, f"{mogrify(query.text, query.params, connection)};"])


def analyzed_plan(segment: Segment, *, as_of: datetime) -> str:
    """How the server found the members: the plan with times and pages, from running it."""
    query = compile_members(facts.criteria_of(segment), now=as_of)
    rows = _rows(replace(query, text=f"EXPLAIN (ANALYZE, BUFFERS) {query.text}"))
    return "\n".join(row["QUERY PLAN"] for row in rows)


def _rows(query: Query) -> list[dict[str, Any]]:
    limit = {"statement_timeout": f"{PLAN_LIMIT_SECONDS}s"}
    with sql.local_settings({**query.settings, **limit}):
        found = sql.rows(query.text, query.params)
        # So that the settings end here, also inside a transaction of the caller's.
        transaction.set_rollback(True)
    return found


def _clause(
    rule: Rule, row: dict[str, Any], hidden: frozenset[str], now: datetime, tree: Criteria
) -> Clause:
    value = None if row["value"] is None else short_number(exact_loads(row["value"]))
    is_hidden = isinstance(rule, SegmentRule) and any(item.key in hidden for item in rule.items)
    if is_hidden:
        value = None
    return Clause(
        path=rule.path,
        holds=None if is_hidden else row["holds"],
        value=value,
        until=until(rule, value, now=now, zone=tree.zone),
        sentence=facts.explain(replace(tree, root=Group("", "and", (rule,)))),
    )


def _hidden_keys(tree: Criteria, actor: Actor) -> frozenset[str]:
    """The keys of the segments in the criteria that the actor may not know of."""
    rules = [rule for rule in rules_of(tree.root) if isinstance(rule, SegmentRule)]
    named = {item.key for rule in rules for item in rule.items}
    if not named:
        return frozenset()
    seen = access.visible(Segment.objects.filter(key__in=named), actor)
    return frozenset(named - set(seen.values_list("key", flat=True)))
