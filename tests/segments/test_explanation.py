"""Why a contact is in or out, with the values compared, until when."""

from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.core.management import call_command

from contacts.errors import ContactUnknown
from contacts.events import IncomingEvent, record_events
from contacts.models import (
    AttributeDefinition,
    Contact,
    ContactTag,
    Tag,
)
from segments import lifecycle
from segments.explanation import analyzed_plan, explain_contact, written_sql
from tests.factories import make_consent, make_contact, make_tag
from tests.segments.factories import (
    DAY,
    NOW,
    is_in,
    lives_in,
    make_contacts,
    make_segment,
    refresh,
)
from workspace.access import SYSTEM, actor_of_user
from workspace.models import User


@pytest.mark.django_db
def test_each_clause_says_what_it_compared() -> None:
    AttributeDefinition.objects.create(key="points", label="Points", type="number")
    tag = Tag.objects.create(key="vip", label="VIP")
    ania = Contact.objects.create(city="Warszawa", attributes={"points": 7}, lead_score="12.5000")
    ContactTag.objects.create(contact=ania, tag=tag)
    rules: list[dict[str, Any]] = [
        *lives_in("Warszawa")["rules"],
        {"field": "attribute.points", "operator": ">", "value": 10},
        {"combinator": "or", "rules": [{"field": "tag", "operator": "in", "value": ["vip"]}]},
        {"field": "contact.email", "operator": "notNull", "disabled": True},
        {"field": "contact.phone", "operator": "null"},
        {"field": "contact.lead_score", "operator": "<", "value": 20},
    ]
    segment = make_segment(criteria={"combinator": "and", "rules": rules})
    why = explain_contact(segment, ania.pk, as_of=NOW)
    assert (why.contact_id, why.segment, why.member, why.as_of) == (ania.pk, "poles", False, NOW)
    assert [(c.path, c.holds, c.value) for c in why.clauses] == [
        ("rules[0]", True, "Warszawa"),
        ("rules[1]", False, 7),
        ("rules[2].rules[0]", True, ["vip"]),
        ("rules[4]", True, None),
        ("rules[5]", True, Decimal("12.5")),
    ]
    assert "Points" in why.clauses[1].sentence
    assert all(clause.until is None for clause in why.clauses)


@pytest.mark.django_db
def test_membership_of_now_and_of_the_last_calculation_are_both_told() -> None:
    (ania,) = make_contacts("Warszawa")
    segment = make_segment()
    refresh(segment)
    Contact.objects.update(city="Paris")
    why = explain_contact(segment, ania, as_of=NOW + DAY)
    assert why.member is False
    assert why.entered_at == NOW


@pytest.mark.django_db
def test_the_last_purchase_tells_until_when() -> None:
    (ania,) = make_contacts("Warszawa")
    last = NOW - 10 * DAY
    record_events([IncomingEvent(ania, "purchase", last, {})], received_at=NOW)
    rule = {
        "field": "event.purchase",
        "measure": {"function": "last"},
        "operator": "inLast",
        "value": {"amount": 14, "unit": "day"},
    }
    segment = make_segment(criteria={"combinator": "and", "rules": [rule]})
    (clause,) = explain_contact(segment, ania, as_of=NOW).clauses
    assert clause.holds
    assert clause.until == last + 14 * DAY


@pytest.mark.django_db
def test_members_only_is_a_clause_of_its_own() -> None:
    (ania,) = make_contacts("Warszawa")
    segment = make_segment(members_only=True)
    why = explain_contact(segment, ania, as_of=NOW)
    clause = why.clauses[0]
    assert (clause.path, clause.holds, clause.value) == ("members_only", False, False)
    assert not why.member


@pytest.mark.django_db
def test_an_archived_segment_has_nobody_in_it() -> None:
    (ania,) = make_contacts("Warszawa")
    segment = lifecycle.inactivate(make_segment(), actor=SYSTEM, at=NOW)
    segment = lifecycle.archive(segment, actor=SYSTEM, at=NOW)
    assert not explain_contact(segment, ania, as_of=NOW).member


@pytest.mark.django_db
def test_segments_of_others_are_not_named_to_whom_they_are_hidden() -> None:
    (ania,) = make_contacts("Warszawa")
    Group.objects.create(name="Poland")
    refresh(make_segment("secret", name="Secret plan", groups=["Poland"]))
    refresh(make_segment("open"))
    shared = make_segment("shared", is_in("secret", "open"))
    pierre = actor_of_user(User.objects.create_user("pierre"))
    why = explain_contact(shared, ania, as_of=NOW, actor=pierre)
    assert why.member
    assert (why.clauses[0].holds, why.clauses[0].value) == (None, None)
    assert "Secret" not in f"{why.sentence} {why.clauses[0].sentence}"
    assert explain_contact(shared, ania, as_of=NOW).clauses[0].value == ["open", "secret"]


@pytest.mark.django_db
def test_nobody_and_erased_contacts_have_no_explanation() -> None:
    erased = Contact.objects.create(erased_at=NOW)
    segment = make_segment()
    for contact_id in (erased.pk, 0):
        with pytest.raises(ContactUnknown):
            explain_contact(segment, contact_id, as_of=NOW)


@pytest.mark.django_db
def test_the_statement_and_its_plan_can_be_read() -> None:
    make_contacts("O'Fallon")
    segment = make_segment(criteria=lives_in("O'Fallon"))
    assert "O''Fallon" in written_sql(segment, as_of=NOW)
    assert "actual time" in analyzed_plan(segment, as_of=NOW)


@pytest.mark.django_db
def test_it_says_which_clauses_decide_and_what_would_have_to_change() -> None:
    (ania,) = make_contacts("Warszawa")
    rules = [
        *lives_in("Warszawa")["rules"],
        {"combinator": "or", "rules": [*lives_in("Paris")["rules"], *lives_in("Rome")["rules"]]},
    ]
    segment = make_segment(criteria={"combinator": "and", "rules": rules})
    why = explain_contact(segment, ania, as_of=NOW)
    assert [(clause.path, clause.deciding) for clause in why.clauses] == [
        ("rules[0]", False),
        ("rules[1].rules[0]", True),
        ("rules[1].rules[1]", True),
    ]
    (change,) = why.would_change
    assert (change.path, change.should_hold) == ("rules[1].rules[0]", True)
    assert "Paris" in change.sentence


@pytest.mark.django_db
def test_it_says_since_when() -> None:
    make_tag("vip")
    make_consent("sms")
    ania = make_contact(lead_score=5, tags=["vip"], consents={"sms": "granted"}, at=NOW - 9 * DAY)
    record_events([IncomingEvent(ania.pk, "purchase", NOW - DAY, {})], received_at=NOW)
    other = make_segment("other", {"combinator": "and", "rules": []})
    refresh(other, as_of=NOW - 2 * DAY)
    rules = [
        {"field": "tag", "operator": "in", "value": ["vip"]},
        {"field": "consent.sms", "operator": "=", "value": "granted"},
        {"field": "contact.lead_score", "operator": ">", "value": 3},
        {"field": "segment", "operator": "in", "value": ["other"]},
        {"field": "event.purchase", "operator": ">=", "value": 1},
        {"field": "contact.city", "operator": "null"},
        {"field": "tag", "operator": "notIn", "value": ["vip"]},
    ]
    segment = make_segment(criteria={"combinator": "and", "rules": rules})
    made = ContactTag.objects.get().added_at
    since = [clause.since for clause in explain_contact(segment, ania.pk, as_of=NOW).clauses]
    assert since == [made, NOW - 9 * DAY, NOW - 9 * DAY, NOW - 2 * DAY, NOW - DAY, None, made]


@pytest.mark.django_db
def test_it_says_when_time_alone_changes_it_and_which_rule_turns() -> None:
    (ania,) = make_contacts("Warszawa")
    record_events([IncomingEvent(ania, "purchase", NOW - 27 * DAY, {})], received_at=NOW)
    lately = {"field": "occurred_at", "operator": "inLast", "value": {"amount": 30, "unit": "day"}}
    bought = {
        "field": "event.purchase",
        "operator": ">=",
        "value": 1,
        "where": {"combinator": "and", "rules": [lately]},
    }
    segment = make_segment(
        criteria={"combinator": "and", "rules": [*lives_in("Warszawa")["rules"], bought]}
    )
    why = explain_contact(segment, ania, as_of=NOW)
    assert (why.changes_at, why.turning) == (NOW + 3 * DAY, ("rules[1]",))
    assert why.clauses[1].since == NOW - 27 * DAY
    assert (why.clauses[1].events, why.clauses[1].event_count) == ((NOW - 27 * DAY,), 1)
    assert why.clauses[0].event_count is None
    assert not explain_contact(segment, ania, as_of=NOW + 3 * DAY).member


@pytest.mark.django_db
def test_what_is_hidden_gives_no_reason_away() -> None:
    (ania,) = make_contacts("Warszawa")
    Group.objects.create(name="Poland")
    refresh(make_segment("secret", name="Secret plan", groups=["Poland"]))
    rules = [*is_in("secret")["rules"], *lives_in("Paris")["rules"]]
    shared = make_segment("shared", {"combinator": "and", "rules": rules})
    pierre = actor_of_user(User.objects.create_user("pierre"))
    hidden, city = explain_contact(shared, ania, as_of=NOW, actor=pierre).clauses
    assert (hidden.holds, hidden.value, hidden.since, hidden.deciding) == (None, None, None, False)
    assert city.deciding, "that it is false is reason enough"
    why = explain_contact(shared, ania, as_of=NOW, actor=pierre)
    assert (why.would_change, why.changes_at) == ((), None)


@pytest.mark.django_db
def test_the_command_says_why_and_until_when(capsys: pytest.CaptureFixture[str]) -> None:
    (ania,) = make_contacts("Warszawa")
    make_segment("poles", lives_in("Paris"))
    call_command("explain_segment", "poles", "--contact", str(ania))
    told = capsys.readouterr().out
    assert "(decides)" in told
    assert "It would turn if this did hold" in told
    call_command("explain_segment", "poles", "--contact", str(ania), "--json")
    assert '"would_change": [{"path": "rules[0]"' in capsys.readouterr().out
