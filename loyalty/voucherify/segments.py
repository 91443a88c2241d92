"""Segments: listed, shown, and who is in them. They are made with the builder, not from here."""

from typing import Any

from django.http import HttpResponse

from contacts.models import Contact
from integrations.voucherify import ids
from integrations.voucherify.answers import answer, answer_list, instant
from integrations.voucherify.entry import Call, Way, not_found, view
from loyalty.voucherify.people import describe_people
from segments.lifecycle import known_segments
from segments.models import Membership, Segment

_VIEW = "segments.view_segment"


def find_segment(reference: str, call: Call) -> Segment:
    """The segment of a `seg_…` id, else of a key. Raises RequestRefused."""
    known = known_segments(call.caller.actor)
    number = ids.read("seg", reference)
    if number is None:
        found = known.filter(key=reference).first() if "\0" not in reference else None
    else:
        found = known.filter(pk=number).first() if number < 2**31 else None
    if found is None:
        raise not_found("segment", reference)
    return found


def describe(segment: Segment) -> dict[str, Any]:
    """A segment as they know it: one that follows its contacts is “auto-update”."""
    is_from_criteria = segment.source == Segment.Source.CRITERIA
    return {
        "id": f"seg_{segment.pk}",
        "name": segment.name,
        "created_at": instant(segment.created_at),
        "updated_at": instant(segment.updated_at),
        "type": "auto-update" if is_from_criteria else "static",
        # Criteria say more than their filters can: they are told by the product's own API.
        "filter": None,
        "initial_sync_status": "IN_PROGRESS" if segment.calculated_at is None else "DONE",
        "metadata": {"key": segment.key, "members": segment.member_count},
        "object": "segment",
    }


def show_list(call: Call) -> HttpResponse:
    """Segments by name; archived ones are gone."""
    found = known_segments(call.caller.actor).exclude(status=Segment.Status.ARCHIVED)
    start, limit = call.page()
    rows = [describe(one) for one in found.order_by("name", "pk")[start : start + limit]]
    return answer_list("data", rows, found.count())


def show(call: Call) -> HttpResponse:
    """One segment."""
    return answer(describe(find_segment(call.parts["reference"], call)))


def show_members(call: Call) -> HttpResponse:
    """The customers in a segment, the newest first."""
    segment = find_segment(call.parts["reference"], call)
    members = members_of(segment)
    start, limit = call.page()
    found = list(members.order_by("-pk").values_list("pk", flat=True)[start : start + limit])
    people = describe_people(found)
    rows = [people[one] for one in found if one in people]
    return answer_list("customers", rows, members.count())


def members_of(segment: Segment) -> Any:
    """The contacts in a segment."""
    inside = Membership.objects.filter(segment_id=segment.pk).values("contact_id")
    return Contact.objects.filter(erased_at=None, pk__in=inside)


SEGMENTS = view("segments", {"GET": Way(show_list, _VIEW)})
SEGMENT = view("segments", {"GET": Way(show, _VIEW)})
MEMBERS = view("segments/members", {"GET": Way(show_members, _VIEW)})
