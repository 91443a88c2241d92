"""Rehearsals on history: the same engine, and nothing is left of it."""

import itertools
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import pytest
from django.db import InternalError, connection, transaction

from contacts.events import IncomingEvent, record_events
from contacts.models import Contact
from journeys import models
from journeys.models import Journey
from journeys.rehearsing import shadows
from journeys.rehearsing.run import rehearse
from tests.factories import DAY, HOUR, NOW
from tests.journeys.drawn import node
from tests.segments.factories import make_contacts, make_segment, refresh
from workspace import sql

UNTIL = NOW
SINCE = UNTIL - 30 * DAY


def draw(
    *nodes: Mapping[str, Any],
    edges: Sequence[Sequence[str]] | None = None,
    settings: Mapping[str, Any] | None = None,
) -> Journey:
    """A draft of these activities, one after the other unless `edges` say otherwise."""
    if edges is None:
        edges = [(one["id"], other["id"]) for one, other in itertools.pairwise(nodes)]
    ways = [
        {"from": edge[0], "to": edge[-1], **({"outcome": edge[1]} if len(edge) == 3 else {})}
        for edge in edges
    ]
    drawing = {"nodes": list(nodes), "edges": ways}
    return Journey.objects.create(
        key="draft", name="Draft", drawing=drawing, settings=dict(settings or {})
    )


def happened(name: str, contact_id: int, at: Any, **properties: Any) -> None:
    record_events([IncomingEvent(contact_id, name, at, properties)], received_at=at)


def day(amount: int = 1) -> dict[str, Any]:
    return {"amount": amount, "unit": "day"}


@pytest.mark.django_db
def test_events_of_the_past_bring_in_move_and_time_out() -> None:
    one, two, three = make_contacts("Paris", "Paris", "Paris")
    happened("signup", one, SINCE + DAY)
    happened("signup", two, SINCE + 2 * DAY)
    happened("signup", three, UNTIL - HOUR)
    happened("purchase", one, SINCE + DAY + 2 * HOUR)
    # Too late: the time was over by then.
    happened("purchase", two, SINCE + 5 * DAY)
    # Before the span.
    happened("signup", three, SINCE - DAY)
    journey = draw(
        node("start", "event_entry", event="signup"),
        node("bought", "event", event="purchase", timeout=day(), timeout_path=True),
        node("thanks", "end"),
        node("sorry", "end"),
        edges=[("start", "bought"), ("bought", "thanks"), ("bought", "timeout", "sorry")],
    )
    found = rehearse(journey, until=UNTIL, days=30)
    assert (found["contacts"], found["entered"], found["inside"]) == (3, 3, 1)
    assert found["nodes"]["bought"] == {
        "waiting": 1,
        "failed": 0,
        "passed": {"next": 1, "timeout": 1},
    }
    assert {"from": "bought", "outcome": "timeout", "to": ["sorry"], "count": 1} in found["edges"]
    assert found["ended"] == {"ended": 2}


@pytest.mark.django_db
def test_a_segment_is_read_as_it_was_then() -> None:
    was_in, came_later = make_contacts("Warszawa", "Paris")
    segment = make_segment()
    refresh(segment, as_of=SINCE - DAY)
    Contact.objects.filter(pk=was_in).update(city="Paris")
    Contact.objects.filter(pk=came_later).update(city="Warszawa")
    refresh(segment, as_of=SINCE + 3 * DAY)
    once = draw(node("start", "read_segment", segment="poles"), node("end", "end"))
    assert rehearse(once, until=UNTIL, days=30)["contacts"] == 1
    once.drawing["nodes"][0]["config"] = {
        "segment": "poles",
        "schedule": {"every": day()},
        "only_new": True,
    }
    assert rehearse(once, until=UNTIL, days=30)["contacts"] == 2
    once.drawing["nodes"][0] = node("start", "segment_entry", segment="poles", on="left")
    found = rehearse(once, until=UNTIL, days=30)
    assert (found["contacts"], found["notes"][0][:10]) == (1, "Attributes")


@pytest.mark.django_db
def test_where_the_log_does_not_reach_back_the_members_of_today_stand_in() -> None:
    make_contacts("Warszawa", "Warszawa")
    refresh(make_segment(), as_of=SINCE + 3 * DAY)
    journey = draw(node("start", "read_segment", segment="poles"), node("end", "end"))
    found = rehearse(journey, until=UNTIL, days=30)
    assert found["contacts"] == 2
    assert "not known any more" in found["notes"][0]


@pytest.mark.django_db
def test_messages_are_counted_by_day_and_those_left_out_by_reason() -> None:
    for email in ("a@example.com", "b@example.com", ""):
        contact = Contact.objects.create(email=email)
        happened("signup", contact.pk, SINCE + DAY)
        happened("signup", contact.pk, SINCE + 2 * DAY)
    journey = draw(
        node("start", "event_entry", event="signup"),
        node("hello", "message", email="hello"),
        settings={"caps": {"messages": 1, "per": {"amount": 1, "unit": "week"}}},
    )
    found = rehearse(journey, until=UNTIL, days=30)
    messages = found["messages"]
    assert (messages["total"], messages["channels"]) == (4, {"email": 4})
    assert messages["left_out"] == {"no_address": 2}
    assert messages["nodes"] == {"hello": {"email": 4}}
    assert [row["email"] for row in messages["days"]] == [2, 2]
    cap = found["cap"]
    assert (cap["over"], cap["most"], len(cap["examples"])) == (2, 2, 2)
    assert cap["examples"][0]["messages"] == 2


@pytest.mark.django_db
def test_assumed_reactions_take_their_way_and_without_any_time_is_over() -> None:
    for number in range(40):
        contact = Contact.objects.create(email=f"p{number}@example.com")
        happened("signup", contact.pk, SINCE + DAY)
    journey = draw(
        node("start", "event_entry", event="signup"),
        node("hello", "message", email="hello"),
        node(
            "opened",
            "reaction",
            to="hello",
            reaction="email_opened",
            timeout=day(),
            timeout_path=True,
        ),
        node("thanks", "end"),
        node("again", "message", email="again"),
        edges=[
            ("start", "hello"),
            ("hello", "opened"),
            ("opened", "thanks"),
            ("opened", "timeout", "again"),
        ],
    )
    nobody = rehearse(journey, until=UNTIL, days=30)
    assert nobody["nodes"]["opened"]["passed"] == {"timeout": 40}
    assert nobody["messages"]["total"] == 80
    all_of_them = rehearse(journey, until=UNTIL, days=30, reactions={"email_opened": 100})
    assert all_of_them["nodes"]["opened"]["passed"] == {"next": 40}
    some = rehearse(journey, until=UNTIL, days=30, reactions={"email_opened": 50})
    passed = some["nodes"]["opened"]["passed"]
    assert 0 < passed["next"] < 40
    # The same ones each time.
    again = rehearse(journey, until=UNTIL, days=30, reactions={"email_opened": 50})
    assert again["nodes"] == some["nodes"]


@pytest.mark.django_db
def test_of_many_contacts_a_stable_sample_is_rehearsed_and_scaled() -> None:
    for number in range(200):
        contact = Contact.objects.create(email=f"p{number}@example.com")
        happened("signup", contact.pk, SINCE + DAY)
    journey = draw(
        node("start", "event_entry", event="signup"), node("hello", "message", email="hello")
    )
    found = rehearse(journey, until=UNTIL, days=30, limit=50)
    assert found["candidates"] == 200
    assert found["share"] == 0.25
    assert 100 < found["messages"]["total"] < 300
    assert any("25.0 %" in note for note in found["notes"])
    assert rehearse(journey, until=UNTIL, days=30, limit=50) == found


def everything() -> dict[str, list[Any]]:
    """All rows of all tables."""
    with connection.cursor() as cursor:
        names = connection.introspection.table_names(cursor)
        rows = {}
        for name in sorted(names):
            cursor.execute(f'SELECT to_jsonb(t)::text FROM public."{name}" t ORDER BY 1')
            rows[name] = cursor.fetchall()
    return rows


@pytest.mark.django_db(transaction=True)
def test_a_rehearsal_leaves_the_whole_database_as_it_was_and_wakes_nobody() -> None:
    for number in range(20):
        contact = Contact.objects.create(email=f"p{number}@example.com")
        happened("signup", contact.pk, SINCE + DAY)
    journey = draw(
        node("start", "event_entry", event="signup"),
        node("tag", "update", add_tag="vip"),
        node("hello", "message", email="hello", push="hello"),
        node("wait", "wait", duration=day(3)),
        node("gift", "voucher", campaign="gifts"),
        node("on", "jump", journey="other"),
        node("call", "webhook", url="https://example.com/"),
    )
    before = everything()
    sql.execute("LISTEN regulars_journeys")
    sql.execute("LISTEN regulars_messages")
    sql.execute("LISTEN regulars_outbox")
    found = rehearse(journey, until=UNTIL, days=30)
    assert found["ended"] == {"ended": 20}
    assert everything() == before
    assert list(connection.connection.notifies(timeout=0.1)) == []
    assert sql.lists("SELECT relname FROM pg_class WHERE relnamespace = pg_my_temp_schema()") == []
    # The connection writes again.
    assert Contact.objects.create(email="after@example.com").pk


@pytest.mark.django_db(transaction=True)
def test_nobody_can_write_what_is_no_shadow_and_an_error_puts_all_away() -> None:
    def stray() -> None:
        with shadows.shadowed():
            models.Refusal.objects.all().delete()
            Contact.objects.create(email="stray@example.com")

    with pytest.raises(InternalError, match="read-only"):
        stray()
    assert not Contact.objects.exists()
    assert sql.one("SELECT count(*) FROM pg_class WHERE relnamespace = pg_my_temp_schema()") == 0
    with transaction.atomic():
        Contact.objects.create(email="later@example.com")


@pytest.mark.django_db
def test_as_many_statements_for_many_contacts_as_for_few(
    django_assert_max_num_queries: Any,
) -> None:
    for number in range(300):
        contact = Contact.objects.create(email=f"p{number}@example.com")
        happened("signup", contact.pk, SINCE + DAY + timedelta(minutes=number % 50))
    journey = draw(
        node("start", "event_entry", event="signup"),
        node("hello", "message", email="hello"),
        node("wait", "wait", duration=day(3)),
        node("end", "end"),
    )
    with django_assert_max_num_queries(260):
        found = rehearse(journey, until=UNTIL, days=30)
    assert found["ended"] == {"ended": 300}


@pytest.mark.django_db
def test_windows_and_caps_are_those_of_then_and_no_live_cap_is_used_up() -> None:
    # Of eight, four in the morning; two of those go first.
    for number in range(8):
        contact = Contact.objects.create()
        happened("signup", contact.pk, SINCE + DAY + number % 2 * 12 * HOUR)
    paths = [
        {"name": "evening", "time": {"from": "12:00", "to": "18:00"}},
        {"name": "first", "cap": {"limit": 2}},
    ]
    journey = draw(
        node("start", "event_entry", event="signup"),
        node("which", "condition", paths=paths, **{"else": True}),
        settings={"time_zone": "UTC"},
    )
    models.CapCount.objects.create(
        journey=journey,
        lane=models.Lane.LIVE,
        node="which",
        path="first",
        day="0001-01-01",
        count=2,
    )
    found = rehearse(journey, until=UNTIL, days=30)
    assert found["nodes"]["which"]["passed"] == {"evening": 4, "first": 2, "else": 2}
    assert models.CapCount.objects.get().count == 2


@pytest.mark.django_db
def test_of_a_sample_a_share_of_the_cap_goes_through() -> None:
    for _number in range(400):
        contact = Contact.objects.create()
        happened("signup", contact.pk, SINCE + DAY)
    journey = draw(
        node("start", "event_entry", event="signup"),
        node("which", "condition", paths=[{"name": "first", "cap": {"limit": 100}}]),
    )
    found = rehearse(journey, until=UNTIL, days=30, limit=200)
    assert found["share"] == 0.5
    assert found["nodes"]["which"]["passed"]["first"] == 100
    assert any("caps of conditions" in note for note in found["notes"])
