"""The three sections of the list of segments: in preparation, ready to use, archive.

Every segment that is not archived is in one by its calculation, whatever its status: in
preparation while there is none to use yet, ready until it expires, then in the archive, from
where a calculation that is requested anew takes it back.
"""

from datetime import datetime
from enum import StrEnum
from typing import Any

from django.db.models import Count, DateTimeField, DurationField, F, Func, Q, QuerySet
from django.db.models.expressions import ExpressionWrapper

from segments.models import Segment
from workspace import access
from workspace.access import Actor


class Section(StrEnum):
    """Where a segment is listed."""

    PREPARATION = "preparation"
    READY = "ready"
    ARCHIVE = "archive"


def with_expiry(segments: "QuerySet[Segment]") -> "QuerySet[Any]":
    """The segments with `expires_at`, as `Segment.ready_until` says it, to filter and sort by."""
    hours = Func(
        F("readiness_hours"),
        template="make_interval(hours => %(expressions)s)",
        output_field=DurationField(),
    )
    expiry = ExpressionWrapper(F("calculated_at") + hours, output_field=DateTimeField())
    return segments.annotate(expires_at=expiry)


def in_section(segments: "QuerySet[Segment]", section: Section, *, at: datetime) -> "QuerySet[Any]":
    """Those of the segments that are in a section at an instant."""
    return with_expiry(segments).filter(_conditions(at)[section])


def section_of(segment: Segment, *, at: datetime) -> Section:
    """The section of one segment at an instant."""
    if segment.status == Segment.Status.ARCHIVED:
        return Section.ARCHIVE
    if segment.calculated_at is None:
        return Section.PREPARATION
    if segment.ready_until is None or at < segment.ready_until:
        return Section.READY
    is_requested = segment.refresh_requested_at is not None
    return Section.PREPARATION if is_requested else Section.ARCHIVE


def section_counts(actor: Actor, *, at: datetime) -> dict[Section, int]:
    """How many segments that the actor may know of are in each section; one query."""
    known = access.visible(Segment.objects.order_by(), actor).values("pk")
    found = with_expiry(Segment.objects.filter(pk__in=known).order_by())
    counted = {str(name): Count("pk", filter=c) for name, c in _conditions(at).items()}
    counts = found.aggregate(**counted)
    return {section: counts[section] for section in Section}


def _conditions(at: datetime) -> dict[Section, Q]:
    is_archived = Q(status=Segment.Status.ARCHIVED)
    is_expired = Q(expires_at__lte=at)
    is_kept = Q(expires_at__isnull=True) | Q(expires_at__gt=at)
    is_requested = Q(refresh_requested_at__isnull=False)
    is_calculated = Q(calculated_at__isnull=False)
    return {
        Section.PREPARATION: ~is_archived & (~is_calculated | (is_expired & is_requested)),
        Section.READY: ~is_archived & is_calculated & is_kept,
        Section.ARCHIVE: is_archived | (is_expired & ~is_requested),
    }
