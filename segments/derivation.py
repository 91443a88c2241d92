"""The events that rules make of others: which base events fit, whose they are, and making them.

The database notes new base events as they are stored (contacts.event_notes); the round "rules"
takes them in portions and makes the events of each rule with one statement. An event made by a
rule has the time of its base event and a message id made of the rule's number and the base
event's, so that it is made once, whatever is repeated.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from time import monotonic
from typing import Any

from django.db import OperationalError, transaction
from django.db.models import F
from django.utils.translation import gettext as _

from contacts import event_notes, urls
from contacts.event_definitions import Known, learn_schemas
from contacts.event_notes import CHANNEL, Note
from contacts.events import share_recording, store_events
from contacts.identities import find_contact_ids
from contacts.models import EventDefinition, EventStatistic
from segments import criteria, tickets
from segments.criteria import Query
from segments.facts import parse_conditions
from segments.models import RuleEvent
from segments.rule_events import WATCHER
from workspace import checkup, locks, sql
from workspace.checkup import Finding
from workspace.exactjson import exact_loads
from workspace.rounds import register_round

PORTION = 2000
EVERY = timedelta(minutes=1)
EXAMPLES = 3
PREVIEW_DAYS = 7
PREVIEW_SECONDS = 3.0
_LOCK = "segments derivation"
# A file of a million base events is worked off in minutes; so many wait only where nobody works.
_MANY = 1_000_001


def derive_events(at: datetime) -> bool:
    """Make events of the next portion of base events; true where there may be more.

    One run at a time: a second one leaves at once. All of a portion is done, or nothing.
    """
    with transaction.atomic():
        if not locks.try_lock(_LOCK):
            return False
        # First of all, as everyone who records: nobody is erased meanwhile.
        share_recording()
        notes = event_notes.take(WATCHER, PORTION)
        if not notes:
            return False
        rules = RuleEvent.objects.filter(
            is_enabled=True, base_id__in={note.definition_id for note in notes}
        )
        _derive(list(rules.select_related("base", "definition").order_by("pk")), notes, at)
    return len(notes) == PORTION


def _derive(rules: Sequence[RuleEvent], notes: Sequence[Note], at: datetime) -> None:
    """Make the events of all these rules with one statement, which takes its locks in order."""
    parts: list[str] = []
    params: list[Any] = []
    for rule in rules:
        own = [note for note in notes if note.definition_id == rule.base_id]
        fitting = _fitting(rule, own, at)
        if rule.namespace:
            # A query for each rule that goes by identities: its condition is a part of it.
            fitting = _of_identities(rule, fitting, at)
        part, values = _events(rule, fitting)
        parts.append(part)
        params += values
    if parts and store_events(f"({' UNION ALL '.join(parts)}) AS incoming", params):
        _learn(rules)


@dataclass(frozen=True, slots=True)
class _Fitting:
    """A FROM item: the base events `e` that a rule holds for; `contact` is whose the new one is."""

    source: str
    params: tuple[Any, ...]
    contact: str = "e.contact_id"


def _fitting(rule: RuleEvent, notes: Sequence[Note], at: datetime) -> _Fitting:
    """Those of the noted events that were received while the rule is on, and that it holds for."""
    condition = _condition(rule.where, at)
    times = [note.occurred_at for note in notes]
    # By OFFSET each note is looked up by itself, in the one month that it is of: left to choose,
    # the server reads all events between the first and the last, and again for every note.
    return _Fitting(
        "unnest(%s::bigint[], %s::text[], %s::timestamptz[])"  # noqa: S608  our own words
        " AS note (contact_id, message_id, occurred_at) CROSS JOIN LATERAL ("
        "SELECT e.* FROM contacts_event e WHERE e.contact_id = note.contact_id"
        " AND e.message_id = note.message_id AND e.occurred_at = note.occurred_at"
        " AND e.definition_id = %s AND e.occurred_at BETWEEN %s AND %s AND e.received_at >= %s"
        f" AND {condition.text} OFFSET 0) e",
        (
            [note.contact_id for note in notes],
            [note.message_id for note in notes],
            times,
            *(rule.base_id, min(times), max(times), rule.enabled_at),
            *condition.params,
        ),
    )


def _condition(document: Any, at: datetime) -> Query:
    return criteria.compile_where(parse_conditions(document), now=at)


def _of_identities(rule: RuleEvent, fitting: _Fitting, at: datetime) -> _Fitting:
    """The same for the contacts whose identities the events tell; counts those of nobody."""
    steps = rule.identifier.split(".")
    value = f"segments_text(e.properties{' -> %s::text' * len(steps)})"
    found = sql.lists(
        f"SELECT {value} AS value, count(*) FROM {fitting.source} GROUP BY 1",  # noqa: S608
        [*steps, *fitting.params],
    )
    owners = _owners(rule.namespace, [text for text, _count in found])
    nobody = sum(count for text, count in found if text not in owners)
    if nobody:
        RuleEvent.objects.filter(pk=rule.pk).update(
            unmatched_count=F("unmatched_count") + nobody, unmatched_at=at
        )
    join = f" JOIN unnest(%s::text[], %s::bigint[]) AS owner (value, id) ON owner.value = {value}"
    params = (*fitting.params, list(owners), list(owners.values()), *steps)
    return _Fitting(fitting.source + join, params, "owner.id")


def _owners(namespace: str, values: Iterable[str | None]) -> dict[str, int]:
    found = find_contact_ids((namespace, value) for value in values if value)
    return {value: contact_id for (_namespace, value), contact_id in found.items()}


def _events(rule: RuleEvent, fitting: _Fitting) -> tuple[str, list[Any]]:
    """SELECT the new events of a rule, as `store_events` takes them.

    They were received when their base events were: nobody was seen since.
    """
    properties, url_id, chosen = "e.properties", "e.url_id", list[Any]()
    if rule.payload is not None:
        properties = (
            "(SELECT coalesce(jsonb_object_agg(key, value), '{}') FROM jsonb_each(e.properties)"
            " WHERE key = ANY(%s::text[]))"
        )
        chosen = [rule.payload]
        if "url" not in rule.payload:
            url_id = str(urls.WITHOUT)
    statement = (
        f"SELECT {fitting.contact} AS contact_id, %s AS definition_id, e.occurred_at,"  # noqa: S608
        f" e.received_at, {_MESSAGE_ID} AS message_id,"
        f" {url_id} AS url_id, {properties} AS properties"
        f" FROM {fitting.source} WHERE EXISTS (SELECT FROM contacts_contact c"
        f" WHERE c.id = {fitting.contact} AND c.erased_at IS NULL)"
    )
    return statement, [rule.definition_id, f"rule:{rule.pk}:", *chosen, *fitting.params]


# Message ids have 100 characters at most; a long one goes by its digest.
_MESSAGE_ID = (
    "%s || CASE WHEN length(e.message_id) <= 80 THEN e.message_id"
    " ELSE 'md5:' || md5(e.message_id) END"
)


def _learn(rules: Iterable[RuleEvent]) -> None:
    """The definitions of the made events show the properties that they take over."""
    known: dict[str, Known] = {}
    carried: dict[str, dict[str, list[str]]] = {}
    for rule in rules:
        found = {
            name: kinds
            for name, kinds in rule.base.schema.items()
            if rule.payload is None or name.split(".")[0] in rule.payload
        }
        # Asked only while there is something to learn.
        is_known = found.items() <= rule.definition.schema.items()
        if not is_known and EventStatistic.objects.filter(definition=rule.definition).exists():
            known[rule.name] = Known(rule.definition_id, rule.definition.schema)
            carried[rule.name] = found
    learn_schemas(known, carried)


@dataclass(frozen=True, slots=True)
class Example:
    """A base event for which a rule holds; `contact_id` is whose the new event would be."""

    contact_id: int | None
    occurred_at: datetime
    properties: dict[str, Any]


@dataclass(frozen=True, slots=True)
class RulePreview:
    """What a rule would make of the base events of the last days.

    `matched` is none where counting took too long.
    """

    total: int | None
    matched: int | None
    since: datetime
    examples: tuple[Example, ...]


def preview_rule(
    *,
    base: str,
    where: Any,
    at: datetime,
    payload: Sequence[str] | None = None,
    namespace: str = "",
    identifier: str = "",
    days: int = PREVIEW_DAYS,
) -> RulePreview:
    """How many base events of the last days a rule would hold for, and the newest of them.

    Raises CriteriaRefused. Nothing is written; a count has three seconds.
    """
    condition = _condition(where, at)
    since = at - timedelta(days=days)
    definition_id = EventDefinition.objects.filter(name=base).values_list("pk", flat=True).first()
    if definition_id is None:
        return RulePreview(0, 0, since, ())
    window = (
        "contacts_event e WHERE e.definition_id = %s AND e.occurred_at > %s AND e.occurred_at <= %s"
    )
    bounds = [definition_id, since, at]
    counted = _read(
        f"SELECT count(*), count(*) FILTER (WHERE {condition.text}) FROM {window}",  # noqa: S608
        [*condition.params, *bounds],
        condition,
    )
    newest = _read(
        "SELECT e.contact_id, e.occurred_at, e.properties::text AS properties"  # noqa: S608
        f" FROM {window} AND {condition.text} ORDER BY e.occurred_at DESC LIMIT {EXAMPLES}",
        [*bounds, *condition.params],
        condition,
    )
    [(total, matched)] = counted or [(None, None)]
    examples = _examples(newest or [], payload, namespace, identifier)
    return RulePreview(total, matched, since, examples)


def _read(statement: str, params: Sequence[Any], query: Query) -> list[tuple[Any, ...]] | None:
    """The rows of a statement; None where it took too long."""
    begun = monotonic()
    try:
        with tickets.reading(query, PREVIEW_SECONDS):
            return sql.lists(statement, params)
    except OperationalError as error:
        tickets.refuse_outdated(error, begun, PREVIEW_SECONDS)
        return None


def _examples(
    rows: Sequence[tuple[Any, ...]],
    payload: Sequence[str] | None,
    namespace: str,
    identifier: str,
) -> tuple[Example, ...]:
    read = [(contact, at, exact_loads(text)) for contact, at, text in rows]
    values = [_text_at(properties, identifier) for _contact, _at, properties in read]
    owners = _owners(namespace, values) if namespace and identifier else {}
    return tuple(
        Example(
            owners.get(value or "") if namespace else contact,
            at,
            {k: v for k, v in properties.items() if payload is None or k in payload},
        )
        for (contact, at, properties), value in zip(read, values, strict=True)
    )


def _text_at(properties: Any, way: str) -> str | None:
    """As `segments_text` reads it in the database."""
    for step in way.split("."):
        properties = properties.get(step) if isinstance(properties, dict) else None
    if properties is None or isinstance(properties, dict | list):
        return None
    return str(properties).lower() if isinstance(properties, bool) else str(properties)


def examine_rules() -> Finding:
    """Whether the rules keep up with the base events."""
    if event_notes.waiting_count(WATCHER, limit=_MANY) < _MANY:
        return Finding("rule_events", True, _("Base events become events of rules at once."))
    message = _("More than %(count)d base events wait for the rules: do the rounds run?")
    return Finding("rule_events", False, message % {"count": _MANY - 1})


def register() -> None:
    """Have the round run as soon as base events are stored, and looked after."""
    checkup.register("rule_events", examine_rules)
    register_round("rules", derive_events, channel=CHANNEL, every=EVERY, place=20)
