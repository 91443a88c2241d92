"""Who could not go on is brought back to where he failed, and nothing is handed out twice."""

from threading import Event as Flag
from threading import Thread
from typing import Any

import pytest
from django.db import connection, transaction
from django.utils import timezone

from contacts.erasure import erase_contact
from contacts.models import Contact, EventDefinition
from integrations.models import Delivery
from integrations.webhooks import create_webhook
from journeys import returning, statistics
from journeys.admin.journey_list import standing_of
from journeys.engine import cohort, health, stopping, tick
from journeys.engine.cohort import Acted, Cohort, register_act
from journeys.engine.course import FINISHED
from journeys.errors import JourneyInvalid, ParticipantUnknown, WrongState
from journeys.explaining import explain_participant
from journeys.models import (
    ContactJourney,
    Journey,
    JourneyVersion,
    Message,
    Participant,
    Passage,
    Transition,
)
from journeys.returning import Reason
from loyalty.models import Publication
from tests.factories import DAY, HOUR, MINUTE, NOW, make_contact
from tests.journeys.engine.passages import (
    after,
    drawing,
    enter,
    make_version,
    node,
    standings_astray,
    steps_of,
)
from tests.loyalty.gift_cards import make_campaign
from workspace.access import SYSTEM, actor_of_user
from workspace.errors import NotAllowed
from workspace.models import AuditEntry, User

pytestmark = pytest.mark.django_db


class Vendor:
    """What stands behind the activity "call" in these tests: refuses while it is down."""

    def __init__(self) -> None:
        self.is_down = True
        self.called: list[int] = []

    def act(self, given: Cohort) -> Acted:
        if self.is_down:
            failed = dict.fromkeys(range(len(given.ids)), "The vendor is down.")
            return Acted(["next"] * len(given.ids), failed=failed)
        self.called += given.contact_ids
        return Acted(["next"] * len(given.ids))


@pytest.fixture
def vendor(monkeypatch: pytest.MonkeyPatch) -> Vendor:
    monkeypatch.setattr(cohort, "_acts", dict(cohort._acts))
    found = Vendor()
    register_act("webhook", found.act, holds_contacts=False)
    return found


def calling(**settings: Any) -> JourneyVersion:
    nodes = [
        node("call", "webhook", url="http://x"),
        node("pause", "wait", duration=after(1, "day")),
    ]
    return make_version(drawing(nodes, "start > call", "call > pause"), **settings)


def let_in(version: JourneyVersion, count: int = 1) -> list[Participant]:
    ids = [make_contact().pk for _one in range(count)]
    enter(version, *ids)
    tick.tick_journey(version.journey_id, as_of=NOW)
    return list(Participant.objects.filter(contact__in=ids).order_by("pk"))


def bring_back(into: JourneyVersion, *, at: Any = NOW + HOUR, **given: Any) -> Any:
    return returning.bring_back(into.journey, actor=SYSTEM, at=at, **given)


def test_who_failed_stands_again_where_he_did_and_the_next_tick_goes_on(vendor: Vendor) -> None:
    version = calling()
    (one,) = let_in(version)
    assert (one.state, one.problem) == ("failed", "The vendor is down.")
    vendor.is_down = False
    done = bring_back(version)
    one.refresh_from_db()
    assert (done.count, done.left) == (1, {})
    assert (one.state, one.problem, one.finished_at) == ("ready", "", None)
    assert one.arrived_at == NOW + HOUR
    assert ContactJourney.objects.get().is_inside
    assert tick.due_journeys(as_of=NOW + HOUR) == [version.journey_id]
    tick.tick_journey(version.journey_id, as_of=NOW + HOUR)
    one.refresh_from_db()
    assert (one.state, one.place, vendor.called) == ("waiting", 1, [one.contact_id])
    assert one.wake_at == NOW + HOUR + DAY
    assert steps_of(one)[1:] == [
        ("call", "failed", 0 * HOUR),
        ("call", "brought_back", HOUR),
        ("call", "next", HOUR),
    ]
    step = Transition.objects.get(cause="back")
    assert (step.data, step.from_place, step.to_place) == ({"problem": "The vendor is down."}, 0, 0)
    sentences = [told.sentence for told in explain_participant(one).steps]
    assert "Somebody brought it back" in sentences[2]
    assert sum(Passage.objects.values_list("count", flat=True)) == Transition.objects.count()
    assert standings_astray() == []


def test_he_may_fail_again_and_come_back_again(vendor: Vendor) -> None:
    version = calling()
    (one,) = let_in(version)
    for _time in range(2):
        assert bring_back(version).count == 1
        tick.tick_journey(version.journey_id, as_of=NOW + HOUR)
        one.refresh_from_db()
        assert one.state == "failed"
    assert standing_of([version.journey_id])[version.journey_id].failed == 1


def test_figures_tell_of_those_who_are_not_back(vendor: Vendor) -> None:
    version = calling()
    several = let_in(version, 3)
    assert statistics.summarize(version).failed == 3
    Participant.objects.update(finished_at=timezone.now() - HOUR)
    assert not health.examine().is_well
    bring_back(version, participants=[several[0].pk])
    assert statistics.summarize(version).failed == 2
    assert statistics.node_counts(version)["call"]["failed"] == 2
    assert statistics.node_counts(version)["call"]["ready"] == 1
    assert statistics.node_counts(version)["call"]["passed"] == {}
    assert standing_of([version.journey_id])[version.journey_id].failed == 2
    assert statistics.summarize(version).finished == {}
    vendor.is_down = False
    bring_back(version)
    tick.tick_journey(version.journey_id, as_of=NOW + HOUR)
    assert statistics.summarize(version).failed == 0
    assert not Participant.objects.filter(state="failed").exists()


def test_one_activity_one_version_or_those_who_are_named(vendor: Vendor) -> None:
    first = calling()
    (early,) = let_in(first)
    nodes = [node("other", "webhook", url="http://x"), node("call", "end")]
    second = make_version(drawing(nodes, "start > other", "other > call"))
    late, last = let_in(second, 2)
    Participant.objects.filter(pk=last.pk).update(problem="Something else.")
    journey = first.journey
    foreseen = returning.foresee_return(journey)
    assert foreseen.count == 3
    assert set(foreseen.reasons) == {
        Reason(1, "call", "The vendor is down.", 1),
        Reason(2, "other", "The vendor is down.", 1),
        Reason(2, "other", "Something else.", 1),
    }
    assert returning.foresee_return(journey, version=1).count == 1
    assert returning.foresee_return(journey, node="other").count == 2
    assert returning.foresee_return(journey, version=2, node="call").count == 0
    assert bring_back(first, version=2, node="call").count == 0
    assert bring_back(first, participants=[last.pk, early.pk]).count == 2
    assert bring_back(first, node="other").count == 1
    assert set(Participant.objects.values_list("state", flat=True)) == {"ready"}
    assert late.pk


def test_it_is_told_in_the_trail_and_nothing_where_nobody_came_back(vendor: Vendor) -> None:
    version = calling()
    let_in(version, 2)
    bring_back(version, node="call")
    bring_back(version, node="call")
    entry = AuditEntry.objects.get(action="journey.brought_back")
    assert entry.changes == {"participants": [0, 2], "node": [None, "call"]}


def test_only_a_live_or_paused_journey_takes_them_back(vendor: Vendor) -> None:
    version = calling()
    let_in(version)
    for state in ("closed", "stopped", "finished"):
        Journey.objects.update(state=state)
        with pytest.raises(WrongState):
            bring_back(version)
    Journey.objects.update(state="paused")
    assert bring_back(version).count == 1
    # It waits until the journey goes on.
    assert tick.due_journeys(as_of=NOW + DAY) == []


def test_into_a_version_that_is_over_nobody_comes_back(vendor: Vendor) -> None:
    version = calling()
    let_in(version)
    calling()
    stopping.finish_ended(as_of=NOW + MINUTE)
    done = bring_back(version)
    assert (done.count, done.left) == (0, {"version_over": 1})
    assert "nobody goes on" in returning.left_sentence(done.left)


def test_who_is_inside_again_stays_so_and_of_two_passages_the_newer_comes_back(
    vendor: Vendor,
) -> None:
    version = calling()
    (one,) = let_in(version)
    enter(version, one.contact_id, at=NOW + MINUTE, cause="event:2")
    tick.tick_journey(version.journey_id, as_of=NOW + MINUTE)
    newer = Participant.objects.latest("pk")
    assert newer.state == "failed"
    done = bring_back(version)
    assert (done.count, done.left) == (1, {"inside": 1})
    newer.refresh_from_db()
    assert newer.state == "ready"
    done = bring_back(version)
    assert (done.count, done.left) == (0, {"inside": 1})


def test_who_was_erased_does_not_come_back(vendor: Vendor) -> None:
    version = calling()
    (one,) = let_in(version)
    erase_contact(one.contact_id, actor=SYSTEM, at=NOW)
    done = bring_back(version)
    assert (done.count, done.left) == (0, {"erased": 1})
    assert standings_astray() == []


def test_who_is_named_must_have_failed_there(vendor: Vendor) -> None:
    version, other = calling(), calling(key="other")
    (elsewhere,) = let_in(other)
    with pytest.raises(ParticipantUnknown):
        bring_back(version, participants=[elsewhere.pk])
    with pytest.raises(JourneyInvalid):
        bring_back(version, participants=range(returning.SELECTED_LIMIT + 1))
    nobody = actor_of_user(User.objects.create_user("anna"))
    with pytest.raises(NotAllowed):
        returning.bring_back(other.journey, actor=nobody, at=NOW)


def test_what_ended_the_passage_meanwhile_ends_it_now(vendor: Vendor) -> None:
    from contacts.events import IncomingEvent, record_events

    version = calling(exit={"event": "unsubscribed"})
    EventDefinition.objects.create(name="unsubscribed")
    (one,) = let_in(version)
    event = IncomingEvent(one.contact_id, "unsubscribed", NOW + MINUTE)
    record_events([event], received_at=NOW + MINUTE)
    vendor.is_down = False
    bring_back(version)
    tick.tick_journey(version.journey_id, as_of=NOW + HOUR)
    one.refresh_from_db()
    assert (one.outcome, vendor.called) == ("exited", [])


def test_webhooks_hear_of_each_end(vendor: Vendor) -> None:
    version = calling()
    create_webhook(url="https://example.com/hook", types=[FINISHED], actor=SYSTEM, at=NOW)
    let_in(version)
    vendor.is_down = False
    bring_back(version)
    tick.tick_journey(version.journey_id, as_of=NOW + 2 * DAY)
    outcomes = [one.payload["data"]["outcome"] for one in Delivery.objects.order_by("pk")]
    assert outcomes == ["failed", "ended"]


def test_a_hundred_come_back_in_as_many_queries_as_one(vendor: Vendor) -> None:
    version = calling()
    several = let_in(version, 100)

    def queries(**given: Any) -> int:
        before = len(connection.queries_log)
        bring_back(version, **given)
        return len(connection.queries_log) - before

    connection.force_debug_cursor = True
    try:
        assert queries(participants=[several[0].pk]) == queries()
    finally:
        connection.force_debug_cursor = False


# What was handed out is not handed out again


def fail_again(one: Participant, place: int) -> None:
    """As if all had been done, and then something had set him aside at the first of it."""
    Participant.objects.filter(pk=one.pk).update(
        state="failed", place=place, finished_at=NOW, wake_at=None, problem="No."
    )


def test_a_card_and_a_message_and_a_call_and_a_jump_are_handed_out_once() -> None:
    make_campaign(key="gift", count=3)
    rest = node("rest", "wait", duration=after(1, "day"))
    target = make_version(drawing([rest], "start > rest"), key="next")
    nodes = [
        node("gift", "voucher", campaign="gift"),
        node("hello", "message", email="hello"),
        node("call", "webhook", url="https://example.com/called"),
        node("over", "jump", journey="next"),
        rest,
    ]
    edges = ("start > gift", "gift > hello", "hello > call", "call > over", "over > rest")
    version = make_version(drawing(nodes, *edges))
    (one,) = let_in(version)

    def handed() -> list[list[Any]]:
        tick.tick_journey(target.journey_id, as_of=NOW + HOUR)
        return [
            list(Publication.objects.order_by("pk").values_list("pk", flat=True)),
            list(Message.objects.order_by("pk").values_list("pk", "node")),
            list(Delivery.objects.order_by("pk").values_list("key", flat=True)),
            list(Participant.objects.filter(version=target).values_list("contact", flat=True)),
        ]

    one.refresh_from_db()
    before, code = handed(), one.context["voucher"]["gift"]["code"]
    assert [len(found) for found in before] == [1, 2, 1, 1]
    fail_again(one, 0)
    assert bring_back(version).count == 1
    tick.tick_journey(version.journey_id, as_of=NOW + HOUR)
    one.refresh_from_db()
    assert (one.state, one.place) == ("waiting", 4)
    assert one.context["voucher"]["gift"]["code"] == code
    assert handed() == before


@pytest.mark.django_db(transaction=True)
def test_a_version_does_not_end_while_somebody_is_brought_back_into_it(vendor: Vendor) -> None:
    version = calling()
    let_in(version)
    JourneyVersion.objects.filter(pk=version.pk).update(is_open=False, closed_at=NOW)
    brought, may_commit, ended = Flag(), Flag(), list[int]()

    def bring() -> None:
        with transaction.atomic():
            bring_back(version)
            brought.set()
            may_commit.wait(20)
        connection.close()

    def finish() -> None:
        ended.append(stopping.finish_ended(as_of=NOW + HOUR))
        connection.close()

    threads = [Thread(target=bring), Thread(target=finish)]
    threads[0].start()
    assert brought.wait(20)
    threads[1].start()
    threads[1].join(0.3)
    may_commit.set()
    for thread in threads:
        thread.join(20)
    assert ended == [0]
    version.refresh_from_db()
    assert version.ended_at is None
    assert Contact.objects.exists()
