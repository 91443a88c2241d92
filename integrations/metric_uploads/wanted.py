"""What is to be at the vendor: a record for each registered contact with metrics on a website.

A record is the contact's metrics under their upload names; days are written as instants, as
"2026-11-27T00:00:00Z". Its digest says nothing of when it was computed, so that only what changed
is sent again. Erased contacts have none. Contacts that get no messages any more keep theirs: the
vendor decides by itself to whom it writes, and segments there are right only with all of them.
"""

from dataclasses import dataclass
from typing import Any

from contacts.models import ComputedMetric, MetricDefinition
from integrations.metric_uploads.store import Choice, Store
from integrations.models import UploadPlace

# A function of PostgreSQL takes 100 arguments: a name and a value for each field.
_FIELD_LIMIT = 50

# Of the names that a contact has, the one on its profile, else the oldest. Its records are those of
# `m`, whose document is `doc`.
WANTED = """
SELECT m.contact_id, n.value, n.value || %(suffix)s AS key, {document} AS document, m.computed_at
FROM contacts_websitemetrics m
JOIN (
  SELECT DISTINCT ON (i.contact_id) i.contact_id, i.value
  FROM contacts_identity i JOIN contacts_contact c ON c.id = i.contact_id
  WHERE i.namespace = %(namespace)s AND c.erased_at IS NULL {narrow}
  ORDER BY i.contact_id, (i.value = lower(c.email)) DESC, i.created_at, i.value
) n ON n.contact_id = m.contact_id
WHERE m.website_id = %(website)s
"""
NARROW = "AND i.contact_id IN (SELECT contact_id FROM chosen)"


@dataclass(frozen=True, slots=True)
class Wanted:
    """SQL of what is wanted on a website, with its parameters."""

    statement: str
    params: dict[str, Any]
    narrowed: str
    """The same of the contacts of a query `chosen` only."""


def wanted_of(store: Store, place: UploadPlace) -> Wanted:
    """What is wanted of a website at a place, by the metrics that are computed now."""
    document, params = _document(store.choice)
    params |= {
        "namespace": store.namespace,
        "website": place.website_id,
        "suffix": place.suffix,
    }
    return Wanted(
        WANTED.format(document=document, narrow=""),
        params,
        WANTED.format(document=document, narrow=NARROW),
    )


def fields_of(choice: Choice) -> list[tuple[str, str, bool]]:
    """The fields that are uploaded: the name there, ours, whether it is a day; by name."""
    found = ComputedMetric.objects.order_by("upload_name").values_list(
        "upload_name", "metric__type"
    )
    return [
        (choice.renamed.get(name, name), name, kind == MetricDefinition.Type.DATE)
        for name, kind in found
        if choice.names is None or name in choice.names
    ]


def _document(choice: Choice) -> tuple[str, dict[str, Any]]:
    """SQL of the document of a row `m`, and the names in it."""
    pairs: list[str] = []
    params: dict[str, Any] = {}
    for place, (there, ours, is_day) in enumerate(fields_of(choice)):
        params |= {f"there{place}": there, f"ours{place}": ours}
        value = f"""m."values" -> %(ours{place})s::text"""
        if is_day:
            value = f"""(m."values" ->> %(ours{place})s::text) || 'T00:00:00Z'"""
        pairs.append(f"%(there{place})s::text, {value}")
    parts = [
        f"jsonb_build_object({', '.join(pairs[start : start + _FIELD_LIMIT])})"
        for start in range(0, len(pairs), _FIELD_LIMIT)
    ]
    return f"jsonb_strip_nulls({' || '.join(parts) or 'NULL::jsonb'})", params
