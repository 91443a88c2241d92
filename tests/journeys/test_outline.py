"""A drawing as an indented list, and the drawings that a new journey may begin with."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from journeys.drawing.known import Known
from journeys.drawing.plan import make_plan
from journeys.drawing.syntax import read
from journeys.drawing.validate import validate
from journeys.outline import outline_of
from journeys.starting_points import STARTING_POINTS, StartingPoint, find_starting_point
from tests.journeys.drawings import drawing, edge, french, node

_ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(["", "a", "b", "wait", "next"]),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.sampled_from(["id", "kind", "x"]), inner, max_size=2)
    ),
    max_leaves=3,
)
_IDS = st.sampled_from(["a", "b", "c", "d"])
_FORMS = st.fixed_dictionaries(
    {},
    optional={
        "name": st.just("next") | _ANY_JSON,
        "time": _ANY_JSON
        | st.dictionaries(st.sampled_from(["from", "to", "days", "zone"]), _ANY_JSON),
        "date": _ANY_JSON | st.dictionaries(st.sampled_from(["from", "to"]), _ANY_JSON),
        "cap": _ANY_JSON | st.dictionaries(st.sampled_from(["limit", "per"]), _ANY_JSON),
    },
)
_NODES = st.fixed_dictionaries(
    {"id": _IDS | _ANY_JSON, "kind": st.just("condition") | _ANY_JSON, "label": _ANY_JSON},
    optional={"config": st.fixed_dictionaries({"paths": st.lists(_FORMS, max_size=2)}) | _ANY_JSON},
)
_EDGES = st.fixed_dictionaries({"from": _IDS, "to": _IDS, "outcome": _ANY_JSON})
_DRAWINGS = _ANY_JSON | st.fixed_dictionaries(
    {
        "nodes": st.lists(_NODES | _ANY_JSON, max_size=5),
        "edges": st.lists(_EDGES | _ANY_JSON, max_size=6) | _ANY_JSON,
    }
)


def test_the_use_case_is_read_from_top_to_bottom_and_paths_join_by_name() -> None:
    lines = [(line.depth, line.way, line.node, line.is_again) for line in outline_of(french())]
    assert lines == [
        (0, "", "start", False),
        (0, "", "first", False),
        (1, "", "push_opened", False),
        (1, "", "bought", False),
        (1, "", "thanks", False),
        (1, "", "email_opened", False),
        (2, "on timeout", "follow_up", False),
        (2, "", "bought", True),
        (2, "", "bought", True),
    ]


def test_what_no_way_leads_to_stands_in_it_too() -> None:
    alone = drawing(node("in", "event_entry"), node("alone", "end"), node("x", "teleport"))
    assert [line.node for line in outline_of(alone)] == ["in", "alone", "x"]
    circle = drawing(node("a", "wait"), node("b", "wait"), edge("a", "b"), edge("b", "a"))
    assert [line.node for line in outline_of(circle)] == ["a", "b", "a"]


def test_a_path_of_a_condition_says_when_it_is_open() -> None:
    forms: list[dict[str, Any]] = [
        {"time": {"from": "09:00", "to": "17:00", "days": ["tue", "mon"], "zone": "contact"}},
        {"time": {"from": "18:00", "zone": "Asia/Tokyo"}},
        {"time": {"to": "06:00", "zone": "journey"}},
        {"date": {"from": "2026-12-01", "to": "2026-12-24"}},
        {"date": {"to": "soon"}},
        {"cap": {"limit": 1000}},
        {"cap": {"limit": 50, "per": "day"}},
        {"criteria": {"combinator": "and", "rules": []}},
        {"time": 7, "cap": []},
    ]
    paths = [{"name": f"way_{number}", **form} for number, form in enumerate(forms)]
    ends = [node(f"end_{number}", "end") for number in range(len(forms))]
    ways = [edge("which", f"end_{number}", f"way_{number}") for number in range(len(forms))]
    which = drawing(node("which", "condition", paths=paths), *ends, *ways)
    assert [line.when for line in outline_of(which)[1:]] == [
        "Mon, Tue, 09:00–17:00, by the contact's clock",
        "from 18:00, Asia/Tokyo",
        "until 06:00",
        "1 Dec 2026 – 24 Dec 2026",
        "until soon",
        "at most 1000",
        "at most 50 a day",
        "",
        "",
    ]


@given(_DRAWINGS)
def test_any_document_is_read_and_each_activity_stands_in_it_once(document: Any) -> None:
    lines = outline_of(document)
    first = [line.node for line in lines if not line.is_again]
    assert len(first) == len(set(first))
    nodes = document.get("nodes") if isinstance(document, dict) else None
    ids = {
        one["id"]
        for one in (nodes if isinstance(nodes, list) else ())
        if isinstance(one, dict) and isinstance(one.get("id"), str) and one["id"]
    }
    assert set(first) == ids


@pytest.mark.parametrize("point", STARTING_POINTS, ids=lambda point: str(point.key))
def test_a_starting_point_lacks_only_what_is_of_the_workspace(point: StartingPoint) -> None:
    faults = validate(point.drawing(), Known(), dict(point.settings))
    codes = {fault.code for fault in faults if fault.is_error}
    if point.key == "blank":
        assert codes == {"no_entry"}
        return
    assert codes == {"missing_value"}
    # Its ways lead upwards, whatever is chosen.
    plan = make_plan(read(point.drawing()))
    assert plan.first == 0
    assert find_starting_point(point.key) is point
