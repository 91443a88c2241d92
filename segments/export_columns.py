"""The columns that an export can have: what each is called, and where its values are.

Columns are named as in the API's shape of a contact ("email", "attributes.color", "tags",
"consents.newsletter"); the names of criteria ("contact.email", "attribute.color", "tag") and the
bare key of an attribute mean the same. "attributes.*", "consents.*" and "metrics.*" stand for
all of a kind.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from django.utils.translation import gettext as _

from contacts.models import AttributeDefinition, ConsentDefinition, MetricDefinition
from segments.criteria import CONTACT_FIELDS, Type, registered_facts
from workspace.errors import InputInvalid, Problem
from workspace.exactjson import exact_loads

DEFAULT_COLUMNS = ("id", "external_id", "email", "first_name", "last_name")
COLUMN_LIMIT = 200

_ALIASES = {"attribute": "attributes", "consent": "consents", "metric": "metrics"}
_LABELS = {"tag": "tags", "category": "categories"}


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its name, its label for people, SQL over the contact `c` and its parameters.

    `read` turns what the database gives into a JSON value.
    """

    name: str
    label: str
    sql: str
    params: tuple[Any, ...] = ()
    read: Callable[[Any], Any] | None = None


def available_columns(*, of_segment: bool) -> dict[str, Column]:
    """All columns there are, by name; `entered_at` only for the members of a segment."""
    found = [*_own_columns(), *_defined_columns(), *_fact_columns()]
    if of_segment:
        found.append(Column("entered_at", _("Entered"), "m.entered_at", read=_moment))
    return {column.name: column for column in found}


def choose_columns(names: Sequence[str], *, of_segment: bool) -> list[Column]:
    """The columns of these names, each named as it was asked for.

    Raises InputInvalid with every name that is none.
    """
    available = available_columns(of_segment=of_segment)
    chosen: list[Column] = []
    problems: list[Problem] = []
    for index, name in enumerate(names):
        found = list(_named(name, available))
        if not found:
            message = _("There is no column “%(name)s”.") % {"name": name}
            problems.append(Problem(f"columns[{index}]", "unknown_column", message))
        chosen += found
    if not names:
        problems.append(Problem("columns", "required", _("Choose at least one column.")))
    if len(chosen) > COLUMN_LIMIT:
        message = _("At most %(limit)d columns.") % {"limit": COLUMN_LIMIT}
        problems.append(Problem("columns", "too_many", message))
    if problems:
        raise InputInvalid(problems[0].message, problems=problems)
    return chosen


def column_groups(columns: Iterable[Column]) -> list[tuple[str, list[Column]]]:
    """Columns under the names of their groups, for people to find them."""
    groups: dict[str, list[Column]] = {}
    for column in columns:
        groups.setdefault(_group_of(column.name), []).append(column)
    return list(groups.items())


def _group_of(name: str) -> str:
    kind, dot, _key = name.partition(".")
    if not dot:
        return _("Labels") if name in _LABELS.values() else _("Contact")
    named = {"attributes": _("Attributes"), "consents": _("Consents"), "metrics": _("Metrics")}
    return named.get(kind, kind.capitalize())


def labels(names: Sequence[str], *, of_segment: bool) -> dict[str, str]:
    """What columns are called for people, by the name; two of one label keep their names."""
    chosen = choose_columns(names, of_segment=of_segment)
    called = Counter(column.label for column in chosen)
    return {column.name: column.label for column in chosen if called[column.label] == 1}


def _named(name: str, available: Mapping[str, Column]) -> Iterable[Column]:
    kind, dot, key = name.partition(".")
    if kind == "contact" and key in CONTACT_FIELDS:
        meant = key
    elif dot and kind in _ALIASES:
        meant = f"{_ALIASES[kind]}.{key}"
    else:
        meant = _LABELS.get(name, name)
    if meant.endswith(".*"):
        prefix = meant.removesuffix("*")
        return [column for found, column in available.items() if found.startswith(prefix)]
    found = available.get(meant) or available.get(f"attributes.{meant}")
    return [] if found is None else [replace(found, name=name)]


def _own_columns() -> Iterable[Column]:
    yield Column("id", _("Id"), "c.id")
    yield Column(
        "external_id",
        _("External id"),
        "(SELECT i.value FROM contacts_identity i WHERE i.contact_id = c.id"
        " AND i.namespace = 'user_id' ORDER BY i.created_at, i.value LIMIT 1)",
    )
    for field in CONTACT_FIELDS.values():
        text = f"c.{field.name}"
        if field.name == "last_seen_at":
            text = "(SELECT s.last_seen_at FROM contacts_lastseen s WHERE s.contact_id = c.id)"
        yield Column(field.name, _(field.label), text, read=_READERS.get(field.type))
    for name, label, table, link in (
        ("tags", _("Tags"), "contacts_tag", "contacts_contacttag"),
        ("categories", _("Categories"), "contacts_category", "contacts_contactcategory"),
    ):
        key_id = f"{link.removeprefix('contacts_contact')}_id"
        text = (
            f"ARRAY(SELECT k.key FROM {link} l JOIN {table} k ON k.id = l.{key_id}"  # noqa: S608
            " WHERE l.contact_id = c.id ORDER BY k.key)"
        )
        yield Column(name, label, text)
    yield Column(
        "identities",
        _("Identities"),
        "ARRAY(SELECT i.namespace || ':' || i.value FROM contacts_identity i"
        " WHERE i.contact_id = c.id ORDER BY i.namespace, i.value)",
    )


def _defined_columns() -> Iterable[Column]:
    """Those of the workspace's own definitions, in three queries."""
    for attribute in AttributeDefinition.objects.order_by("key"):
        text = "c.attributes->%s::text"
        yield Column(
            f"attributes.{attribute.key}", attribute.label, text, (attribute.key,), read=_json
        )
    for consent in ConsentDefinition.objects.order_by("key"):
        text = (
            "coalesce((SELECT s.state FROM contacts_consentstate s"
            " WHERE s.contact_id = c.id AND s.definition_id = %s), 'unknown')"
        )
        yield Column(f"consents.{consent.key}", consent.label, text, (consent.pk,))
    for metric in MetricDefinition.objects.order_by("key"):
        text = (
            f"(SELECT v.{metric.type} FROM contacts_metricvalue v"  # noqa: S608 - one of three
            " WHERE v.contact_id = c.id AND v.metric_id = %s)"
        )
        read = _READERS.get(Type(metric.type))
        yield Column(f"metrics.{metric.key}", metric.label, text, (metric.pk,), read=read)


def _fact_columns() -> Iterable[Column]:
    """What upper floors know about a contact, by the SQL that they registered."""
    for fact in registered_facts().values():
        rows = (
            f"FROM {fact.table} t WHERE t.{fact.contact_column} = c.id"
            f" AND ({fact.condition.replace('%', '%%')})"
        )
        text = (
            f"(SELECT t.{fact.column} {rows} LIMIT 1)" if fact.column else f"EXISTS (SELECT {rows})"
        )
        yield Column(fact.name, _(fact.label), text, read=_READERS.get(fact.type))


def _json(value: Any) -> Any:
    return None if value is None else exact_loads(value)


def _moment(value: Any) -> Any:
    return None if value is None else value.isoformat()


def short_number(value: Any) -> Any:
    """A decimal as a person writes it: 12.5 and 12, not 12.5000 and 12.0000; others as they are."""
    if not isinstance(value, Decimal):
        return value
    short = value.normalize()
    return int(short) if short == short.to_integral_value() else short


_READERS: Mapping[Type, Callable[[Any], Any]] = {
    Type.DATE: _moment,
    Type.DATETIME: _moment,
    Type.NUMBER: short_number,
}
