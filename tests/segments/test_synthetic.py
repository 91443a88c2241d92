"""The synthetic workspace: the same for the same arguments, consistent, with the right shares."""

import math
from datetime import UTC, datetime, timedelta

import pytest
from django.core.management import CommandError, call_command

from contacts.models import (
    AttributeDefinition,
    ConsentState,
    Contact,
    ContactCategory,
    ContactTag,
    Event,
    Identity,
)
from segments.models import Membership, Segment
from segments.synthetic import AS_OF, WorkspaceNotEmpty, generate_workspace
from workspace import sql

CONTENT = """
SELECT md5(string_agg(line, ',' ORDER BY line)) FROM (
  SELECT (e.contact_id - %s || ' ' || e.message_id || ' ' || e.occurred_at || ' ' || d.name
    || ' ' || e.properties::text) COLLATE "C" AS line
  FROM contacts_event e JOIN contacts_eventdefinition d ON d.id = e.definition_id
  UNION ALL
  SELECT (c.id - %s || ' ' || c.city || ' ' || coalesce(c.birth_date::text, '') || c.lead_score
    || c.attributes::text || c.created_at) COLLATE "C"
  FROM contacts_contact c
  UNION ALL
  SELECT (m.contact_id - %s || ' ' || t.key) COLLATE "C"
  FROM contacts_contacttag m JOIN contacts_tag t ON t.id = m.tag_id
) lines
"""


def generate(*, contacts: int = 600, events: int = 3000, seed: int = 4, add: bool = False) -> str:
    """Generate and return a digest of what came, the same whatever ids were given."""
    made = generate_workspace(
        contact_count=contacts, event_count=events, seed=seed, as_of=AS_OF, add=add
    )
    return str(sql.one(CONTENT, [made.first_contact_id] * 3))


def empty() -> None:
    """As a workspace begins: nothing but the definitions is left."""
    for table in ("event", "eventstatistic", "lastseen", "consentstate", "consententry"):
        sql.execute(f"DELETE FROM contacts_{table}")
    Membership.objects.all().delete()
    Contact.objects.all().delete()


@pytest.mark.long
@pytest.mark.django_db
def test_the_same_arguments_make_the_same_workspace_and_another_seed_another() -> None:
    first = generate()
    empty()
    assert generate() == first
    empty()
    assert generate(seed=5) != first


@pytest.mark.walk
@pytest.mark.django_db(transaction=True)
def test_a_large_workspace_is_loaded_in_bulk_and_all_its_parts_agree() -> None:
    before = _indexes()
    call_command("generate_data", contacts=20_000, events=60_000, seed=1)

    assert Contact.objects.count() == 20_000
    assert Event.objects.count() == 60_000
    assert Identity.objects.filter(namespace="user_id").count() == 20_000
    assert Identity.objects.filter(namespace="email").count() == 20_000
    assert AttributeDefinition.objects.count() == 20
    assert _indexes() == before, "indexes and keys that were taken away for the load are back"
    assert sql.one("SELECT count(*) FROM contacts_event_default") == 0
    occurred = sql.rows(
        "SELECT min(occurred_at) AS first, max(occurred_at) AS last FROM contacts_event"
    )
    assert AS_OF - timedelta(days=365) <= occurred[0]["first"] < AS_OF - timedelta(days=364)
    assert AS_OF - timedelta(days=1) < occurred[0]["last"] < AS_OF
    wrong_statistics = sql.one(
        "SELECT count(*) FROM (SELECT contact_id, definition_id, count(*) AS n,"
        " min(occurred_at) AS first, max(occurred_at) AS last FROM contacts_event GROUP BY 1, 2) e"
        " FULL JOIN contacts_eventstatistic s USING (contact_id, definition_id)"
        " WHERE (e.n, e.first, e.last) IS DISTINCT FROM (s.event_count, s.first_at, s.last_at)"
    )
    assert wrong_statistics == 0
    wrong_urls = sql.one(
        "SELECT count(*) FROM contacts_event e LEFT JOIN contacts_url u ON u.id = e.url_id"
        " WHERE coalesce(u.url, '') <> coalesce(e.properties->>'url', '')"
        " OR (e.url_id = 0) <> (e.properties->>'url' IS NULL)"
    )
    assert wrong_urls == 0
    other = Segment.objects.get(key="other")
    assert other.member_count == Membership.objects.filter(segment=other).count()
    _shares_are_as_promised()


def _shares_are_as_promised() -> None:
    """Within four standard deviations of what docs/benchmarks.md promises."""
    contacts, events = 20_000, 60_000

    def is_near(count: int, share: float, total: int) -> bool:
        deviation = math.sqrt(total * share * (1 - share))
        return abs(count - share * total) < 4 * deviation

    known = Contact.objects
    assert is_near(known.filter(city="Atlanta").count(), 0.015, contacts)
    assert is_near(known.filter(city="Warszawa").count(), 0.016, contacts)
    assert is_near(known.filter(birth_date=None).count(), 0.1, contacts)
    assert is_near(known.filter(gender="f").count(), 0.52, contacts)
    # A whole number above 20 is one of at least 21: exp(-21/15).
    assert is_near(known.filter(lead_score__gt=20).count(), 0.2466, contacts)
    assert is_near(contacts - known.filter(attributes__has_key="t4").count(), 0.2, contacts)
    assert is_near(known.filter(attributes__b2=True).count(), 0.4 * 0.9, contacts)
    assert is_near(ContactTag.objects.filter(tag__key="vip").count(), 0.03, contacts)
    assert is_near(ContactTag.objects.filter(tag__key="churned").count(), 0.06, contacts)
    assert is_near(ContactCategory.objects.filter(category__key="media").count(), 0.05, contacts)
    assert 2.6 < ContactTag.objects.count() / contacts < 3
    assert 1.2 < ContactCategory.objects.count() / contacts < 1.6
    for key, share in (("newsletter", 0.6), ("sms", 0.5), ("push", 0.5), ("profiling", 0.4)):
        granted = ConsentState.objects.filter(definition__key=key, state="granted").count()
        assert is_near(granted, share, contacts), key
    assert is_near(Segment.objects.get(key="other").member_count, 0.2, contacts)
    for name, share in (("page_visit", 0.55), ("purchase", 0.08), ("review_left", 0.005)):
        assert is_near(Event.objects.filter(definition__name=name).count(), share, events), name
    median = sql.one(
        "SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY amount) FROM contacts_event"
    )
    assert 38 < median < 42
    assert sql.one("SELECT count(*) FROM contacts_event WHERE scale(amount) > 2") == 0


def _indexes() -> list[tuple[str, ...]]:
    found = sql.rows(
        "SELECT indexname AS name, indexdef AS definition FROM pg_indexes"
        " WHERE schemaname = 'public' AND tablename !~ '[0-9]{4}_[0-9]{2}$'"
        " UNION ALL SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint"
        " WHERE connamespace = 'public'::regnamespace AND contype = 'f'"
        " ORDER BY 1, 2"
    )
    return [(row["name"], row["definition"]) for row in found]


@pytest.mark.django_db
def test_a_workspace_with_contacts_is_refused_unless_told_to_add() -> None:
    real = Contact.objects.create(first_name="Real")
    with pytest.raises(CommandError, match="--add"):
        call_command("generate_data", contacts=10, events=0)
    with pytest.raises(WorkspaceNotEmpty):
        generate()
    assert list(Contact.objects.all()) == [real]

    generate(contacts=10, events=50, add=True)
    generate(contacts=10, events=50, add=True)

    assert Contact.objects.count() == 21
    assert Event.objects.count() == 100
    assert Segment.objects.get(key="other").member_count == Membership.objects.count()
    assert not Event.objects.filter(contact=real).exists()


@pytest.mark.django_db
def test_events_end_at_the_instant_asked_for() -> None:
    at = datetime(2024, 7, 19, 13, 5, tzinfo=UTC)
    generate_workspace(contact_count=5, event_count=500, seed=0, as_of=at)
    times = Event.objects.order_by("occurred_at").values_list("occurred_at", flat=True)
    assert at - timedelta(days=365) <= times[0]
    assert at - timedelta(days=10) < times[499] < at


@pytest.mark.django_db
def test_impossible_sizes_are_refused() -> None:
    with pytest.raises(CommandError, match="at least one contact"):
        call_command("generate_data", contacts=0, events=10)
    with pytest.raises(CommandError, match="negative"):
        call_command("generate_data", contacts=1, events=-1)
