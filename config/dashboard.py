"""The first page: how things stand, what runs, and what to do next in an empty workspace."""

from datetime import datetime, timedelta
from typing import Any

from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from config.demo.screens import demo_note
from contacts.admin.courses import DAYS, course_days, daily_courses
from contacts.models import Contact, EventDefinition
from integrations.models import Source
from integrations.source_counts import events_since, open_held_count
from integrations.vendors import owners
from loyalty.money import money
from loyalty.reports.known import reported_campaigns
from loyalty.reports.liability import liability
from segments.admin.badges import calculation_badge, sparklines
from segments.admin.warnings import renewal_address
from segments.expiry import next_deadlines
from segments.models import ImportedSegment, Segment
from workspace import access
from workspace.admin.jobs import job_context
from workspace.admin.lists import estimated_count
from workspace.admin.pictures import chart, number
from workspace.models import Job

_SEGMENTS_SHOWN = 8
_DEADLINES_SHOWN = 5
_REFUSED_SHOWN = 5


def overview(request: HttpRequest) -> dict[str, Any]:
    """What the template of the first page needs."""
    actor = access.actor_of(request)
    now = timezone.now()
    may_see_contacts = actor.may("contacts.view_contact")
    may_see_segments = actor.may("segments.view_segment")
    days = _events_by_day(now) if may_see_contacts else []
    contact_count = estimated_count(Contact) if may_see_contacts else 0
    return {
        "figures": _figures(actor, contact_count, days, now),
        "events_chart": _events_chart(days),
        "segments": _segments(actor, now) if may_see_segments else [],
        "may_see_segments": may_see_segments,
        "may_see_contacts": may_see_contacts,
        "deadlines": _deadlines(actor, now) if may_see_segments else [],
        "refused": _refused(actor),
        "missing": _missing(actor) if may_see_segments else [],
        "jobs": [job_context(job) for job in _running(actor)],
        "steps": _next_steps(actor, contact_count),
        "demo": demo_note(actor),
    }


def _figures(
    actor: access.Actor, contact_count: int, days: list[tuple[str, int]], now: datetime
) -> list[dict[str, Any]]:
    figures: list[dict[str, Any]] = []
    if actor.may("contacts.view_contact"):
        figures += [
            {
                "name": _("Contacts"),
                "value": number(contact_count),
                "url": reverse("admin:contacts_contact_changelist"),
            },
            {
                "name": _("Events in %(days)d days") % {"days": DAYS},
                "value": number(sum(count for _day, count in days)),
                "url": reverse("admin:contacts_eventdefinition_changelist"),
            },
        ]
    if actor.may("segments.view_segment"):
        active = access.visible(Segment.objects.filter(status=Segment.Status.ACTIVE), actor).count()
        figures.append(
            {
                "name": _("Active segments"),
                "value": number(active),
                "url": reverse("admin:segments_segment_changelist"),
            }
        )
    if actor.may("loyalty.view_campaign"):
        figures += _owed(actor, now)
    if actor.may("integrations.view_source") and Source.objects.exists():
        figures.append(
            {
                "name": _("Received in the last hour"),
                "value": number(events_since(now - timedelta(hours=1))),
                "url": reverse("admin:integrations_source_changelist"),
            }
        )
    if actor.may("integrations.view_heldevent") and (held := open_held_count()):
        figures.append(
            {
                "name": _("Held events"),
                "value": number(held),
                "url": reverse("admin:integrations_heldevent_changelist"),
            }
        )
    return figures


def _owed(actor: access.Actor, now: datetime) -> list[dict[str, Any]]:
    """What is owed on gift cards, in each currency; nothing where no card was ever given."""
    ids = list(reported_campaigns(actor).values_list("pk", flat=True))
    return [
        {
            "name": _("Owed on gift cards"),
            "value": money(one.owed_minor, one.currency),
            "url": reverse("loyalty_liability"),
        }
        for one in (liability(ids, at=now) if ids else [])
    ]


def _events_by_day(now: datetime) -> list[tuple[str, int]]:
    """How many events happened on each of the last days, days without any included."""
    courses = daily_courses(until=now).values()
    return [
        (date_format(day, "j M"), sum(course[place] for course in courses))
        for place, day in enumerate(course_days(until=now))
    ]


def _events_chart(days: list[tuple[str, int]]) -> dict[str, Any] | None:
    if not any(count for _day, count in days):
        return None
    return chart(
        [day for day, _count in days],
        [(_("Events"), [count for _day, count in days], "primary")],
        kind="bar",
    )


def _segments(actor: access.Actor, now: datetime) -> list[dict[str, Any]]:
    """The segments calculated last, with their state and the course of their size."""
    active = Segment.objects.filter(status=Segment.Status.ACTIVE).select_related("following")
    found = list(access.visible(active, actor).order_by("-calculated_at", "-pk")[:_SEGMENTS_SHOWN])
    lines = sparklines([segment.pk for segment in found])
    return [
        {
            "segment": segment,
            "badge": calculation_badge(segment, at=now),
            "members": number(segment.member_count),
            "line": lines[segment.pk],
        }
        for segment in found
    ]


def _deadlines(actor: access.Actor, now: datetime) -> list[dict[str, Any]]:
    """The calculations that expire next, with one click to renew each."""
    return [
        {
            "segment": deadline.segment,
            "sentence": deadline.sentence(now=now),
            "renew": renewal_address(deadline.segment, actor),
        }
        for deadline in next_deadlines(actor, at=now, limit=_DEADLINES_SHOWN)
    ]


def _refused(actor: access.Actor) -> list[dict[str, str]]:
    """The accounts at vendors that do not take our credentials any more."""
    if not actor.may("integrations.view_vendorconnection"):
        return []
    return [
        {
            "name": connection.name,
            "error": connection.error,
            "url": reverse("admin:integrations_vendorconnection_change", args=[connection.pk]),
        }
        for connection in owners.refused()[:_REFUSED_SHOWN]
    ]


def _missing(actor: access.Actor) -> list[dict[str, str]]:
    """The imported segments that the other system has no more."""
    known = access.visible(Segment.objects.filter(status=Segment.Status.INACTIVE), actor)
    gone = ImportedSegment.objects.filter(
        missing_since__isnull=False, stopped_at__isnull=True, segment__in=known
    )
    found = gone.select_related("segment").order_by("-missing_since")[:_REFUSED_SHOWN]
    return [
        {
            "name": one.segment.name,
            "url": reverse("admin:segments_segment_imported", args=[one.pk]),
        }
        for one in found
    ]


def _running(actor: access.Actor) -> list[Job]:
    jobs = access.visible_jobs(actor).select_related("user", "api_user")
    waiting = jobs.filter(state__in=[Job.State.QUEUED, Job.State.RUNNING])
    return list(waiting.order_by("-pk")[:5])


def _next_steps(actor: access.Actor, contact_count: int) -> list[dict[str, Any]]:
    """What to do first in a workspace where not everything has begun."""
    has_segments = access.visible(Segment.objects.all(), actor).exists()
    if contact_count and has_segments:
        return []
    steps = [
        (
            "contacts.add_contact",
            bool(contact_count),
            _("Bring your customers"),
            _(
                "Import a CSV or XLSX file: its columns are recognised, and nothing is written"
                " before you have seen a preview."
            ),
            reverse("admin:contacts_import"),
            "upload_file",
        ),
        (
            "integrations.view_source",
            EventDefinition.objects.exists(),
            _("Send what they do"),
            _("Add a source: your shop or website sends events with Segment's own libraries."),
            reverse("admin:integrations_source_changelist"),
            "sensors",
        ),
        (
            "segments.add_segment",
            has_segments,
            _("Make a segment"),
            _("Say who belongs together: preview the number while you write."),
            reverse("admin:segments_segment_add"),
            "donut_small",
        ),
        (
            "workspace.add_apiuser",
            False,
            _("Connect a program"),
            _("An API user has a key, scopes and a limit of its own."),
            reverse("admin:workspace_apiuser_add"),
            "key",
        ),
    ]
    return [
        {"is_done": done, "title": title, "text": text, "url": url, "icon": icon}
        for permission, done, title, text, url, icon in steps
        if actor.may(permission)
    ]
