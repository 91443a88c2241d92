"""Metrics in the API: how they are computed, and defining and changing them."""

from typing import Any

import pytest

from contacts.models import MetricDefinition
from tests.api.conftest import Program, assert_problem

pytestmark = pytest.mark.django_db
_PATH = "/api/metrics/"
_VISITS = {
    "key": "visits",
    "label": "Visits",
    "computed": {"function": "count", "event": "page_visit", "window_days": 7},
}


def _errors(body: dict[str, Any]) -> list[tuple[str, str]]:
    return [(error["path"], error["code"]) for error in body["errors"]]


def test_a_metric_says_how_it_is_computed(program: Program) -> None:
    found = program.get(f"{_PATH}order_count_30d/").json()["computed"]
    assert found == {
        **dict.fromkeys(("event", "property", "filter_property", "filter_value"), ""),
        "other_event": "",
        "ranked": "",
        "function": "count",
        "window_days": 30,
        "upload_name": "ss_ordercountlast30days",
        "said": "The number of “purchase” events of the last 30 days (of 24 hours each). Contacts"
        " without any have 0.",
        "as_of": None,
        "value_count": 0,
    }
    rank = program.get(f"{_PATH}lifetime_value_percentile/").json()["computed"]
    assert (rank["function"], rank["ranked"]) == ("percentile", "lifetime_value")
    assert program.get(f"{_PATH}age/").json()["computed"]["function"] == ""


def test_a_computed_one_is_defined_changed_and_deleted(program: Program) -> None:
    made = program.post(_PATH, _VISITS)
    assert made.status_code == 201
    body = made.json()
    assert (body["type"], body["computed"]["upload_name"]) == ("number", "ss_visits")
    changes = {"label": "Views", "computed": {"window_days": None, "event": "view"}}
    body = program.patch(f"{_PATH}visits/", changes).json()
    assert body["label"] == "Views"
    found = body["computed"]
    assert (found["function"], found["event"], found["window_days"]) == ("count", "view", None)
    assert program.delete(f"{_PATH}visits/").status_code == 204
    assert not MetricDefinition.objects.filter(key="visits").exists()


def test_the_type_follows_from_the_function(program: Program) -> None:
    computed = {"function": "last_date", "upload_name": "last_seen"}
    body = program.post(_PATH, {"key": "last", "label": "L", "computed": computed}).json()
    assert (body["type"], body["computed"]["upload_name"]) == ("date", "last_seen")
    wrong = {**_VISITS, "type": "text"}
    assert _errors(assert_problem(program.post(_PATH, wrong), 400)) == [("type", "wrong_type")]


@pytest.mark.parametrize(
    ("computed", "path"),
    [
        ({"function": "median"}, "computed.function"),
        ({}, "computed.function"),
        ({"function": "sum", "event": "sale"}, "computed.property"),
        ({"function": "share"}, "computed.other_event"),
        ({"function": "percentile", "ranked": "none"}, "computed.ranked"),
        ({"function": "count", "window_days": 0}, "computed.window_days"),
        ({"function": "count", "upload_name": "ss_age"}, "computed.upload_name"),
        ({"function": "count", "said": "x"}, "computed.said"),
    ],
)
def test_a_fault_is_named_by_its_place(
    program: Program, computed: dict[str, Any], path: str
) -> None:
    body = assert_problem(program.post(_PATH, {**_VISITS, "computed": computed}), 400)
    assert [error["path"] for error in body["errors"]] == [path]


def test_a_key_that_is_taken_is_told(program: Program) -> None:
    body = assert_problem(program.post(_PATH, {**_VISITS, "key": "age"}), 400)
    assert ("key", "unique") in _errors(body)


def test_what_others_write_is_not_computed_by_a_change(program: Program) -> None:
    program.post(_PATH, {"key": "ours", "label": "Ours"})
    body = assert_problem(program.patch(f"{_PATH}ours/", {"computed": {"function": "count"}}), 400)
    assert _errors(body) == [("computed.function", "not_computed")]
