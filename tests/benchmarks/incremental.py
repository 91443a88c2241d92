"""Contacts that changed and time that went by, beside asking every segment by itself.

No other engine takes part, so none has to be installed.
"""

import random
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import django
import numpy as np
from django.db import connection

from segments import membership
from segments.criteria import (
    Criteria,
    Query,
    Vector,
    compile_count,
    compile_members,
    parse,
    prepare_clock,
    prepare_vector,
    topics,
)
from segments.facts import catalog_for, zone
from workspace import sql
from workspace.access import SYSTEM

from . import product
from .bench_workspace import Size, fill
from .clock import alternating_medians, median_seconds, seconds
from .questions import AS_OF, mixed_questions
from .report import Ratio, Report, milliseconds

_DAY = timedelta(days=1)
# How many contacts; how often; the row of the table of targets, and the least ratio.
_CHANGED = ((1, 31, "9", 10.0), (1_000, 5, "10", 20.0), (10_000, 3, "–", None))
_STRETCHES = {
    "1 s": timedelta(seconds=1),
    "1 min": timedelta(minutes=1),
    "1 h": timedelta(hours=1),
    "1 day": _DAY,
}
_BLOCK = 10_000

Trees = Mapping[int, Criteria]
Pairs = set[tuple[int, int]]


def run(size: Size, place: Path, runs: int, *, writes: bool) -> int:
    """Make or find the workspace and measure; returns 1 where the two ways differ."""
    fill(size, place)
    segments = product.make_segments(mixed_questions())
    catalog = catalog_for(SYSTEM)
    trees = {
        segments[question.name].pk: parse(question.document, catalog, zone())
        for question in mixed_questions()
    }
    # Who is a member is known as of the day before the one whose passing is measured.
    for segment_id in trees:
        membership.refresh(segment_id, as_of=AS_OF - _DAY, cause="benchmark", catalog=catalog)
    product.tidy()
    versions = [f"PostgreSQL {sql.one('SHOW server_version')}", f"Django {django.__version__}"]
    title = f"{size.contact_count:,} contacts, {size.event_count:,} events: what changed"
    report = Report(title, versions, has_targets=size.name == "1m")
    differing = _changed(trees, size, report) + _ticks(trees, report, runs)
    report.finish()
    if writes and not differing:
        report.write()
    connection.close()
    return 1 if differing else 0


def _changed(trees: Trees, size: Size, report: Report) -> int:
    """All segments about a few contacts: one statement for each, and one for all."""
    chance = random.Random(7)
    taken = seconds(partial(prepare_vector, trees))
    vector = prepare_vector(trees)
    after_purchase = _looking_at(trees, "purchase")
    rows: list[Iterable[object]] = []
    differing = 0
    for count, runs, number, target in _CHANGED:
        ids = sorted(chance.sample(range(1, size.contact_count + 1), count))
        if _each_alone(trees, ids) != _at_once(vector, ids):
            differing += 1
        alone, together, fewer = alternating_medians(
            [
                partial(_each_alone, trees, ids),
                partial(_at_once, vector, ids),
                partial(_at_once, after_purchase, ids),
            ],
            runs=runs,
        )
        ratio = alone / together
        rows.append(
            (
                f"{count:,}",
                *map(milliseconds, (alone, together)),
                f"{ratio:.1f}",
                milliseconds(fewer),
            )
        )
        if target is not None:
            name = f"100 segments × {count:,} contacts: a statement for each / the vector"
            report.ratios.append(Ratio(number, name, ratio, target, is_ceiling=False))
    filling = median_seconds(partial(vector.at, now=AS_OF, among=[1]), runs=31)
    report.add_table(
        "100 segments about contacts that changed (ms;"
        f" the vector is made in {milliseconds(taken)} and filled in in {milliseconds(filling)})",
        ("contacts", "a statement for each", "the vector", "ratio", "those that look at purchases"),
        rows,
    )
    return differing


def _ticks(trees: Trees, report: Report, runs: int) -> int:
    """Time alone, up to now: who is looked for and asked, beside asking everyone everything."""
    vector = prepare_vector(trees)
    clocks = {early: prepare_clock(trees, only_early=early) for early in (False, True)}
    full = median_seconds(partial(_count_everyone, trees), runs=1)
    rows: list[Iterable[object]] = []
    differing = 0
    for name, stretch in _STRETCHES.items():
        cells: list[object] = [name]
        for early, clock in clocks.items():
            query = clock.between(AS_OF - stretch, AS_OF).query
            if query is None:
                raise AssertionError("Nothing in the mix turns by time.")
            pairs = _pairs(query)
            if stretch == _DAY and not early:
                turned = _turned(trees)
                differing += bool(turned - pairs)
                name = f"{name}, {len(turned):,} turned"
            contacts = sorted({contact_id for _, contact_id in pairs})
            looking = median_seconds(partial(_pairs, query), runs=runs)
            asking = median_seconds(partial(_in_blocks, vector, contacts), runs=min(runs, 3))
            cells += [f"{len(contacts):,}", milliseconds(looking), milliseconds(asking)]
            if early:
                cells += [milliseconds(full), f"{full / (looking + asking):.1f}"]
        rows.append((name, *cells[1:]))
    report.add_table(
        "100 segments and time alone (ms)",
        (
            *("", "contacts", "look for", "ask"),
            *("events not known on arrival", "look for", "ask", "ask everyone", "ratio"),
        ),
        rows,
    )
    return differing


def _looking_at(trees: Trees, event: str) -> Vector:
    """The segments that have to be asked when somebody did something."""
    topic = f"event:{catalog_for(SYSTEM).event(event).id}"
    return prepare_vector({key: tree for key, tree in trees.items() if topic in topics(tree)})


def _each_alone(trees: Trees, ids: Sequence[int]) -> Pairs:
    return {
        (segment_id, contact_id)
        for segment_id, tree in trees.items()
        for (contact_id,) in _ask(compile_members(tree, now=AS_OF, among=ids))
    }


def _at_once(vector: Vector, ids: Sequence[int]) -> Pairs:
    return {
        (segment_id, contact_id)
        for contact_id, held in _ask(vector.at(now=AS_OF, among=ids))
        for segment_id in held
    }


def _in_blocks(vector: Vector, ids: Sequence[int]) -> None:
    for begin in range(0, len(ids), _BLOCK):
        _at_once(vector, ids[begin : begin + _BLOCK])


def _count_everyone(trees: Trees) -> None:
    for tree in trees.values():
        _ask(compile_count(tree, now=AS_OF))


def _turned(trees: Trees) -> Pairs:
    """Who is in a segment now and was not a day ago, or the other way round."""
    found: Pairs = set()
    for segment_id, tree in trees.items():
        before, now = (
            np.array([row[0] for row in _ask(compile_members(tree, now=at))], dtype=np.int64)
            for at in (AS_OF - _DAY, AS_OF)
        )
        found.update((segment_id, int(number)) for number in np.setxor1d(before, now))
    return found


def _pairs(query: Query) -> Pairs:
    return {(segment_id, contact_id) for segment_id, contact_id in _ask(query)}


def _ask(query: Query) -> list[tuple[Any, ...]]:
    with sql.local_settings(query.settings):
        return sql.lists(query.text, query.params)
