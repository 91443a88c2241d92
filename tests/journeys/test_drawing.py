"""The validator of drawings: every fault at its place, all at once, whatever it is given."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from journeys.drawing import plan, syntax
from journeys.drawing.catalog import CATALOG, KINDS_BY_NAME, describe_kinds
from journeys.drawing.durations import length_of, read_duration
from journeys.drawing.faults import Fault
from journeys.drawing.kinds import KINDS, NODE_LIMIT
from journeys.drawing.settings import describe_settings
from journeys.drawing.validate import validate
from segments.criteria import Problem
from tests.chance import chance
from tests.journeys.drawings import DAY, KNOWN, drawing, edge, french, in_a_row, node

START = node("start", "read_segment", segment="south")
MESSAGE = node("first", "message", email="first-message", purpose="newsletter")


def told(document: Any, settings: Any = None, **given: Any) -> set[tuple[str, str, str]]:
    """The faults that stand against publishing: activity, path, code."""
    found = validate(document, given.pop("known", KNOWN), settings, **given)
    return {(one.node, one.path, one.code) for one in found if one.is_error}


def warned(document: Any, settings: Any = None, **given: Any) -> set[tuple[str, str, str]]:
    found = validate(document, given.pop("known", KNOWN), settings, **given)
    return {(one.node, one.path, one.code) for one in found if not one.is_error}


def of_one(kind: str, **config: Any) -> set[tuple[str, str]]:
    """The faults of one activity behind an entry by an event."""
    document = in_a_row(node("start", "event_entry", event="purchase"), node("it", kind, **config))
    return {(path, code) for id_, path, code in told(document) if id_ == "it"}


def test_the_use_case_of_the_french_document_has_no_fault() -> None:
    assert validate(french(), KNOWN) == []


def test_what_the_canvas_keeps_beside_means_nothing() -> None:
    document = french()
    document["zoom"] = 2
    document["nodes"][0] |= {"x": 3, "y": -4.5, "selected": True}
    document["nodes"][0]["config"]["colour"] = "red"
    document["edges"][0]["bend"] = [1, 2]
    assert validate(document, KNOWN) == []


def test_a_fault_tells_activity_path_code_sentence_and_severity() -> None:
    (fault,) = validate(in_a_row(node("start", "read_segment", segment="nowhere")), KNOWN)
    assert fault.as_json() == {
        "node": "start",
        "path": "config.segment",
        "code": "unknown_key",
        "message": "There is no such segment, or you may not use it.",
        "severity": "error",
    }


def test_all_faults_are_told_at_once() -> None:
    document = drawing(
        node("a", "read_segment", segment="asleep"),
        node("b", "event_entry"),
        node("c", "dance"),
        node("d", "wait", duration={"amount": 0, "unit": "day"}),
        edge("a", "nobody"),
    )
    assert told(document, {"delivery": "twice"}) == {
        ("", "delivery", "wrong_type"),
        ("a", "config.segment", "segment_not_active"),
        ("a", "edges[0].to", "unknown_key"),
        ("b", "", "two_entries"),
        ("b", "config.event", "missing_value"),
        ("c", "kind", "unknown_kind"),
        ("d", "", "unreachable"),
        ("d", "config.duration", "bad_duration"),
    }


@pytest.mark.parametrize("empty", [None, {}, {"nodes": []}, {"nodes": None, "edges": None}])
def test_an_empty_drawing_has_no_entry(empty: Any) -> None:
    assert told(empty) == {("", "nodes", "no_entry")}


@pytest.mark.parametrize("nothing", [3, "text", [1], True])
def test_what_is_no_object_is_no_drawing(nothing: Any) -> None:
    assert ("", "", "wrong_type") in told(nothing)


def test_a_journey_goes_on_and_never_round() -> None:
    first, second = node("a", "wait", duration=DAY), node("b", "wait", duration=DAY)
    after = node("c", "wait", duration=DAY)
    document = drawing(
        *(START, first, second, after),
        *(edge("start", "a"), edge("a", "b"), edge("b", "a"), edge("b", "c")),
    )
    assert told(document) == {("a", "", "cycle"), ("b", "", "cycle")}


def test_a_way_back_to_the_entry_is_a_cycle() -> None:
    document = drawing(START, MESSAGE, edge("start", "first"), edge("first", "start"))
    assert told(document) == {("start", "", "cycle"), ("first", "", "cycle")}


def test_of_parallel_ways_all_lead_to_what_waits() -> None:
    other = node("other", "message", push="first-push", purpose="newsletter")
    wait = node("wait", "wait", duration=DAY)
    ways = edge("start", "first"), edge("start", "other")
    assert told(drawing(START, MESSAGE, other, *ways)) == {("start", "", "parallel_actions")}
    mixed = edge("start", "first"), edge("start", "wait")
    assert told(drawing(START, MESSAGE, wait, *mixed)) == {("start", "", "parallel_actions")}


def test_only_next_leads_several_ways() -> None:
    waits = node("a", "wait", duration=DAY), node("b", "wait", duration=DAY)
    ways = edge("first", "a", "error"), edge("first", "b", "error")
    document = drawing(START, MESSAGE, *waits, edge("start", "first"), *ways)
    assert told(document) == {("first", "", "parallel_actions")}


def test_a_second_timeout_beside_one_is_a_warning() -> None:
    document = french()
    document["nodes"][2]["config"]["timeout"] = {"amount": 2, "unit": "hour"}
    assert told(document) == set()
    assert warned(document) == {("email_opened", "config.timeout", "two_timeouts")}


def test_a_wait_beside_a_timeout_is_none() -> None:
    document = french()
    document["nodes"].append(node("wait", "wait", duration=DAY))
    document["edges"].append(edge("first", "wait"))
    assert validate(document, KNOWN) == []


def test_at_most_so_many_activities() -> None:
    waits = [node(f"w{number}", "wait", duration=DAY) for number in range(NODE_LIMIT - 1)]
    assert told(in_a_row(START, *waits)) == set()
    one_more = in_a_row(START, *waits, node("end", "end"))
    assert told(one_more) == {("", "nodes", "too_many_nodes")}


@pytest.mark.parametrize(
    ("reaction", "ways", "fault"),
    [
        ({"to": "nobody"}, "start first reaction", "config.to"),
        ({"to": "wait"}, "start wait first reaction", "config.to"),
        ({"to": "first"}, "start first wait reaction", "config.to"),
        ({"to": "first"}, "start reaction first", "config.to"),
        ({"to": "first", "reaction": "push_opened"}, "start first reaction", "config.reaction"),
    ],
)
def test_a_reaction_follows_its_message(reaction: Any, ways: str, fault: str) -> None:
    nodes = {
        "start": START,
        "first": MESSAGE,
        "wait": node("wait", "wait", duration=DAY),
        "reaction": node("reaction", "reaction", **{"reaction": "email_opened", **reaction}),
    }
    document = in_a_row(*(nodes[name] for name in ways.split()))
    assert told(document) == {("reaction", fault, "reaction_without_message")}


def test_a_reaction_may_be_to_an_earlier_message() -> None:
    later = node("later", "message", email="follow-up", purpose="newsletter")
    reaction = node("reaction", "reaction", to="first", reaction="email_clicked")
    assert validate(in_a_row(START, MESSAGE, later, reaction), KNOWN) == []


def test_a_timeout_path_needs_a_timeout() -> None:
    assert of_one("event", event="visited", timeout_path=True) == {
        ("config.timeout", "missing_value")
    }


def test_ways_leave_by_what_there_is() -> None:
    event = node("it", "event", event="visited", timeout=DAY)
    end = node("end", "end")
    way = edge("it", "end", "timeout")
    document = drawing(START, event, end, edge("start", "it"), way)
    assert told(document) == {("it", "edges[1].outcome", "unknown_key")}
    event["config"]["timeout_path"] = True
    assert told(document) == set()
    document["edges"].append(edge("end", "it"))
    assert ("end", "edges[2].outcome", "unknown_key") in told(document)


@pytest.mark.parametrize(
    ("kind", "config", "faults"),
    [
        ("wait", {}, {("config.duration", "missing_value")}),
        ("wait", {"duration": DAY, "until": {"time": "09:00"}}, {("config.until", "wrong_type")}),
        ("wait", {"until": {"time": "9 am"}}, {("config.until.time", "wrong_type")}),
        ("wait", {"until": {"time": "09:00", "zone": "contact"}}, set()),
        (
            "wait",
            {"until": {"time": "09:00", "zone": "Mars"}},
            {("config.until.zone", "wrong_type")},
        ),
        ("wait", {"until": {"attribute": "attribute.renewal"}}, set()),
        ("wait", {"until": {"attribute": "renewal"}}, {("config.until.attribute", "wrong_type")}),
        (
            "wait",
            {"until": {"attribute": "attribute.colour"}},
            {("config.until.attribute", "wrong_type")},
        ),
        ("message", {}, {("config.email", "missing_value")}),
        ("message", {"email": "thank-you"}, {("config.email", "unknown_key")}),
        ("message", {"push": 7}, {("config.push", "wrong_type")}),
        ("message", {"push": "thank-you", "purpose": "no"}, {("config.purpose", "unknown_key")}),
        ("webhook", {"body": "{}"}, {("config.connection", "missing_value")}),
        ("webhook", {"connection": 1, "url": "https://a.b"}, {("config.url", "wrong_type")}),
        ("webhook", {"connection": 9}, {("config.connection", "unknown_key")}),
        ("webhook", {"url": "ftp://a.b"}, {("config.url", "wrong_type")}),
        ("update_vendor", {"vendor": 3, "fields": {"NAME": "{{ contact.first_name }}"}}, set()),
        (
            "update_vendor",
            {},
            {("config.vendor", "missing_value"), ("config.fields", "missing_value")},
        ),
        ("update_vendor", {"vendor": 9, "fields": {"A": ""}}, {("config.vendor", "unknown_key")}),
        ("update_vendor", {"vendor": 3, "fields": {"A": 1}}, {("config.fields", "wrong_type")}),
        ("update_vendor", {"vendor": 3, "fields": ["A"]}, {("config.fields", "wrong_type")}),
        ("update", {}, {("config.add_tag", "missing_value")}),
        (
            "update",
            {"add_tag": "vip", "remove_category": "hats"},
            {("config.remove_category", "unknown_key")},
        ),
        ("update", {"consent": {"key": "newsletter", "state": "granted"}}, set()),
        ("update", {"consent": {"key": "newsletter"}}, {("config.consent.state", "wrong_type")}),
        ("update", {"attribute": {"key": "colour", "value": "red"}}, set()),
        (
            "update",
            {"attribute": {"key": "shape", "value": "x"}},
            {("config.attribute.key", "unknown_key")},
        ),
        ("voucher", {}, {("config.campaign", "missing_value")}),
        ("voucher", {"campaign": "none"}, {("config.campaign", "unknown_key")}),
        ("event", {"event": "never_seen"}, {("config.event", "unknown_key")}),
        ("event", {"event": "visited", "timeout": "1d"}, {("config.timeout", "bad_duration")}),
        ("event", {"event": "visited", "same": {"properties.a": "entry.properties.a"}}, set()),
        ("event", {"event": "visited", "same": {"a": "b"}}, {("config.same", "wrong_type")}),
        ("jump", {"journey": "nowhere"}, {("config.journey", "unknown_key")}),
        ("condition", {}, {("config.paths", "missing_value")}),
        (
            "condition",
            {"paths": [{"name": "vip"}, {"criteria": {"rules": []}}, 3]},
            {
                ("config.paths[0].criteria", "missing_value"),
                ("config.paths[1].name", "missing_value"),
                ("config.paths[2]", "wrong_type"),
            },
        ),
        (
            "wait",
            {"until": {"attribute": "attribute.renewal", "zone": "contact"}},
            set(),
        ),
        (
            "wait",
            {"until": {"attribute": "attribute.renewal", "zone": "Mars"}},
            {("config.until.zone", "wrong_type")},
        ),
        ("split", {"paths": [{"name": "a", "percent": 50}, {"name": "b", "percent": 50}]}, set()),
        (
            "split",
            {"paths": [{"name": "a", "percent": 99.5}, {"name": "b", "percent": 0.5}]},
            set(),
        ),
        ("split", {"paths": [{"name": "a", "percent": 50}]}, {("config.paths", "wrong_type")}),
        (
            "split",
            {"paths": [{"name": "a", "percent": 0}, {"name": "b", "percent": 100}]},
            {("config.paths[0].percent", "wrong_type")},
        ),
        (
            "split",
            {"paths": [{"name": "a", "percent": 50}, {"name": "a", "percent": 50}]},
            {("config.paths[1].name", "wrong_type")},
        ),
        (
            "split",
            {"paths": [{"name": "next", "percent": 100}]},
            {("config.paths[0].name", "wrong_type")},
        ),
    ],
)
def test_what_an_activity_is_told(kind: str, config: Any, faults: set[tuple[str, str]]) -> None:
    assert of_one(kind, **config) == faults


@pytest.mark.parametrize(
    ("form", "faults"),
    [
        ({"time": {"from": "09:00", "to": "17:00", "days": ["mon", "fri"]}}, set()),
        ({"time": {"from": "22:00", "to": "06:00", "zone": "contact"}}, set()),
        ({"time": {"days": ["sun"], "zone": "journey"}}, set()),
        ({"time": {"from": "09:00", "to": "", "zone": "Europe/Warsaw"}}, set()),
        ({"time": {"from": "00:00", "zone": None}}, set()),
        ({"time": "09:00"}, {("time", "wrong_type")}),
        ({"time": {"zone": "contact"}}, {("time", "missing_value")}),
        ({"time": {"from": "9:00"}}, {("time.from", "wrong_type")}),
        ({"time": {"to": "24:00"}}, {("time.to", "wrong_type")}),
        ({"time": {"from": "09:00", "to": "09:00"}}, {("time.to", "wrong_type")}),
        ({"time": {"to": "00:00"}}, {("time.to", "wrong_type")}),
        ({"time": {"days": "mon"}}, {("time.days", "wrong_type")}),
        ({"time": {"days": ["mon", "mon"]}}, {("time.days", "wrong_type")}),
        ({"time": {"days": ["monday"]}}, {("time.days", "wrong_type")}),
        ({"time": {"days": [["mon"]]}}, {("time.days", "wrong_type")}),
        ({"time": {"from": "09:00", "zone": "Mars"}}, {("time.zone", "wrong_type")}),
        ({"time": {"from": "09:00", "zone": 1}}, {("time.zone", "wrong_type")}),
        ({"time": {"from": "09:00", "untl": "17:00"}}, {("time", "unknown_key")}),
        ({"date": {"from": "2026-12-01", "to": "2026-12-24"}}, set()),
        ({"date": {"from": "2026-12-24", "to": "2026-12-24", "zone": "contact"}}, set()),
        ({"date": {"to": "2026-12-24"}}, set()),
        ({"date": 1}, {("date", "wrong_type")}),
        ({"date": {"from": None}}, {("date", "missing_value")}),
        ({"date": {"from": "2026-02-30"}}, {("date.from", "wrong_type")}),
        ({"date": {"to": "20261224"}}, {("date.to", "wrong_type")}),
        ({"date": {"from": "2026-12-25", "to": "2026-12-24"}}, {("date.to", "wrong_type")}),
        ({"cap": {"limit": 1000}}, set()),
        ({"cap": {"limit": 1000.0, "per": "day"}}, set()),
        ({"cap": {"limit": 1, "per": "journey"}}, set()),
        ({"cap": 1000}, {("cap", "wrong_type")}),
        ({"cap": {"per": "day"}}, {("cap.limit", "wrong_type")}),
        ({"cap": {"limit": 0}}, {("cap.limit", "wrong_type")}),
        ({"cap": {"limit": 1.5}}, {("cap.limit", "wrong_type")}),
        ({"cap": {"limit": 10, "per": "week"}}, {("cap.per", "wrong_type")}),
        ({"cap": {"limit": 10, "per": ["day"]}}, {("cap.per", "wrong_type")}),
        ({"criteria": {}, "cap": {"limit": 1}}, set()),
        ({"time": {"days": ["sun"]}, "cap": {"limit": 1}}, {("cap", "wrong_type")}),
        ({"cap": {}}, {("criteria", "missing_value")}),
    ],
)
def test_a_path_of_a_condition_is_of_one_form(
    form: dict[str, Any], faults: set[tuple[str, str]]
) -> None:
    known = replace(KNOWN, is_zone={"Europe/Warsaw"}.__contains__)
    document = in_a_row(START, node("it", "condition", paths=[{"name": "a", **form}]))
    found = {(fault.path, fault.code) for fault in validate(document, known) if fault.is_error}
    assert found == {(f"config.paths[0].{path}", code) for path, code in faults}


@pytest.mark.parametrize(
    ("config", "faults"),
    [
        ({"schedule": {"at": "2026-05-01T09:00:00+02:00"}}, set()),
        ({"schedule": {"every": DAY}, "only_new": True, "rate": 500}, set()),
        ({"schedule": {}}, set()),
        ({"schedule": {"sometimes": 1}}, {"config.schedule"}),
        ({"schedule": {"at": "tomorrow"}}, {"config.schedule.at"}),
        ({"only_new": "yes", "rate": 0}, {"config.only_new", "config.rate"}),
        ({"segment": "gone"}, {"config.segment"}),
    ],
)
def test_how_a_segment_is_read(config: Any, faults: set[str]) -> None:
    start = node("start", "read_segment", **{"segment": "south", **config})
    assert {path for _node, path, _code in told(in_a_row(start))} == faults


def test_criteria_are_told_with_their_own_faults() -> None:
    wrong = (Problem("rules[0].field", "unknown_field", "No such field."),)
    known = replace(
        KNOWN, check_criteria=lambda document, place: wrong, check_where=lambda _: wrong
    )
    document = in_a_row(
        node("start", "event_entry", event="purchase", where={"rules": []}),
        node("if", "condition", paths=[{"name": "a", "criteria": {"rules": [1]}}]),
    )
    found = validate(document, known)
    assert [(one.node, one.path, one.code) for one in found] == [
        ("start", "config.where", "criteria"),
        ("if", "config.paths[0].criteria", "criteria"),
    ]
    listed = [{"path": "rules[0].field", "code": "unknown_field", "message": "No such field."}]
    assert found[0].as_json()["criteria"] == listed
    assert found[0].message == "No such field."


def test_events_of_the_entry_are_needed_to_compare_with_them() -> None:
    same = {"properties.order_id": "entry.properties.order_id"}
    document = in_a_row(START, node("it", "event", event="visited", same=same))
    assert told(document) == {("it", "config.same", "missing_value")}


def test_jumps_lead_elsewhere() -> None:
    document = in_a_row(START, node("it", "jump", journey="self"))
    assert told(document, key="self") == {("it", "config.journey", "cycle")}
    back = replace(KNOWN, jumps={"other": {"third"}, "third": {"self", "other"}})
    document = in_a_row(START, node("it", "jump", journey="other"))
    assert warned(document, key="self", known=back) == {("it", "config.journey", "jumps_back")}
    assert warned(document, key="self") == set()
    document = in_a_row(START, node("it", "jump", journey="draft"))
    assert warned(document) == {("it", "config.journey", "journey_not_live")}


def test_warnings_stand_against_nothing() -> None:
    known = replace(KNOWN, sizes={"south": 1_000_000})
    document = in_a_row(
        START,
        node("mail", "message", email="follow-up"),
        node("wait", "wait", duration={"amount": 20, "unit": "week"}),
        node("card", "voucher", campaign="over"),
        node("hook", "webhook", connection=2),
    )
    assert told(document, known=known) == set()
    assert warned(document, known=known) == {
        ("start", "config.rate", "no_rate"),
        ("mail", "config.purpose", "no_purpose"),
        ("wait", "config.duration", "longer_than_journey"),
        ("card", "config.campaign", "campaign_not_active"),
        ("hook", "config.connection", "connection_disabled"),
    }
    longer = {"timeout": {"amount": 30, "unit": "week"}}
    assert ("wait", "config.duration", "longer_than_journey") not in warned(document, longer)


@pytest.mark.parametrize(
    ("given_settings", "faults"),
    [
        ({}, set()),
        ({"re_entry": "never", "time_zone": "Europe/Warsaw", "delivery": "at_most_once"}, set()),
        ({"re_entry": {"after": DAY}, "timeout": DAY}, set()),
        ({"re_entry": {"after": 3}}, {"re_entry.after"}),
        ({"re_entry": "sometimes"}, {"re_entry"}),
        ({"exit": {"criteria": {"rules": [{}]}}, "goal": {"event": "purchase"}}, set()),
        ({"exit": {"criteria": {"rules": []}}}, {"exit.criteria"}),
        ({"goal": {"criteria": {"combinator": "and", "rules": []}}}, {"goal.criteria"}),
        ({"exit": {"event": "x", "criteria": {}}, "goal": {"event": "x"}}, {"exit", "goal.event"}),
        ({"caps": {"messages": 2, "per": DAY}}, set()),
        ({"caps": {"messages": 0}}, {"caps.messages", "caps.per"}),
        ({"quiet_hours": {"from": "21:00", "to": "08:00", "zone": "contact"}}, set()),
        ({"quiet_hours": {"from": "25:00", "to": "08:00"}}, {"quiet_hours.from"}),
        ({"quiet_hours": {"from": "08:00", "to": "08:00"}}, {"quiet_hours.to"}),
        ({"starts_at": "2026-01-02T00:00:00Z", "ends_at": "2026-01-01T00:00:00Z"}, {"ends_at"}),
        ({"starts_at": 5}, {"starts_at"}),
        ({"colour": "red"}, {"colour"}),
        ([], set()),
        ("text", {"settings"}),
    ],
)
def test_what_the_settings_may_be(given_settings: Any, faults: set[str]) -> None:
    found = told(in_a_row(START), given_settings)
    assert {path for _node, path, _code in found} == faults


def test_a_time_zone_has_a_name() -> None:
    known = replace(KNOWN, is_zone=lambda name: name == "UTC")
    assert told(in_a_row(START), {"time_zone": "UTC"}, known=known) == set()
    assert told(in_a_row(START), {"time_zone": "X"}, known=known) == {
        ("", "time_zone", "unknown_key")
    }


@pytest.mark.parametrize(
    ("document", "length"),
    [
        ({"amount": 90, "unit": "second"}, timedelta(seconds=90)),
        ({"amount": 1, "unit": "week"}, timedelta(days=7)),
        ({"amount": 1.0, "unit": "day"}, timedelta(days=1)),
        ({"amount": 1.5, "unit": "day"}, None),
        ({"amount": True, "unit": "day"}, None),
        ({"amount": 1, "unit": "month"}, None),
        ({"amount": 10**30, "unit": "second"}, None),
        ({"amount": float("inf"), "unit": "second"}, None),
        ("day", None),
    ],
)
def test_durations(document: Any, length: timedelta | None) -> None:
    assert read_duration(document) == length
    if length is None:
        with pytest.raises(ValueError, match="no duration"):
            length_of(document)
    else:
        assert length_of(document) == length


def test_the_catalog_has_every_kind_and_every_text_can_be_translated() -> None:
    assert set(KINDS_BY_NAME) == KINDS
    shouted = describe_kinds(str.upper)
    assert [kind["kind"] for kind in shouted["kinds"]] == [kind.name for kind in CATALOG]
    event = next(kind for kind in shouted["kinds"] if kind["kind"] == "event")
    labels = {field["name"]: field["label"] for field in event["fields"]}
    assert labels["timeout"] == "DEFINE THE EVENT TIMEOUT"
    assert labels["timeout_path"] == "SET A TIMEOUT PATH"
    assert {group["name"] for group in shouted["groups"]} == {kind.group for kind in CATALOG}
    assert all(field["label"].isupper() for field in describe_settings(str.upper))


# --- Whatever it is given ------------------------------------------------------------------------

_SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
_ANY = st.recursive(
    _SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
)
_WORDS = st.sampled_from(
    ["south", "purchase", "first-message", "cards", "newsletter", "vip", "a", "n0", "n1", "contact"]
)
_FORMS = st.dictionaries(
    st.sampled_from(["criteria", "time", "date", "cap"]),
    _ANY
    | st.dictionaries(
        st.sampled_from(["from", "to", "days", "zone", "limit", "per"]),
        _ANY | st.sampled_from(["09:00", "17:00", "2026-12-24", "mon", "day", "contact", 7]),
    ),
)
_VALUES = (
    _ANY
    | _WORDS
    | st.just(DAY)
    | st.just([{"name": "a", "percent": 100}])
    | st.lists(_FORMS.map(lambda form: {"name": "a", **form}), min_size=1, max_size=2)
)
_CONFIGS = st.fixed_dictionaries(
    {},
    optional=dict.fromkeys(
        sorted({field.name for kind in CATALOG for field in kind.fields}), _VALUES
    ),
)
_IDS = st.sampled_from([f"n{number}" for number in range(5)])
_NODES = st.fixed_dictionaries(
    {"id": _IDS, "kind": st.sampled_from(sorted(KINDS))},
    optional={"config": _CONFIGS | _ANY, "label": _ANY},
)
_EDGES = st.fixed_dictionaries(
    {"from": _IDS, "to": _IDS},
    optional={"outcome": st.sampled_from(["next", "timeout", "a"]) | _ANY},
)
_DRAWINGS = st.fixed_dictionaries(
    {"nodes": st.lists(_NODES | _ANY, max_size=6), "edges": st.lists(_EDGES | _ANY, max_size=8)}
)
_SETTINGS = st.fixed_dictionaries(
    {}, optional={field["name"]: _VALUES for field in describe_settings()}
)


@given(document=_ANY | _DRAWINGS, given_settings=_ANY | _SETTINGS)
@chance(seldom=60, often=400)
def test_it_takes_any_json_and_never_raises(document: Any, given_settings: Any) -> None:
    for fault in validate(document, KNOWN, given_settings, key="self"):
        assert isinstance(fault, Fault)
        assert fault.message
        assert "{" not in fault.message or "{" in repr(document)


@st.composite
def sound_shapes(draw: st.DrawFn) -> dict[str, Any]:
    """A drawing whose ways lead from earlier to later activities: some of them have faults."""
    kinds = draw(st.lists(st.sampled_from(["wait", "event", "message", "end"]), max_size=8))
    told: dict[str, dict[str, Any]] = {
        "wait": {"duration": DAY},
        "event": {"event": "visited", "timeout": DAY, "timeout_path": True},
        "message": {"email": "first-message"},
        "end": {},
    }
    order = draw(st.permutations(range(1, len(kinds) + 1)))
    nodes = [
        START,
        *(node(f"n{place}", kinds[place - 1], **told[kinds[place - 1]]) for place in order),
    ]
    names = ["start", *(f"n{place}" for place in range(1, len(kinds) + 1))]
    ways = []
    for later in range(1, len(names)):
        for earlier in draw(st.sets(st.integers(0, later - 1), min_size=1, max_size=3)):
            kind = "read_segment" if earlier == 0 else kinds[earlier - 1]
            outcome = draw(st.sampled_from(["", "timeout" if kind == "event" else ""]))
            ways.append(edge(names[earlier], names[later], outcome))
    return {"nodes": nodes, "edges": draw(st.permutations(ways))}


@given(document=sound_shapes())
@chance(seldom=60, often=300)
def test_without_errors_the_ways_of_the_plan_lead_upwards(document: Any) -> None:
    if told(document):
        return
    made = plan.make_plan(syntax.read(document))
    for way in made.drawing.edges:
        target = made.way(way.source, way.outcome)
        assert target is not None
        assert all(place.number < target for place in made.places_of(way.source))
    assert plan.make_plan(made.drawing, made.as_json()) == made
