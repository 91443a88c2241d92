"""Held events: used again as they are or corrected, or dismissed."""

from typing import Any

import pytest

from contacts import events
from contacts.models import Event
from integrations import digestion, held, processing
from integrations.errors import HeldEventUnknown, NothingToReplay, ReplayInvalid
from integrations.models import HeldEvent, Outcome, ReceivedEvent, Source
from tests.factories import DAY, HOUR, NOW, make_attribute, make_contact
from tests.integrations.test_digestion import contact, event_names, identify, receive, send, track
from workspace.access import SYSTEM, Actor, actor_of_user
from workspace.errors import NotAllowed
from workspace.models import AuditEntry, User

pytestmark = pytest.mark.django_db

LATER = NOW + 30 * DAY


@pytest.fixture
def shop() -> Source:
    return Source.objects.create(key="shop", name="Shop", created_at=NOW)


def replay(actor: Actor = SYSTEM, **changes: Any) -> held.Replayed:
    """Replay the one that is held."""
    one = HeldEvent.objects.get(state="open")
    (replayed,) = held.replay([one.pk], actor=actor, at=LATER, changes=changes)
    return replayed


def test_a_track_without_a_name_is_given_one_and_keeps_its_times(shop: Source) -> None:
    message = track("", messageId="m1", timestamp="2026-03-02T10:30:00Z")
    send(shop, {**message, "sentAt": "2026-03-02T11:30:00Z"})
    mara = actor_of_user(User.objects.create_superuser("mara"))
    replayed = replay(mara, event="review_left", properties={"rating": 5})
    assert (replayed.outcome, replayed.is_resolved) == ("accepted", True)
    event = Event.objects.get()
    assert (event.definition.name, event.properties) == ("review_left", {"rating": 5})
    assert (event.occurred_at, event.received_at, event.message_id) == (NOW - HOUR, NOW, "m1")
    one = HeldEvent.objects.get()
    assert (one.state, one.resolved_at, one.resolved_by_id) == ("replayed", LATER, mara.id)
    assert one.contact_id == contact().pk
    assert list(ReceivedEvent.objects.order_by("pk").values_list("outcome", "received_at")) == [
        *(("refused", NOW), ("accepted", LATER)),
    ]
    entry = AuditEntry.objects.get(action="held_event.replayed")
    assert entry.changes == {"corrected": [None, ["event", "properties"]]}
    # Once is enough: what was dealt with is left alone.
    assert held.replay([one.pk], actor=SYSTEM, at=LATER) == []
    assert Event.objects.count() == 1


def test_one_that_still_cannot_be_used_stays_open_with_the_new_reason(shop: Source) -> None:
    send(shop, {"type": "track"})
    replayed = replay(userId="u1")
    assert (replayed.code, replayed.is_resolved) == ("event_missing", False)
    one = HeldEvent.objects.get()
    assert (one.state, one.code) == ("open", "event_missing")
    assert replay(userId="u1", event="bought").is_resolved
    assert event_names(contact()) == ["bought"]


def test_an_event_is_given_to_the_contact_that_somebody_found(shop: Source) -> None:
    anna = make_contact(external_id="anna")
    send(shop, {"type": "track", "event": "bought"})
    with pytest.raises(ReplayInvalid, match="There is no contact 987654"):
        replay(contact_id=987654)
    assert replay(contact_id=anna.pk).is_resolved
    assert event_names(anna) == ["bought"]
    send(shop, {"type": "identify", "traits": {"plan": "pro"}})
    with pytest.raises(ReplayInvalid, match="correct the userId"):
        replay(contact_id=anna.pk)


def test_of_an_identify_only_what_was_lost_is_told_again(shop: Source) -> None:
    make_attribute("age", "number")
    send(shop, identify(age="30 years", city="Oslo", size="M"))
    send(shop, identify(city="Rome", size="L"))
    assert not replay().is_resolved
    traits = {"age": 30, "city": "Oslo", "size": "M", "shoe": {"size": 41}}
    assert replay(traits=traits).is_resolved
    found = contact()
    assert found.city == "Rome"
    assert found.attributes == {"age": 30, "size": "L", "shoe_size": 41}
    send(shop, {**identify(), "traits": "size L"})
    assert replay(traits={"size": "XL"}).is_resolved
    assert contact().attributes["size"] == "XL"


def test_a_new_attribute_takes_what_was_kept_aside(shop: Source) -> None:
    shop.new_traits = Source.NewTraits.KEEP_ASIDE
    shop.save()
    send(shop, identify("u1", shoe=41), identify("u2", shoe=38))
    make_attribute("shoe", "number")
    ids = list(HeldEvent.objects.values_list("pk", flat=True))
    assert [one.is_resolved for one in held.replay(ids, actor=SYSTEM, at=LATER)] == [True, True]
    assert [contact(user_id).attributes for user_id in ("u1", "u2")] == [{"shoe": 41}, {"shoe": 38}]
    entry = AuditEntry.objects.get(action="held_event.replayed")
    assert (entry.object_label, entry.changes) == ("2 held events", {"ids": [None, sorted(ids)]})


def test_an_event_that_was_recorded_is_not_recorded_again(shop: Source) -> None:
    send(shop, track(timestamp="soon"))
    with pytest.raises(NothingToReplay):
        replay()
    assert Event.objects.count() == 1
    assert held.dismiss([HeldEvent.objects.get().pk], actor=SYSTEM, at=LATER) == 1
    one = HeldEvent.objects.get()
    assert (one.state, one.resolved_at) == ("dismissed", LATER)
    assert held.dismiss([one.pk], actor=SYSTEM, at=LATER) == 0
    assert AuditEntry.objects.filter(action="held_event.dismissed").count() == 1


def test_a_request_that_was_held_whole_is_taken_apart(
    shop: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*given: Any, **named: Any) -> None:
        raise ValueError("nothing goes")

    with monkeypatch.context() as patched:
        patched.setattr(digestion, "unpack", broken)
        receive(shop, [track("one"), track("two"), track("")])
        digestion.digest(NOW)
    assert (HeldEvent.objects.get().type, Event.objects.count()) == ("batch", 0)
    replayed = replay()
    assert (replayed.is_resolved, replayed.reason) == (True, "1 message of it is held.")
    assert event_names() == ["one", "two"]
    assert HeldEvent.objects.get(state="open").code == "event_missing"


def test_a_defect_in_one_of_many_keeps_only_that_one(
    shop: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stumbling(given: Any, **named: Any) -> Any:
        given = list(given)
        if any(event.name == "stone" for event in given):
            raise ZeroDivisionError
        return events.record_events(given, **named)

    send(shop, {**track("stone"), "userId": ""}, {**track("road"), "userId": ""})
    monkeypatch.setattr(processing, "record_events", stumbling)
    ids = list(HeldEvent.objects.order_by("pk").values_list("pk", flat=True))
    body = HeldEvent.objects.get(pk=ids[1]).body.replace('"userId":""', '"userId":"u1"')
    HeldEvent.objects.update(body=body)
    HeldEvent.objects.filter(pk=ids[0]).update(body=body.replace("road", "stone"))
    first, second = held.replay(ids, actor=SYSTEM, at=LATER)
    assert (first.outcome, first.code, second.outcome) == (Outcome.FAILED, "defect", "accepted")
    assert event_names() == ["road"]


def test_who_may_not_replay_is_told_so(shop: Source) -> None:
    send(shop, {"type": "track"})
    (pk,) = HeldEvent.objects.values_list("pk", flat=True)
    anna = actor_of_user(User.objects.create_user("anna"))
    for verb in (held.replay, held.dismiss):
        with pytest.raises(NotAllowed):
            verb([pk], actor=anna, at=LATER)
        with pytest.raises(HeldEventUnknown):
            verb([pk, pk + 1], actor=SYSTEM, at=LATER)
    with pytest.raises(ReplayInvalid):
        replay(colour="red")
