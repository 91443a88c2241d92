"""Tags and categories of contacts, given and taken by sets of contacts."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Literal

from django.db import connection, transaction
from django.utils.translation import gettext as _

from contacts.errors import DefinitionUnknown
from contacts.models import Category, Tag
from workspace import sql

Kind = Literal["tag", "category"]

# {kind} is one of the two words of Kind, never what somebody wrote.
_ADD = """
INSERT INTO contacts_contact{kind} (contact_id, {kind}_id, added_at)
SELECT id, label, %s FROM contacts_contact, unnest(%s::integer[]) AS label
WHERE id = ANY(%s) AND erased_at IS NULL
ORDER BY id, label ON CONFLICT DO NOTHING RETURNING contact_id
"""
_REMOVE = "DELETE FROM contacts_contact{kind} WHERE {kind}_id = %s AND contact_id = ANY(%s)"
_REMOVE_OTHERS = """
DELETE FROM contacts_contact{kind} WHERE contact_id = ANY(%s) AND {kind}_id <> ALL(%s::integer[])
RETURNING contact_id
"""

_MODELS: dict[Kind, type[Tag] | type[Category]] = {"tag": Tag, "category": Category}


def add(kind: Kind, key: str, ids: Sequence[int], *, at: datetime) -> int:
    """Give the tag or category to these contacts; returns how many did not have it.

    Contacts that do not exist or were erased are passed over. Raises DefinitionUnknown.
    """
    return sql.execute(_ADD.format(kind=kind), [at, [definition_id(kind, key)], list(ids)])


def remove(kind: Kind, key: str, ids: Sequence[int]) -> int:
    """Take the tag or category from these contacts; returns how many had it.

    Raises DefinitionUnknown.
    """
    return sql.execute(_REMOVE.format(kind=kind), [definition_id(kind, key), list(ids)])


@transaction.atomic
def replace(kind: Kind, keys: Iterable[str], ids: Sequence[int], *, at: datetime) -> int:
    """Give these contacts exactly the tags or categories named; returns how many changed.

    Raises DefinitionUnknown.
    """
    wanted = definition_ids(kind, keys)
    unknown = sorted(key for key in keys if key not in wanted)
    if unknown:
        raise _unknown(kind, unknown[0])
    label_ids = sorted(wanted.values())
    with connection.cursor() as cursor:
        cursor.execute(_REMOVE_OTHERS.format(kind=kind), [list(ids), label_ids])
        changed = {contact_id for (contact_id,) in cursor.fetchall()}
        cursor.execute(_ADD.format(kind=kind), [at, label_ids, list(ids)])
        changed.update(contact_id for (contact_id,) in cursor.fetchall())
    return len(changed)


def definition_id(kind: Kind, key: str) -> int:
    """The id of a tag or category. Raises DefinitionUnknown."""
    found = definition_ids(kind, [key])
    if key not in found:
        raise _unknown(kind, key)
    return found[key]


def definition_ids(kind: Kind, keys: Iterable[str]) -> dict[str, int]:
    """The ids of those tags or categories that exist, by key."""
    found = _MODELS[kind].objects.filter(key__in=list(keys))
    return dict(found.values_list("key", "id"))


def unknown_sentence(kind: Kind, key: str) -> str:
    """Says that there is no such tag or category."""
    words = {"key": key[:63]}
    if kind == "tag":
        return _("There is no tag “%(key)s”: define it first.") % words
    return _("There is no category “%(key)s”: define it first.") % words


def _unknown(kind: Kind, key: str) -> DefinitionUnknown:
    return DefinitionUnknown(unknown_sentence(kind, key))
