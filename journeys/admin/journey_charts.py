"""The pictures of the page Statistics: the funnel, the course of time, the goal beside the control.

Each is a chart with the same figures as a table, for whoever reads rather than looks.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.utils.formats import date_format, number_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from journeys import trends
from journeys.drawing.plan import order
from journeys.drawing.syntax import read
from journeys.models import JourneyVersion
from journeys.outline import outline_of
from journeys.statistics import GoalCounts, Summary
from journeys.trends import Trend
from loyalty.reports.comparison import share_bounds
from workspace.admin.pictures import chart, interval

_ENTRANCES = (
    ("entered", gettext_lazy("Entered"), "primary"),
    ("finished", gettext_lazy("Finished"), "good"),
)
_MESSAGES = (
    ("sent", gettext_lazy("Sent"), "primary"),
    ("opened", gettext_lazy("Opened"), "good"),
    ("clicked", gettext_lazy("Clicked"), "warning"),
    ("bounced", gettext_lazy("Bounced"), "bad"),
)
_STEPS = {
    "hour": gettext_lazy("by the hour"),
    "day": gettext_lazy("by the day"),
    "week": gettext_lazy("by the week"),
    "month": gettext_lazy("by the month"),
}
_FORMATS = {"hour": "j M, H:i", "day": "j M", "week": "j M Y", "month": "M Y"}


def funnel(
    version: JourneyVersion, summary: Summary, counts: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any] | None:
    """Who entered, passed each activity, met the goal; None where nobody did. No query.

    `counts` are those of `statistics.node_counts`.
    """
    rows = [(_("Entered"), summary.entered)]
    labels = {line.node: line.label for line in outline_of(version.drawing) if not line.is_again}
    # From the top: what paths lead to comes after all of them. Who passed the entry is who entered.
    rows += [
        (labels[node], sum(counts[node]["passed"].values()))
        for node in order(read(version.drawing))[1:]
        if node in counts and node in labels
    ]
    if version.settings.get("goal"):
        rows.append((_("Goal"), summary.goal.reached + summary.goal.control_reached))
    if not any(count for _label, count in rows):
        return None
    series = [(_("Passed"), [count for _label, count in rows], "primary")]
    return chart(
        [label for label, _count in rows], series, kind="bar", axis=_("Activity"), is_lying=True
    )


def entrance_chart(
    version: JourneyVersion, *, as_of: datetime, since: datetime | None
) -> dict[str, Any] | None:
    """Who entered and who finished; None where nobody did. One query."""
    return _over_time(trends.entrance_trend(version, as_of=as_of, since=since), _ENTRANCES)


def message_chart(
    version: JourneyVersion, *, as_of: datetime, since: datetime | None
) -> dict[str, Any] | None:
    """What was sent and what came of it; None where nothing was. One query."""
    return _over_time(trends.message_trend(version, as_of=as_of, since=since), _MESSAGES)


def _over_time(trend: Trend, series: Any) -> dict[str, Any] | None:
    if trend.is_empty:
        return None
    labels = [date_format(at, _FORMATS[trend.step]) for at in trend.begins]
    drawn = [(str(label), trend.counts[name], tone) for name, label, tone in series]
    # A line through one point is none.
    kind = "bar" if len(labels) == 1 else "line"
    return {**chart(labels, drawn, kind=kind), "step": _STEPS[trend.step]}


def goal_intervals(goal: GoalCounts) -> list[dict[str, Any]]:
    """The shares of both groups and their difference, each with the bounds of 95 % certainty.

    Empty where one of the groups is. No query.
    """
    if goal.difference is None:
        return []
    told = goal.difference
    groups = [
        (_("Went through"), goal.reached, goal.entered, "primary"),
        (_("Control group"), goal.control_reached, goal.control_entered, "neutral"),
    ]
    shares = [
        (name, hits / total, *share_bounds(hits, total), tone)
        for name, hits, total, tone in groups
        if total
    ]
    # As wide as what is drawn, so that small shares are seen, too.
    end = min(1.0, max(high for *_rest, high, _tone in shares) * 1.1) or 1.0
    rows: list[dict[str, Any]] = [
        {
            "name": name,
            "value": percent(share),
            "bounds": _between(percent(low), percent(high)),
            "tone": tone,
            "places": interval(share, low, high, end=end),
        }
        for name, share, low, high, tone in shares
    ]
    reach = max(abs(told["low"]), abs(told["high"])) * 1.1 or 1.0
    tone = "neutral" if not told["is_certain"] else "good" if told["difference"] > 0 else "bad"
    rows.append(
        {
            "name": _("Difference"),
            "value": points(told["difference"]),
            "bounds": _between(points(told["low"]), points(told["high"])),
            "tone": tone,
            "is_signed": True,
            "places": interval(
                told["difference"], told["low"], told["high"], begin=-reach, end=reach
            ),
        }
    )
    return rows


def _between(low: str, high: str) -> str:
    return _("%(low)s to %(high)s") % {"low": low, "high": high}


def percent(share: float) -> str:
    """A share of 0 to 1 in per cent."""
    # Rounded first: what is formatted is cut off.
    return f"{number_format(round(share * 100, 1), decimal_pos=1)} %"


def points(share: float) -> str:
    """A difference of shares in percentage points, with its sign."""
    found = number_format(round(abs(share) * 100, 1), decimal_pos=1)
    return f"−{found}" if share < 0 else f"+{found}"
