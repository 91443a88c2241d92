"""Values to choose from while criteria are written: a few that fit what was typed, at once.

Definitions (tags, segments, names of events…) are few and looked through whole. Values of
contacts are read from two places that cost the same whatever the number of contacts:

- a sample of whole pages of the table (TABLESAMPLE SYSTEM), for the values that many have. Not
  the server's statistics (pg_stats), which keep the hundred commonest only, know nothing of most
  custom attributes, and may still hold what a person who was erased has written;
- where an index begins with the column, from the typed text on in the order of that index,
  jumping from value to value, for those that few have. A trigram index would find the middle of
  words, too, but would have to be kept for every write of every contact.

Values of events are those of the newest few thousand of their kind. Everything together has half
a second; what was found until then is offered.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from time import monotonic
from typing import Any

from django.db import OperationalError, transaction
from psycopg.errors import QueryCanceled

from contacts.models import EventDefinition
from segments import facts
from segments.criteria import (
    CONTACT_FIELDS,
    AttributeField,
    Catalog,
    Fact,
    Item,
    MetricField,
    Type,
)
from segments.criteria.catalog import CONSENT_STATES
from segments.models import Segment
from workspace import sql
from workspace.access import Actor

LIMIT = 20
TIMEOUT_SECONDS = 0.5
QUERY_LIMIT = 200
# How many rows of a large table are looked at, and how many events of a kind.
_SAMPLED_ROWS = 20_000
_SAMPLED_EVENTS = 5_000
# How far an index is followed from the typed text on.
_JUMPS = 40
_LONGEST_VALUE = 200


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A value as criteria write it, how it is called, and how many have it, where that is known."""

    value: str
    label: str
    count: int | None = None


def suggest_values(
    field: str,
    *,
    actor: Actor,
    at: datetime,
    typed: str = "",
    event: str = "",
    property_name: str = "",
    segment: Segment | None = None,
) -> list[Suggestion]:
    """At most 20 values for `field` that fit what was `typed`, the likeliest first.

    `field` is one of criteria ("contact.city", "tag"), or "event" for names of events. With an
    `event` it is about that kind of event: its properties, or, with a `property_name` or a field
    such as "properties.product", their values; "event.<name>" says the same. Unknown fields have
    no values. What contacts have is shown to people who may see contacts; segments to those who
    may know of them, active ones only, not those in a circle with `segment`. Events later than
    `at` are not looked at.
    """
    typed = typed.strip()[:QUERY_LIMIT]
    catalog = facts.catalog_for(actor, segment=segment)
    if event:
        property_name = property_name or field.partition("properties.")[2]
        field = f"event.{event}"
    kind, _dot, key = field.partition(".")
    if kind == "event" and not property_name:
        return _fitting(_properties(key) if key else _names(catalog), typed)
    fixed = _fixed(field, catalog)
    if fixed is not None:
        return _fitting(fixed, typed)
    if not actor.may("contacts.view_contact"):
        return []
    return _merged(_stored(field, catalog, typed, property_name, at), typed)


def _fixed(field: str, catalog: Catalog) -> list[Suggestion] | None:
    """What is looked through whole; None for a field whose values are stored with contacts."""
    kind, _dot, key = field.partition(".")
    if field == "segment":
        return _segments(catalog)
    keyed: Mapping[str, Mapping[str, Item]] = {
        "tag": catalog.tags,
        "category": catalog.categories,
        "consent": catalog.consents,
    }
    if field in keyed:
        return [Suggestion(item.key, item.label) for item in keyed[field].values()]
    if field in catalog.keyed_facts:
        known = catalog.things.get(catalog.keyed_facts[field].kind, {})
        return [Suggestion(item.key, item.label) for item in known.values()]
    if kind == "consent":
        return [Suggestion(state, state) for state in CONSENT_STATES]
    attribute = catalog.attributes.get(key) if kind == "attribute" else None
    if attribute is not None and attribute.choices:
        return [Suggestion(choice, choice) for choice in attribute.choices]
    return None


def _segments(catalog: Catalog) -> list[Suggestion]:
    usable = [key for key in catalog.segments if key not in catalog.cyclic_segments]
    active = Segment.objects.filter(key__in=usable, status=Segment.Status.ACTIVE)
    rows = active.order_by("name").values_list("key", "name", "member_count")
    return [Suggestion(key, name, count) for key, name, count in rows]


def _names(catalog: Catalog) -> list[Suggestion]:
    return [Suggestion(event.name, event.label) for event in catalog.events.values()]


def _properties(name: str) -> list[Suggestion]:
    schema = EventDefinition.objects.filter(name=name).values_list("schema", flat=True).first()
    return [Suggestion(key, key) for key in sorted(schema or ())]


def _stored(
    field: str, catalog: Catalog, typed: str, property_name: str, at: datetime
) -> Iterator[list[Suggestion]]:
    """Values that contacts have, from one place after the other."""
    kind, _dot, key = field.partition(".")
    known = CONTACT_FIELDS.get(key)
    attribute, metric = catalog.attributes.get(key), catalog.metrics.get(key)
    if kind == "contact" and known is not None and known.type is Type.TEXT:
        yield from _of_contacts(key, typed)
    elif kind == "attribute" and attribute is not None:
        yield from _of_attribute(attribute, typed)
    elif kind == "metric" and metric is not None and metric.type is Type.TEXT:
        yield _of_metric(metric, typed)
    elif field in catalog.facts and catalog.facts[field].type is Type.TEXT:
        yield _of_fact(catalog.facts[field], typed)
    elif kind == "event" and (event_id := catalog.event(key).id) is not None:
        yield _of_events(event_id, property_name, typed, at)


# Which columns an index begins with, and by which operators it is in order.
_ORDERS = {"city": (">=", ">", ""), "email": ("~>=~", "~>~", " USING ~<~")}
_ORDERS["last_name"] = _ORDERS["email"]


def _of_contacts(column: str, typed: str) -> Iterator[list[Suggestion]]:
    yield _sampled("contacts_contact", "c.erased_at IS NULL", f"c.{column}", [], typed)
    if column in _ORDERS and typed:
        for start in dict.fromkeys((typed, typed.lower(), typed.capitalize(), typed.upper())):
            yield _from_index(column, start)


def _from_index(column: str, start: str) -> list[Suggestion]:
    """The next values from `start` on, each found by one look into the index."""
    at_least, above, order = _ORDERS[column]
    # The names and operators are ours.
    statement = f"""
    WITH RECURSIVE found (value, jumps) AS (
      (SELECT {column}, 1 FROM contacts_contact WHERE {column} {at_least} %s
       ORDER BY {column}{order} LIMIT 1)
      UNION ALL
      SELECT n.value, f.jumps + 1 FROM found f CROSS JOIN LATERAL (
        SELECT {column} AS value FROM contacts_contact WHERE {column} {above} f.value
        ORDER BY {column}{order} LIMIT 1) n
      WHERE f.jumps < %s)
    SELECT value, NULL FROM found
    """  # noqa: S608
    return _suggestions(sql.lists(statement, [start, _JUMPS]))


def _of_attribute(attribute: AttributeField, typed: str) -> Iterator[list[Suggestion]]:
    if attribute.type is Type.TEXT:
        value, params = "c.attributes->>%s", [attribute.key]
        yield _sampled("contacts_contact", "c.erased_at IS NULL", value, params, typed)
    elif attribute.type is Type.LIST:
        value = "jsonb_array_elements_text(CASE jsonb_typeof(c.attributes->%s) WHEN 'array'"
        value += " THEN c.attributes->%s ELSE '[]' END)"
        params = [attribute.key, attribute.key]
        yield _sampled("contacts_contact", "c.erased_at IS NULL", value, params, typed)


def _of_fact(fact: Fact, typed: str) -> list[Suggestion]:
    where = "(" + fact.condition.replace("%", "%%") + ")" if fact.condition else "true"
    return _sampled(fact.table, where, f"c.{fact.column}", [], typed)


def _of_metric(metric: MetricField, typed: str) -> list[Suggestion]:
    # By the index of the metric, which has no order of texts: any few thousand of them.
    source = "SELECT text AS value FROM contacts_metricvalue WHERE metric_id = %s LIMIT %s"
    return _counted(source, [metric.id, _SAMPLED_ROWS], typed, is_whole=False)


def _of_events(event_id: int, name: str, typed: str, at: datetime) -> list[Suggestion]:
    source = (
        "SELECT properties #>> %s::text[] AS value, jsonb_typeof(properties #> %s::text[]) AS kind"
        " FROM (SELECT properties FROM contacts_event"
        " WHERE definition_id = %s AND occurred_at <= %s ORDER BY occurred_at DESC LIMIT %s) e"
    )
    way = name.split(".")
    scalars = f"SELECT value FROM ({source}) e WHERE kind IN ('string', 'number', 'boolean')"  # noqa: S608
    return _counted(scalars, [way, way, event_id, at, _SAMPLED_EVENTS], typed, is_whole=False)


def _sampled(
    table: str, where: str, value: str, params: Sequence[Any], typed: str
) -> list[Suggestion]:
    """The values that many rows have, of some pages of a table, or of all where they are few."""
    row_count = sql.one(
        "SELECT greatest(reltuples, 0) FROM pg_class WHERE oid = %s::regclass", [table]
    )
    percent = 100 * _SAMPLED_ROWS / row_count if row_count > _SAMPLED_ROWS else 100
    source = f"SELECT {value} AS value FROM {table} c"  # noqa: S608
    source += f" TABLESAMPLE SYSTEM (%s) WHERE {where}" if percent < 100 else f" WHERE {where}"
    source += " LIMIT %s"
    # A table that nobody analyzed yet may be large all the same: then it is looked at in part.
    given = [*params, *([percent] if percent < 100 else []), 2 * _SAMPLED_ROWS]
    return _counted(source, given, typed, is_whole=percent == 100 and row_count > 0)


def _counted(source: str, params: Sequence[Any], typed: str, *, is_whole: bool) -> list[Suggestion]:
    statement = (
        f"SELECT value, count(*) FROM ({source}) v WHERE value <> '' AND length(value) <= %s"  # noqa: S608
        " AND (%s = '' OR strpos(lower(value), lower(%s)) > 0)"
        " GROUP BY value ORDER BY strpos(lower(value), lower(%s)), 2 DESC, 1 LIMIT %s"
    )
    found = sql.lists(statement, [*params, _LONGEST_VALUE, typed, typed, typed, LIMIT])
    return _suggestions(found if is_whole else ((value, None) for value, _count in found))


def _suggestions(rows: Iterable[tuple[Any, ...]]) -> list[Suggestion]:
    return [Suggestion(value, value, count) for value, count in rows if value]


def _merged(places: Iterator[list[Suggestion]], typed: str) -> list[Suggestion]:
    """What is found in the places one after the other, until there is enough or time is over."""
    found: dict[str, Suggestion] = {}
    deadline = monotonic() + TIMEOUT_SECONDS
    try:
        with sql.local_settings({"statement_timeout": str(int(TIMEOUT_SECONDS * 1000))}):
            for place in places:
                for one in _fitting(place, typed):
                    found.setdefault(one.value, one)
                if len(found) >= LIMIT or monotonic() > deadline:
                    break
            # So that the limit ends here, also inside a transaction of the caller's.
            transaction.set_rollback(True)
    except OperationalError as error:
        if not isinstance(error.__cause__, QueryCanceled):
            raise
    return list(found.values())[:LIMIT]


def _fitting(offered: Iterable[Suggestion], typed: str) -> list[Suggestion]:
    """Those with the typed text in them, those that begin with it first."""
    sought = typed.casefold()
    placed = []
    for one in offered:
        texts = (one.label.casefold(), one.value.casefold())
        if any(sought in text for text in texts):
            is_begun = any(text.startswith(sought) for text in texts)
            placed.append((not is_begun, one))
    placed.sort(key=lambda pair: pair[0])
    return [one for _place, one in placed][:LIMIT]
