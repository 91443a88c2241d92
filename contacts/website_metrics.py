"""The computed metrics of each registered contact on each website: what uploads read.

The table contacts_websitemetrics (`WebsiteMetrics`) has at most one row for a website and contact,
with this contract:

- `values` is one JSON object `{upload_name: value}` of all computed metrics: a number, a day as
  "YYYY-MM-DD", or a text. What is missing has no key; nothing in it is null, a list or an object.
- Only registered contacts have rows: those with an identity besides `anonymous_id` (behaviours
  AT-02). On the only website of a workspace every registered contact has one; where there are
  several, those who ordered there.
- An event belongs to the website that its property says (`OrderEvent.website_property`): by key or
  domain, in any case, with or without "https://" and "www."; without the property to that of its
  `url`; without both to the workspace's only website, else to none. What names a website that is
  not defined belongs to none. What is no event, such as the age, is the same on every website.
- `computed_at` is the instant as of which the values were computed when they last changed. A row
  is written only where they changed, so “computed after” finds what is to be sent again.
- The row goes with the contact: at once with its erasure or merge, at the next computing when it
  stops being registered or a website is no longer its own. The survivor of a merge follows at the
  next computing.

Ranks are among the contacts with a row on the same website.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from time import monotonic
from typing import Any

from django.db import connection, transaction

from contacts.computed_metrics import LOCK, busy_sentence, computables_of, computed_metrics
from contacts.formula_statements import scope_of, select_values, sites_of
from contacts.models import ComputedMetric, MetricDefinition, WebsiteMetrics
from contacts.orders import orders
from workspace import locks, sql
from workspace.console import Progress
from workspace.errors import Busy
from workspace.models import Website

# PostgreSQL takes 100 arguments: a name and a value for each metric.
_OBJECT_LIMIT = 50


@dataclass(frozen=True, slots=True)
class WebsiteComputed:
    """What computing the metrics of one website did."""

    website: Website
    as_of: datetime
    contact_count: int
    changed_count: int
    milliseconds: int


def compute_website_metrics(
    *,
    as_of: datetime,
    websites: Collection[Website] | None = None,
    progress: Progress | None = None,
) -> list[WebsiteComputed]:
    """Compute all metrics of these websites, or of all, in one statement that writes what changed.

    Running it again as of the same instant writes nothing. Raises Busy where another run is
    computing.
    """
    with locks.held(LOCK) as is_held:
        if not is_held:
            raise Busy(busy_sentence())
        known = list(Website.objects.order_by("pk"))
        wanted = {one.pk for one in (known if websites is None else websites)}
        chosen = [one for one in known if one.pk in wanted]
        if not chosen:
            return []
        if progress is not None:
            progress.advance(0, 1, ", ".join(one.name for one in chosen))
        done = _compute(known, chosen, as_of)
        if progress is not None:
            progress.advance(1, 1, "")
        return done


_WRITE = """
WITH found AS MATERIALIZED (
  SELECT website_id, contact_id, jsonb_strip_nulls({values}) AS "values" FROM ({computed}) v),
gone AS (
  DELETE FROM contacts_websitemetrics w WHERE w.website_id = ANY(%(chosen)s::bigint[])
    AND NOT EXISTS (SELECT FROM found f
      WHERE f.website_id = w.website_id AND f.contact_id = w.contact_id)
  RETURNING website_id),
written AS (
  INSERT INTO contacts_websitemetrics (website_id, contact_id, "values", computed_at)
  SELECT f.website_id, f.contact_id, f."values", %(as_of)s FROM found f
  LEFT JOIN contacts_websitemetrics w
    ON w.website_id = f.website_id AND w.contact_id = f.contact_id
  WHERE w."values" IS DISTINCT FROM f."values"
  ON CONFLICT (website_id, contact_id) DO UPDATE
    SET "values" = excluded."values", computed_at = excluded.computed_at
  RETURNING website_id)
SELECT website_id, sum(contacts) AS contacts, sum(changed) AS changed FROM (
  SELECT website_id, count(*) AS contacts, 0 AS changed FROM found GROUP BY 1
  UNION ALL SELECT website_id, 0, count(*) FROM written GROUP BY 1
  UNION ALL SELECT website_id, 0, count(*) FROM gone GROUP BY 1) counted
GROUP BY website_id
"""


def _compute(known: list[Website], chosen: list[Website], as_of: datetime) -> list[WebsiteComputed]:
    began_at, of, metrics = monotonic(), orders(), computed_metrics()
    computables, taking_part = computables_of(metrics, of, as_of)
    scope = scope_of(taking_part, of=of, as_of=as_of)
    ids = [one.pk for one in chosen]
    statement, params = select_values(computables, scope, sites_of(known, ids))
    values, names = _object(metrics)
    text = _WRITE.format(values=values, computed=statement)
    with transaction.atomic():
        rows = sql.rows(text, {**params, **names, "chosen": ids, "as_of": as_of})
    counts = {row["website_id"]: row for row in rows}
    if any(row["changed"] for row in rows) and not connection.in_atomic_block:
        sql.execute("ANALYZE contacts_websitemetrics")
    milliseconds = int((monotonic() - began_at) * 1000)
    nothing = {"contacts": 0, "changed": 0}
    return [
        WebsiteComputed(
            one,
            as_of,
            int(counts.get(one.pk, nothing)["contacts"]),
            int(counts.get(one.pk, nothing)["changed"]),
            milliseconds,
        )
        for one in chosen
    ]


def _object(metrics: list[ComputedMetric]) -> tuple[str, dict[str, str]]:
    """SQL of the object of all values, and the names in it."""
    pairs, names = [], {}
    for place, one in enumerate(metrics):
        names[f"n{place}"] = one.upload_name
        column = f"v.v{place}"
        if one.metric.type == MetricDefinition.Type.NUMBER:
            # 12.5 and not 12.50000000: without the zeros that a sum brings.
            column = f"trim_scale({column})"
        pairs.append(f"%(n{place})s::text, {column}")
    parts = [
        f"jsonb_build_object({', '.join(pairs[start : start + _OBJECT_LIMIT])})"
        for start in range(0, len(pairs), _OBJECT_LIMIT)
    ]
    return " || ".join(parts) or "'{}'::jsonb", names


def website_values_of(contact_id: int) -> list[tuple[Website, dict[str, Any]]]:
    """The values of a contact on each website where it has any, by upload name."""
    found = WebsiteMetrics.objects.filter(contact_id=contact_id).select_related("website")
    return [(one.website, one.values) for one in found.order_by("website__name", "website_id")]
