"""Why a contact is in or out, with the values compared, until when."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.contrib.auth.models import Group

from contacts.errors import ContactUnknown
from contacts.events import IncomingEvent, record_events
from contacts.models import (
    AttributeDefinition,
    Contact,
    ContactTag,
    Tag,
)
from segments import lifecycle
from segments.criteria.syntax import (
    Compare,
    ContactField,
    Duration,
    FieldRule,
    InLast,
    InNext,
    Type,
    Unit,
)
from segments.deadlines import until
from segments.explanation import analyzed_plan, explain_contact, written_sql
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

_WARSAW = ZoneInfo("Europe/Warsaw")


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


_AT = datetime(2026, 3, 2, 9, tzinfo=UTC)
_SPRING_FORWARD = datetime(2026, 3, 28, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("test", "value", "now", "expected"),
    [
        (InLast(Duration(7, Unit.DAY)), _AT, _AT + DAY, _AT + 7 * DAY),
        (InLast(Duration(7, Unit.DAY)), _AT, _AT + 7 * DAY, None),
        (InLast(Duration(7, Unit.DAY)), _AT, _AT - DAY, _AT),
        (InNext(Duration(2, Unit.HOUR)), _AT, _AT - DAY, _AT - timedelta(hours=2)),
        (InNext(Duration(2, Unit.HOUR)), _AT, _AT - timedelta(hours=1), _AT),
        (InNext(Duration(2, Unit.HOUR)), _AT, _AT, None),
        (InLast(Duration(1, Unit.MONTH)), _AT, _AT, None),
        (InLast(Duration(10000, Unit.WEEK)), datetime.max.replace(tzinfo=UTC), _AT, None),
        (Compare("<", _AT), _AT, _AT, None),
        (InLast(Duration(7, Unit.DAY)), None, _AT, None),
    ],
)
def test_an_instant_passes_through_a_window(
    test: Any, value: datetime | None, now: datetime, expected: datetime | None
) -> None:
    rule = FieldRule("", ContactField("created_at", Type.DATETIME, ""), test)
    written = None if value is None else value.isoformat()
    assert until(rule, written, now=now, zone=_WARSAW) == expected


@pytest.mark.parametrize(
    ("test", "expected"),
    [
        # Midnights of Warsaw: on 29 March 2026 the clocks go forward at 2.
        (InLast(Duration(1, Unit.DAY)), datetime(2026, 3, 28, 23, tzinfo=UTC)),
        (InLast(Duration(2, Unit.DAY)), datetime(2026, 3, 29, 22, tzinfo=UTC)),
        (InNext(Duration(1, Unit.DAY)), datetime(2026, 3, 28, 23, tzinfo=UTC)),
    ],
)
def test_a_date_turns_at_midnight_in_the_workspaces_zone(test: Any, expected: datetime) -> None:
    rule = FieldRule("", ContactField("birth_date", Type.DATE, ""), test)
    assert until(rule, "2026-03-28", now=_SPRING_FORWARD, zone=_WARSAW) == expected
