"""Pages of stored events, of one contact or of all, in the order of their times."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from contacts.models import EventDefinition, EventStatistic
from workspace import sql
from workspace.exactjson import exact_loads


@dataclass(frozen=True, slots=True)
class Place:
    """Where an event stands among all: no other event has the same three."""

    occurred_at: datetime
    contact_id: int
    message_id: str


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """An event as it is stored."""

    contact_id: int
    name: str
    occurred_at: datetime
    received_at: datetime
    message_id: str
    properties: dict[str, Any]

    @property
    def place(self) -> Place:
        """Where the next page begins, if this is the last event of a page."""
        return Place(self.occurred_at, self.contact_id, self.message_id)


# Each kind has its events in an index by time; so a page is the first of the first of each kind,
# and nothing is sorted but these.
_PAGE = """
SELECT e.contact_id, d.name, e.occurred_at, e.received_at, e.message_id,
  e.properties::text AS properties
FROM contacts_eventdefinition d CROSS JOIN LATERAL (
  SELECT contact_id, occurred_at, received_at, message_id, properties FROM contacts_event
  WHERE definition_id = d.id{conditions}
  ORDER BY occurred_at {direction}, contact_id {direction}, message_id {direction} LIMIT %s) e
WHERE d.id = ANY(%s)
ORDER BY e.occurred_at {direction}, e.contact_id {direction}, e.message_id {direction} LIMIT %s
"""


def events_page(
    *,
    name: str | None = None,
    contact_id: int | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    after: Place | None = None,
    newest_first: bool = True,
    limit: int,
) -> list[StoredEvent]:
    """Up to `limit` events with `since <= occurred_at < until`, those after a place in the order.

    `name` and `contact_id` restrict them to one kind and one contact.
    """
    kinds = _kinds(name, contact_id)
    if not kinds:
        return []
    beyond, direction = ("<", "DESC") if newest_first else (">", "ASC")
    conditions: list[str] = []
    params: list[Any] = []
    for condition, value in (
        ("contact_id = %s", contact_id),
        ("occurred_at >= %s", since),
        ("occurred_at < %s", until),
    ):
        if value is not None:
            conditions.append(condition)
            params.append(value)
    if after is not None:
        # The time is said twice, so that the server leaves out the months that are turned over.
        conditions.append(f"occurred_at {beyond}= %s")
        conditions.append(
            f'(occurred_at, contact_id, message_id) {beyond} (%s, %s, %s COLLATE "C")'
        )
        params += [after.occurred_at, after.occurred_at, after.contact_id, after.message_id]
    statement = _PAGE.format(
        conditions="".join(f" AND {condition}" for condition in conditions), direction=direction
    )
    found = sql.rows(statement, [*params, limit, kinds, limit])
    return [StoredEvent(**{**row, "properties": exact_loads(row["properties"])}) for row in found]


def _kinds(name: str | None, contact_id: int | None) -> list[int]:
    """The ids of the definitions that the events can have."""
    if contact_id is None:
        definitions = EventDefinition.objects.values_list("pk", flat=True)
        return list(definitions if name is None else definitions.filter(name=name))
    done = EventStatistic.objects.filter(contact_id=contact_id)
    done = done if name is None else done.filter(definition__name=name)
    return list(done.values_list("definition_id", flat=True))
