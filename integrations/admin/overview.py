"""The first page of a source: how much it sent, what became of it, what needs attention."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.timesince import timesince
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from integrations import held_problems, received_events
from integrations.admin.badges import kind_badge, share_unused, state_badge
from integrations.admin.listing import last_event
from integrations.models import InboundRequest, Outcome, Source
from integrations.source_counts import DAYS, Course, daily_courses, open_held_counts
from workspace.admin.pictures import chart, number

_PROBLEMS_SHOWN = 5
# A source that was never silent for so long, and now is, may have broken.
_SILENT = timedelta(hours=24)
_STUCK = timedelta(seconds=60)
_SERIES = (
    (Outcome.ACCEPTED, "primary"),
    (Outcome.MARKED, "warning"),
    (Outcome.DUPLICATE, "neutral"),
    (Outcome.REFUSED, "bad"),
    (Outcome.FAILED, "bad"),
)


@dataclass(frozen=True, slots=True)
class Concern:
    """Something that somebody should look at: a sentence, and where to go."""

    icon: str
    text: str
    url: str = ""
    step: str = ""
    tone: str = "warning"


def overview_context(source: Source) -> dict[str, Any]:
    """What the template of the page needs; as many queries for much as for little."""
    now = timezone.now()
    course = daily_courses([source.pk], until=now)[source.pk]
    held = open_held_counts([source.pk]).get(source.pk, 0)
    return {
        "kind_badge": kind_badge(source),
        "state_badge": state_badge(source),
        "last_event": last_event(source),
        "today": number(course.totals[-1]),
        "total": number(course.total),
        "days": DAYS,
        "share": share_unused(course.share_unused, course.total),
        "held": number(held),
        "course_chart": _chart(course) if course.total else None,
        "legend": _legend(course),
        "concerns": list(_concerns(source, held, now)),
        "problems": held_problems.problems(source.pk)[:_PROBLEMS_SHOWN] if held else [],
        "held_url": reverse("admin:integrations_source_held", args=[source.pk]),
        "setup_url": reverse("admin:integrations_source_setup", args=[source.pk]),
        "debugger_url": reverse("admin:integrations_source_debugger", args=[source.pk]),
    }


def _chart(course: Course) -> dict[str, Any]:
    return chart(
        [date_format(day, "j M") for day in course.days],
        [
            (str(outcome.label).capitalize(), course.by_outcome[outcome], tone)
            for outcome, tone in _SERIES
            if outcome in course.by_outcome
        ],
        kind="bar",
        axis=_("Day (UTC)"),
        is_stacked=True,
    )


def _legend(course: Course) -> list[tuple[str, str, str]]:
    """Tone, name and number of each outcome that there was."""
    return [
        (tone, str(outcome.label).capitalize(), number(course.count(outcome)))
        for outcome, tone in _SERIES
        if course.count(outcome)
    ]


def _concerns(source: Source, held: int, now: datetime) -> Iterator[Concern]:
    settings_url = reverse("admin:integrations_source_settings", args=[source.pk])
    if not source.is_enabled:
        text = _("It is disabled: everything that it sends is refused.")
        yield Concern("block", text, settings_url, _("Settings"), "bad")
    elif source.last_received_at and now - source.last_received_at > _SILENT:
        silent = timesince(source.last_received_at, now, depth=1)
        text = _("Nothing has arrived for %(time)s.") % {"time": silent}
        setup_url = reverse("admin:integrations_source_setup", args=[source.pk])
        yield Concern("notifications_paused", text, setup_url, _("Set up"))
    oldest = InboundRequest.objects.filter(source_id=source.pk).order_by("pk").first()
    if oldest is not None and now - oldest.received_at > _STUCK:
        words = {
            "n": number(received_events.waiting_count(source.pk)),
            "time": timesince(oldest.received_at, now, depth=1),
        }
        text = _(
            "%(n)s requests wait to be digested, the oldest for %(time)s. They are safe. Is the"
            " program “rounds” running?"
        )
        yield Concern("hourglass_top", text % words)
    if held:
        text = ngettext(
            "%(n)s event could not be used and waits for somebody.",
            "%(n)s events could not be used and wait for somebody.",
            held,
        ) % {"n": number(held)}
        held_url = reverse("admin:integrations_source_held", args=[source.pk])
        yield Concern("pending", text, held_url, _("Look at them"))
    yield from _former_keys(source, settings_url, now)


def _former_keys(source: Source, settings_url: str, now: datetime) -> Iterator[Concern]:
    """Former write keys that were used after they were replaced, and will stop."""
    keys = list(source.write_keys.all())
    replaced_at = max((key.created_at for key in keys), default=now)
    for key in keys:
        is_in_use = key.last_used_at is not None and key.last_used_at > replaced_at
        if key.retires_at and key.retires_at > now and is_in_use:
            text = _("The former write key %(hint)s… is still in use. It stops in %(time)s.") % {
                "hint": key.hint,
                "time": timesince(now, key.retires_at, depth=2),
            }
            yield Concern("key", text, settings_url, _("Settings"))
