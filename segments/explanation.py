"""Why a contact is in a segment, or is not: each clause, the value it compared, until when."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from django.db import connection, transaction
from django.db.backends.postgresql.psycopg_any import mogrify
from django.utils.translation import gettext as _

from contacts.errors import ContactUnknown
from contacts.models import Contact
from contacts.survivors import survivor_of
from segments import contact_lists, facts, reasons
from segments.criteria import Criteria, Query, compile_clauses, compile_members, explain_clause
from segments.criteria.clauses import compile_happened
from segments.criteria.references import rules_of
from segments.criteria.syntax import Group, KeyedRule, Rule, SegmentRule
from segments.deadlines import Turns, find_turns
from segments.errors import SegmentNotCalculated
from segments.export_columns import short_number
from segments.masks import Mask
from segments.models import Membership, Segment
from segments.since import known_since
from workspace import sql
from workspace.access import SYSTEM, Actor
from workspace.exactjson import exact_loads

PLAN_LIMIT_SECONDS = 300
EVENTS_TOLD = 5


@dataclass(frozen=True, slots=True)
class Clause:
    """One rule: where it stands, whether it holds, what it compared.

    `until` is when time alone will turn it around, if nothing else happens; `since` is since when
    it answers as it does, or the value is what it is: each where that is known. `deciding` says
    whether it is part of a smallest reason why the contact is in, or is not. `holds` and `value`
    are None where the rule asks for a segment or a journey that the reader may not know of: they
    would tell who is in it; nothing else is said of it then. `words` are the rule as a part of a
    sentence. Of a rule about events, `events` are the times of the newest that it counts, of
    `event_count`.
    """

    path: str
    holds: bool | None
    value: Any
    until: datetime | None
    sentence: str
    since: datetime | None = None
    deciding: bool = False
    words: str = ""
    events: tuple[datetime, ...] = ()
    event_count: int | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """A rule that would have to turn: to hold, or to hold no more."""

    path: str
    should_hold: bool
    sentence: str
    words: str = ""


@dataclass(frozen=True, slots=True)
class Explanation:
    """What the criteria of a segment say about one contact as of an instant.

    `entered_at` is since when the contact is in, as of the last calculation; `member` is what the
    criteria say now. An archived segment has no members, whatever its criteria say.

    `would_change` are the fewest rules that would have to turn so that `member` does. `changes_at`
    is when time alone turns it, if nothing else happens, and `turning` the paths of the rules that
    turn then; never too late. Both are silent where a rule asks for something that the reader may
    not know of. `root` is the tree of the criteria.
    """

    contact_id: int
    segment: str
    member: bool
    entered_at: datetime | None
    as_of: datetime
    sentence: str
    clauses: tuple[Clause, ...]
    would_change: tuple[Change, ...] = ()
    changes_at: datetime | None = None
    turning: tuple[str, ...] = ()
    root: Group = field(default=Group("", "and"), repr=False)


def explain_contact(
    segment: Segment, contact_id: int, *, as_of: datetime, actor: Actor = SYSTEM
) -> Explanation:
    """Why a contact is in a segment or not, as `actor` may know it.

    Raises ContactUnknown, and CriteriaRefused where the criteria became wrong.
    """
    contact_id = survivor_of(contact_id)
    if not Contact.objects.filter(pk=contact_id, erased_at__isnull=True).exists():
        raise ContactUnknown(_("There is no contact %(id)d.") % {"id": contact_id})
    if segment.source != Segment.Source.CRITERIA:
        return _of_a_list(segment, contact_id, as_of=as_of, actor=actor)
    catalog = facts.reading_catalog(actor)
    tree = facts.criteria_of(segment, catalog=catalog)
    rows = {
        row["path"]: row for row in _rows(compile_clauses(tree, now=as_of, contact_id=contact_id))
    }
    fits = bool(_rows(compile_members(tree, now=as_of, among=[contact_id])))
    is_archived = segment.status == Segment.Status.ARCHIVED
    entered = Membership.objects.filter(segment=segment, contact_id=contact_id)
    clauses, turns = _clauses(tree, rows, contact_id, as_of, _hidden(tree, actor))
    answers = {clause.path: clause.holds for clause in clauses}
    is_told = not is_archived and None not in answers.values()
    turning = reasons.to_turn(tree.root, answers) if is_told else None
    by_path = {clause.path: clause for clause in clauses}
    return Explanation(
        contact_id=contact_id,
        segment=segment.key,
        member=fits and not is_archived,
        entered_at=entered.values_list("entered_at", flat=True).first(),
        as_of=as_of,
        sentence=facts.explain(tree),
        clauses=clauses,
        would_change=tuple(
            Change(path, not answers[path], by_path[path].sentence, by_path[path].words)
            for path in turning or ()
        ),
        changes_at=turns.changes_at if is_told else None,
        turning=turns.turning if is_told else (),
        root=tree.root,
    )


def members_query(segment: Segment, *, as_of: datetime) -> Query:
    """The statement that a refresh as of an instant finds the members with.

    Raises CriteriaRefused, or SegmentNotCalculated where its list is not read.
    """
    query = compile_members(facts.criteria_of(segment), now=as_of)
    if segment.source == Segment.Source.CRITERIA:
        return query
    return contact_lists.restricted(query, segment)


def written_sql(segment: Segment, *, as_of: datetime) -> str:
    """The statement that finds the members, with its values written in, and its settings."""
    query = members_query(segment, as_of=as_of)
    settings = [f"SET LOCAL {name} = '{value}';" for name, value in query.settings.items()]
    return "\n".join([*settings, f"{mogrify(query.text, query.params, connection)};"])


def analyzed_plan(segment: Segment, *, as_of: datetime) -> str:
    """How the server found the members: the plan with times and pages, from running it."""
    query = members_query(segment, as_of=as_of)
    rows = _rows(replace(query, text=f"EXPLAIN (ANALYZE, BUFFERS) {query.text}"))
    return "\n".join(row["QUERY PLAN"] for row in rows)


def _rows(query: Query) -> list[dict[str, Any]]:
    limit = {"statement_timeout": f"{PLAN_LIMIT_SECONDS}s"}
    with sql.local_settings({**query.settings, **limit}):
        found = sql.rows(query.text, query.params)
        # So that the settings end here, also inside a transaction of the caller's.
        transaction.set_rollback(True)
    return found


def _of_a_list(segment: Segment, contact_id: int, *, as_of: datetime, actor: Actor) -> Explanation:
    """In a segment whose members come from a list is who is on it, and a member where wanted."""
    clauses = list(_clauses_of_a_list(segment, contact_id, as_of))
    unfit = [clause for clause in clauses if not clause.holds]
    entered = Membership.objects.filter(segment=segment, contact_id=contact_id)
    told = " ".join(clause.sentence for clause in clauses)
    return Explanation(
        contact_id=contact_id,
        segment=segment.key,
        member=not unfit and segment.status != Segment.Status.ARCHIVED,
        entered_at=entered.values_list("entered_at", flat=True).first(),
        as_of=as_of,
        sentence=f"{facts.describe_criteria(segment, actor=actor)} {told}",
        clauses=tuple(replace(clause, deciding=not unfit or clause in unfit) for clause in clauses),
        would_change=tuple(Change(clause.path, True, clause.sentence) for clause in unfit),
    )


def _clauses_of_a_list(segment: Segment, contact_id: int, as_of: datetime) -> Iterator[Clause]:
    is_listed, row, sentence = False, None, _("Its list is not there.")
    with suppress(SegmentNotCalculated):
        is_listed, row = contact_lists.row_of(segment, contact_id)
        sentence = contact_lists.tell_place(segment, is_listed, row)
    yield Clause("list", is_listed, row, None, sentence)
    if segment.members_only:
        tree = facts.criteria_of(segment)
        fits = bool(_rows(compile_members(tree, now=as_of, among=[contact_id])))
        sentence = _("This contact is no member of the loyalty programme, and only members can be.")
        if fits:
            sentence = _("This contact is a member of the loyalty programme.")
        yield Clause(facts.MEMBERS_ONLY_PATH, fits, fits, None, sentence)


def _clauses(
    tree: Criteria,
    rows: Mapping[str, dict[str, Any]],
    contact_id: int,
    as_of: datetime,
    hidden: frozenset[tuple[str, str]],
) -> tuple[tuple[Clause, ...], Turns]:
    """Each rule with all that is said of it, and when the rules turn."""
    rules = {rule.path: rule for rule in rules_of(tree.root)}
    values = {
        path: None if row["value"] is None else short_number(exact_loads(row["value"]))
        for path, row in rows.items()
    }
    turns = find_turns(
        tree,
        contact_id=contact_id,
        now=as_of,
        answers={path: row["holds"] for path, row in rows.items()},
        values=values,
        ask=_rows,
    )
    since = known_since(rules.values(), contact_id, values)
    happened = _happened(tree, contact_id, as_of)
    secret = {path for path, rule in rules.items() if hidden & set(_things_of(rule))}
    told = {path: None if path in secret else row["holds"] for path, row in rows.items()}
    reason = reasons.deciding(tree.root, told)
    clauses = tuple(
        Clause(
            path=path,
            holds=told[path],
            value=None if path in secret else values[path],
            until=None if path in secret else turns.until.get(path),
            sentence=facts.explain(_alone(tree, rules[path])),
            since=None if path in secret else turns.since.get(path) or since.get(path),
            deciding=path in reason,
            words=explain_clause(_alone(tree, rules[path]), translate=_),
            events=tuple(happened[path]["times"]) if path in happened else (),
            event_count=happened[path]["events"] if path in happened else None,
        )
        for path in rows
    )
    return clauses, turns


def _alone(tree: Criteria, rule: Rule) -> Criteria:
    return replace(tree, root=Group("", "and", (rule,)))


def _happened(tree: Criteria, contact_id: int, as_of: datetime) -> dict[str, dict[str, Any]]:
    """How many events each rule counts and when the newest happened, by path."""
    query = compile_happened(tree, now=as_of, contact_id=contact_id, limit=EVENTS_TOLD)
    return {} if query is None else {row["path"]: row for row in _rows(query)}


def _things_of(rule: Rule) -> Iterator[tuple[str, str]]:
    """What belongs to user groups and is asked for by a rule: kinds and keys."""
    match rule:
        case SegmentRule(_, segments):
            yield from (("segment", item.key) for item in segments)
        case KeyedRule(_, fact, items):
            yield from ((fact.kind, item.key) for item in items)


def _hidden(tree: Criteria, actor: Actor) -> frozenset[tuple[str, str]]:
    """The segments and other things in the criteria that the actor may not know of."""
    mask = Mask(actor)
    named = {one for rule in rules_of(tree.root) for one in _things_of(rule)}
    return frozenset(one for one in named if mask.hides_thing(*one))
