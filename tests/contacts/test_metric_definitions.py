"""Metrics that people define: what is refused, what is told, and what goes with a deletion."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from contacts import computed_metrics, jobs
from contacts.definitions import Kind, delete_definition
from contacts.errors import DefinitionInUse, DefinitionInvalid, DefinitionUnknown
from contacts.events import IncomingEvent, record_events
from contacts.formulas import Formula, Function
from contacts.metric_definitions import change_metric, define_metric, preview
from contacts.metrics import values_of
from contacts.models import ComputedMetric, MetricDefinition, MetricValue
from contacts.orders import orders
from tests.factories import DAY, NOW, make_contact, make_metric
from workspace.access import SYSTEM
from workspace.models import AuditEntry, Job

pytestmark = pytest.mark.django_db
_ADMIN: dict[str, Any] = {"actor": SYSTEM, "at": NOW}


def _define(key: str = "visits", **given: Any) -> MetricDefinition:
    formula = given.pop("formula", Formula(Function.COUNT, "page_visit", window_days=7))
    return define_metric(key=key, label=key.title(), formula=formula, **given, **_ADMIN)


def _tell(contact_id: int, name: str, at: Any = NOW, **properties: Any) -> None:
    record_events([IncomingEvent(contact_id, name, at, properties)], received_at=NOW)


def _said(key: str) -> str:
    found = {one.metric.key: one for one in computed_metrics.computed_metrics()}
    return computed_metrics.how_computed(found[key], orders())


def test_a_metric_that_somebody_defines_is_computed_like_the_others() -> None:
    anna, ben = make_contact().pk, make_contact().pk
    for at in (NOW, NOW - 7 * DAY):
        _tell(anna, "page_visit", at)
    _define()
    computed_metrics.compute(as_of=NOW)
    assert (values_of(anna)["visits"], values_of(ben)["visits"]) == (1, 0)
    assert _said("visits") == (
        "The number of “page_visit” events of the last 7 days (of 24 hours each). Contacts without"
        " any have 0."
    )
    assert ComputedMetric.objects.get(metric__key="visits").upload_name == "ss_visits"
    assert Job.objects.get(kind=jobs.METRICS_JOB).arguments == {"keys": ["visits"]}


def test_the_trail_tells_of_the_formula() -> None:
    _define(formula=Formula(Function.SUM, " sale ", " total.gross ", 30, "channel", "web"))
    told = AuditEntry.objects.get(action="metric.formula_defined").changes
    assert {name: change[1] for name, change in told.items()} == {
        "function": "sum",
        "event_name": "sale",
        "value_property": "total.gross",
        "window_days": 30,
        "filter_property": "channel",
        "filter_value": "web",
        "upload_name": "ss_visits",
    }
    assert _said("visits") == (
        "The sum of “total.gross” over all “sale” events whose “channel” is “web” of the last 30"
        " days (of 24 hours each). An event without a number there adds nothing; contacts without"
        " events have 0."
    )


@pytest.mark.parametrize(
    ("formula", "paths"),
    [
        (Formula("median"), ["function"]),
        (Formula("sum", "sale"), ["value_property"]),
        (Formula("most_frequent", "sale"), ["value_property"]),
        (Formula("most_frequent", "sale", "a,,b"), ["value_property"]),
        (Formula("sum", "sale", "a, b"), []),
        (Formula("sum", "sale", "a..b"), ["value_property"]),
        (Formula("count", "sale", "a"), ["value_property"]),
        (Formula("count", "x" * 201), ["event_name"]),
        (Formula("count", "a\0"), ["event_name"]),
        (Formula("count", window_days=0), ["window_days"]),
        (Formula("count", window_days=36_501), ["window_days"]),
        (Formula("count", filter_property="channel"), ["filter_value"]),
        (Formula("count", filter_value="web"), ["filter_property"]),
        (Formula("count", filter_property=".", filter_value="web"), ["filter_property"]),
        (Formula("count", filter_property="a", filter_value="w" * 601), ["filter_value"]),
        (Formula("count", other_event_name="return"), ["other_event_name"]),
        (Formula("share"), ["other_event_name"]),
        (Formula("share", filter_property="channel", filter_value="web"), []),
        (Formula("count", ranked_key="lifetime_value"), ["ranked_key"]),
        (Formula("percentile"), ["ranked_key"]),
        (Formula("percentile", ranked_key="none"), ["ranked_key"]),
        (Formula("percentile", ranked_key="written"), ["ranked_key"]),
        (Formula("percentile", ranked_key="last_order_at"), ["ranked_key"]),
        (Formula("percentile", ranked_key="lifetime_value_percentile"), ["ranked_key"]),
        (
            Formula("percentile", "sale", "", 7, "a", "b", ranked_key="age"),
            ["window_days", "filter_property", "event_name"],
        ),
    ],
)
def test_what_cannot_be_computed_is_told(formula: Formula, paths: list[str]) -> None:
    make_metric("written")
    if not paths:
        assert _define(formula=formula).is_computed
        return
    with pytest.raises(DefinitionInvalid) as refused:
        _define(formula=formula)
    assert [problem.path for problem in refused.value.problems] == paths
    assert not MetricDefinition.objects.filter(key="visits").exists()


def test_every_fault_is_told_at_once() -> None:
    with pytest.raises(DefinitionInvalid) as refused:
        define_metric(key="", label="", formula=Formula("share"), upload_name="2nd", **_ADMIN)
    paths = {problem.path for problem in refused.value.problems}
    assert paths == {"key", "label", "other_event_name", "upload_name"}


@pytest.mark.parametrize("name", ["ss_age", "1st", "ss visits", "s", "x" * 101])
def test_a_name_in_uploads_is_unique_and_plain(name: str) -> None:
    with pytest.raises(DefinitionInvalid) as refused:
        _define(upload_name=name)
    assert [problem.path for problem in refused.value.problems] == ["upload_name"]


def test_a_changed_formula_is_computed_anew_and_told() -> None:
    _define()
    Job.objects.all().delete()
    values = {"label": "Visits in a month"}
    month = Formula(Function.COUNT, "page_visit", window_days=30)
    change_metric("visits", values=values, formula=month, upload_name="visits_30d", **_ADMIN)
    computed = ComputedMetric.objects.get(metric__key="visits")
    assert (computed.window_days, computed.upload_name) == (30, "visits_30d")
    assert computed.metric.label == "Visits in a month"
    entry = AuditEntry.objects.get(action="metric.formula_changed")
    assert entry.changes == {
        "window_days": [7, 30],
        "upload_name": ["ss_visits", "visits_30d"],
    }
    assert Job.objects.get().arguments == {"keys": ["visits"]}
    change_metric("visits", values={}, formula=month, **_ADMIN)
    assert AuditEntry.objects.filter(action="metric.formula_changed").count() == 1


def test_a_rank_follows_what_it_ranks() -> None:
    _define()
    _define("visits_rank", formula=Formula(Function.PERCENTILE, ranked_key="visits"))
    Job.objects.all().delete()
    change_metric("visits", values={}, formula=Formula(Function.COUNT, "view"), **_ADMIN)
    assert Job.objects.get().arguments == {"keys": ["visits", "visits_rank"]}
    assert "at least one “view” event" in _said("visits_rank")
    with pytest.raises(DefinitionInUse, match="“Visits_Rank” ranks by it"):
        delete_definition(Kind.METRIC, "visits", **_ADMIN)


@pytest.mark.parametrize(
    ("key", "formula", "path"),
    [
        ("visits", Formula(Function.LAST_DATE), "function"),
        ("visits", Formula(Function.PERCENTILE, ranked_key="visits"), "ranked_key"),
        ("visits", Formula(Function.PERCENTILE, ranked_key="age"), "function"),
        ("age", Formula(Function.COUNT), "function"),
        ("written", Formula(Function.COUNT), "function"),
    ],
)
def test_what_cannot_become_of_a_metric_is_told(key: str, formula: Formula, path: str) -> None:
    _define()
    _define("rank", formula=Formula(Function.PERCENTILE, ranked_key="visits"))
    make_metric("written")
    with pytest.raises(DefinitionInvalid) as refused:
        change_metric(key, values={}, formula=formula, **_ADMIN)
    assert [problem.path for problem in refused.value.problems] == [path]


def test_what_is_not_there_cannot_be_changed() -> None:
    with pytest.raises(DefinitionUnknown):
        change_metric("none", values={}, formula=Formula(Function.COUNT), **_ADMIN)


def test_what_was_computed_goes_with_its_metric() -> None:
    make_contact()
    _define()
    computed_metrics.compute(as_of=NOW, keys=["visits"])
    assert MetricValue.objects.filter(metric__key="visits").count() == 1
    delete_definition(Kind.METRIC, "visits", **_ADMIN)
    assert not MetricDefinition.objects.filter(key="visits").exists()
    assert not MetricValue.objects.exists()


def test_those_that_come_with_the_product_may_be_changed_and_not_deleted() -> None:
    anna = make_contact().pk
    for name in ("return", "purchase", "purchase"):
        _tell(anna, name)
    returns = Formula(Function.SHARE, other_event_name="return")
    change_metric("return_rate", values={}, formula=returns, **_ADMIN)
    computed_metrics.compute(as_of=NOW, keys=["return_rate"])
    assert values_of(anna) == {"return_rate": 50}
    with pytest.raises(DefinitionInUse, match="Regulars computes it"):
        delete_definition(Kind.METRIC, "return_rate", **_ADMIN)


def test_a_preview_says_of_how_many_and_how_spread() -> None:
    people = [make_contact().pk for _number in range(4)]
    for place, person in enumerate(people[:3]):
        _tell(person, "purchase", NOW - place * DAY, amount=place * 10, category="tea")
    spent = preview(Formula(Function.AVERAGE), as_of=NOW)
    assert (spent.value_count, spent.low, spent.high, spent.mean) == (3, 0, 20, Decimal(10))
    assert sum(step["count"] for step in spent.steps) == 3
    days = preview(Formula(Function.LAST_DATE), as_of=NOW)
    assert (days.low, days.high, days.mean) == (date(2026, 2, 28), date(2026, 3, 2), None)
    assert [(step["from"], step["count"]) for step in days.steps] == [
        ("2026-02-28", 1),
        ("2026-03-01", 1),
        ("2026-03-02", 1),
    ]
    category = preview(Formula(Function.MOST_FREQUENT), as_of=NOW)
    assert category.steps == [{"from": "tea", "to": "tea", "count": 3}]
    ranks = preview(Formula(Function.PERCENTILE, ranked_key="order_count"), as_of=NOW)
    assert (ranks.value_count, ranks.low) == (3, 0)
    assert not MetricValue.objects.exists(), "nothing was kept"
    with pytest.raises(DefinitionInvalid):
        preview(Formula(Function.SHARE), as_of=NOW)
