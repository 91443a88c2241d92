"""Looking for what is wrong with segments: each check finds one kind, in few statements.

Only segments in use are looked at. A check tells what is surely so: what it cannot know of, such
as a program that reads members over the API, its words say.
"""

import logging
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

from django.db import DatabaseError, transaction
from django.db.models import Count, Max, Sum

from contacts.models import Contact
from segments import facts, health, schedule
from segments.criteria import (
    Catalog,
    Criteria,
    compile_members,
    find_contradiction,
    references,
    without_paths,
)
from segments.criteria.syntax import Group, Node
from segments.errors import CriteriaRefused
from segments.health import Found, Kind
from segments.models import Calculation, Export, Finding, Segment, SegmentAction
from segments.realtime import state
from segments.uses import used_ids
from workspace import sql
from workspace.access import SYSTEM

logger = logging.getLogger(__name__)

# What a refresh may be late by, besides a tenth of the time between two.
LATE_AFTER = timedelta(hours=1)
UNUSED_AFTER = timedelta(days=30)
UNCHANGING_AFTER = timedelta(days=30)
UNCHANGING_FROM = 10
_ALIKE_FROM = 3
_FIELDS_AT_ONCE = 40
_LIMIT = {"statement_timeout": "120s"}

# Whose last calculations had the same sizes, and whose members are the same now.
_SAME_MEMBERS = """
WITH sizes AS (
  SELECT s.id, (
    SELECT array_agg(c.member_count ORDER BY c.at DESC, c.id DESC) FROM (
      SELECT * FROM segments_calculation k WHERE k.segment_id = s.id
      ORDER BY k.at DESC, k.id DESC LIMIT %s) c) AS last
  FROM segments_segment s WHERE s.id = ANY(%s) AND s.member_count > 0),
alike AS (
  SELECT id, last FROM (SELECT id, last, count(*) OVER (PARTITION BY last) AS n FROM sizes
    WHERE cardinality(last) = %s) f WHERE n > 1)
SELECT a.last, array_agg(a.id ORDER BY a.id) AS ids FROM (
  SELECT alike.id, alike.last, count(*) AS size,
    sum(hashint8extended(m.contact_id, 1)::numeric) AS one,
    bit_xor(hashint8extended(m.contact_id, 2)) AS other
  FROM alike JOIN segments_membership m ON m.segment_id = alike.id
  GROUP BY alike.id, alike.last) a
GROUP BY a.last, a.size, a.one, a.other HAVING count(*) > 1
"""


@dataclass(frozen=True, slots=True)
class Checked:
    """What a round found: how many of each kind there are, and what is new.

    A kind that could not be looked for is missing; its findings stay as they were.
    """

    counts: dict[str, int]
    new: list[Finding]


class _Round:
    """The segments in use, and what all checks of one round read of them once."""

    def __init__(self, segments: list[Segment], as_of: datetime) -> None:
        self.segments = segments
        self.as_of = as_of

    @cached_property
    def catalog(self) -> Catalog:
        return facts.catalog_for(SYSTEM)

    @cached_property
    def trees(self) -> list[tuple[Segment, Criteria]]:
        """The criteria of those segments that have some, and that are right."""
        found = []
        for segment in self.segments:
            if segment.source != Segment.Source.CRITERIA:
                continue
            try:
                found.append((segment, facts.criteria_of(segment, catalog=self.catalog)))
            except CriteriaRefused:
                # Its refresh fails, and says so.
                continue
        return found


def check_all(*, as_of: datetime) -> Checked:
    """Look at every segment in use for everything, and keep what is found."""
    return _check(tuple(_CHECKS), as_of=as_of)


def check_late(*, as_of: datetime) -> Checked:
    """Look only for refreshes that are late: quick, and worth knowing soon."""
    return _check((Kind.LATE,), as_of=as_of)


def _check(kinds: Sequence[Kind], *, as_of: datetime) -> Checked:
    active = Segment.objects.filter(status=Segment.Status.ACTIVE).order_by("pk")
    active = active.select_related("following")
    segments = list(active.defer("criteria") if kinds == (Kind.LATE,) else active)
    look = _Round(segments, as_of)
    counts, new = dict[str, int](), list[Finding]()
    for kind in kinds:
        try:
            with transaction.atomic():
                found = list(_CHECKS[kind](look))
        except DatabaseError:
            # One that takes too long does not keep the others from being told.
            logger.exception("Segments could not be checked for %s.", kind)
            continue
        counts[str(kind)] = len(found)
        new += health.keep(found, kinds=[kind], at=as_of)
    return Checked(counts, new)


def _contradictory(look: _Round) -> Iterator[Found]:
    for segment, tree in look.trees:
        if (found := find_contradiction(tree)) is not None:
            yield health.contradictory(segment, found)


def _late(look: _Round) -> Iterator[Found]:
    as_of = look.as_of
    for segment in look.segments:
        if not segment.is_calculable:
            continue
        if segment.calculated_at is None:
            asked = segment.refresh_requested_at
            if asked is not None and as_of - asked > LATE_AFTER:
                yield Found(segment.pk, Kind.LATE)
            continue
        # One that follows its contacts is never old either, as long as somebody runs the rounds.
        follows = schedule.FALLBACK_EVERY if state.may_follow(segment) else None
        period = schedule.refresh_period(segment) or follows
        if period is not None and as_of - segment.calculated_at > period * 1.1 + LATE_AFTER:
            yield Found(segment.pk, Kind.LATE, data={"since": segment.calculated_at.isoformat()})


def _empty_fields(look: _Round) -> Iterator[Found]:
    if not Contact.objects.filter(erased_at__isnull=True).exists():
        # As long as nobody is there nothing can be said.
        return
    asked: dict[str, list[int]] = defaultdict(list)
    labels: dict[str, str] = {}
    for segment, tree in look.trees:
        for name, label in _asked_fields(tree, look.catalog):
            asked[name].append(segment.pk)
            labels[name] = label
    for name in _without_values(sorted(asked), look.catalog, look.as_of):
        for pk in asked[name]:
            yield Found(pk, Kind.EMPTY_FIELD, key=name[:200], data={"label": labels[name]})


def _asked_fields(tree: Criteria, catalog: Catalog) -> Iterator[tuple[str, str]]:
    """The fields, tags, categories and events that criteria ask for, with their labels."""
    named = references(tree)
    for name in named.contact_fields:
        yield f"contact.{name}", facts.contact_field_label(name)
    for key in named.attributes:
        yield f"attribute.{key}", catalog.attributes[key].label
    for key in named.metrics:
        yield f"metric.{key}", catalog.metrics[key].label
    for key in named.tags:
        yield f"tag:{key}", catalog.tags[key].label
    for key in named.categories:
        yield f"category:{key}", catalog.categories[key].label
    for name in named.events:
        yield f"event.{name}", catalog.event(name).label


def _without_values(names: Sequence[str], catalog: Catalog, as_of: datetime) -> Iterator[str]:
    """Those that no contact has anything for; forty in a statement."""
    for start in range(0, len(names), _FIELDS_AT_ONCE):
        some = names[start : start + _FIELDS_AT_ONCE]
        queries = [
            compile_members(facts.parse_criteria(_has(name), SYSTEM, catalog=catalog), now=as_of)
            for name in some
        ]
        asked = ", ".join(
            f"EXISTS (SELECT FROM ({query.text}) q{place}) AS f{place}"
            for place, query in enumerate(queries)
        )
        params = [param for query in queries for param in query.params]
        with sql.local_settings(_LIMIT):
            (row,) = sql.rows(f"SELECT {asked}", params)  # compiled, with parameters
        yield from (name for name, is_known in zip(some, row.values(), strict=True) if not is_known)


def _has(name: str) -> dict[str, Any]:
    """Criteria: there is a value."""
    label, _colon, key = name.partition(":")
    if label in ("tag", "category"):
        rule: dict[str, Any] = {"field": label, "operator": "in", "value": [key]}
    elif name.startswith("event."):
        rule = {"field": name, "operator": ">=", "value": 1}
    else:
        rule = {"field": name, "operator": "notNull"}
    return {"combinator": "and", "rules": [rule]}


def _duplicates(look: _Round) -> Iterator[Found]:
    alike = set[frozenset[int]]()
    for pks in _same_criteria(look):
        alike.add(frozenset(pks))
        yield from _each_other(pks, "criteria")
    ids = [segment.pk for segment in look.segments]
    with sql.local_settings(_LIMIT):
        rows = sql.rows(_SAME_MEMBERS, [_ALIKE_FROM, ids, _ALIKE_FROM])
    for row in rows:
        if not any(set(row["ids"]) <= same for same in alike):
            yield from _each_other(row["ids"], "members")


def _same_criteria(look: _Round) -> list[list[int]]:
    said: dict[str, list[int]] = defaultdict(list)
    for segment, tree in look.trees:
        said[normal_form(tree.root)].append(segment.pk)
    return [pks for pks in said.values() if len(pks) > 1]


def normal_form(node: Node) -> str:
    """The same text for criteria that say the same in another order or with needless groups."""
    if not isinstance(node, Group):
        return repr(without_paths(node))
    parts = sorted({normal_form(child) for child in node.children})
    if len(parts) == 1 and not node.negated:
        return parts[0]
    return f"{'not ' if node.negated else ''}{node.combinator}({', '.join(parts)})"


def _each_other(pks: Sequence[int], key: str) -> Iterator[Found]:
    for pk in pks:
        others = [other for other in pks if other != pk]
        yield Found(pk, Kind.DUPLICATE, key=key, data={"others": others})


def _unchanging(look: _Round) -> Iterator[Found]:
    since = look.as_of - UNCHANGING_AFTER
    again = [
        segment.pk
        for segment in look.segments
        if schedule.refresh_period(segment) is not None and segment.created_at <= since
    ]
    recent = Calculation.objects.filter(segment_id__in=again, at__gt=since)
    counted = (
        recent.order_by()
        .values("segment_id")
        .annotate(count=Count("pk"), moved=Sum("entered_count") + Sum("left_count"), last=Max("at"))
    )
    for row in counted:
        if row["count"] >= UNCHANGING_FROM and not row["moved"]:
            yield Found(row["segment_id"], Kind.UNCHANGING, data={"count": row["count"]})


def _unused(look: _Round) -> Iterator[Found]:
    since = look.as_of - UNUSED_AFTER
    old = [segment for segment in look.segments if segment.created_at <= since]
    used = used_ids(old)
    exported = Export.objects.filter(segment__in=old, created_at__gt=since)
    acted = SegmentAction.objects.filter(segment__in=old, created_at__gt=since)
    run = SegmentAction.objects.filter(segment__in=old, runs__at__gt=since)
    for rows in (exported, acted, run):
        used.update(rows.order_by().values_list("segment_id", flat=True).distinct())
    for segment in old:
        if segment.pk not in used:
            yield Found(segment.pk, Kind.UNUSED, data={"days": UNUSED_AFTER.days})


_CHECKS: dict[Kind, Callable[[_Round], Iterator[Found]]] = {
    Kind.CONTRADICTION: _contradictory,
    Kind.LATE: _late,
    Kind.EMPTY_FIELD: _empty_fields,
    Kind.DUPLICATE: _duplicates,
    Kind.UNCHANGING: _unchanging,
    Kind.UNUSED: _unused,
}
