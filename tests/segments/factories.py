"""Segments and the contacts in them, with what a test is about."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from contacts.models import Contact
from segments import action_runs, action_undo, exports, lifecycle, membership
from segments.models import Membership, Segment, SegmentAction
from workspace import jobs
from workspace.access import SYSTEM, Actor
from workspace.models import Job

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


def lives_in(*cities: str) -> dict[str, Any]:
    """Criteria: lives in one of these cities."""
    rule = {"field": "contact.city", "operator": "in", "value": list(cities)}
    return {"combinator": "and", "rules": [rule]}


def is_in(*keys: str) -> dict[str, Any]:
    """Criteria: is a member of one of these segments."""
    rule = {"field": "segment", "operator": "in", "value": list(keys)}
    return {"combinator": "and", "rules": [rule]}


def has_attribute(key: str, value: Any) -> dict[str, Any]:
    """Criteria: the custom attribute has this value."""
    rule = {"field": f"attribute.{key}", "operator": "=", "value": value}
    return {"combinator": "and", "rules": [rule]}


def holds(field: str, *others: dict[str, Any]) -> dict[str, Any]:
    """Criteria: the boolean field is true, and so are the other criteria."""
    rule = {"field": field, "operator": "=", "value": True}
    return {"combinator": "and", "rules": [rule, *others]}


def make_contacts(*cities: str) -> list[int]:
    """A contact in each of these cities; their ids."""
    made = Contact.objects.bulk_create(Contact(city=city) for city in cities)
    return [contact.pk for contact in made]


def make_segment(
    key: str = "poles", criteria: Any = None, *, actor: Actor = SYSTEM, **given: Any
) -> Segment:
    """An active segment, not calculated yet; of people in Warszawa where nothing else is said.

    It is calculated once, where nothing else is said.
    """
    given.setdefault("refresh_mode", "once")
    return lifecycle.create_segment(
        actor=actor,
        at=given.pop("at", NOW),
        key=key,
        name=given.pop("name", key.title()),
        criteria=lives_in("Warszawa") if criteria is None else criteria,
        **given,
    )


def refresh(segment: Segment, *, as_of: datetime = NOW, cause: str = "test") -> Any:
    """Refresh, and read the segment again."""
    done = membership.refresh(segment.pk, as_of=as_of, cause=cause)
    segment.refresh_from_db()
    return done


def member_ids(segment: Segment) -> set[int]:
    """Who is in it."""
    return ids_of(Membership.objects.filter(segment=segment).values_list("contact_id", flat=True))


def ids_of(found: Iterable[int]) -> set[int]:
    """As a set, to compare."""
    return set(found)


def run_actions(*, as_of: datetime = NOW) -> list[SegmentAction]:
    """Begin what is due, and do the work here and now."""
    begun = action_runs.run_due(as_of=as_of)
    do_work(at=as_of)
    return begun


def do_work(*, at: datetime = NOW) -> None:
    """Do the work of actions that waits for a worker, whose clock shows `at`."""
    kinds = (action_runs.RUN_JOB, action_undo.UNDO_JOB, exports.EXPORT_JOB)
    waiting = Job.objects.filter(state="queued", kind__in=kinds)
    for job in waiting.order_by("pk"):
        Job.objects.filter(pk=job.pk).update(arguments={**job.arguments, "as_of": at.isoformat()})
        jobs.run(job.pk)
