"""What is measured, part by part. Members are compared first: a time of others is not a time."""

import argparse
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import django
import numpy as np
from django.db import connection

from segments.criteria import Catalog
from segments.facts import catalog_for
from segments.models import Segment
from workspace import sql
from workspace.access import SYSTEM

from . import product
from .bench_workspace import Size, fill, forget, with_ids
from .clock import alternating_medians, median_seconds, seconds
from .engines import ClickHouse, DuckDB, Engine, columnar_engines
from .questions import Question, mixed_questions, named_questions
from .report import Ratio, Report, milliseconds

Engines = tuple[DuckDB, ClickHouse]
Work = Callable[[], object]

# Row of the table of targets, and what our time may be of DuckDB's.
_TARGETS = {
    "Q1": ("1", 1.0),
    "Q2": ("1", 1.0),
    "Q7": ("1", 1.0),
    "Q3": ("2", 2.0),
    "Q4": ("3", 3.0),
    "Q8": ("3", 3.0),
    "Q5": ("4", 1.5),
    "Q6": ("5", 2.5),
}
# What a person in front of the builder does not feel.
_PREVIEW_MAY_ADD_SECONDS = 0.05


def run(size: Size, place: Path, options: argparse.Namespace) -> int:
    """Make or find the workspace, measure what `options` name; returns the exit code."""
    fill(size, place)
    if options.explain:
        question = next(q for q in named_questions() if q.name.lower() == options.explain.lower())
        product.make_segments([question])
        _say(product.explained(question))
        return 0
    parts = ("documents", "preview", "mix", "refresh", "insights", "imports", "ingest", "actions")
    wanted = {name: getattr(options, name) for name in parts}
    if not any(wanted.values()):
        wanted = dict.fromkeys(wanted, True)
    with columnar_engines(place) as engines:
        server = sql.one("SHOW server_version")
        versions = [
            f"PostgreSQL {server}",
            f"Django {django.__version__}",
            *(engine.name for engine in engines),
        ]
        title = f"{size.contact_count:,} contacts, {size.event_count:,} events"
        report = Report(title, versions, has_targets=size.name == "1m")
        differing = 0
        if wanted["documents"]:
            differing += _documents(engines, report, options.runs)
        if wanted["preview"]:
            _previews(report, options.runs)
        if wanted["mix"]:
            differing += _mix(engines, report)
        if wanted["refresh"]:
            _refreshes(report, options.runs)
        if wanted["insights"]:
            from . import insights

            insights.measure_insights(report, options.runs)
    if wanted["imports"] or wanted["ingest"] or wanted["actions"]:
        # What comes in changes the workspace, so the next run makes it anew.
        forget(place)
        from . import acting, arrivals
    if wanted["actions"]:
        acting.measure_actions(report)
    if wanted["ingest"]:
        arrivals.measure_ingestion(report)
    if wanted["imports"]:
        arrivals.measure_import(report, size, place)
    report.finish()
    if options.write and not differing:
        report.write()
    connection.close()
    return 1 if differing else 0


def _documents(engines: Engines, report: Report, runs: int) -> int:
    """The ten documents: counted by all engines, and refreshed by ours."""
    questions = named_questions()
    segments = product.make_segments(questions)
    catalog = catalog_for(SYSTEM)
    duck, house = engines
    rows, differing = [], 0
    for question in questions:
        first = seconds(partial(product.refresh, segments[question.name]))
        found, is_same = _compare(question, segments, engines)
        differing += not is_same
        text = with_ids(question.columnar)
        works: list[Work] = [
            partial(product.count, question, catalog),
            partial(duck.count, text),
            partial(house.count, text),
            partial(product.refresh, segments[question.name]),
        ]
        ours, ducks, houses, again = alternating_medians(works, runs=runs)
        duck.by_time(True)
        sorted_ducks = median_seconds(partial(duck.count, text), runs=runs)
        duck.by_time(False)
        rows.append(
            (
                question.name,
                f"{found:,}" if is_same else "DIFFER",
                *map(milliseconds, (ours, ducks, sorted_ducks, houses)),
                f"{ours / ducks:.2f}",
                milliseconds(first),
                milliseconds(again),
            )
        )
        if question.name in _TARGETS:
            row, target = _TARGETS[question.name]
            report.ratios.append(
                Ratio(row, f"{question.name} / {duck.name.split()[0]}", ours / ducks, target)
            )
    header = (
        *("", "members", "ours", "DuckDB", "DuckDB by time", "chdb", "ours / DuckDB"),
        *("first fill", "refresh"),
    )
    report.add_table("The ten documents (ms)", header, rows)
    correlated = [
        ("Q3", lambda: product.correlated_purchases(3, 30, 50)),
        ("Q6", lambda: product.correlated_spending(500, 90, 14)),
    ]
    named = {question.name: question for question in questions}
    rows = []
    for name, ask in correlated:
        # Once: it is long, and being right is what matters of it.
        slow = seconds(ask)
        quick = median_seconds(partial(product.count, named[name], catalog), runs=runs)
        rows.append((name, milliseconds(slow), milliseconds(quick), f"{slow / quick:.0f}"))
        report.ratios.append(
            Ratio("8", f"ORM-style correlated / compiled, {name}", slow / quick, 30, False)
        )
    report.add_table("Correlated subqueries (ms)", ("", "correlated", "ours", "ratio"), rows)
    return differing


def _previews(report: Report, runs: int) -> None:
    """What the criteria builder waits for, beside the count that it asks for."""
    questions = named_questions()
    product.make_segments(questions)
    catalog = catalog_for(SYSTEM)
    rows, most = [], 0.0
    for question in questions:
        works: list[Work] = [
            partial(product.count, question, catalog),
            partial(product.preview, question),
        ]
        counted, previewed = alternating_medians(works, runs=runs)
        added = previewed - counted
        most = max(most, added)
        rows.append((question.name, *map(milliseconds, (counted, previewed, added))))
    report.add_table("Previews (ms)", ("", "count", "preview", "added"), rows)
    title = "what a preview adds to its count, the most of the ten / 50 ms"
    report.ratios.append(Ratio("–", title, most / _PREVIEW_MAY_ADD_SECONDS, 1))


def _mix(engines: Engines, report: Report) -> int:
    """A hundred segments one after the other: all engines, our refresh, plain set operations."""
    questions = mixed_questions()
    segments = product.make_segments(questions)
    catalog = catalog_for(SYSTEM)
    first = seconds(partial(_refresh_all, [segments[question.name] for question in questions]))
    product.tidy()
    differing, members = 0, 0
    for question in questions:
        found, is_same = _compare(question, segments, engines)
        differing += not is_same
        members += found
    texts = [with_ids(question.columnar) for question in questions]
    duck, house = engines
    turns: list[Work] = [
        partial(_ask_all, questions, catalog),
        partial(_count_all, duck, texts),
        partial(_count_all, house, texts),
        partial(_refresh_all, [segments[question.name] for question in questions]),
    ]
    ours, duck_seconds, house_seconds, again = alternating_medians(turns, runs=3)
    plain = [with_ids(question.set_operations) for question in questions]
    for question, text in zip(questions, plain, strict=True):
        if product.count_set_operations(text) != product.count(question, catalog):
            _say(f"{question.name}: the set operations give other members.")
            differing += 1
    straight = median_seconds(lambda: [product.count_set_operations(t) for t in plain], runs=1)
    forms: dict[str, list[float]] = {}
    for question, text in zip(questions, texts, strict=True):
        works: list[Work] = [
            partial(product.count, question, catalog),
            partial(duck.count, text),
        ]
        sums = forms.setdefault(question.name.split(".")[0], [0.0, 0.0])
        for place, taken in enumerate(alternating_medians(works, runs=3)):
            sums[place] += taken
    report.add_table(
        f"The mix of 100 segments, {members:,} members (ms)",
        ("ours", "DuckDB", "chdb", "set operations", "first fill", "refresh"),
        [map(milliseconds, (ours, duck_seconds, house_seconds, straight, first, again))],
    )
    report.add_table(
        "The mix by form (ms)",
        ("", "ours", "DuckDB", "ratio"),
        [
            (form, milliseconds(mine), milliseconds(theirs), f"{mine / theirs:.2f}")
            for form, (mine, theirs) in forms.items()
        ],
    )
    report.ratios.append(Ratio("6", "100 mixed segments / DuckDB", ours / duck_seconds, 3.5))
    report.ratios.append(Ratio("7", "compiled / set operations, 100", ours / straight, 0.5))
    return differing


def _refreshes(report: Report, runs: int) -> None:
    """A difference of 1 % written, beside replacing all members."""
    rows = []
    # Lead scores that about a tenth and a half of all contacts exceed.
    for score in (34, 10):
        name = f"score{score}"
        document = {
            "combinator": "and",
            "rules": [{"field": "contact.lead_score", "operator": ">", "value": score}],
        }
        segment = product.make_segments([Question(name, document, "", "")])[name]
        product.refresh(segment)
        segment.refresh_from_db()
        taken = []
        for _ in range(runs):
            product.churn(segment, 0.01)
            product.tidy()
            taken.append(seconds(partial(product.refresh, segment)))
        difference = float(np.median(taken))
        taken = []
        for _ in range(3):
            taken.append(seconds(partial(product.replace_members, segment)))
            product.tidy()
        replacement = float(np.median(taken))
        ratio = replacement / difference
        rows.append(
            (
                f"{segment.member_count:,}",
                milliseconds(replacement),
                milliseconds(difference),
                f"{ratio:.1f}",
            )
        )
        title = f"replacement / difference of 1 %, {segment.member_count:,} members"
        report.ratios.append(Ratio("13", title, ratio, 6, False))
    report.add_table(
        "Writing members (ms)", ("members", "replacement", "difference", "ratio"), rows
    )


def _compare(
    question: Question, segments: dict[str, Segment], engines: Engines
) -> tuple[int, bool]:
    """How many the product has written, and whether every engine names the same contacts."""
    written = product.written_members(segments[question.name])
    is_same = np.array_equal(written, product.members(question))
    for engine in engines:
        theirs = engine.members(with_ids(question.columnar))
        if not np.array_equal(written, theirs):
            is_same = False
            more, fewer = len(np.setdiff1d(written, theirs)), len(np.setdiff1d(theirs, written))
            _say(f"{question.name}: we have {more} that {engine.name} lacks, and lack {fewer}.")
    return len(written), bool(is_same)


def _ask_all(questions: list[Question], catalog: Catalog) -> None:
    for question in questions:
        product.count(question, catalog)


def _refresh_all(segments: list[Segment]) -> None:
    for segment in segments:
        product.refresh(segment)


def _count_all(engine: Engine, texts: list[str]) -> None:
    for text in texts:
        engine.count(text)


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
