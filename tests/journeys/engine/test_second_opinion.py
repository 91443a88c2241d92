"""The engine by sets and the engine for one: the same steps, whatever is drawn and happens."""

from collections import Counter
from collections.abc import Mapping
from datetime import timedelta
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contacts import followed_events
from contacts.events import IncomingEvent, record_events
from contacts.models import Contact
from journeys import following
from journeys.engine import cohort, tick
from journeys.engine.cohort import Acted, Cohort, register_act
from journeys.models import Entrance, JourneyVersion, Message, Participant, Refusal
from tests.chance import chance
from tests.factories import HOUR, NOW
from tests.journeys.engine.passages import make_version, standings_astray
from tests.reference.journeys import Happened, Journey, tick_together

pytestmark = pytest.mark.django_db

SECOND = timedelta(seconds=1)
EVENTS = ("bought", "called")
CITIES = ("Oslo", "Bern", "Rome")
WAITING = ("wait", "wait", "event", "event", "reaction")
# In most of them the span goes over midnight.
ZONES = ("UTC", "Asia/Tokyo", "Asia/Dhaka", "Asia/Kathmandu", "America/New_York")
NO_ZONES = ("", "Nowhere/Land")

hours = st.integers(1, 3)
# Where something is due, a second before, a second after.
instants = st.builds(
    lambda hours, seconds: NOW + hours * HOUR + seconds * SECOND,
    st.integers(0, 9),
    st.sampled_from([-1, 0, 0, 1]),
)


days = st.sampled_from(["2026-03-02", "2026-03-03"])
# Dates of contacts: days, instants, and what is none.
dates = st.one_of(
    st.sampled_from([None, "soon", "2026-02-30", 7]),
    days,
    days,
    instants.map(lambda at: at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")),
    instants.map(lambda at: at.strftime("%Y-%m-%dT%H:%M:%S")),
)


def duration(amount: int) -> dict[str, Any]:
    return {"amount": amount, "unit": "hour"}


def lives_in(cities: list[str]) -> dict[str, Any]:
    rule = {"field": "contact.city", "operator": "in", "value": cities}
    return {"combinator": "and", "rules": [rule]}


@st.composite
def timeouts(draw: st.DrawFn) -> dict[str, Any]:
    if draw(st.booleans()):
        return {}
    return {"timeout": duration(draw(hours)), "timeout_path": draw(st.booleans())}


@st.composite
def zones(draw: st.DrawFn, *named: str) -> dict[str, Any]:
    zone = draw(st.sampled_from(["", "journey", "contact", "contact", *named]))
    return {"zone": zone} if zone else {}


@st.composite
def clocks(draw: st.DrawFn, zone: str = "") -> str:
    """What clocks show at such instants: in this zone, or in one or another."""
    there = ZoneInfo(zone if zone in ZONES else draw(st.sampled_from(ZONES)))
    return (NOW + draw(st.integers(0, 9)) * HOUR).astimezone(there).strftime("%H:%M")


@st.composite
def untils(draw: st.DrawFn) -> dict[str, Any]:
    told = {"attribute": "attribute.renewal"} if draw(st.booleans()) else {"time": draw(clocks())}
    return {**told, **draw(zones())}


@st.composite
def forms(draw: st.DrawFn) -> dict[str, Any]:
    """Who goes a path of a condition, in one of its forms."""
    form = draw(st.sampled_from(["criteria", "time", "time", "time", "date", "cap", "cap"]))
    if form == "criteria":
        some = st.lists(st.sampled_from(CITIES), min_size=1, max_size=2, unique=True)
        return {form: lives_in(draw(some))}
    if form == "cap":
        per: dict[str, Any] = draw(st.sampled_from([{}, {"per": "journey"}, {"per": "day"}]))
        return {form: {"limit": draw(st.integers(1, 2)), **per}}
    zone = draw(zones(*ZONES))
    if form == "date":
        ends = sorted(draw(st.lists(days, min_size=2, max_size=2)))
        kept = draw(st.sampled_from([("from", "to"), ("from",), ("to",)]))
        return {
            form: {
                **{name: dict(zip(("from", "to"), ends, strict=True))[name] for name in kept},
                **zone,
            }
        }
    some_days = draw(st.lists(st.sampled_from(["sun", "mon", "tue"]), max_size=2, unique=True))
    window: dict[str, Any] = {"days": some_days} if some_days else {}
    begin, end = (draw(clocks(zone.get("zone", ""))) for _end in range(2))
    if not window or draw(st.booleans()):
        window["from"] = begin
    if ("from" not in window or draw(st.booleans())) and end != window.get("from", "00:00"):
        window["to"] = end
    return {form: {**(window or {"days": ["mon"]}), **zone}}


@st.composite
def waiting_configs(draw: st.DrawFn, kind: str, messages: list[str]) -> dict[str, Any]:
    if kind == "wait":
        if draw(st.booleans()):
            return {"until": draw(untils())}
        return {"duration": duration(draw(hours))}
    if kind == "event":
        return {"event": draw(st.sampled_from(EVENTS)), **draw(timeouts())}
    return {"to": messages[-1], "reaction": "email_opened", **draw(timeouts())}


@st.composite
def acting_configs(draw: st.DrawFn, kind: str) -> tuple[dict[str, Any], list[str]]:
    """The config of an activity that acts, and its ways out."""
    if kind == "condition":
        paths: list[dict[str, Any]] = [
            {"name": name, **draw(forms())} for name in ("a", "b", "c")[: draw(st.integers(1, 3))]
        ]
        has_else = draw(st.booleans())
        names = [path["name"] for path in paths]
        return {"paths": paths, "else": has_else}, [*names, *(["else"] if has_else else [])]
    if kind == "split":
        percent = draw(st.sampled_from([20, 50]))
        paths = [{"name": "a", "percent": percent}, {"name": "holdout", "percent": 100 - percent}]
        return {"paths": paths}, ["a", "holdout"]
    return {}, [] if kind == "end" else ["next"]


# What is drawn most of the time, and where it is about deciding.
ALL_KINDS = ("message", "condition", "split", "end", *(["wait"] * 3), *(["event"] * 4))
DECIDING = ("condition", "condition", "wait")


@st.composite
def drawings(
    draw: st.DrawFn, all_kinds: tuple[str, ...] = ALL_KINDS, most: int = 5
) -> dict[str, Any]:
    """Activities in a row, alone or side by side; ways from each to later ones, or to none."""
    nodes: list[dict[str, Any]] = [{"id": "start", "kind": "event_entry", "config": {"event": "x"}}]
    groups: list[list[str]] = []
    ways: dict[str, list[str]] = {"start": ["next"]}
    depth: dict[str, int] = {"start": -1}
    messages: list[str] = []
    for number in range(draw(st.integers(1, most))):
        kind = draw(st.sampled_from((*all_kinds, *(["reaction"] * 3 if messages else []))))
        if kind in WAITING:
            group = []
            for side in range(draw(st.integers(1, 3))):
                allowed = WAITING if messages else WAITING[:-1]
                this = kind if side == 0 else draw(st.sampled_from(allowed))
                config = draw(waiting_configs(this, messages))
                id_ = f"n{number}_{side}"
                nodes.append({"id": id_, "kind": this, "config": config})
                ways[id_] = ["next", *(["timeout"] if config.get("timeout_path") else [])]
                group.append(id_)
        else:
            config, outcomes = draw(acting_configs(kind))
            id_ = f"n{number}"
            nodes.append({"id": id_, "kind": kind, "config": config})
            ways[id_] = outcomes
            group = [id_]
            if kind == "message":
                messages.append(id_)
        depth.update(dict.fromkeys(group, number))
        groups.append(group)
    edges = []
    for id_, outcomes in ways.items():
        for outcome in outcomes:
            later = [None, *range(depth[id_] + 1, len(groups))]
            # Mostly to the next one.
            target = draw(st.sampled_from([*later, *later[1:2] * 4]))
            if target is None:
                continue
            group = groups[target]
            size = draw(st.integers(1, len(group)))
            edges += [{"from": id_, "outcome": outcome, "to": to} for to in group[:size]]
    return {"nodes": nodes, "edges": edges}


@st.composite
def people(draw: st.DrawFn) -> dict[str, Any]:
    """A contact: of which city and zone, when it is to enter, and what happens to it."""
    what = st.sampled_from([*EVENTS, *EVENTS, "left", "open"])
    return {
        "city": draw(st.sampled_from(CITIES)),
        "zone": draw(st.sampled_from([*ZONES, *NO_ZONES])),
        "renewal": draw(dates),
        "entrances": draw(st.lists(instants, min_size=1, max_size=3, unique=True)),
        "happened": draw(st.lists(st.tuples(what, instants), max_size=6, unique=True)),
    }


@st.composite
def terms(draw: st.DrawFn) -> dict[str, Any]:
    again: Any = st.sampled_from(["never", "always", {"after": duration(1)}])
    found = {
        "timeout": duration(draw(st.integers(2, 9))),
        "re_entry": draw(again),
        "time_zone": draw(st.sampled_from(ZONES)),
    }
    if draw(st.integers(0, 3)) == 0:
        found["exit"] = {"event": "left"}
    return found


def asks_for(city: str, criteria: Mapping[str, Any]) -> bool:
    """What criteria of these drawings ask."""
    return city in criteria["rules"][0]["value"]


def write_messages(given: Cohort) -> Acted:
    """In place of sending: the row of each message."""
    Message.objects.bulk_create(
        Message(
            journey_id=given.version.journey_id,
            version=given.version,
            participant_id=participant_id,
            contact_id=contact_id,
            node=given.node.id,
            channel="email",
            created_at=given.at,
            due_at=given.at,
        )
        for participant_id, contact_id in zip(given.ids, given.contact_ids, strict=True)
    )
    return Acted(["next"] * len(given.ids))


def run(
    document: dict[str, Any],
    settings_: dict[str, Any],
    many: list[dict[str, Any]],
    ticks: list[Any],
) -> None:
    """Both engines, tick by tick; they have to agree after each."""
    version = make_version(document, at=NOW - HOUR, **settings_)
    following.rewatch(at=NOW - HOUR)
    contacts = [
        Contact.objects.create(
            city=one["city"], time_zone=one["zone"], attributes=attributes_of(one)
        )
        for one in many
    ]
    through: Counter[tuple[str, str, str]] = Counter()
    ones = [
        Journey(
            document,
            settings_,
            version.journey_id,
            contact.pk,
            partial(asks_for, one["city"]),
            one["zone"],
            attributes_of(one),
            through,
            waiting=list(one["entrances"]),
        )
        for contact, one in zip(contacts, many, strict=True)
    ]
    Entrance.objects.bulk_create(
        Entrance(journey=version.journey, contact=contact, cause=f"event:{at}", at=at)
        for contact, one in zip(contacts, many, strict=True)
        for at in one["entrances"]
    )
    untold = [list(one["happened"]) for one in many]
    for as_of in sorted(set(ticks)):
        for one, rest in zip(ones, untold, strict=True):
            tell(version, one, [given for given in rest if given[1] <= as_of], as_of)
            rest[:] = [given for given in rest if given[1] > as_of]
        while followed_events.follow_events(following.FOLLOWER, as_of):
            pass
        tick.tick_journey(version.journey_id, as_of=as_of)
        tick_together(ones, as_of)
        for one in ones:
            assert passages_of(one.contact_id) == expected(one), f"{one.contact_id} at {as_of}"
        assert standings_astray() == []


def attributes_of(one: Mapping[str, Any]) -> dict[str, Any]:
    return {} if one["renewal"] is None else {"renewal": one["renewal"]}


def tell(version: JourneyVersion, one: Journey, happened: list[Any], as_of: Any) -> None:
    """Record what happened; opened is the last message that was written before."""
    events = []
    for name, at in happened:
        if name != "open":
            events.append(IncomingEvent(one.contact_id, name, at))
            one.happened.append(Happened(name, at))
            continue
        latest = Message.objects.filter(contact_id=one.contact_id).order_by("-id").first()
        if latest is not None and latest.participant.finished_at is None:
            properties = {"message": latest.pk}
            events.append(IncomingEvent(one.contact_id, "email_opened", at, properties))
            one.happened.append(Happened("email_opened", at, latest.node))
    record_events(events, received_at=as_of)


def passages_of(contact_id: int) -> Any:
    found = []
    for one in Participant.objects.filter(contact_id=contact_id).order_by("entered_at"):
        steps = list(one.transitions.order_by("step").values_list("node", "outcome", "at"))
        names = () if one.finished_at else tuple(sorted(one.version.places[one.place]))
        ended = (one.finished_at, one.outcome, one.is_control)
        found.append((steps, names, *ended))
    refused = Refusal.objects.filter(contact_id=contact_id).order_by("at")
    return found, list(refused.values_list("at", "reason"))


def expected(one: Journey) -> Any:
    found = []
    for passage in sorted(one.passages, key=lambda passage: passage.entered_at):
        names = () if passage.finished_at else tuple(sorted(passage.at))
        ended = (passage.finished_at, passage.outcome, passage.is_control)
        found.append((passage.steps, names, *ended))
    return found, sorted(one.refused)


@pytest.fixture(autouse=True)
def _acts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cohort, "_acts", dict(cohort._acts))
    register_act("message", write_messages, holds_contacts=False)


examples = given(
    document=drawings(),
    settings_=terms(),
    many=st.lists(people(), min_size=1, max_size=4),
    ticks=st.lists(instants, min_size=1, max_size=5),
)


def agree(**given_: Any) -> None:
    with transaction.atomic():
        run(**given_)
        transaction.set_rollback(True)


quiet = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]


@chance(seldom=15, often=60, suppress_health_check=quiet)
@examples
def test_by_sets_and_one_by_one_the_steps_are_the_same(**given_: Any) -> None:
    agree(**given_)


deciding = given(
    document=drawings(DECIDING, 3),
    settings_=terms(),
    many=st.lists(people(), min_size=3, max_size=6),
    ticks=st.lists(instants, min_size=2, max_size=4),
)


@chance(seldom=12, often=60, suppress_health_check=quiet)
@deciding
def test_also_where_much_is_decided(**given_: Any) -> None:
    agree(**given_)


@pytest.mark.long
@settings(max_examples=2000, deadline=None, suppress_health_check=quiet)
@deciding
def test_and_that_in_thousands_of_cases(**given_: Any) -> None:
    agree(**given_)


@pytest.mark.long
@settings(
    max_examples=2000,
    deadline=None,
    suppress_health_check=quiet,
)
@examples
def test_they_are_the_same_in_thousands_of_cases(**given_: Any) -> None:
    agree(**given_)
