"""What sources tell of many contacts at once, written by one statement.

Staff and programs change one contact through `contacts.profiles`, with a line in the audit trail.
A source tells thousands of things a second: its own log says what it told.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from contacts import attributes
from contacts.attributes import definitions_of, unknown_sentence
from contacts.errors import DefinitionUnknown
from contacts.fields import WRITABLE
from contacts.values import Type
from workspace import sql
from workspace.exactjson import exact_dumps

# The score has a ledger of its own, contacts.scores.
COLUMNS = tuple(name for name in WRITABLE if name != "lead_score")


@dataclass(frozen=True, slots=True)
class Told:
    """What was told of a contact: columns, attributes, columns to fill where they are empty.

    Values are as the columns and `Contact.attributes` keep them; nothing is taken away.
    """

    contact_id: int
    fields: Mapping[str, Any] = field(default_factory=dict)
    attributes: Mapping[str, Any] = field(default_factory=dict)
    if_missing: Mapping[str, Any] = field(default_factory=dict)


def write_told(told: Sequence[Told], *, at: datetime) -> set[int]:
    """Write what differs, and only that; returns the ids of the contacts that changed.

    Each contact once. Those that were erased stay empty. `email` and `phone` are what the person
    writes: their identities are the caller's. One statement, which locks in the order of ids.
    """
    if not told:
        return set()
    rows = [
        {
            "contact_id": one.contact_id,
            **{name: _json(value) for name, value in one.fields.items()},
            "attributes": one.attributes,
            "if_missing": one.if_missing,
        }
        for one in told
    ]
    changed = sql.lists(_WRITE, [exact_dumps(rows), at])
    return {contact_id for (contact_id,) in changed}


def write_attribute(contact_ids: Sequence[int], key: str, value: Any, *, at: datetime) -> int:
    """Set an attribute of many contacts to a value, or take it away with None; how many changed.

    Erased contacts are passed over. One statement, which locks in the order of ids. Raises
    DefinitionUnknown and ValueRefused.
    """
    definition = definitions_of([key]).get(key)
    if definition is None:
        raise DefinitionUnknown(unknown_sentence(key))
    canonical = attributes.canonical(definition, value) if value is not None else None
    text = None if canonical is None else exact_dumps(canonical)
    return sql.execute(_WRITE_ATTRIBUTE, [list(contact_ids), key, text, at])


def _json(value: Any) -> Any:
    return value.isoformat() if isinstance(value, date) else value


def _new_value(name: str) -> str:
    if WRITABLE[name].type == Type.TEXT:
        filled = f"CASE WHEN c.{name} = '' THEN told.if_missing ->> '{name}' END"
        return f"coalesce(told.{name}, {filled}, c.{name})"
    return f"coalesce(told.{name}, c.{name})"


_SQL_TYPES = {Type.TEXT: "text", Type.DATE: "date", Type.DATETIME: "timestamptz"}
_TOLD = ", ".join(f"{name} {_SQL_TYPES[WRITABLE[name].type]}" for name in COLUMNS)
_OLD = ", ".join(f"c.{name}" for name in COLUMNS)
_NEW = ", ".join(_new_value(name) for name in COLUMNS)
_WRITE = f"""
WITH told AS MATERIALIZED (
  SELECT * FROM jsonb_to_recordset(%s::jsonb)
    AS told (contact_id bigint, {_TOLD}, attributes jsonb, if_missing jsonb)
), held AS MATERIALIZED (
  SELECT c.id FROM contacts_contact c JOIN told ON told.contact_id = c.id
  WHERE c.erased_at IS NULL ORDER BY c.id FOR NO KEY UPDATE OF c
)
UPDATE contacts_contact c SET ({", ".join(COLUMNS)}, attributes, updated_at)
  = ROW ({_NEW}, c.attributes || told.attributes, %s)
FROM told JOIN held ON held.id = told.contact_id
WHERE c.id = held.id AND ({_OLD}, c.attributes)
  IS DISTINCT FROM ({_NEW}, c.attributes || told.attributes)
RETURNING c.id
"""  # noqa: S608  made of our own words only
_WRITE_ATTRIBUTE = """
WITH held AS MATERIALIZED (
  SELECT id FROM contacts_contact WHERE id = ANY(%s::bigint[]) AND erased_at IS NULL
  ORDER BY id FOR NO KEY UPDATE
)
UPDATE contacts_contact c SET updated_at = new.at, attributes = CASE
    WHEN new.value IS NULL THEN c.attributes - new.key
    ELSE c.attributes || jsonb_build_object(new.key, new.value) END
FROM held, (SELECT %s::text AS key, %s::jsonb AS value, %s::timestamptz AS at) new
WHERE c.id = held.id AND c.attributes -> new.key IS DISTINCT FROM new.value
"""
