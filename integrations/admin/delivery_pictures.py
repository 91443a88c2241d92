"""Badges and small pictures of webhooks and deliveries."""

from collections.abc import Sequence
from typing import Any

from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.timesince import timesince
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from integrations.delivery_counts import Course
from integrations.delivery_log import SHOWN, Try
from integrations.models import Connection, Delivery
from workspace.admin.pictures import badge, chart

State = Delivery.State
_TONES = {
    State.QUEUED: ("info", "schedule"),
    State.IN_FLIGHT: ("info", "send"),
    State.DELIVERED: ("good", "check"),
    State.FAILED: ("bad", "error"),
    State.CANCELLED: ("neutral", "block"),
}
# How deliveries end, as it is drawn.
_ENDS = (
    (State.DELIVERED, gettext_lazy("Sent"), "good"),
    (State.FAILED, gettext_lazy("Failed"), "bad"),
    (State.CANCELLED, gettext_lazy("Left out"), "warning"),
)
_STEP, _BAR, _HEIGHT = 5, 4, 20


def delivery_badge(delivery: Delivery) -> SafeString:
    """In which state it is; what waits after an attempt says so."""
    state = State(delivery.state)
    if state == State.QUEUED and delivery.attempts:
        return badge(_("waits for another attempt"), "warning", "schedule")
    return badge(state.label, *_TONES[state])


def connection_badge(connection: Connection) -> SafeString:
    """Whether it works."""
    if not connection.is_enabled and connection.disabled_reason:
        return badge(_("disabled: it failed"), "bad", "error")
    if not connection.is_enabled:
        return badge(_("disabled"), "neutral", "block")
    if until := resting_until(connection):
        return badge(_("fails: rests until %(time)s") % {"time": until}, "warning", "pause")
    if connection.failing_since is not None:
        return badge(_("fails at present"), "warning", "warning")
    return badge(_("enabled"), "good", "check")


def resting_until(connection: Connection) -> str:
    """The time until which nothing is tried, as it failed; "" where it does not rest."""
    until = connection.breaker_until
    if until is None or until <= timezone.now():
        return ""
    return timezone.localtime(until).strftime("%H:%M:%S")


def strip(tries: Sequence[Try]) -> SafeString:
    """The newest attempts side by side, the newest at the right: low and red where one failed."""
    if not tries:
        return format_html('<span class="rg-faint">{}</span>', _("nothing yet"))
    failed = sum(not one.went_well for one in tries)
    words = {"count": len(tries), "failed": failed}
    empty = SHOWN - len(tries)
    label = ngettext(
        "The newest attempt: %(failed)d failed",
        "The newest %(count)d attempts: %(failed)d failed",
        len(tries),
    )
    bars = format_html_join(
        "",
        '<rect x="{}" y="{}" width="{}" height="{}" rx="1" fill="{}"/>',
        (_bar(place, tries[place - empty] if place >= empty else None) for place in range(SHOWN)),
    )
    return format_html(
        '<svg viewBox="0 0 {} {}" style="width:{}px;max-width:100%" role="img" aria-label="{}">'
        "<title>{}</title>{}</svg>",
        SHOWN * _STEP,
        _HEIGHT,
        SHOWN * _STEP,
        label % words,
        label % words,
        bars,
    )


def _bar(place: int, one: Try | None) -> tuple[Any, ...]:
    """Where it stands, how large it is, its colour; a line at the bottom where nothing was."""
    top, colour = _HEIGHT - 2, "var(--color-base-300)"
    if one is not None:
        top = 0 if one.went_well else _HEIGHT // 2
        colour = "var(--color-green-600)" if one.went_well else "var(--color-red-500)"
    return place * _STEP, top, _BAR, _HEIGHT - top, colour


def course_chart(course: Course) -> dict[str, Any] | None:
    """How deliveries ended on the last days, as bars; None with nothing to draw."""
    if not any(course.total(state) for state, _label, _tone in _ENDS):
        return None
    days = [date_format(day, "j M") for day in course.days]
    series = [
        (str(label), course.by_state.get(state, [0] * len(days)), tone)
        for state, label, tone in _ENDS
        if state == State.DELIVERED or course.total(state)
    ]
    return chart(days, series, kind="bar", axis=_("Day"), is_stacked=True)


def ago(at: Any) -> SafeString:
    """How long ago something was; the moment itself in the tip."""
    if at is None:
        return format_html('<span class="rg-faint">{}</span>', _("never"))
    return format_html(
        '<time class="rg-nowrap" datetime="{}" title="{}">{}</time>',
        at.isoformat(),
        timezone.localtime(at).strftime("%Y-%m-%d %H:%M:%S"),
        _("%(time)s ago") % {"time": timesince(at, timezone.now(), depth=1)},
    )


def moment(at: Any) -> SafeString:
    """An instant to the second; a line where there is none."""
    if at is None:
        return format_html('<span class="rg-faint">{}</span>', "–")
    return format_html(
        '<time class="rg-nowrap" datetime="{}">{}</time>',
        at.isoformat(),
        timezone.localtime(at).strftime("%Y-%m-%d %H:%M:%S"),
    )
