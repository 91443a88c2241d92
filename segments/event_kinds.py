"""What is known of one kind of event, for who asks about it in criteria: properties, how often."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import OperationalError, transaction
from psycopg.errors import QueryCanceled

from contacts.event_properties import described
from contacts.models import EventDefinition
from workspace import sql
from workspace.exactjson import exact_loads

# So many of the newest events are looked at for properties that the schema does not know.
_SAMPLED = 200
_COUNT_SECONDS = 0.4


@dataclass(frozen=True, slots=True)
class Property:
    """A property as criteria name it, with the JSON types seen, the commonest use first.

    Types are number, text, boolean and list.
    """

    name: str
    types: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class EventKind:
    """A kind of event. `event_count` is none where counting would have taken too long."""

    name: str
    label: str
    properties: tuple[Property, ...]
    event_count: int | None
    last_at: datetime | None


def describe_kind(name: str, *, at: datetime) -> EventKind:
    """What was seen of the events named so up to an instant; nothing where none was."""
    definition = EventDefinition.objects.filter(name=name).first()
    if definition is None:
        return EventKind(name, name, (), 0, None)
    newest = sql.rows(
        "SELECT occurred_at, properties::text AS properties FROM contacts_event"
        " WHERE definition_id = %s AND occurred_at <= %s ORDER BY occurred_at DESC LIMIT %s",
        [definition.pk, at, _SAMPLED],
    )
    seen = [exact_loads(row["properties"]) for row in newest]
    return EventKind(
        name=name,
        label=str(definition),
        properties=_properties(definition.schema, seen),
        event_count=_count(definition.pk),
        last_at=newest[0]["occurred_at"] if newest else None,
    )


def _properties(
    schema: Mapping[str, list[str]], seen: list[Mapping[str, Any]]
) -> tuple[Property, ...]:
    types: dict[str, dict[str, int]] = {
        key: dict.fromkeys(kinds, 0) for key, kinds in schema.items()
    }
    for properties in seen:
        for key, kind in described(properties):
            found = types.setdefault(key, {})
            found[kind] = found.get(kind, 0) + 1
    return tuple(
        Property(key, named)
        for key, kinds in sorted(types.items())
        if (named := tuple(k for k in sorted(kinds, key=lambda k: (-kinds[k], k)) if k != "object"))
    )


def _count(definition_id: int) -> int | None:
    """How many there are, of the statistics of contacts; None where those are too many to add."""
    limit = {"statement_timeout": str(int(_COUNT_SECONDS * 1000))}
    try:
        with sql.local_settings(limit):
            found = sql.one(
                "SELECT coalesce(sum(event_count), 0)::bigint FROM contacts_eventstatistic"
                " WHERE definition_id = %s",
                [definition_id],
            )
            # So that the limit ends here, also inside a transaction of the caller's.
            transaction.set_rollback(True)
    except OperationalError as error:
        if not isinstance(error.__cause__, QueryCanceled):
            raise
        return None
    return int(found)
