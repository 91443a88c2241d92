"""Whatever changes about a contact is noted by the database, in the transaction that changes it."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from psycopg import Connection

from contacts import consents, touches
from contacts.erasure import erase_contact
from contacts.events import IncomingEvent, record_events
from contacts.models import (
    Category,
    ConsentDefinition,
    Contact,
    ContactCategory,
    ContactTag,
    Event,
    EventDefinition,
    MetricDefinition,
    MetricValue,
    Tag,
)
from loyalty.models import Member
from segments.criteria.catalog import registered_facts, registered_keyed_facts
from workspace import sql
from workspace.access import SYSTEM

NOW = datetime(2026, 3, 10, 12, 0, tzinfo=UTC)
pytestmark = pytest.mark.django_db


def _people(count: int) -> list[int]:
    made = [contact.pk for contact in Contact.objects.bulk_create(Contact() for _ in range(count))]
    touches.take_all()
    return made


def _taken() -> list[tuple[int, str]]:
    return [(touch.contact_id, touch.topic) for touch in touches.take(1000)]


def test_contacts_are_noted_when_they_come_and_when_something_about_them_changes() -> None:
    made = Contact.objects.bulk_create([Contact(), Contact()])
    anna, ben = (contact.pk for contact in made)
    assert _taken() == [(anna, "new"), (ben, "new")]
    Contact.objects.filter(pk=anna).update(city="Brno")
    assert _taken() == [(anna, "contact")]
    Contact.objects.update(city="Brno")
    assert _taken() == [(ben, "contact")]
    Contact.objects.update(city="Brno", attributes={})
    assert _taken() == []


def test_events_are_noted_by_their_kind_once_for_each_contact_and_not_when_known() -> None:
    anna, ben = _people(2)
    told = [
        IncomingEvent(anna, "visit", NOW, {}, "1"),
        IncomingEvent(anna, "visit", NOW, {}, "2"),
        IncomingEvent(ben, "purchase", NOW, {}, "3"),
    ]
    record_events(told, received_at=NOW)
    kinds = dict(EventDefinition.objects.values_list("name", "pk"))
    assert sorted(_taken()) == [
        (anna, f"event:{kinds['visit']}"),
        (ben, f"event:{kinds['purchase']}"),
    ]
    record_events(told, received_at=NOW)
    assert _taken() == []
    # Those of another contact that become his own, and those that are deleted.
    Event.objects.filter(contact_id=anna).update(contact_id=ben)
    assert sorted(_taken()) == [(anna, f"event:{kinds['visit']}"), (ben, f"event:{kinds['visit']}")]
    Event.objects.filter(definition_id=kinds["purchase"]).delete()
    assert _taken() == [(ben, f"event:{kinds['purchase']}")]


def test_labels_consents_metrics_and_tables_of_upper_floors_are_noted() -> None:
    [anna] = _people(1)
    vip = Tag.objects.create(key="vip", label="VIP")
    shoes = Category.objects.create(key="shoes", label="Shoes")
    news = ConsentDefinition.objects.create(key="news", label="News")
    value = MetricDefinition.objects.create(key="value", label="Value")
    ContactTag.objects.create(contact_id=anna, tag=vip)
    ContactCategory.objects.create(contact_id=anna, category=shoes)
    MetricValue.objects.create(contact_id=anna, metric=value, number=5)
    Member.objects.create(contact_id=anna, joined_at=NOW)
    assert _taken() == [
        (anna, f"tag:{vip.pk}"),
        (anna, f"category:{shoes.pk}"),
        (anna, f"metric:{value.pk}"),
        (anna, "table:loyalty_member"),
    ]
    told = {"key": "news", "state": "granted", "source": "test"}
    consents.record(contact_id=anna, at=NOW, actor=SYSTEM, **told)
    assert _taken() == [(anna, f"consent:{news.pk}")]
    Member.objects.update(tier="gold")
    MetricValue.objects.update(number=6)
    assert _taken() == [(anna, "table:loyalty_member"), (anna, f"metric:{value.pk}")]
    Member.objects.update(tier="gold")
    MetricValue.objects.update(number=6)
    assert _taken() == []
    ContactTag.objects.all().delete()
    assert _taken() == [(anna, f"tag:{vip.pk}")]
    erase_contact(anna, actor=SYSTEM, at=NOW)
    assert {contact_id for contact_id, _topic in _taken()} == {anna}


def test_a_statement_about_very_many_contacts_is_noted_as_one_about_everyone() -> None:
    sql.execute("INSERT INTO contacts_contact (city) SELECT 'x' FROM generate_series(1, 10001)")
    assert _everyone() == ["new"]
    vip = Tag.objects.create(key="vip", label="VIP")
    few = Tag.objects.create(key="few", label="Few")
    add = "INSERT INTO contacts_contacttag (contact_id, tag_id) SELECT id, %s FROM contacts_contact"
    sql.execute(add, [vip.pk])
    assert _everyone() == [f"tag:{vip.pk}"]
    sql.execute(f"{add} ORDER BY id LIMIT 1", [few.pk])
    assert (len(_taken()), _everyone()) == (1, [])
    assert sql.execute("UPDATE contacts_contact SET city = 'y'") == 10001
    assert _everyone() == ["contact"]
    sql.execute("UPDATE contacts_contact SET city = 'y'")
    sql.execute("UPDATE contacts_contacttag SET tag_id = tag_id")
    assert (_taken(), _everyone()) == ([], [])
    everyone = list(Contact.objects.values_list("pk", flat=True))
    visits = [IncomingEvent(pk, "visit", NOW, {}, "1") for pk in everyone]
    record_events([*visits, IncomingEvent(everyone[0], "once", NOW)], received_at=NOW)
    kinds = dict(EventDefinition.objects.values_list("name", "pk"))
    assert _everyone() == [f"event:{kinds['visit']}"]
    assert _taken() == [(everyone[0], f"event:{kinds['once']}")]


def _everyone() -> list[str]:
    later = datetime.now(UTC) + timedelta(hours=1)
    return touches.take_everyone(quiet_since=later, waiting_since=later)


def test_topics_of_everyone_wait_until_no_more_of_them_come() -> None:
    touches.touch_everyone(["event:*", "contact"])
    sql.execute("UPDATE contacts_touch SET at = %s WHERE topic = 'contact'", [NOW])
    long_ago = NOW - timedelta(days=1)
    assert touches.take_everyone(quiet_since=NOW, waiting_since=long_ago) == ["contact"]
    assert touches.take_everyone(quiet_since=NOW, waiting_since=long_ago) == []
    later = datetime.now(UTC) + timedelta(minutes=1)
    assert touches.take_everyone(quiet_since=NOW, waiting_since=later) == ["event:*"]


def test_what_nobody_takes_is_kept_as_what_was_touched() -> None:
    touches.touch([1, 2], "contact")
    touches.touch([3], "tag:1")
    sql.execute("UPDATE contacts_touch SET at = %s WHERE topic = 'contact'", [NOW])
    assert touches.collapse_old(NOW + timedelta(hours=2)) == {"touches": 2}
    assert _taken() == [(3, "tag:1")]
    assert touches.take_all() == ["contact"]


@pytest.mark.parametrize(
    ("topic", "asked", "concerned"),
    [
        ("new", set(), True),
        ("contact", {"contact"}, True),
        ("contact", {"tag:1"}, False),
        ("event:1", {"event:1"}, True),
        ("event:1", {"event:12"}, False),
        ("event:1", {"event:*"}, True),
        ("event:*", {"event:7"}, True),
        ("event:*", {"tag:7", "contact"}, False),
    ],
)
def test_a_topic_concerns_who_asks_about_it(topic: str, asked: set[str], concerned: bool) -> None:
    assert touches.concerns(topic, asked) is concerned


@pytest.mark.django_db(transaction=True)
def test_who_listens_is_told_when_it_is_committed() -> None:
    parameters: dict[str, Any] = connection.get_connection_params()
    parameters.pop("cursor_factory", None)
    parameters.pop("context", None)
    with Connection.connect(**parameters, autocommit=True) as listener:
        listener.execute(f"LISTEN {touches.CHANNEL}")
        with transaction.atomic():
            anna = Contact.objects.create()
            assert list(listener.notifies(timeout=0.05)) == []
        assert [one.channel for one in listener.notifies(timeout=1, stop_after=1)] == [
            touches.CHANNEL
        ]
        record_events([IncomingEvent(anna.pk, "visit", NOW)], received_at=NOW)
        assert len(list(listener.notifies(timeout=1, stop_after=1))) == 1


def test_every_table_that_criteria_ask_about_notes_its_changes() -> None:
    asked = {
        *("contacts_contacttag", "contacts_contactcategory", "contacts_consentstate"),
        *("contacts_metricvalue", *(fact.table for fact in registered_facts().values())),
        *(fact.table for fact in registered_keyed_facts().values()),
    }
    noted = sql.lists(
        "SELECT tgrelid::regclass::text, count(*) FROM pg_trigger"
        " WHERE tgname = ANY(%s) GROUP BY 1",
        [["contacts_note_inserted", "contacts_note_updated", "contacts_note_deleted"]],
    )
    # New events are noted by the statement that stores them.
    assert dict(noted) == dict.fromkeys(asked, 3) | {"contacts_event": 2}
    topics = sql.lists(
        "SELECT DISTINCT tgrelid::regclass::text, split_part(encode(tgargs, 'escape'), '\\000', 1)"
        " FROM pg_trigger WHERE tgname LIKE 'contacts_note_%%'"
    )
    tables = {fact.table for fact in registered_facts().values()}
    assert {(table, f"table:{table}") for table in tables} <= set(topics)
    keyed = {(fact.table, fact.kind) for fact in registered_keyed_facts().values()}
    assert keyed <= set(topics)
