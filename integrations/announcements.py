"""Facts that webhooks and vendors hear of: each has a type, and goes to who asked for that type.

The floors above register their types and announce in the transaction of the fact. Where no enabled
connection wants a type nothing is written.
"""

import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from contacts.identities import USER_ID
from integrations import outbox
from integrations.models import Connection
from workspace import sql


@dataclass(frozen=True, slots=True)
class EventType:
    """A type of facts: its name for programs, what it is in words, whether it is of contacts."""

    name: str
    label: Any
    is_of_contact: bool = True


@dataclass(frozen=True, slots=True)
class Fact:
    """Something that happened. `key` tells it from others of its type, however often it is told.

    `subject` says what it is about ("segment:3"): who may not know of that does not see it among
    the deliveries.
    """

    key: str
    data: Mapping[str, Any]
    contact_id: int | None = None
    subject: str = ""


# What a type is called at the other side, by the type and the settings of the connection.
NameThere = Callable[[str, Mapping[str, Any]], str]

_types: dict[str, EventType] = {}
# Kinds of connections that hear, besides webhooks: each is told of whom a fact is in its own words.
_kinds: dict[str, NameThere | None] = {}

# The body's id is the key: the same at each attempt, and another one for each webhook. JSON has
# times as the interface writes them, with an offset.
_ANNOUNCE = """
SELECT t.type || ':' || f.key || ':' || c.id AS key, c.id AS connection_id, t.type AS kind,
  f.contact_id, f.subject, NULL::timestamptz AS due_at, jsonb_build_object(
    'id', t.type || ':' || f.key || ':' || c.id, 'type', t.type, 'created_at', f.at,
    'data', f.data) || CASE WHEN c.kind = 'webhook' THEN '{{}}'::jsonb
      ELSE jsonb_build_object('user_id', i.value) END AS payload,
  CASE WHEN c.kind <> 'webhook' AND f.contact_id IS NOT NULL THEN 'contact:' || f.contact_id
    ELSE '' END AS order_key
FROM (SELECT %s::varchar AS type, %s::varchar[] AS kinds) t CROSS JOIN ({rows}) f
JOIN integrations_connection c ON c.kind = ANY(t.kinds) AND c.is_enabled
  AND c.event_types @> ARRAY[t.type] AND c.id IS DISTINCT FROM %s::integer
LEFT JOIN LATERAL (
  SELECT i.value FROM contacts_identity i
  WHERE c.kind <> 'webhook' AND i.contact_id = f.contact_id
    AND i.namespace = coalesce(nullif(c.settings->>'identity', ''), 'user_id')
  ORDER BY i.created_at, i.value LIMIT 1) i ON true
WHERE c.kind = 'webhook' OR f.data #>> '{{segment,id}}' IS NULL
  OR coalesce(c.settings->>'segments', '') !~ '[^[:space:],;]'
  OR f.data #>> '{{segment,id}}' = ANY(
    regexp_split_to_array(c.settings->>'segments', '[[:space:],;]+'))
"""
_GIVEN = """
SELECT g.key, g.contact_id, g.subject, %s::timestamptz AS at, g.data::jsonb AS data
FROM unnest(%s::text[], %s::bigint[], %s::text[], %s::text[])
  AS g (key, contact_id, subject, data)
"""

_USER_IDS = """
SELECT DISTINCT ON (i.contact_id) i.contact_id, i.value FROM contacts_identity i
WHERE i.contact_id = ANY(%s) AND i.namespace = %s
ORDER BY i.contact_id, i.created_at, i.value
"""


def register_type(name: str, label: Any, *, is_of_contact: bool = True) -> None:
    """Let webhooks ask for facts of this type, which `label` tells people. May be called again.

    What is not of a contact goes to webhooks only.
    """
    _types[name] = EventType(name, label, is_of_contact)


def register_kind(kind: str, *, name_there: NameThere | None = None) -> None:
    """Let connections of this kind hear as webhooks do. May be called again.

    What they are told has a `user_id` besides: the contact's name in the namespace `identity` of
    their settings, the external id where that says nothing, null where there is none. It goes out
    in order, contact by contact. `segments` of their settings names those of which they hear.
    `name_there` says what a type is called at the other side.
    """
    _kinds[kind] = name_there


def hearing_kinds() -> list[str]:
    """The kinds of connections that hear of facts of contacts, besides webhooks."""
    return sorted(_kinds)


def name_there(connection: Connection, type_: str) -> str:
    """What a type is called at the other side; as here where it has no names of its own."""
    name = _kinds.get(connection.kind)
    return type_ if name is None else name(type_, connection.settings)


def user_ids(connection: Connection, contact_ids: Collection[int]) -> dict[int, str]:
    """How a connection that hears knows these contacts, by contact; without those it does not."""
    namespace = str(connection.settings.get("identity") or USER_ID)
    return dict(sql.lists(_USER_IDS, [list(contact_ids), namespace]))


def order_key_of(contact_id: int) -> str:
    """What facts of a contact share, so that they reach the other side in order."""
    return f"contact:{contact_id}"


def registered_types() -> list[EventType]:
    """All types, by name."""
    return sorted(_types.values(), key=lambda one: one.name)


def is_registered(name: str) -> bool:
    """Whether there is such a type."""
    return name in _types


def is_heard(type_: str) -> bool:
    """Whether any enabled connection wants facts of this type. One small query."""
    return bool(heard([type_]))


def heard(types: Collection[str]) -> list[str]:
    """Those of these types that an enabled connection wants. One small query."""
    for name in types:
        if name not in _types:
            raise ValueError(f"No type of announcements: {name}. Register it first.")
    hearing = Connection.objects.filter(
        kind__in=[Connection.Kind.WEBHOOK, *_kinds],
        is_enabled=True,
        event_types__overlap=list(types),
    )
    wanted = {name for names in hearing.values_list("event_types", flat=True) for name in names}
    return [name for name in types if name in wanted]


def announce(
    type_: str, facts: Iterable[Fact], *, at: datetime, except_connection: int | None = None
) -> int:
    """Queue a delivery of each fact for each connection that hears of it; how many were new.

    One statement, whatever the number, in the caller's transaction. `except_connection` is one that
    the caller tells itself.
    """
    given = list(facts)
    if not given or not is_heard(type_):
        return 0
    columns = [
        [fact.key for fact in given],
        [fact.contact_id for fact in given],
        [fact.subject for fact in given],
        [json.dumps(fact.data) for fact in given],
    ]
    return _queue(type_, _GIVEN, [at, *columns], at=at, besides=except_connection)


def announce_rows(type_: str, statement: str, params: Sequence[Any], *, at: datetime) -> int:
    """The same for facts that a SELECT gives: key, contact_id, subject, at, and data (jsonb).

    The statement is not run where nobody hears.
    """
    return _queue(type_, statement, params, at=at) if is_heard(type_) else 0


def _queue(
    type_: str,
    statement: str,
    params: Sequence[Any],
    *,
    at: datetime,
    besides: int | None = None,
) -> int:
    rows = _ANNOUNCE.format(rows=statement)
    kinds = [Connection.Kind.WEBHOOK.value, *hearing_kinds()]
    return outbox.enqueue_rows(rows, [type_, kinds, *params, besides], at=at, is_ordered=True)
