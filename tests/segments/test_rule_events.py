"""Rule-based events: of each base event that fits one is made, for the right contact, once."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pytest_django import DjangoAssertNumQueries

from contacts import event_notes
from contacts.erasure import erase_contact
from contacts.event_imports import import_events
from contacts.event_uses import origins_of, uses_of
from contacts.events import IncomingEvent, record_events
from contacts.merging import merge_contacts
from contacts.models import Contact, Event, EventDefinition
from integrations import inbox, sources
from segments import facts, rule_events
from segments.derivation import PORTION, derive_events, examine_rules, preview_rule
from segments.errors import CriteriaRefused, RuleEventInUse
from segments.models import RuleEvent
from segments.rule_events import (
    create_rule_event,
    delete_rule_event,
    disable_rule_event,
    enable_rule_event,
    update_rule_event,
)
from tests.factories import make_contact
from tests.reference.criteria import World, satisfies
from tests.segments.criteria.strategies import conditions_at, happenings_at
from tests.segments.factories import make_segment
from workspace.access import SYSTEM
from workspace.errors import InputInvalid
from workspace.models import AuditEntry
from workspace.rounds import registered_rounds

NOW = datetime(2026, 3, 10, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
pytestmark = pytest.mark.django_db


def where(field: str, operator: str, value: Any) -> dict[str, Any]:
    rule = {"field": f"properties.{field}", "operator": operator, "value": value}
    return {"combinator": "and", "rules": [rule]}


THANKS = where("purchaseMessage", "=", "thank you")
EVERY: dict[str, Any] = {"combinator": "and", "rules": []}


def make_rule(name: str = "thanked", **given: Any) -> RuleEvent:
    """On purchases that say thank you, enabled an hour ago."""
    wanted = {"base": "purchase", "where": THANKS, "enabled": True, "at": NOW - HOUR}
    return create_rule_event(name=name, actor=SYSTEM, **{**wanted, **given})


def buy(
    contact_id: int,
    properties: Mapping[str, Any],
    message_id: str | None = None,
    *,
    at: datetime = NOW,
    received_at: datetime = NOW,
    name: str = "purchase",
) -> None:
    event = IncomingEvent(contact_id, name, at, properties, message_id)
    assert not record_events([event], received_at=received_at).rejected


def derive() -> None:
    while derive_events(NOW):
        pass


def made(name: str = "thanked") -> list[tuple[int, dict[str, Any]]]:
    events = Event.objects.filter(definition__name=name).order_by("occurred_at", "message_id")
    return list(events.values_list("contact_id", "properties"))


def test_a_purchase_that_says_thank_you_makes_an_event_of_its_own() -> None:
    anna = make_contact().pk
    rule = make_rule(payload=["product", "price"])
    told = {"purchaseMessage": "thank you", "product": {"name": "tea"}, "price": 3, "secret": 1}
    buy(anna, told, "m1", at=NOW - MINUTE)
    buy(anna, {"purchaseMessage": "sorry"}, "m2")
    derive()
    event = Event.objects.get(definition=rule.definition)
    assert (event.contact_id, event.occurred_at) == (anna, NOW - MINUTE)
    assert event.message_id == f"rule:{rule.pk}:m1"
    assert event.properties == {"product": {"name": "tea"}, "price": 3}
    assert EventDefinition.objects.get(name="thanked").schema == {
        "price": ["number"],
        "product": ["object"],
        "product.name": ["text"],
    }
    assert not derive_events(NOW)


def test_repeating_base_events_and_rounds_makes_nothing_again() -> None:
    anna = make_contact().pk
    make_rule()
    for _ in range(2):
        buy(anna, {"purchaseMessage": "thank you"}, "m1")
        derive()
    assert made() == [(anna, {"purchaseMessage": "thank you"})]


def test_long_message_ids_stay_apart() -> None:
    anna = make_contact().pk
    make_rule()
    for end in "ab":
        buy(anna, {"purchaseMessage": "thank you"}, "m" * 99 + end)
    derive()
    assert len(made()) == 2


def test_only_events_received_while_the_rule_is_on_count() -> None:
    anna = make_contact().pk
    rule = make_rule(enabled=False)
    buy(anna, {"purchaseMessage": "thank you"}, "before")
    rule = enable_rule_event(rule, actor=SYSTEM, at=NOW)
    buy(anna, {"purchaseMessage": "thank you"}, "late", received_at=NOW - MINUTE)
    buy(anna, {"purchaseMessage": "thank you", "n": 1}, "on", at=NOW - 300 * HOUR)
    derive()
    rule = disable_rule_event(rule, actor=SYSTEM, at=NOW)
    buy(anna, {"purchaseMessage": "thank you"}, "after")
    derive()
    assert made() == [(anna, {"purchaseMessage": "thank you", "n": 1})]


def test_an_import_of_base_events_counts_too(tmp_path: Path) -> None:
    anna = make_contact(external_id="anna").pk
    make_rule()
    path = tmp_path / "purchases.csv"
    path.write_text("who,at,says\nanna,2026-03-01,thank you\nanna,2026-03-02,no\n")
    import_events(
        path,
        name="purchase",
        contact_column="who",
        at_column="at",
        property_columns={"says": "purchaseMessage"},
        actor=SYSTEM,
        at=NOW,
    )
    derive()
    assert made() == [(anna, {"purchaseMessage": "thank you"})]


def test_what_a_source_sends_counts_at_once() -> None:
    source, _key = sources.create_source(name="Shop", actor=SYSTEM, at=NOW)
    make_rule()
    message = {
        "type": "track",
        "event": "purchase",
        "userId": "anna",
        "messageId": "m1",
        "properties": {"purchaseMessage": "thank you"},
    }
    body = json.dumps({"batch": [message, message]})
    inbox.receive(source_id=source.pk, call="batch", body=body, event_count=2, received_at=NOW)
    for run in registered_rounds():
        while run.run(NOW):
            pass
    [(contact_id, properties)] = made()
    assert properties == {"purchaseMessage": "thank you"}
    assert Contact.objects.get().pk == contact_id


@pytest.mark.parametrize(
    ("namespace", "value"), [("email", " Anna@Example.com"), ("user_id", "4711"), ("user_id", 4711)]
)
def test_a_profile_identifier_finds_whose_event_it_is(namespace: str, value: Any) -> None:
    anna = make_contact(external_id="4711", email="anna@example.com").pk
    till = make_contact().pk
    rule = make_rule(where=EVERY, namespace=namespace, identifier="buyer.id", payload=[])
    buy(till, {"buyer": {"id": value}}, "m1")
    buy(till, {"buyer": {"id": "nobody"}}, "m2")
    buy(till, {"buyer": "anna"}, "m3")
    derive()
    assert made() == [(anna, {})]
    rule.refresh_from_db()
    assert (rule.unmatched_count, rule.unmatched_at) == (2, NOW)


def test_two_rules_on_one_event_both_make_theirs() -> None:
    anna = make_contact().pk
    make_rule()
    make_rule("large", where=where("amount", ">", 100))
    buy(anna, {"purchaseMessage": "thank you", "amount": 101})
    derive()
    assert (len(made()), len(made("large"))) == (1, 1)


def test_an_erased_contact_gets_no_event_and_leaves_no_note() -> None:
    anna = make_contact().pk
    make_rule()
    buy(anna, {"purchaseMessage": "thank you"})
    assert event_notes.waiting_count("rules", limit=5) == 1
    erase_contact(anna, actor=SYSTEM, at=NOW)
    assert event_notes.waiting_count("rules", limit=5) == 0
    assert not derive_events(NOW)


def test_when_contacts_merge_meanwhile_the_survivor_gets_the_event_once() -> None:
    anna, other = make_contact().pk, make_contact().pk
    make_rule()
    buy(other, {"purchaseMessage": "thank you"}, "m1")
    buy(other, {"purchaseMessage": "thank you"}, "old", received_at=NOW - 2 * HOUR)
    merge_contacts(anna, other, actor=SYSTEM, at=NOW, cause="test", evidence="")
    derive()
    assert made() == [(anna, {"purchaseMessage": "thank you"})]


def test_more_than_a_portion_is_done_in_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("segments.derivation.PORTION", 3)
    anna = make_contact().pk
    make_rule(where=EVERY)
    record_events(
        [IncomingEvent(anna, "purchase", NOW, {}, f"m{number}") for number in range(7)],
        received_at=NOW,
    )
    assert [derive_events(NOW) for _ in range(3)] == [True, True, False]
    assert len(made()) == 7
    assert PORTION > 3


def test_a_rule_of_nothing_costs_one_look(
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:
    anna = make_contact().pk
    buy(anna, {"purchaseMessage": "thank you"})
    assert event_notes.waiting_count("rules", limit=5) == 0
    with django_assert_max_num_queries(9):
        assert not derive_events(NOW)


def test_doctor_says_when_base_events_pile_up(monkeypatch: pytest.MonkeyPatch) -> None:
    make_rule()
    assert examine_rules().is_well
    monkeypatch.setattr("segments.derivation._MANY", 1)
    buy(make_contact().pk, {})
    assert not examine_rules().is_well
    derive()
    assert examine_rules().is_well


@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_the_events_made_are_those_of_the_oracle(data: st.DataObject) -> None:
    zone = facts.zone()
    with transaction.atomic():
        conditions = data.draw(st.lists(conditions_at(NOW, zone), min_size=1, max_size=4))
        happened = data.draw(st.lists(happenings_at(NOW, zone), max_size=10))
        people = [make_contact().pk, make_contact().pk]
        for number, condition in enumerate(conditions):
            make_rule(f"rule{number}", where=condition)
        told = [(people[number % 2], f"m{number}", event) for number, event in enumerate(happened)]
        record_events(
            [
                IncomingEvent(contact, event.name, event.at, event.properties, message)
                for contact, message, event in told
            ],
            received_at=NOW,
        )
        derive()
        world = World(NOW, zone, {})
        for number, condition in enumerate(conditions):
            rule = RuleEvent.objects.get(name=f"rule{number}")
            found = set(
                Event.objects.filter(definition=rule.definition).values_list(
                    "contact_id", "message_id", "occurred_at"
                )
            )
            assert found == {
                (contact, f"rule:{rule.pk}:{message}", event.at)
                for contact, message, event in told
                if event.name == "purchase" and satisfies(event, condition, world)
            }
        transaction.set_rollback(True)


@pytest.mark.parametrize(
    ("given", "path", "code"),
    [
        ({"name": "thank you"}, "name", "invalid"),
        ({"name": "a" * 31}, "name", "invalid"),
        ({"name": "purchase"}, "name", "taken"),
        ({"name": "visit"}, "base", "circular"),
        ({"name": "first"}, "name", "unique"),
        ({"base": "first"}, "base", "circular"),
        ({"base": ""}, "base", "required"),
        ({"payload": [""]}, "payload[0]", "invalid"),
        ({"namespace": "Email"}, "namespace", "invalid"),
        ({"namespace": "email"}, "identifier", "required"),
        ({"identifier": "mail"}, "namespace", "required"),
    ],
)
def test_what_cannot_be_a_rule_is_refused_with_the_reason(
    given: dict[str, Any], path: str, code: str
) -> None:
    make_rule("first")
    buy(make_contact().pk, {})
    base = {"name": "second", "base": "visit"} if "name" in given else {"name": "second"}
    with pytest.raises(InputInvalid) as refused:
        make_rule(**{**base, **given})
    assert (path, code) in [(one.path, one.code) for one in refused.value.problems]
    assert all(one.message for one in refused.value.problems)


def test_what_a_rule_is_on_cannot_be_made_by_a_rule() -> None:
    make_rule("first", base="visit")
    with pytest.raises(InputInvalid, match="cannot be its base"):
        make_rule("visit", base="purchase")
    assert EventDefinition.objects.filter(name="purchase").count() == 0


def test_a_faulty_condition_is_refused_with_its_places() -> None:
    with pytest.raises(CriteriaRefused) as refused:
        make_rule(where=where("amount", "between", 1))
    assert [one.path for one in refused.value.criteria_problems] == ["rules[0].value"]
    assert refused.value.problems[0].path == "where"


def test_the_database_knows_what_a_rule_is() -> None:
    rule = make_rule()
    for changes in ({"name": "a b"}, {"base_id": rule.definition_id}, {"namespace": "email"}):
        with pytest.raises(IntegrityError), transaction.atomic():
            RuleEvent.objects.filter(pk=rule.pk).update(**changes)


def test_changes_are_told_and_hold_from_then_on() -> None:
    anna = make_contact().pk
    rule = make_rule()
    changed = update_rule_event(rule, actor=SYSTEM, at=NOW, where=EVERY, payload=["a"])
    update_rule_event(changed, actor=SYSTEM, at=NOW, where=EVERY)
    buy(anna, {"a": 1, "b": 2})
    derive()
    assert made() == [(anna, {"a": 1})]
    actions = AuditEntry.objects.filter(action__startswith="rule_event").order_by("pk")
    assert [one.action for one in actions] == ["rule_event.created", "rule_event.changed"]
    assert set(actions[1].changes) == {"where", "payload"}


def test_a_rule_whose_events_a_segment_asks_for_stays() -> None:
    rule = make_rule()
    segment = make_segment(
        "fans",
        {
            "combinator": "and",
            "rules": [{"field": "event.thanked", "operator": ">=", "value": 1}],
        },
    )
    [use] = uses_of(["thanked"], actor=SYSTEM)["thanked"]
    assert (use.kind, use.name) == ("segment", segment.name)
    [on] = uses_of(["purchase"], actor=SYSTEM)["purchase"]
    assert (on.kind, on.name) == ("rule_event", "thanked")
    assert list(origins_of(["thanked", "purchase"], actor=SYSTEM)) == ["thanked"]
    with pytest.raises(RuleEventInUse, match=segment.name):
        delete_rule_event(rule, actor=SYSTEM, at=NOW)
    spare = make_rule("spare")
    delete_rule_event(spare, actor=SYSTEM, at=NOW)
    assert [one.name for one in RuleEvent.objects.all()] == ["thanked"]
    assert EventDefinition.objects.filter(name="spare").exists()


def test_a_preview_counts_the_last_seven_days_and_shows_the_newest() -> None:
    anna = make_contact(email="anna@example.com").pk
    for hours in (1, 2, 3, 4, 24 * 7 + 1):
        told = {"purchaseMessage": "thank you", "hours": hours, "mail": "anna@example.com"}
        buy(anna, told, at=NOW - hours * HOUR)
    buy(anna, {"purchaseMessage": "no"}, at=NOW - HOUR)
    found = preview_rule(base="purchase", where=THANKS, at=NOW, payload=["hours"])
    assert (found.total, found.matched) == (5, 4)
    assert [one.properties for one in found.examples] == [{"hours": 1}, {"hours": 2}, {"hours": 3}]
    assert {one.contact_id for one in found.examples} == {anna}
    whose = preview_rule(
        base="purchase", where=THANKS, at=NOW, namespace="email", identifier="mail"
    )
    assert {one.contact_id for one in whose.examples} == {anna}
    nobody = preview_rule(
        base="purchase", where=THANKS, at=NOW, namespace="email", identifier="hours"
    )
    assert {one.contact_id for one in nobody.examples} == {None}
    assert preview_rule(base="unknown", where=THANKS, at=NOW).total == 0
    assert Contact.objects.count() == 1


def test_the_namespaces_offered_are_the_known_ones() -> None:
    make_rule(namespace="loyalty_card", identifier="card")
    assert rule_events.known_namespaces() == [
        *("user_id", "email", "phone", "anonymous_id"),
        "loyalty_card",
    ]
