"""A workspace with n of everything that the admin lists."""

from datetime import timedelta
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
from segments import actions, export_schedules, exports, membership, saved_criteria
from segments.export_settings import Wanted
from segments.models import Segment
from tests.segments.factories import lives_in, make_segment
from workspace import access, audit, jobs, keys
from workspace.models import Job, User


def furnish(count: int, *, prefix: str = "a") -> None:
    """Add `count` of everything: contacts with events, definitions, segments, jobs and so on."""
    now = timezone.now()
    system = access.SYSTEM
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
        keys.create_api_user(name=f"Program {key}", actor=system, at=now)
        jobs.start(membership.REFRESH_JOB, title=f"Job {key}", actor=system)
        audit.record(actor=system, action="tag.created", subject=tag, changes={"label": ["", key]})
        segment = make_segment(
            key, lives_in("Warszawa"), refresh_mode="interval", refresh_amount=1, refresh_unit="day"
        )
        membership.refresh(segment.pk, as_of=now, cause="test")
        saved_criteria.create_saved_criteria(
            actor=system, at=now, key=key, name=f"Saved {key}", criteria=lives_in("Warszawa")
        )
        exports.request_export(segment=segment, actor=system, at=now)
        export_schedules.create_schedule(
            Wanted(segment=segment), actor=system, at=now, amount=1, unit="day"
        )
        actions.plan_action(segment, actor=system, at=now, kind="add_tag", key=key)
    record_events(
        [
            IncomingEvent(person.pk, f"bought {prefix}{n}", now - timedelta(days=1), {"amount": n})
            for n, person in enumerate(people)
        ],
        received_at=now,
    )


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
