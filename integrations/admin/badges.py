"""Words with a colour for sources and for what became of events."""

from typing import Any

from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from integrations.models import HeldEvent, Outcome, Source
from workspace.admin.pictures import badge

KIND_ICONS = {
    Source.Kind.SERVER: "dns",
    Source.Kind.WEB: "web",
    Source.Kind.WEBHOOK: "webhook",
    Source.Kind.CSV: "csv",
    Source.Kind.VOUCHERIFY: "redeem",
}
OUTCOME_TONES = {
    Outcome.ACCEPTED: ("good", "check"),
    Outcome.MARKED: ("warning", "flag"),
    Outcome.DUPLICATE: ("neutral", "content_copy"),
    Outcome.REFUSED: ("bad", "block"),
    Outcome.FAILED: ("bad", "error"),
}
_STATES = {
    HeldEvent.State.OPEN: ("warning", "pending"),
    HeldEvent.State.REPLAYED: ("good", "check"),
    HeldEvent.State.DISMISSED: ("neutral", "block"),
}


def kind_badge(source: Source) -> SafeString:
    """What kind of source it is."""
    return badge(source.get_kind_display(), "neutral", KIND_ICONS[Source.Kind(source.kind)])


def state_badge(source: Source) -> SafeString:
    """Whether it takes events."""
    if source.is_enabled:
        return badge(_("enabled"), "good", "check")
    return badge(_("disabled"), "bad", "block")


def outcome_badge(outcome: Any) -> SafeString:
    """What became of an event."""
    known = Outcome(outcome)
    return badge(known.label, *OUTCOME_TONES[known])


def held_badge(event: HeldEvent) -> SafeString:
    """Whether somebody has dealt with it."""
    return badge(event.get_state_display(), *_STATES[HeldEvent.State(event.state)])


def share_unused(share: float, total: int) -> SafeString:
    """The part of the events that could not be used, in words where it is very small."""
    if not total:
        return format_html('<span class="rg-faint">{}</span>', "–")
    if not share:
        return format_html('<span class="rg-faint">{}</span>', "0 %")
    tone = "rg-minus" if share >= 0.01 else ""
    text = "< 0.1 %" if share < 0.001 else f"{100 * share:.1f} %"
    return format_html('<span class="rg-num {}">{}</span>', tone, text)
