"""Why one contact is in or out: for each rule, whether it holds and what was compared."""

from collections.abc import Sequence
from datetime import datetime
from typing import assert_never

from .behaviour import Scope, measure_of, measured_events
from .compile import Query, members, refuse_naive
from .fragments import Fragment, Param, joined, sql, value
from .plan import plan_events, plan_rule
from .references import rules_of
from .storage import column
from .syntax import (
    AttributeField,
    ConsentRule,
    ContactField,
    Criteria,
    EventRule,
    Fact,
    FieldRule,
    Function,
    KeyedRule,
    LabelRule,
    Measure,
    MetricField,
    Rule,
    SegmentRule,
    SequenceRule,
    Type,
)

_NULL = Fragment("NULL::jsonb")


def compile_clauses(criteria: Criteria, *, now: datetime, contact_id: int) -> Query:
    """SELECT `path`, `holds` and `value` (JSON) for each rule of `criteria` and one contact.

    In the order of the document; rules inside a `where` are part of theirs. The value is what
    the rule compares: a JSON scalar, the keys that the contact has of those named, the state of a
    consent, the measure; null where it is missing. For an erased contact nothing holds.
    """
    refuse_naive(now)
    scope = Scope(now, criteria.zone, (contact_id,))
    contact = value(contact_id, "bigint")
    arms = [
        sql(
            "SELECT {} AS place, {} AS path, EXISTS ({}) AS holds, {} AS value",
            value(place, "integer"),
            value(rule.path, "text"),
            members(plan_rule(rule, criteria, now=now), scope),
            _value(rule, criteria, scope, contact),
        )
        for place, rule in enumerate(rules_of(criteria.root))
    ]
    if not arms:
        arms = [
            Fragment(
                "SELECT 0 AS place, '' AS path, true AS holds, NULL::jsonb AS value WHERE false"
            )
        ]
    found = sql(
        "SELECT a.path, a.holds, a.value FROM ({}) a ORDER BY a.place", joined(" UNION ALL ", arms)
    )
    return Query(found.text, found.params)


def compile_happened(
    criteria: Criteria, *, now: datetime, contact_id: int, limit: int
) -> Query | None:
    """SELECT `path`, `events` (how many) and `times` of the newest `limit`, newest first.

    For each rule that measures events of one contact, of those up to `now` that satisfy its
    `where`. None where no rule does.
    """
    refuse_naive(now)
    scope = Scope(now, criteria.zone, (contact_id,))
    # The last event needs its time.
    timed = Measure(Function.LAST)
    arms = [
        sql(
            "SELECT {} AS path, count(*) AS events, coalesce((array_agg(e.occurred_at"
            " ORDER BY e.occurred_at DESC))[1:{}], ARRAY[]::timestamptz[]) AS times FROM {}",
            value(rule.path, "text"),
            value(limit, "integer"),
            measured_events(events, timed, scope),
        )
        for rule in rules_of(criteria.root)
        if isinstance(rule, EventRule)
        and (events := plan_events(rule.event, rule.where, criteria, now=now)) is not None
    ]
    if not arms:
        return None
    found = joined(" UNION ALL ", arms)
    return Query(found.text, found.params)


def _value(rule: Rule, criteria: Criteria, scope: Scope, contact: Fragment) -> Fragment:
    match rule:
        case FieldRule(_, field):
            return _field_value(field, contact)
        case LabelRule(_, kind, items):
            labels = {
                "tag": ("contacts_contacttag t JOIN contacts_tag k ON k.id = t.tag_id", "t.tag_id"),
                "category": (
                    "contacts_contactcategory t JOIN contacts_category k ON k.id = t.category_id",
                    "t.category_id",
                ),
            }
            table, key_id = labels[kind]
            return _keys(table, key_id, [item.id for item in items], contact)
        case SegmentRule(_, segments):
            table = "segments_membership t JOIN segments_segment k ON k.id = t.segment_id"
            ids = [found.id for found in segments if found.has_members]
            return _keys(table, "t.segment_id", ids or [0], contact)
        case KeyedRule(_, fact, items):
            where = fact.condition.replace("%", "%%")
            table = (
                f"(SELECT * FROM {fact.table} WHERE {where}) t"  # noqa: S608  the owner's words
                f" JOIN {fact.item_table} k ON k.id = t.{fact.item_column}"
            )
            return _keys(table, f"t.{fact.item_column}", [item.id for item in items], contact)
        case ConsentRule(_, consent):
            found = sql(
                "SELECT t.state FROM contacts_consentstate t"
                " WHERE t.contact_id = {} AND t.definition_id = {}",
                contact,
                value(consent.id, "integer"),
            )
            return sql("to_jsonb(coalesce(({}), 'unknown')::text)", found)
        case EventRule():
            return _measure_value(rule, criteria, scope)
        case SequenceRule():
            return _NULL
        case _:
            assert_never(rule)


def _field_value(field: object, contact: Fragment) -> Fragment:
    match field:
        case ContactField("last_seen_at"):
            return _one(
                "contacts_lastseen t", "t.contact_id", _json("t.last_seen_at", field.type), contact
            )
        case ContactField():
            return _one(
                "contacts_contact c", "c.id", _json(column(field, "c").text, field.type), contact
            )
        case AttributeField():
            found = sql("({}.attributes -> {})", Fragment("c"), value(field.key, "text"))
            return _one("contacts_contact c", "c.id", sql("nullif({}, '\"\"')", found), contact)
        case MetricField(_, metric_id, _, type_):
            where = sql("t.metric_id = {}", value(metric_id, "integer"))
            return _one(
                "contacts_metricvalue t",
                "t.contact_id",
                _json(f"t.{type_.value}", type_),
                contact,
                where,
            )
        case Fact(column="") as fact:
            where = Fragment("(" + fact.condition.replace("%", "%%") + ")")
            there = sql(
                "EXISTS {}",
                _one(
                    f"{fact.table} t", f"t.{fact.contact_column}", Fragment("true"), contact, where
                ),
            )
            return sql("to_jsonb({})", there)
        case Fact() as fact:
            where = Fragment("(" + fact.condition.replace("%", "%%") + ")")
            found = _json(f"t.{fact.column}", fact.type)
            return _one(f"{fact.table} t", f"t.{fact.contact_column}", found, contact, where)
    raise ValueError(f"No value of {field!r} for a contact.")


def _one(
    table: str, contact_column: str, of: Fragment, contact: Fragment, *where: Fragment
) -> Fragment:
    conditions = joined(" AND ", (sql("{} = {}", Fragment(contact_column), contact), *where))
    return sql("(SELECT {} FROM {} WHERE {})", of, Fragment(table), conditions)


def _json(found: str, type_: Type) -> Fragment:
    """A column as JSON; text '' is missing, an instant is written in UTC."""
    if type_ is Type.TEXT:
        return Fragment(f"to_jsonb(nullif({found}, ''))")
    if type_ is Type.DATETIME:
        return Fragment(f"to_jsonb({_utc(found)})")
    return Fragment(f"to_jsonb({found})")


def _utc(found: str) -> str:
    return f"to_char({found} AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')"


def _keys(table: str, key_id: str, ids: Sequence[int], contact: Fragment) -> Fragment:
    """The keys that the contact has, of those named; with none named all."""
    where = [sql("t.contact_id = {}", contact)]
    if ids:
        named: Param = list(ids)
        where.append(sql("{} = ANY({})", Fragment(key_id), value(named, "integer[]")))
    template = "(SELECT coalesce(jsonb_agg(k.key ORDER BY k.key), '[]') FROM {} WHERE {})"
    return sql(template, Fragment(table), joined(" AND ", where))


def _measure_value(rule: EventRule, criteria: Criteria, scope: Scope) -> Fragment:
    function = rule.measure.function
    is_zero = function in (Function.COUNT, Function.SUM, Function.DISTINCT)
    events = plan_events(rule.event, rule.where, criteria, now=scope.now)
    if events is None:
        return Fragment("to_jsonb(0)") if is_zero else _NULL
    found = measure_of(rule.measure)
    if function in (Function.FIRST, Function.LAST):
        found = Fragment(_utc(found.text), found.params)
    from_events = measured_events(events, rule.measure, scope)
    return sql("(SELECT to_jsonb({}) FROM {})", found, from_events)
