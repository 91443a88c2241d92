"""What is said at the top of a segment's page, with what to do about it."""

from datetime import datetime
from typing import Any

from django.urls import reverse

from segments.expiry import deadlines_of, planned_counts
from segments.health import findings_of
from segments.models import Segment
from workspace.access import Actor

State = Segment.CalculationState


def warnings_of(segment: Segment, actor: Actor, *, at: datetime) -> dict[str, Any]:
    """That its calculation expires soon or is expired, how to renew it, and its findings."""
    deadline = deadlines_of([segment], at=at).get(segment.pk)
    is_active = segment.status == Segment.Status.ACTIVE
    is_expired = is_active and segment.calculation_state(at=at) == State.EXPIRED
    return {
        "deadline": deadline.sentence(now=at) if deadline else "",
        "is_expired": is_expired,
        "still_planned": planned_counts([segment.pk]).get(segment.pk, 0) if is_expired else 0,
        "renew": renewal_address(segment, actor) if deadline or is_expired else "",
        "findings": findings_of(segment, actor=actor),
    }


def renewal_address(segment: Segment, actor: Actor) -> str:
    """The address that calculates it anew, where this person may and it can be."""
    if not actor.may("segments.refresh_segment") or not segment.is_calculable:
        return ""
    return reverse("admin:segments_segment_action", args=[segment.pk, "refresh_now"])
