"""Segments ask for what Regulars computes: numbers, days and texts, also those of one's own."""

from typing import Any

import pytest

from contacts import computed_metrics
from contacts.definitions import Kind, delete_definition
from contacts.errors import DefinitionInUse
from contacts.events import IncomingEvent, record_events
from contacts.formulas import Formula, Function
from contacts.metric_definitions import define_metric
from tests.factories import make_contact
from tests.segments.factories import DAY, NOW, make_segment, member_ids, refresh
from workspace.access import SYSTEM

pytestmark = pytest.mark.django_db
_DAYS = {"amount": 60, "unit": "day"}


def _asks(*rules: tuple[str, str, Any]) -> dict[str, Any]:
    return {
        "combinator": "and",
        "rules": [
            {"field": f"metric.{key}", "operator": operator, "value": value}
            for key, operator, value in rules
        ],
    }


@pytest.mark.parametrize(
    ("rules", "names"),
    [
        ([("order_count_30d", ">=", 1), ("lifetime_value_percentile", ">=", 90)], {"anna"}),
        ([("last_order_at", "inLast", _DAYS)], {"anna"}),
        ([("last_order_at", "notInLast", _DAYS)], {"ben", "carl"}),
        ([("last_order_at", "<", "2025-12-31")], {"ben"}),
        ([("first_order_at", "null", None)], {"carl"}),
        ([("days_since_last_order", "between", [99, 101])], {"ben"}),
        ([("most_bought_category", "=", "tea")], {"anna"}),
        ([("most_bought_category", "in", ["tea", "cups"])], {"anna", "ben"}),
        ([("order_count", "=", 0), ("visits", ">=", 2)], {"carl"}),
    ],
)
def test_a_segment_asks_for_computed_metrics(
    rules: list[tuple[str, str, Any]], names: set[str]
) -> None:
    people = {name: make_contact(first_name=name).pk for name in ("anna", "ben", "carl")}
    told = [
        ("anna", "purchase", DAY, {"amount": 90, "category": "tea"}),
        ("ben", "purchase", 100 * DAY, {"amount": 10, "products": [{"category": "cups"}]}),
        ("carl", "page_visit", DAY, {}),
        ("carl", "page_visit", 2 * DAY, {}),
    ]
    record_events(
        [IncomingEvent(people[who], name, NOW - ago, given) for who, name, ago, given in told],
        received_at=NOW,
    )
    visits = Formula(Function.COUNT, "page_visit")
    define_metric(key="visits", label="Visits", formula=visits, actor=SYSTEM, at=NOW)
    computed_metrics.compute(as_of=NOW)
    segment = make_segment("asked", _asks(*rules))
    refresh(segment)
    assert member_ids(segment) == {people[name] for name in names}


def test_a_metric_that_a_segment_asks_for_is_not_deleted() -> None:
    visits = Formula(Function.COUNT, "page_visit")
    define_metric(key="visits", label="Visits", formula=visits, actor=SYSTEM, at=NOW)
    make_segment("asked", _asks(("visits", ">", 3)), name="Visitors")
    with pytest.raises(DefinitionInUse, match="Visitors ask for it"):
        delete_definition(Kind.METRIC, "visits", actor=SYSTEM, at=NOW)
