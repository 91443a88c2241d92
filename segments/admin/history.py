"""The history of a segment on the screen: its course over a period, and any two calculations."""

import json
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models import Count, Max, Min
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from segments.causes import Causes
from segments.models import Calculation, Segment
from workspace import sql
from workspace.access import actor_of
from workspace.admin.pictures import chart, number

_PAGE = 50
# More than so many points side by side say nothing: then the days, or weeks, are drawn.
_POINTS = 120
_PERIODS: tuple[tuple[str, Any, int | None], ...] = (
    ("7d", gettext_lazy("7 days"), 7),
    ("30d", gettext_lazy("30 days"), 30),
    ("90d", gettext_lazy("90 days"), 90),
    ("1y", gettext_lazy("A year"), 365),
    ("all", gettext_lazy("All"), None),
)
_STEPS = {
    "calculation": gettext_lazy("each calculation"),
    "day": gettext_lazy("by day"),
    "week": gettext_lazy("by week"),
    "month": gettext_lazy("by month"),
}
_COURSE = """
SELECT {bucket} AS bucket, max(at) AS at, (array_agg(member_count ORDER BY at DESC, id DESC))[1]
    AS members, sum(entered_count)::bigint AS entered, sum(left_count)::bigint AS left_,
  max(id) AS last_id, (SELECT p.id FROM segments_calculation p
    WHERE p.segment_id = %(segment)s AND (p.at, p.id) < (min(c.at), min(c.id))
    ORDER BY p.at DESC, p.id DESC LIMIT 1) AS before_id
FROM segments_calculation c WHERE segment_id = %(segment)s AND at >= %(since)s
GROUP BY 1 ORDER BY 2, 6
"""


def history_page(admin: Any, request: HttpRequest, segment: Segment) -> HttpResponse:
    """How many were in after each calculation: drawn over a period, and listed to be compared."""
    now = timezone.now()
    calculations = Calculation.objects.filter(segment_id=segment.pk)
    period = request.GET.get("period", "")
    if period not in {name for name, _label, _days in _PERIODS}:
        period = _fitting_period(segment, now)
    step, course = _course(segment, period, now)
    after = request.GET.get("after", "")
    listed = calculations.order_by("-pk")
    if after.isdecimal() and len(after) < 19:
        listed = listed.filter(pk__lt=int(after))
    found = list(listed[: _PAGE + 1])
    causes = Causes((one.cause for one in found), actor_of(request))
    labels = [_label(row["at"], step) for row in course]
    compare = reverse("admin:segments_segment_compare", args=[segment.pk])
    context = admin.thing_context(request, segment, page="history", title=_("History"))
    context.update(
        calculations=[(one, causes.words(one.cause)) for one in found[:_PAGE]],
        has_any=bool(found) or bool(after),
        next=str(found[_PAGE - 1].pk) if len(found) > _PAGE else "",
        periods=[(name, label, name == period) for name, label, _days in _PERIODS],
        step=_STEPS[step],
        compare_url=compare,
        size_chart=chart(labels, [(_("Members"), [row["members"] for row in course], "primary")]),
        flow_chart=chart(
            labels,
            [
                (_("Entered"), [row["entered"] for row in course], "good"),
                (_("Left"), [-row["left_"] for row in course], "bad"),
            ],
            kind="bar",
        ),
        course_links=json.dumps([_link(compare, row) for row in course]),
        course_texts=json.dumps(
            [_text(label, row) for label, row in zip(labels, course, strict=True)]
        ),
        entered=number(sum(row["entered"] for row in course)),
        left=number(sum(row["left_"] for row in course)),
        may_make=actor_of(request).may("segments.add_segment"),
    )
    return TemplateResponse(request, "segments/history.html", context)


def _fitting_period(segment: Segment, now: datetime) -> str:
    """The shortest period in which something can be seen."""
    for name, _label, days in _PERIODS:
        if days is None:
            return name
        since = now - timedelta(days=days)
        within = Calculation.objects.filter(segment_id=segment.pk, at__gte=since)
        if within.count() > 1:
            return name
    return "all"


def _course(segment: Segment, period: str, now: datetime) -> tuple[str, list[dict[str, Any]]]:
    """What is drawn, and how finely: one row for each point, the oldest first."""
    days = next(days for name, _label, days in _PERIODS if name == period)
    found = Calculation.objects.filter(segment_id=segment.pk)
    if days is not None:
        found = found.filter(at__gte=now - timedelta(days=days))
    first, last, count = found.aggregate(f=Min("at"), l=Max("at"), n=Count("pk")).values()
    if first is None:
        return "calculation", []
    step = "calculation"
    if count > _POINTS:
        span = (last - first).days
        step = "day" if span <= _POINTS else "week" if span <= 7 * _POINTS else "month"
    bucket = "id::text"
    if step != "calculation":
        bucket = f"date_trunc('{step}', at AT TIME ZONE %(zone)s)::text"
    words = {"segment": segment.pk, "since": first, "zone": settings.TIME_ZONE}
    return step, sql.rows(_COURSE.format(bucket=bucket), words)


def _label(at: datetime, step: str) -> str:
    formats = {"calculation": "j M, H:i", "month": "M Y"}
    return date_format(timezone.localtime(at), formats.get(step, "j M Y"))


def _link(address: str, row: dict[str, Any]) -> str:
    begin = f"from={row['before_id']}&" if row["before_id"] else ""
    return f"{address}?{begin}to={row['last_id']}"


def _text(label: str, row: dict[str, Any]) -> str:
    """What is read out of a point."""
    return _("%(when)s: %(members)s members, %(entered)s entered, %(left)s left") % {
        "when": label,
        "members": number(row["members"]),
        "entered": number(row["entered"]),
        "left": number(row["left_"]),
    }
