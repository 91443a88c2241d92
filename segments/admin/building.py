"""What the criteria builder asks while somebody writes: previews, counts, values, events.

Nothing here writes. All answers are JSON, for people who may look at segments; the builder on any
screen asks here.
"""

from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_GET, require_POST
from unfold.admin import ModelAdmin

from contacts.models import Contact
from segments import lifecycle
from segments.admin.forms import read_document
from segments.clause_counts import ClauseCount, count_clauses
from segments.errors import CriteriaRefused, PreviewOutdated
from segments.event_kinds import describe_kind
from segments.models import Segment
from segments.preview import Preview, preview
from segments.suggestions import suggest_values
from workspace.access import Actor, actor_of
from workspace.admin.pictures import number
from workspace.errors import Problem

_VIEW = "segments.view_segment"


class CriteriaBuilding(ModelAdmin):
    """The addresses that the criteria builder asks, below those of segments."""

    def get_urls(self) -> list[URLPattern]:
        views = (
            ("preview", require_POST(preview_view)),
            ("counts", require_POST(counts_view)),
            ("values", require_GET(values_view)),
            ("event", require_GET(event_view)),
        )
        own = [
            path(f"{name}/", self.admin_site.admin_view(view), name=f"segments_{name}")
            for name, view in views
        ]
        return [*own, *super().get_urls()]


def builder_addresses() -> dict[str, str]:
    """Where the builder asks, by what it asks for."""
    names = ("preview", "counts", "values", "event")
    return {name: reverse(f"admin:segments_{name}") for name in names}


def preview_view(request: HttpRequest) -> HttpResponse:
    """Count and sample for what stands in the builder; nothing is saved."""
    actor = _who(request)
    segment = _segment(request.POST.get("segment", ""), actor)
    document, problem = read_document(request.POST.get("criteria", ""))
    if problem is not None:
        return _faulty((problem,))
    try:
        found = preview(
            document,
            actor=actor,
            as_of=timezone.now(),
            segment=segment,
            members_only=bool(request.POST.get("members_only")),
            ticket=request.POST.get("ticket", ""),
        )
    except CriteriaRefused as refused:
        return _faulty(refused.criteria_problems)
    except PreviewOutdated:
        return _outdated()
    return JsonResponse(
        {
            "count": number(found.count),
            "count_number": found.count,
            "exact": found.exact,
            "total": number(found.total),
            "total_number": found.total,
            "share": share_text(found),
            "milliseconds": number(round(found.milliseconds)),
            "sentence": found.sentence,
            "problems": [],
            "sample": _sample(actor, found.sample_ids),
        }
    )


def counts_view(request: HttpRequest) -> HttpResponse:
    """A count for every rule and group that has no fault, by path."""
    actor = _who(request)
    segment = _segment(request.POST.get("segment", ""), actor)
    document, problem = read_document(request.POST.get("criteria", ""))
    if problem is not None:
        return JsonResponse({"counts": {}})
    try:
        found = count_clauses(
            document,
            actor=actor,
            as_of=timezone.now(),
            segment=segment,
            members_only=bool(request.POST.get("members_only")),
            ticket=request.POST.get("ticket", ""),
        )
    except PreviewOutdated:
        return _outdated()
    counts = {
        path: {"count": one.count, "exact": one.exact, "text": count_text(one)}
        for path, one in found.items()
    }
    return JsonResponse({"counts": counts})


def values_view(request: HttpRequest) -> HttpResponse:
    """Values that fit what was typed."""
    actor = _who(request)
    found = suggest_values(
        request.GET.get("field", ""),
        actor=actor,
        at=timezone.now(),
        typed=request.GET.get("q", ""),
        event=request.GET.get("event", ""),
        property_name=request.GET.get("property", ""),
        segment=_segment(request.GET.get("segment", ""), actor),
    )
    values = [
        {"value": one.value, "label": one.label}
        | ({} if one.count is None else {"count": one.count})
        for one in found
    ]
    return JsonResponse({"values": values})


def event_view(request: HttpRequest) -> HttpResponse:
    """The properties of a kind of event, how often it happened, and when last."""
    _who(request)
    kind = describe_kind(request.GET.get("name", ""), at=timezone.now())
    last = (
        ""
        if kind.last_at is None
        else date_format(timezone.localtime(kind.last_at), "SHORT_DATETIME_FORMAT")
    )
    return JsonResponse(
        {
            "label": kind.label,
            "properties": [
                {"name": one.name, "type": one.types[0], "types": list(one.types)}
                for one in kind.properties
            ],
            "count_text": _events_text(kind.event_count),
            "last_seen": last or "",
        }
    )


def share_text(found: Preview) -> str:
    """What part of all contacts it is, in percent; small parts are not rounded to nothing."""
    percent = 100 * found.share
    if 0 < percent < 0.1:
        return _("less than %(percent)s %%") % {"percent": number(0.1)}
    if 99.9 < percent < 100:
        return _("more than %(percent)s %%") % {"percent": number(99.9)}
    digits = 0 if percent in {0, 100} else 1
    return _("%(percent)s %%") % {
        "percent": number(round(percent, digits) if digits else int(percent))
    }


def count_text(found: ClauseCount) -> str:
    """A count for people: “1,234”, “at least 1,234”, or that it is not known."""
    if found.count is None:
        return _("not counted in time")
    if found.exact:
        return number(found.count)
    return _("at least %(count)s") % {"count": number(found.count)}


def _who(request: HttpRequest) -> Actor:
    actor = actor_of(request)
    if not actor.may(_VIEW):
        raise PermissionDenied
    return actor


def _segment(segment_id: str, actor: Actor) -> Segment | None:
    """The segment that is written, if one is; 404 where the actor may not know of it."""
    if not segment_id:
        return None
    found = None
    if segment_id.isdecimal() and len(segment_id) < 10:
        found = lifecycle.known_segments(actor).filter(pk=segment_id).first()
    if found is None:
        raise Http404
    return found


def _sample(actor: Actor, ids: tuple[int, ...]) -> list[dict[str, Any]]:
    if not actor.may("contacts.view_contact"):
        return []
    return [
        {
            "name": str(contact),
            "email": contact.email,
            "url": reverse("admin:contacts_contact_change", args=[contact.pk]),
        }
        for contact in Contact.objects.filter(pk__in=ids).order_by("pk")
    ]


def _events_text(count: int | None) -> str:
    if count is None:
        return _("very many events")
    text = ngettext("%(count)s event", "%(count)s events", count)
    return text % {"count": number(count)}


def _faulty(problems: tuple[Problem, ...]) -> HttpResponse:
    shown = [{"path": p.path, "code": p.code, "message": p.message} for p in problems]
    return JsonResponse({"problems": shown})


def _outdated() -> HttpResponse:
    return JsonResponse({"outdated": True}, status=409)
