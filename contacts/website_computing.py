"""Metrics of websites: computed anew, or only of those who can have changed since.

As contacts.computing does with the metrics of everyone, where each value is a row: here all values
of a contact on a website are one document. Ranks and days since an event change also in documents
of those who did nothing; these are patched.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction

from contacts import computing, metric_marks
from contacts.computing import Plan, days_between, roomy, stretches
from contacts.formula_statements import Sites, rank_sql, select_values, sites_of
from contacts.metric_crossings import crossings
from contacts.metric_marks import TAKEN
from contacts.models import ComputedMetric, MetricDefinition
from contacts.orders import Orders
from workspace import sql
from workspace.models import Website

_FOUND, _RANKED, _PATCH = "metric_found", "metric_ranked", "metric_patch"
# PostgreSQL takes 100 arguments: a name and a value for each metric.
_OBJECT_LIMIT = 50


@dataclass(frozen=True, slots=True)
class Sitting:
    """What is computed of which websites, as of an instant."""

    plan: Plan
    known: Sequence[Website]

    def sites(self, chosen: Sequence[int]) -> Sites:
        """Those chosen, among all."""
        return sites_of(self.known, chosen)


def sit(
    metrics: Sequence[ComputedMetric], known: Sequence[Website], *, of: Orders, as_of: datetime
) -> Sitting:
    """What it takes to compute these of the websites."""
    return Sitting(computing.plan(metrics, of=of, as_of=as_of), known)


def compute_anew(sitting: Sitting, chosen: Sequence[int]) -> dict[int, int]:
    """Compute everyone on these websites; how many documents were written or deleted, by website.

    By a statement that only reads, so that several processes may take part; what it finds is
    written in stretches of contacts, each in a transaction.
    """
    given = sitting.plan
    text, params = select_values(given.computables, given.scope, sitting.sites(chosen))
    document, names = _document(given.metrics, range(len(given.metrics)))
    drop = f"DROP TABLE IF EXISTS pg_temp.{_FOUND}"
    sql.execute(drop)
    with roomy():
        sql.execute(
            f"CREATE TEMP TABLE {_FOUND} AS SELECT website_id, contact_id,"  # noqa: S608 - ours
            f' {document} AS "values" FROM ({text}) v',
            {**params, **names},
        )
        sql.execute(f"CREATE INDEX ON {_FOUND} (contact_id)")
        sql.execute(f"ANALYZE {_FOUND}")
    changed: dict[int, int] = {}
    part = "contact_id BETWEEN %(first)s AND %(last)s"
    statement = _WRITE.format(of_found=part, of_stored=part)
    for first, last in stretches():
        bounds = {"first": first, "last": last, "chosen": list(chosen), "as_of": given.as_of}
        with roomy():
            _add(changed, sql.lists(statement, bounds))
    sql.execute(drop)
    return changed


@transaction.atomic
def follow(
    sitting: Sitting, before: Mapping[int, datetime], *, others: Sequence[int]
) -> dict[int, int]:
    """Compute those who can have changed on these websites since the instants of `before`.

    How many documents were written or deleted, by website; `others` are owed what is taken here.
    Raises TooMany, and then nothing is taken, where everyone is to be computed.
    """
    given, chosen = sitting.plan, sorted(before)
    if not metric_marks.take(chosen, others):
        raise computing.TooMany
    moves = [(one, since) for one in given.metrics for since in set(before.values())]
    computing.gather(crossings(moves, given.scope, orders_since=before.values()))
    changed: dict[int, int] = {}
    _drop_tables()
    sql.execute(
        f"CREATE TEMP TABLE {_PATCH}"
        " (website_id integer, contact_id bigint, name text, value jsonb)"
    )
    with roomy():
        if computing.taken_count():
            _find_taken(sitting, chosen)
            for place, one in enumerate(given.metrics):
                if one.ranked is not None:
                    _rank(given, place, one.ranked.computed, before)
            rows = sql.lists(
                _WRITE.format(of_found="true", of_stored=_IS_TAKEN),
                {"chosen": chosen, "as_of": given.as_of},
            )
            _add(changed, rows)
        for one in given.metrics:
            days = {pk: days_between(one, given.as_of, since) for pk, since in before.items()}
            if any(days.values()):
                sql.execute(
                    _SHIFT,
                    {"name": one.upload_name, "ids": list(days), "days": list(days.values())},
                )
        _add(changed, sql.lists(_APPLY, {"as_of": given.as_of}))
    _drop_tables()
    metric_marks.drop()
    return changed


def _drop_tables() -> None:
    for name in (_FOUND, _RANKED, _PATCH):
        sql.execute(f"DROP TABLE IF EXISTS pg_temp.{name}")


_IS_TAKEN = f"contact_id IN (SELECT contact_id FROM {TAKEN})"  # noqa: S608
# What is the same already is not written again; who has no document any more loses it.
_WRITE = f"""
WITH new AS (SELECT website_id, contact_id, "values" FROM {_FOUND} WHERE {{of_found}}),
old AS (
  SELECT website_id, contact_id, "values" FROM contacts_websitemetrics
  WHERE website_id = ANY(%(chosen)s::int[]) AND {{of_stored}}),
different AS MATERIALIZED (
  SELECT website_id, contact_id, n."values", n."values" IS NULL AS is_gone
  FROM new n FULL JOIN old o USING (website_id, contact_id)
  WHERE n."values" IS DISTINCT FROM o."values"),
gone AS (
  DELETE FROM contacts_websitemetrics w USING different d
  WHERE d.is_gone AND w.website_id = d.website_id AND w.contact_id = d.contact_id),
written AS (
  INSERT INTO contacts_websitemetrics (website_id, contact_id, "values", computed_at)
  SELECT website_id, contact_id, "values", %(as_of)s FROM different WHERE NOT is_gone
  ORDER BY website_id, contact_id
  ON CONFLICT (website_id, contact_id) DO UPDATE
    SET "values" = excluded."values", computed_at = excluded.computed_at)
SELECT website_id, count(*) FROM different GROUP BY website_id
"""  # noqa: S608  made of our own words only


def _find_taken(sitting: Sitting, chosen: Sequence[int]) -> None:
    """Compute those who are taken; of ranks only the value that is ranked, in a column."""
    given = sitting.plan
    text, params = select_values(
        given.computables, given.scope, sitting.sites(chosen), among=TAKEN, are_ranked=False
    )
    plain = [place for place, one in enumerate(given.metrics) if one.ranked_id is None]
    ranks = [f", v{place}" for place, one in enumerate(given.metrics) if one.ranked_id is not None]
    document, names = _document(given.metrics, plain)
    sql.execute(
        f"CREATE TEMP TABLE {_FOUND} AS SELECT website_id, contact_id,"  # noqa: S608 - ours
        f' {document} AS "values"{"".join(ranks)} FROM ({text}) v',
        {**params, **names},
    )
    sql.execute(f"ANALYZE {_FOUND}")


# Those who are taken have their values in `metric_found`; of all others both are stored. `moved`
# says how many days a stored value is behind.
_RANKING = f"""
CREATE TEMP TABLE {_RANKED} AS
WITH moved AS (
  SELECT * FROM unnest(%(ids)s::int[], %(days)s::int[]) AS m (website_id, days)),
part AS MATERIALIZED (
  SELECT website_id, contact_id, {{value}} AS number FROM {_FOUND} WHERE {{value}} IS NOT NULL
  UNION ALL
  SELECT w.website_id, w.contact_id, (w."values" ->> %(by)s::text)::numeric + m.days
  FROM contacts_websitemetrics w JOIN moved m USING (website_id)
  WHERE w."values" ? %(name)s::text
    AND NOT EXISTS (SELECT FROM {TAKEN} t WHERE t.contact_id = w.contact_id)),
counted AS (SELECT website_id, count(*) AS count FROM part GROUP BY website_id)
SELECT website_id, contact_id, to_jsonb(trim_scale({
    rank_sql("(rank() OVER (PARTITION BY website_id ORDER BY number) - 1)", "n.count")
})) AS value
FROM part JOIN counted n USING (website_id)
"""  # noqa: S608
_RANK_TAKEN = f"""
UPDATE {_FOUND} f SET "values" = f."values" || jsonb_build_object(%(name)s::text, r.value)
FROM {_RANKED} r WHERE r.website_id = f.website_id AND r.contact_id = f.contact_id
"""  # noqa: S608
_RANK_OTHERS = f"""
INSERT INTO {_PATCH}
SELECT r.website_id, r.contact_id, %(name)s::text, r.value
FROM {_RANKED} r JOIN contacts_websitemetrics w USING (website_id, contact_id)
WHERE w."values" -> %(name)s::text <> r.value
  AND NOT EXISTS (SELECT FROM {TAKEN} t WHERE t.contact_id = r.contact_id)
"""  # noqa: S608
# One more day since for everyone whose last event is still the same.
_SHIFT = f"""
INSERT INTO {_PATCH}
SELECT w.website_id, w.contact_id, %(name)s::text,
  to_jsonb((w."values" ->> %(name)s::text)::numeric + m.days)
FROM contacts_websitemetrics w
JOIN unnest(%(ids)s::int[], %(days)s::int[]) AS m (website_id, days) USING (website_id)
WHERE m.days <> 0 AND w."values" ? %(name)s::text
  AND NOT EXISTS (SELECT FROM {TAKEN} t WHERE t.contact_id = w.contact_id)
"""  # noqa: S608
_APPLY = f"""
WITH patched AS (
  UPDATE contacts_websitemetrics w
  SET "values" = w."values" || p.patch, computed_at = %(as_of)s
  FROM (SELECT website_id, contact_id, jsonb_object_agg(name, value) AS patch FROM {_PATCH}
    GROUP BY website_id, contact_id) p
  WHERE w.website_id = p.website_id AND w.contact_id = p.contact_id
  RETURNING w.website_id)
SELECT website_id, count(*) FROM patched GROUP BY website_id
"""  # noqa: S608


def _rank(given: Plan, place: int, by: ComputedMetric, before: Mapping[int, datetime]) -> None:
    """Rank everyone again by what is stored; who has another rank than before is patched."""
    days = [days_between(by, given.as_of, since) for since in before.values()]
    name = {"name": given.metrics[place].upload_name}
    sql.execute(f"DROP TABLE IF EXISTS pg_temp.{_RANKED}")
    sql.execute(
        _RANKING.format(value=f"v{place}"),
        {**name, "by": by.upload_name, "ids": list(before), "days": days},
    )
    sql.execute(f"ANALYZE {_RANKED}")
    sql.execute(_RANK_TAKEN, name)
    sql.execute(_RANK_OTHERS, name)


def _add(changed: dict[int, int], rows: Sequence[tuple[int, int]]) -> None:
    for website_id, count in rows:
        changed[website_id] = changed.get(website_id, 0) + count


def _document(
    metrics: Sequence[ComputedMetric], places: Sequence[int] | range
) -> tuple[str, dict[str, Any]]:
    """SQL of the document of the values at these places of a row `v`, and the names in it."""
    pairs, names = [], {}
    for place in places:
        one = metrics[place]
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
    return f"jsonb_strip_nulls({' || '.join(parts)})" if parts else "'{}'::jsonb", names
