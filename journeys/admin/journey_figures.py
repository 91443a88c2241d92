"""The statistics of a version on the screen: who went through, what was sent, what came of it."""

from collections.abc import Mapping
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.translation import gettext as _

from journeys import statistics
from journeys.admin import journey_charts
from journeys.admin.canvas import address_of, find_version
from journeys.admin.journey_charts import percent, points
from journeys.drawing.catalog import OUTCOME_LABELS
from journeys.drawing.kinds import NEXT
from journeys.models import Journey, JourneyVersion, Message, Participant, Refusal
from journeys.outline import outline_of
from journeys.statistics import GoalCounts, Summary
from workspace.admin import PagesAdmin
from workspace.admin.pictures import number

_MESSAGES = (*("sent", "opened", "clicked", "bounced"), *("unsubscribed", "left_out", "failed"))


class FiguresPages(PagesAdmin):
    """The page Statistics, of all time or of the last 24 hours."""

    def figures_view(self, request: HttpRequest, journey: Journey) -> HttpResponse:
        """What went on in a version, the newest one where none is named."""
        version = find_version(journey, request.GET.get("version", ""))
        if version is None:
            raise Http404
        is_live, now = request.GET.get("period") == "live", timezone.now()
        since = now - statistics.LIVE if is_live else None
        counts = statistics.node_counts(version, since=since)
        summary = statistics.summarize(version, since=since)
        people = f"{address_of('participants', journey)}?version={version.number}"
        context = self.thing_context(request, journey, page="statistics", title=_("Statistics"))
        context.update(
            media=self.media,
            version=version,
            versions=journey.versions.filter(lane=version.lane).order_by("-number"),
            is_live=is_live,
            figures=[
                (_("Entered"), number(summary.entered), people),
                (_("Inside now"), number(summary.inside), people),
                (_("Finished"), number(sum(summary.finished.values())), people),
                (_("Failed"), number(summary.failed), f"{people}&state=failed"),
            ],
            finished=_labelled(summary.finished, Participant.Outcome.choices),
            refused=_labelled(summary.refused, Refusal.Reason.choices),
            goal=_goal_of(version, summary),
            funnel=journey_charts.funnel(version, summary, counts),
            entrances=journey_charts.entrance_chart(version, as_of=now, since=since),
            messages_chart=journey_charts.message_chart(version, as_of=now, since=since),
            activities=_activities_of(version, counts),
            messages_sent=_messages_of(version, since),
        )
        return TemplateResponse(request, "journeys/statistics.html", context)


def _labelled(counts: Mapping[str, int], choices: Any) -> list[tuple[str, str]]:
    labels = dict(choices)
    return [(str(labels.get(name, name)), number(count)) for name, count in counts.items()]


def _goal_of(version: JourneyVersion, summary: Summary) -> dict[str, Any] | None:
    if not version.settings.get("goal"):
        return None
    goal: GoalCounts = summary.goal
    told: dict[str, Any] = {
        "reached": number(goal.reached),
        "share": _percent(goal.reached, goal.entered),
        "control_reached": number(goal.control_reached),
        "control_share": _percent(goal.control_reached, goal.control_entered),
        "has_control": goal.control_entered > 0,
        "sentence": "",
        "intervals": journey_charts.goal_intervals(goal),
    }
    if goal.difference is not None:
        told_points = {
            name: points(goal.difference[name]) for name in ("difference", "low", "high")
        }
        message = (
            _(
                "%(difference)s percentage points beside the control group, with 95 %% certainty"
                " between %(low)s and %(high)s."
            )
            if goal.difference["is_certain"]
            else _(
                "%(difference)s percentage points beside the control group, between %(low)s and"
                " %(high)s: that may be chance."
            )
        )
        told["sentence"] = message % told_points
    return told


def _percent(part: int, whole: int) -> str:
    return percent(part / whole) if whole else "–"


def _activities_of(
    version: JourneyVersion, counts: Mapping[str, Mapping[str, Any]]
) -> list[dict[str, Any]]:
    found = []
    for line in outline_of(version.drawing):
        if line.is_again or line.node not in counts:
            continue
        one = counts[line.node]
        passed = sorted(one["passed"].items())
        ways = [
            (_(OUTCOME_LABELS[way]) if way in OUTCOME_LABELS else way, number(count))
            for way, count in passed
        ]
        found.append(
            {
                "line": line,
                "here": number(one["waiting"] + one["ready"]),
                "passed": number(sum(one["passed"].values())),
                "ways": ways if {way for way, _count in passed} - {NEXT} else [],
                "failed": number(one["failed"]) if one["failed"] else "",
            }
        )
    return found


def _messages_of(version: JourneyVersion, since: Any) -> list[dict[str, Any]]:
    labels = {line.node: line.label for line in outline_of(version.drawing)}
    channels, reasons = dict(Message.Channel.choices), Message.Reason.choices
    return [
        {
            "label": labels.get(node, node),
            "channel": channels.get(channel, channel),
            "counts": [
                (name, number(counts[name]), _percent(counts[name], counts["sent"]))
                for name in _MESSAGES
            ],
            "reasons": _labelled(counts["reasons"], reasons),
        }
        for node, by_channel in statistics.message_counts(version, since=since).items()
        for channel, counts in by_channel.items()
    ]
