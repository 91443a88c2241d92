"""A workspace with n of everything that the admin lists."""

from datetime import UTC, timedelta
from decimal import Decimal

from django.utils import timezone

from contacts.events import IncomingEvent, record_events
from contacts.models import (
    AttributeDefinition,
    Category,
    ConsentDefinition,
    Contact,
    ContactTag,
    Identity,
    MetricDefinition,
    MetricValue,
    Tag,
)
from integrations import outbox, webhooks
from integrations.bounces.heard import Told, hear
from integrations.connector import Receipt
from integrations.errors import TemporaryError
from integrations.models import (
    HeldEvent,
    Outcome,
    ReceivedEvent,
    Source,
    SourceCount,
    VendorConnection,
)
from integrations.sources import create_source
from integrations.templates import create_template
from journeys.trying import profiles
from loyalty.gift_cards.publications import publish
from loyalty.guarding import client_keys, suspicions
from loyalty.models import Member
from loyalty.programme import earn_rules
from loyalty.programme.points import earn_points
from loyalty.rewards.claims import claim
from loyalty.rewards.mechanisms import create_mechanism
from loyalty.validation_rules import rules
from segments import (
    actions,
    export_schedules,
    exports,
    membership,
    rule_events,
    saved_criteria,
)
from segments.export_settings import Wanted
from segments.models import Segment
from tests.integrations.push.other_side import Browser
from tests.loyalty.cards import make_card, pay
from tests.loyalty.distributions import give_cards
from tests.loyalty.gift_cards import make_campaign
from tests.segments.factories import is_in, lives_in, make_segment
from workspace import access, audit, jobs, keys
from workspace.models import ApiUser, Job, User, Website
from workspace.websites import add_website


def furnish(count: int, *, prefix: str = "a") -> None:
    """Add `count` of everything: contacts with events, definitions, segments, jobs and so on."""
    now = timezone.now()
    system = access.SYSTEM
    if not Website.objects.filter(key="second").exists():
        # Several are shown in another way than one.
        add_website(name="Second", key="second", actor=system, at=now)
    people = Contact.objects.bulk_create(
        Contact(
            first_name="Anna",
            last_name=f"Nowak{prefix}{n}",
            email=f"{prefix}{n}@example.com",
            city="Warszawa",
            lead_score=Decimal(n),
            attributes={},
        )
        for n in range(count)
    )
    Identity.objects.bulk_create(
        Identity(namespace="user_id", value=f"{prefix}-{n}", contact=person)
        for n, person in enumerate(people)
    )
    for n, person in enumerate(people):
        key = f"{prefix}{n}"
        tag = Tag.objects.create(key=key, label=f"Tag {key}")
        ContactTag.objects.create(contact=person, tag=tag)
        Category.objects.create(key=key, label=f"Category {key}")
        ConsentDefinition.objects.create(key=key, label=f"Consent {key}")
        AttributeDefinition.objects.create(key=key, label=f"Attribute {key}", choices=["x", "y"])
        metric = MetricDefinition.objects.create(key=key, label=f"Metric {key}")
        MetricValue.objects.create(contact=person, metric=metric, number=Decimal(7))
        User.objects.create_user(f"user{key}", is_staff=True)
        _authorize(key)
        keys.create_api_user(name=f"Program {key}", actor=system, at=now)
        jobs.start(membership.REFRESH_JOB, title=f"Job {key}", actor=system)
        audit.record(actor=system, action="tag.created", subject=tag, changes={"label": ["", key]})
        segment = make_segment(
            key, lives_in("Warszawa"), refresh_mode="interval", refresh_amount=1, refresh_unit="day"
        )
        membership.refresh(segment.pk, as_of=now, cause="test")
        rules.create_rule(actor=system, at=now, key=key, name=f"Rule {key}", document=is_in(key))
        saved_criteria.create_saved_criteria(
            actor=system, at=now, key=key, name=f"Saved {key}", criteria=lives_in("Warszawa")
        )
        rule_events.create_rule_event(
            actor=system,
            at=now,
            name=f"rule_{key}",
            base=f"bought {key}",
            where={"combinator": "and", "rules": []},
            enabled=True,
        )
        exports.request_export(segment=segment, actor=system, at=now)
        export_schedules.create_schedule(
            Wanted(segment=segment), actor=system, at=now, amount=1, unit="day"
        )
        actions.plan_action(segment, actor=system, at=now, kind="add_tag", key=key)
        create_template(
            name=f"Template {key}",
            subject="Hi",
            html="{{ contact.first_name }}",
            actor=system,
            at=now,
        )
        hear([Told("complaint", f"{prefix}{n}@example.com", "dsn", key, now)], at=now)
        mechanism = create_mechanism(
            actor=system, at=now, kind="reward", name=f"Mug {key}", key=key, segments=[key]
        )
        profiles.mark([person.pk], actor=system, at=now)
        Member.objects.get_or_create(contact=person, defaults={"joined_at": now})
        claim(mechanism, contact_id=person.pk, cause=key, actor=system, at=now)
        gift_cards = make_campaign(f"Gift cards {key}", count=3, at=now)
        publish(campaign=gift_cards, contact_id=person.pk, actor=system, at=now)
        suspicions.note("velocity", f"contact:{person.pk}", at=now, details={"sign": "redemptions"})
        client_keys.create_key(
            name=f"Page {key}",
            api_user_id=ApiUser.objects.get(name=f"Program {key}").pk,
            origins=["https://shop.example"],
            actor=system,
            at=now,
        )
        rule = {"key": key, "name": key, "event_name": "purchase", "points_per_event": 1}
        earn_rules.create_rule(values=rule, actor=system, at=now)
        earn_points(
            contact_id=person.pk,
            points=5,
            cause=key,
            reason="",
            actor=system,
            at=now,
            expires_at=now + timedelta(days=9),
        )
        gifts = make_campaign(f"Paying cards {key}", at=now)
        make_card(f"PAYS-{key}".upper(), gifts, holder=person, published_at=now, at=now)
        pay(f"PAYS-{key}", each=1000, reference=f"order {key}", at=now)
        source, _write_key = create_source(name=f"Source {key}", actor=system, at=now)
        receive_some(source, contact_id=person.pk)
        send_some(f"Webhook {key}", contact_id=person.pk)
        Browser(f"https://fcm.googleapis.com/fcm/send/{key}").subscribe(f"{prefix}-{n}", at=now)
    record_events(
        [
            IncomingEvent(person.pk, f"bought {prefix}{n}", now - timedelta(days=1), {"amount": n})
            for n, person in enumerate(people)
        ],
        received_at=now,
    )
    give_cards(prefix, [person.pk for person in people], at=now)


def send_some(name: str, *, contact_id: int) -> None:
    """A webhook with a delivery that failed once and waits, and one that was delivered."""
    now = timezone.now()
    webhook, _secret = webhooks.create_webhook(
        name=name,
        url="https://example.com/",
        types=["segment.archived"],
        actor=access.SYSTEM,
        at=now,
    )
    for state in ("queued", "delivered"):
        key = f"{state}:{webhook.pk}"
        message = outbox.Message(key, webhook.pk, "segment.archived", {"id": key}, contact_id)
        outbox.enqueue([message], at=now)
        (delivery,) = outbox.claim(due_by=now, kinds=["webhook"], limit=1, at=now)
        if state == "queued":
            outbox.postpone(delivery, TemporaryError("It answered 500.", http_status=500), at=now)
        else:
            outbox.settle(delivery, Receipt(status=200), at=now)


def receive_some(source: Source, *, contact_id: int | None = None, count: int = 1) -> None:
    """Lines of a source's log: what was used, what was not, and the latter held as well."""
    now = timezone.now()
    for place in range(count):
        ReceivedEvent.objects.create(
            source=source,
            received_at=now,
            occurred_at=now,
            type="track",
            name="review_left",
            message_id=f"used {place}",
            contact_id=contact_id,
            outcome=Outcome.ACCEPTED,
            body='{"type": "track", "event": "review_left", "properties": {"rating": 5}}',
        )
        unused = {
            "source": source,
            "received_at": now,
            "type": "track",
            "message_id": f"unused {place}",
            "outcome": Outcome.REFUSED,
            "code": "event_missing",
            "reason": "A track needs an “event”: the name of what happened.",
            "body": f'{{"type": "track", "userId": "A-{place}", "messageId": "unused {place}"}}',
        }
        ReceivedEvent.objects.create(**unused)
        problem = {"path": "event", "code": "event_missing", "message": "No name.", "value": None}
        HeldEvent.objects.create(**unused, problems=[problem])
    for outcome in (Outcome.ACCEPTED, Outcome.REFUSED):
        SourceCount.objects.create(
            source=source, day=now.astimezone(UTC).date(), outcome=outcome, event_count=count
        )
    Source.objects.filter(pk=source.pk).update(last_received_at=now)


def _authorize(key: str) -> None:
    """A website, and a connection for it over which something was said."""
    now = timezone.now()
    website = add_website(name=f"Shop {key}", key=key, actor=access.SYSTEM, at=now)
    connection = VendorConnection.objects.create(
        kind="dotdigital", name=f"Account {key}", authorized_at=now, next_sync_at=now
    )
    connection.connection_websites.create(website=website, attached_at=now)
    for _n in range(2):
        connection.syncs.create(
            name="metrics", state="succeeded", started_at=now, finished_at=now, counts={"sent": 5}
        )
    connection.calls.create(at=now, method="GET", url="/account", status=200, milliseconds=5)


def some_segment() -> Segment:
    """One of the segments."""
    found = Segment.objects.order_by("pk").first()
    assert found is not None
    return found


def some_job() -> Job:
    """One of the jobs."""
    found = Job.objects.order_by("pk").first()
    assert found is not None
    return found
