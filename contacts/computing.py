"""Values of metrics of everyone: computed anew, or only of those who can have changed since.

Anew is one statement over all contacts, with one pass over the events of each kind; what it finds
is written in stretches of contacts, each in a transaction. Following is the same statement of those
who are marked (contacts.metric_marks) or whom time changes (contacts.metric_crossings), in one
transaction with all that is written. What hangs on others is set right from what is stored: ranks
are counted over the stored values, and days since an event grow by the days that went by. Both
write only what differs, and give the same.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction

from contacts import metric_marks
from contacts.computables import computables_of
from contacts.formula_statements import Computable, Scope, rank_sql, scope_of, select_values
from contacts.formulas import Function
from contacts.metric_bases import basis_of
from contacts.metric_crossings import crossings
from contacts.metric_marks import TAKEN
from contacts.metric_recipes import local_day
from contacts.models import ComputedMetric, MetricDefinition
from contacts.orders import Orders
from workspace import sql
from workspace.console import Progress

_FOUND = "metric_found"
# Where more than this share has changed, everyone is computed anew; not where they are few.
MANY_SHARE, FEW = 0.3, 10_000
_STRETCH = 100_000


class TooMany(Exception):
    """So many can have changed that everyone is to be computed anew."""


@dataclass(frozen=True, slots=True)
class Changes:
    """How many values of a metric were written or deleted, and how many more there are now."""

    changed: int = 0
    added: int = 0


@dataclass(frozen=True, slots=True)
class Plan:
    """Metrics that are computed together as of an instant; `marked` are the kinds of events."""

    metrics: Sequence[ComputedMetric]
    computables: Sequence[Computable]
    scope: Scope
    marked: Mapping[int, int]

    @property
    def as_of(self) -> datetime:
        """The instant."""
        return self.scope.as_of

    @property
    def ids(self) -> list[int]:
        """The metrics by id."""
        return [one.pk for one in self.metrics]

    def basis_of(self, computed: ComputedMetric) -> str:
        """The digest of one of them."""
        return basis_of(computed, self.scope, self.marked)

    def of_these(self, chosen: Sequence[ComputedMetric]) -> "Plan":
        """The same for some of them."""
        places = {one.pk: place for place, one in enumerate(self.metrics)}
        picked = [self.computables[places[one.pk]] for one in chosen]
        return Plan(chosen, picked, self.scope, self.marked)

    def those_that_follow(self) -> list[ComputedMetric]:
        """Those whose stored values came about in the same way; of ranks, with what they rank."""
        same = {one.pk for one in self.metrics if one.basis and one.basis == self.basis_of(one)}
        return [
            one
            for one in self.metrics
            if one.pk in same and (one.ranked_id is None or one.ranked_id in same)
        ]


@contextmanager
def roomy() -> Iterator[None]:
    """A transaction with four times the memory that the server gives to a sort or a hash."""
    usual = sql.one("SELECT reset_val::int FROM pg_settings WHERE name = 'work_mem'")
    with sql.local_settings({"work_mem": f"{4 * usual}kB"}):
        yield


def plan(metrics: Sequence[ComputedMetric], *, of: Orders, as_of: datetime) -> Plan:
    """What it takes to compute these together."""
    computables, taking_part = computables_of(metrics, of, as_of)
    scope = scope_of(taking_part, of=of, as_of=as_of)
    return Plan(metrics, computables, scope, metric_marks.watched())


# --- Anew ----------------------------------------------------------------------------------------


def compute_anew(given: Plan, *, progress: Progress | None = None) -> dict[int, Changes]:
    """Compute them of everyone, and write what differs; what was done of each, by its id.

    Until it is over they have no basis: where it is interrupted they are computed anew again.
    """
    if not given.metrics:
        return {}
    ComputedMetric.objects.filter(pk__in=given.ids).update(basis="")
    text, params = select_values(given.computables, given.scope)
    drop = f"DROP TABLE IF EXISTS pg_temp.{_FOUND}"
    sql.execute(drop)
    with roomy():
        # By a statement that only reads, so that several processes may take part.
        sql.execute(f"CREATE TEMP TABLE {_FOUND} AS {text}", params)
        sql.execute(f"CREATE INDEX ON {_FOUND} (contact_id)")
        sql.execute(f"ANALYZE {_FOUND}")
    places = list(range(len(given.metrics)))
    done: Counter[int] = Counter()
    added: Counter[int] = Counter()
    parts = list(stretches())
    for number, (first, last) in enumerate(parts):
        if progress is not None:
            progress.advance(number, len(parts), "")
        bounds = {"first": first, "last": last}
        with roomy():
            _tally(_write(given, places, _IN_STRETCH, _IN_STRETCH, bounds), done, added)
    sql.execute(drop)
    return {pk: Changes(done[pk], added[pk]) for pk in given.ids}


_IN_STRETCH = "contact_id BETWEEN %(first)s AND %(last)s"


def stretches() -> Iterator[tuple[int, int]]:
    """Bounds of stretches of contacts, both included, that leave out no id there can be."""
    starts = [
        row[0]
        for row in sql.lists(
            f"SELECT contact_id FROM (SELECT contact_id,"  # noqa: S608 - our own text
            f" row_number() OVER (ORDER BY contact_id) AS place FROM {_FOUND}) f"
            " WHERE place %% %s = 0 ORDER BY contact_id",
            [_STRETCH],
        )
    ]
    ends = [*(start - 1 for start in starts), 2**63 - 1]
    return zip([0, *starts], ends, strict=True)


# --- Only those who can have changed ---------------------------------------------------------


@transaction.atomic
def follow(given: Plan, *, others: Sequence[int]) -> dict[int, Changes]:
    """Compute those who can have changed since, and write what differs; what was done of each.

    All that are computed take part; `others` are the websites that are owed what is taken here.
    Raises TooMany, and then nothing is taken, where everyone is to be computed.
    """
    if not metric_marks.take([metric_marks.EVERYONE], others):
        raise TooMany
    moves = [(one, one.as_of) for one in given.metrics if one.as_of is not None]
    gather(crossings(moves, given.scope))
    done: Counter[int] = Counter()
    added: Counter[int] = Counter()
    for one in given.metrics:
        if days := days_between(one, given.as_of):
            done[one.pk] += sql.execute(_SHIFT, [days, given.as_of, one.pk])
    if taken_count():
        text, params = select_values(given.computables, given.scope, among=TAKEN, are_ranked=False)
        sql.execute(f"DROP TABLE IF EXISTS pg_temp.{_FOUND}")
        with roomy():
            sql.execute(f"CREATE TEMP TABLE {_FOUND} AS {text}", params)
            sql.execute(f"ANALYZE {_FOUND}")
            for place, one in enumerate(given.metrics):
                if one.ranked_id is not None:
                    _tally(_rank(given, place), done, added)
            plain = [place for place, one in enumerate(given.metrics) if one.ranked_id is None]
            _tally(_write(given, plain, "true", _IS_TAKEN, {}), done, added)
        sql.execute(f"DROP TABLE {_FOUND}")
    metric_marks.drop()
    return {pk: Changes(done[pk], added[pk]) for pk in given.ids}


_IS_TAKEN = f"contact_id IN (SELECT contact_id FROM {TAKEN})"  # noqa: S608
# One more day since for everyone whose last event is still the same.
_SHIFT = f"""
UPDATE contacts_metricvalue v SET number = number + %s, computed_at = %s
WHERE metric_id = %s AND NOT EXISTS (SELECT FROM {TAKEN} t WHERE t.contact_id = v.contact_id)
"""  # noqa: S608


def gather(found: tuple[str, list[Any]] | None) -> None:
    """Take those of a statement, too. Raises TooMany where that makes too many."""
    if found is not None:
        text, params = found
        sql.execute(
            f"INSERT INTO {TAKEN} (contact_id) {text} ON CONFLICT DO NOTHING",
            params,
        )
    count = taken_count()
    if count > FEW and count > MANY_SHARE * sql.one("SELECT count(*) FROM contacts_contact"):
        raise TooMany
    sql.execute(f"ANALYZE {TAKEN}")


def taken_count() -> int:
    """How many are taken."""
    return int(sql.one(f"SELECT count(*) FROM {TAKEN}"))  # noqa: S608 - our own text


def days_between(computed: ComputedMetric, as_of: datetime, since: datetime | None = None) -> int:
    """By how much days since an event grew since the last computing; 0 for other metrics."""
    before = computed.as_of if since is None else since
    if computed.function != Function.DAYS_SINCE or before is None:
        return 0
    return (local_day(as_of) - local_day(before)).days


# Those who are taken have their values in `metric_found`; of all others both are stored.
_RANK = f"""
WITH part AS MATERIALIZED (
  SELECT contact_id, {{value}} AS number FROM {_FOUND} WHERE {{value}} IS NOT NULL
  UNION ALL
  SELECT r.contact_id, v.number FROM contacts_metricvalue r
  JOIN contacts_metricvalue v ON v.contact_id = r.contact_id AND v.metric_id = %(ranked)s
  WHERE r.metric_id = %(metric)s
    AND NOT EXISTS (SELECT FROM {TAKEN} t WHERE t.contact_id = r.contact_id)),
new AS MATERIALIZED (
  SELECT contact_id, {rank_sql("(rank() OVER (ORDER BY number) - 1)", "n.count")} AS value
  FROM part CROSS JOIN (SELECT count(*) AS count FROM part) n),
gone AS (
  DELETE FROM contacts_metricvalue v USING {TAKEN} t
  WHERE v.contact_id = t.contact_id AND v.metric_id = %(metric)s
    AND NOT EXISTS (SELECT FROM new n WHERE n.contact_id = t.contact_id)
  RETURNING v.metric_id),
written AS (
  INSERT INTO contacts_metricvalue (contact_id, metric_id, number, computed_at)
  SELECT n.contact_id, %(metric)s, n.value, %(as_of)s FROM new n
  LEFT JOIN contacts_metricvalue v ON v.contact_id = n.contact_id AND v.metric_id = %(metric)s
  WHERE v.number IS DISTINCT FROM n.value
  ON CONFLICT (contact_id, metric_id) DO UPDATE
    SET number = excluded.number, computed_at = excluded.computed_at
  RETURNING (xmax = 0) AS is_new)
SELECT %(metric)s::int, (SELECT count(*) FROM written) + (SELECT count(*) FROM gone),
  (SELECT count(*) FROM written WHERE is_new) - (SELECT count(*) FROM gone)
"""  # noqa: S608


def _rank(given: Plan, place: int) -> list[tuple[int, int, int]]:
    one = given.metrics[place]
    params = {"metric": one.pk, "ranked": one.ranked_id, "as_of": given.as_of}
    return sql.lists(_RANK.format(value=f"v{place}"), params)


# --- Writing -------------------------------------------------------------------------------------

# What is the same already is not written again; what has no value any more goes.
_WRITE = f"""
WITH new AS (
  SELECT f.contact_id, m.metric_id, m.number, m.date, coalesce(m.text, '') AS text
  FROM (SELECT * FROM {_FOUND} WHERE {{of_found}}) f
  CROSS JOIN LATERAL (VALUES {{values}}) AS m (metric_id, number, date, text)
  WHERE num_nonnulls(m.number, m.date, m.text) > 0),
old AS (
  SELECT contact_id, metric_id, number, date, text FROM contacts_metricvalue
  WHERE metric_id = ANY(%(metrics)s::int[]) AND {{of_stored}}),
different AS MATERIALIZED (
  SELECT contact_id, metric_id, n.number, n.date, n.text,
    n.text IS NULL AS is_gone, o.text IS NULL AS is_new
  FROM new n FULL JOIN old o USING (contact_id, metric_id)
  WHERE n.text IS NULL OR o.text IS NULL
    OR (n.number, n.date, n.text) IS DISTINCT FROM (o.number, o.date, o.text)),
gone AS (
  DELETE FROM contacts_metricvalue v USING different d
  WHERE d.is_gone AND v.contact_id = d.contact_id AND v.metric_id = d.metric_id),
written AS (
  INSERT INTO contacts_metricvalue (contact_id, metric_id, number, date, text, computed_at)
  SELECT contact_id, metric_id, number, date, text, %(as_of)s FROM different WHERE NOT is_gone
  ORDER BY contact_id, metric_id
  ON CONFLICT (contact_id, metric_id) DO UPDATE SET number = excluded.number,
    date = excluded.date, text = excluded.text, computed_at = excluded.computed_at)
SELECT metric_id, count(*), count(*) FILTER (WHERE is_new) - count(*) FILTER (WHERE is_gone)
FROM different GROUP BY metric_id
"""  # noqa: S608  made of our own words only
_SLOTS = {
    MetricDefinition.Type.NUMBER: "({id}, {value}::numeric, NULL::date, NULL::text)",
    MetricDefinition.Type.DATE: "({id}, NULL::numeric, {value}, NULL::text)",
    MetricDefinition.Type.TEXT: "({id}, NULL::numeric, NULL::date, {value})",
}


def _write(
    given: Plan, places: Sequence[int], of_found: str, of_stored: str, params: dict[str, Any]
) -> list[tuple[int, int, int]]:
    """Write what differs of the metrics at these places: id, changed, and how many more."""
    if not places:
        return []
    slots = [
        _SLOTS[MetricDefinition.Type(given.metrics[place].metric.type)].format(
            id=given.metrics[place].pk, value=f"f.v{place}"
        )
        for place in places
    ]
    text = _WRITE.format(values=", ".join(slots), of_found=of_found, of_stored=of_stored)
    ids = [given.metrics[place].pk for place in places]
    return sql.lists(text, {**params, "metrics": ids, "as_of": given.as_of})


def _tally(rows: Sequence[tuple[int, int, int]], done: Counter[int], added: Counter[int]) -> None:
    for metric_id, changed, more in rows:
        done[metric_id] += changed
        added[metric_id] += more
