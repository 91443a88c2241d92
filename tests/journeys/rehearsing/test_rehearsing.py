"""Rehearsals on history: the same engine, and nothing is left of it."""

import itertools
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import InternalError, connection, transaction

from contacts.events import IncomingEvent, record_events
from contacts.models import Contact
from journeys import models
from journeys.models import Journey, JourneyVersion, Message, Participant
from journeys.rehearsing import shadows
from journeys.rehearsing.run import rehearse
from loyalty.gift_cards.publications import publish
from loyalty.gift_cards.publishing import is_set_aside
from loyalty.models import Campaign, Voucher
from tests.factories import DAY, HOUR, NOW
from tests.journeys.drawn import node
from tests.loyalty.gift_cards import make_campaign
from tests.segments.factories import make_contacts, make_segment, refresh
from workspace import sql
from workspace.access import SYSTEM
from workspace.jobs import Cancelled, Work
from workspace.models import Job

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
    assert (messages["total"], messages["channels"]) == (2, {"email": 2})
    assert messages["left_out"] == {"no_address": 2, "cap": 2}
    assert messages["nodes"] == {"hello": {"email": 2}}
    assert [row["email"] for row in messages["days"]] == [2]
    cap = found["cap"]
    assert (cap["over"], cap["most"], len(cap["people"])) == (2, 2, 2)
    assert (cap["people"][0]["messages"], cap["people"][0]["left_out"]) == (1, 1)


def sent_before(journey: Journey, contact: Contact, at: datetime) -> None:
    """Another journey's message that really went out."""
    version = JourneyVersion.objects.create(
        journey=journey, number=1, drawing={}, published_at=SINCE
    )
    one = Participant.objects.create(
        journey=journey,
        version=version,
        contact=contact,
        place=0,
        state="done",
        outcome="ended",
        arrived_at=at,
        entered_at=at,
        finished_at=at,
        entrance="test",
    )
    Message.objects.create(
        journey=journey,
        version=version,
        participant=one,
        node="hello",
        channel="email",
        contact=contact,
        state="sent",
        created_at=at,
        due_at=at,
        sent_at=at,
    )


@pytest.mark.django_db
def test_the_cap_of_the_workspace_counts_what_other_journeys_really_sent_by_then(
    settings: Any,
) -> None:
    settings.MESSAGE_CAP = (1, "week")
    other = Journey.objects.create(key="other", name="Other")
    capped, later, long_before, own = (
        Contact.objects.create(email=f"{name}@example.com") for name in ("a", "b", "c", "d")
    )
    journey = draw(
        node("start", "event_entry", event="signup"), node("hello", "message", email="hello")
    )
    at = SINCE + 10 * DAY
    for contact in (capped, later, long_before, own):
        happened("signup", contact.pk, at)
    sent_before(other, capped, at - DAY)
    for journey_, contact, sent_at in (
        (Journey.objects.create(key="o2", name="2"), later, at + HOUR),
        (Journey.objects.create(key="o3", name="3"), long_before, at - 8 * DAY),
        (journey, own, at - DAY),
    ):
        sent_before(journey_, contact, sent_at)
    found = rehearse(journey, until=UNTIL, days=30)
    assert found["messages"]["left_out"] == {"cap": 1}
    assert found["messages"]["total"] == 3
    assert found["cap"]["is_of_workspace"]
    assert [row["contact_id"] for row in found["cap"]["people"]] == [capped.pk]


@pytest.mark.django_db
def test_a_message_in_quiet_hours_counts_when_they_are_over() -> None:
    contact = Contact.objects.create(email="a@example.com")
    night = (SINCE + DAY).replace(hour=23)
    happened("signup", contact.pk, night)
    journey = draw(
        node("start", "event_entry", event="signup"),
        node("hello", "message", email="hello"),
        settings={"quiet_hours": {"from": "22:00", "to": "08:00"}},
    )
    days = rehearse(journey, until=UNTIL, days=30)["messages"]["days"]
    assert [row["day"] for row in days] == [(night + DAY).date().isoformat()]


@pytest.mark.django_db
@pytest.mark.parametrize("limit", [100_000, 30])
def test_a_segment_is_read_at_its_rate_and_a_sample_takes_as_long_as_all(limit: int) -> None:
    make_contacts(*["Warszawa"] * 60)
    refresh(make_segment(), as_of=SINCE - DAY)
    journey = draw(
        node("start", "read_segment", segment="poles", rate=30 / 86_400),
        node("wait", "wait", duration=day(40)),
    )
    half = rehearse(journey, until=UNTIL, days=1, limit=limit)["entered"]
    assert half == 31 if limit > 60 else 20 <= half <= 45
    assert rehearse(journey, until=UNTIL, days=3, limit=100_000)["entered"] == 60


@pytest.mark.django_db
def test_what_is_due_while_a_segment_is_read_slowly_is_read_once_when_that_is_done() -> None:
    make_contacts(*["Warszawa"] * 10)
    refresh(make_segment(), as_of=SINCE - DAY)
    config = {"segment": "poles", "schedule": {"every": day()}}
    journey = draw(node("start", "read_segment", **config), node("end", "end"))
    # Ten of them take two and a half days: from one reading to the next, so long.
    journey.drawing["nodes"][0]["config"]["rate"] = 10 / (2.5 * 86_400)
    found = rehearse(journey, until=UNTIL, days=30)
    assert found["entered"] == 120
    journey.drawing["nodes"][0]["config"]["rate"] = 10
    assert rehearse(journey, until=UNTIL, days=30)["entered"] == 300


def give(campaign: Campaign, *, edges: Any = None) -> Journey:
    return draw(
        node("start", "event_entry", event="signup"),
        node("gift", "voucher", campaign=campaign.key),
        node("got", "end"),
        node("none", "end"),
        edges=[("start", "gift"), ("gift", "got"), ("gift", "error", "none")],
    )


@pytest.mark.django_db
def test_cards_are_given_while_codes_are_left_and_cost_what_they_are_worth() -> None:
    people = [Contact.objects.create(email=f"p{number}@example.com") for number in range(5)]
    for number, contact in enumerate(people):
        happened("signup", contact.pk, SINCE + number * DAY)
    campaign = make_campaign(count=3)
    found = rehearse(give(campaign), until=UNTIL, days=30)
    assert found["nodes"]["gift"]["passed"] == {"next": 3, "error": 2}
    assert found["nodes"]["got"]["passed"] == {"next": 3}
    assert found["nodes"]["none"]["passed"] == {"next": 2}
    cards = found["gift_cards"]
    assert cards["cost"] == {campaign.currency: 3 * campaign.amount_minor}
    [row] = cards["campaigns"]
    assert (row["campaign"], row["count"], row["left"]) == (campaign.key, 3, 3)
    assert row["failed"] == {"none_left": 2}
    # Nothing was given.
    assert not Voucher.objects.exclude(published_at=None).exists()


@pytest.mark.django_db
def test_who_has_a_card_gets_none_and_a_campaign_that_never_runs_dry_has_enough() -> None:
    people = [Contact.objects.create(email=f"p{number}@example.com") for number in range(4)]
    for contact in people:
        happened("signup", contact.pk, SINCE + 2 * DAY)
        happened("signup", contact.pk, SINCE + 20 * DAY)
    campaign = make_campaign(count=1, refill=True)
    journey = give(campaign)
    publish(campaign=campaign, contact_id=people[0].pk, actor=SYSTEM, at=SINCE + DAY)
    publish(campaign=campaign, contact_id=people[1].pk, actor=SYSTEM, at=SINCE + 10 * DAY)
    [row] = rehearse(journey, until=UNTIL, days=30)["gift_cards"]["campaigns"]
    assert row["left"] is None
    # The first had one before; the others get one the first time that they come.
    assert (row["count"], row["failed"]) == (3, {"joined_already": 5})
    campaign.holdout_percent = 90
    campaign.save()
    [row] = rehearse(journey, until=UNTIL, days=30)["gift_cards"]["campaigns"]
    # Of those who have none yet, each time that they come.
    times = zip(people, (0, 1, 2, 2), strict=True)
    aside = sum(count for contact, count in times if is_set_aside(campaign, contact.pk))
    assert row["failed"].get("held_out", 0) == aside
    Campaign.objects.update(status="disabled")
    [row] = rehearse(journey, until=UNTIL, days=30)["gift_cards"]["campaigns"]
    assert (row["count"], row["failed"]) == (0, {"closed": 8})


@pytest.mark.walk
@pytest.mark.django_db
def test_codes_are_as_scarce_for_a_sample_as_for_all() -> None:
    for number in range(200):
        contact = Contact.objects.create(email=f"p{number}@example.com")
        happened("signup", contact.pk, SINCE + DAY)
    found = rehearse(give(make_campaign(count=40)), until=UNTIL, days=30, limit=50)
    [row] = found["gift_cards"]["campaigns"]
    assert (row["left"], row["count"]) == (40, 40)
    assert row["failed"]["none_left"] > 60


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


@pytest.mark.walk
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


@pytest.mark.django_db(transaction=True)
def test_it_says_how_far_it_is_and_who_cancels_it_leaves_nothing() -> None:
    contact = Contact.objects.create(email="a@example.com")
    for number in range(5):
        happened("signup", contact.pk, SINCE + number * 5 * DAY)
    journey = draw(node("start", "event_entry", event="signup"), node("end", "end"))
    told: list[tuple[int, int | None]] = []

    class Watched(Work):
        def advance(self, done: int, total: int | None = None, message: str = "") -> None:
            told.append((done, total))
            if len(told) == 3:
                self.is_cancelled.set()
            super().advance(done, total, message)

    with pytest.raises(Cancelled):
        rehearse(journey, until=UNTIL, days=30, work=Watched(Job(), SYSTEM))
    assert told == [(0, 30), (5, 30), (10, 30)]
    assert sql.one("SELECT count(*) FROM pg_class WHERE relnamespace = pg_my_temp_schema()") == 0
    # The connection is as it was: it writes, and reads as it likes.
    assert sql.one("SHOW enable_seqscan") == "on"
    assert Contact.objects.create(email="after@example.com").pk
