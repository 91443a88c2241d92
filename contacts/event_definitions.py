"""Kinds of events: made by themselves when an event of a new name comes, then named and described.

`EventDefinition.schema` says which properties were seen and of which JSON types:
`{"amount": ["number"], "product.name": ["number", "text"]}`.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.db import connection, transaction

from contacts.event_declarations import BreachTotal, breach_totals
from contacts.event_properties import SCHEMA_LIMIT, SCHEMA_NAME_LIMIT
from contacts.event_schemas import Declared
from contacts.models import EventDefinition
from workspace import audit, sql
from workspace.access import Actor

NAME_LIMIT = 200

# The properties of one definition that a batch of events showed, each with its types.
Seen = Mapping[str, Collection[str]]


@dataclass(frozen=True, slots=True)
class Known:
    """A definition as events refer to it."""

    id: int
    schema: dict[str, list[str]]
    enforcement: str = EventDefinition.Enforcement.ACCEPT


@dataclass(frozen=True, slots=True)
class Summary:
    """A definition with what is declared and what was stored of it.

    `last_at` is none where nothing is stored.
    """

    definition: EventDefinition
    event_count: int
    contact_count: int
    last_at: datetime | None
    properties: tuple[Declared, ...] = ()
    breaches: BreachTotal = field(default_factory=BreachTotal)


def define_events(names: Collection[str]) -> dict[str, Known]:
    """The definitions of these names; new names get one.

    Safe to call from many transactions at once: new names are taken in their order.
    """
    known = _find(names)
    missing = sorted(set(names) - known.keys())
    if not missing:
        return known
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO contacts_eventdefinition (name) SELECT unnest(%s::text[])"
            " ON CONFLICT (name) DO NOTHING",
            [missing],
        )
    return known | _find(missing)


def learn_schemas(known: Mapping[str, Known], seen: Mapping[str, Seen]) -> None:
    """Add to the schemas what was seen for the first time; writes nothing where nothing was."""
    novel = sorted(
        known[name].id for name, found in seen.items() if _merged(known[name].schema, found)
    )
    if not novel:
        return
    with transaction.atomic():
        names = {known[name].id: name for name in seen}
        # Others may have learned meanwhile; in the order of ids nobody waits in a circle.
        locked = EventDefinition.objects.select_for_update().filter(pk__in=novel).order_by("pk")
        changed = []
        for definition in locked:
            schema = _merged(definition.schema, seen[names[definition.pk]])
            if schema:
                definition.schema = schema
                changed.append(definition)
        EventDefinition.objects.bulk_update(changed, ["schema"])


def describe_definition(
    definition_id: int,
    *,
    actor: Actor,
    at: datetime,
    label: str | None = None,
    description: str | None = None,
) -> EventDefinition:
    """Change the label or the description; the name is the sources' and never changes."""
    with transaction.atomic():
        definition = EventDefinition.objects.select_for_update().get(pk=definition_id)
        before = {"label": definition.label, "description": definition.description}
        definition.label = before["label"] if label is None else label.strip()
        definition.description = before["description"] if description is None else description
        definition.full_clean(exclude=["name", "schema"])
        after = {"label": definition.label, "description": definition.description}
        if changes := audit.difference(before, after):
            definition.save(update_fields=list(changes))
            audit.record(
                actor=actor,
                action="event_definition.changed",
                subject=definition,
                changes=changes,
                at=at,
            )
    return definition


def summarize_definitions(ids: Collection[int] | None = None) -> list[Summary]:
    """Each definition (or these), by name, with how many events and contacts, and the last time.

    Reads the statistics of all contacts: some tenths of a second for millions.
    """
    definitions = EventDefinition.objects.order_by("name").prefetch_related("properties")
    if ids is not None:
        definitions = definitions.filter(pk__in=ids)
    found = {
        row["definition_id"]: row
        for row in sql.rows(
            "SELECT definition_id, sum(event_count) AS events, count(*) AS contacts,"
            " max(last_at) AS last_at FROM contacts_eventstatistic"
            " WHERE %s::int[] IS NULL OR definition_id = ANY(%s::int[]) GROUP BY definition_id",
            [None if ids is None else list(ids)] * 2,
        )
    }
    nothing: dict[str, Any] = {"events": 0, "contacts": 0, "last_at": None}
    breaches = breach_totals([definition.pk for definition in definitions])
    summaries = []
    for definition in definitions:
        row = found.get(definition.pk, nothing)
        summaries.append(
            Summary(
                definition,
                event_count=int(row["events"]),
                contact_count=row["contacts"],
                last_at=row["last_at"],
                properties=tuple(
                    Declared(one.name, one.type, one.is_required, one.description)
                    for one in definition.properties.all()
                ),
                breaches=breaches.get(definition.pk, BreachTotal()),
            )
        )
    return summaries


def daily_counts(
    definition_id: int, *, since: datetime, until: datetime, zone: ZoneInfo
) -> dict[date, int]:
    """How many events of a kind happened on each day in `zone`, days without any left out.

    `since` is inclusive, `until` is not.
    """
    rows = sql.rows(
        "SELECT (occurred_at AT TIME ZONE %s)::date AS day, count(*) AS events FROM contacts_event"
        " WHERE definition_id = %s AND occurred_at >= %s AND occurred_at < %s"
        " GROUP BY day ORDER BY day",
        [zone.key, definition_id, since, until],
    )
    return {row["day"]: row["events"] for row in rows}


def _find(names: Collection[str]) -> dict[str, Known]:
    found = EventDefinition.objects.filter(name__in=names).values_list(
        "name", "pk", "schema", "enforcement"
    )
    return {name: Known(pk, schema, enforcement) for name, pk, schema, enforcement in found}


def _merged(schema: Mapping[str, list[str]], seen: Seen) -> dict[str, list[str]] | None:
    """`schema` with what was seen; None where it says all of that."""
    merged: dict[str, list[str]] | None = None
    for name, types in seen.items():
        known = (merged or schema).get(name)
        if known is None and (
            len(name) > SCHEMA_NAME_LIMIT or len(merged or schema) >= SCHEMA_LIMIT
        ):
            continue
        if known is None or not set(types) <= set(known):
            merged = dict(schema) if merged is None else merged
            merged[name] = sorted({*types, *(known or ())})
    return merged
