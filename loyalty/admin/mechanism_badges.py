"""How mechanisms look: the kind as a picture, state and faults as words with a colour."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from loyalty.models import Claim, Mechanism
from loyalty.rewards.restrictions import Reason, is_usable, left_of, terms_of
from workspace.admin.pictures import badge

Kind, Status, State = Mechanism.Kind, Mechanism.Status, Claim.State

ICONS = {
    Kind.REWARD: "redeem",
    Kind.REWARD_CATEGORY: "category",
    Kind.OFFER: "local_offer",
    Kind.CHALLENGE: "flag",
    Kind.CONTEST: "emoji_events",
    Kind.PRIZE_WHEEL: "casino",
    Kind.QUIZ: "quiz",
    Kind.REFERRAL: "group_add",
    Kind.TIER: "military_tech",
    Kind.COUPON: "confirmation_number",
    Kind.CAMPAIGN: "campaign",
}
TEXTS = {
    Kind.REWARD: gettext_lazy("Something that members take for their points, or for nothing."),
    Kind.REWARD_CATEGORY: gettext_lazy("Rewards that are for the same members, at the same time."),
    Kind.OFFER: gettext_lazy("Something for members of a segment, or only for whom it is given."),
    Kind.CHALLENGE: gettext_lazy("A goal: so many events, or so much in sum, earns a bonus."),
    Kind.CONTEST: gettext_lazy("Members take part; your shop holds it."),
    Kind.PRIZE_WHEEL: gettext_lazy("Members turn it; your shop shows it."),
    Kind.QUIZ: gettext_lazy("Members answer; your shop asks."),
    Kind.REFERRAL: gettext_lazy("Members bring friends; your shop notes who did."),
    Kind.TIER: gettext_lazy("A level that members reach by the points they earn."),
    Kind.COUPON: gettext_lazy("A pool of coupons of another system."),
    Kind.CAMPAIGN: gettext_lazy("A campaign of another system."),
}
_TONES = {
    Status.DRAFT: ("neutral", "edit_note"),
    Status.ACTIVE: ("good", "check_circle"),
    Status.INACTIVE: ("warning", "pause_circle"),
    Status.ARCHIVED: ("neutral", "inventory_2"),
}
_CLAIM_TONES = {
    State.CLAIMED: ("good", "check"),
    State.USED: ("info", "done_all"),
    State.REVOKED: ("warning", "undo"),
}


def kind_icon(kind: str) -> str:
    """The name of the symbol of a kind."""
    return ICONS[Kind(kind)]


def kind_mark(mechanism: Mechanism) -> SafeString:
    """The kind, as a symbol and a word."""
    return format_html(
        '<span class="rg-nowrap"><span class="material-symbols-outlined" aria-hidden="true"'
        ' style="font-size:1.1rem;vertical-align:-.2rem">{}</span> {}</span>',
        kind_icon(mechanism.kind),
        mechanism.get_kind_display(),
    )


def status_badge(mechanism: Mechanism) -> SafeString:
    """Draft, active, inactive or archived."""
    return badge(mechanism.get_status_display(), *_TONES[Status(mechanism.status)])


def claim_badge(claim: Claim) -> SafeString:
    """Claimed, used or revoked."""
    return badge(claim.get_state_display(), *_CLAIM_TONES[State(claim.state)])


def warning_badges(mechanism: Mechanism, *, at: datetime) -> list[SafeString]:
    """What keeps an active one from working as it is meant to; read `with_restrictions`."""
    if mechanism.status != Status.ACTIVE:
        return []
    terms = terms_of(mechanism, at=at)
    found = []
    shut = {gate.shut for gate in terms.gates} - {None}
    if Reason.SEGMENT_INACTIVE in shut:
        found.append(badge(_("nobody: segment out of use"), "bad", "error"))
    elif shut:
        found.append(badge(_("nobody: segment not calculated"), "warning", "hourglass_disabled"))
    elif _has_unusable(mechanism, at=at):
        found.append(badge(_("a segment is out of use"), "warning", "warning"))
    if terms.closed == Reason.NOT_ACTIVE:
        found.append(badge(_("category not in use"), "warning", "pause_circle"))
    elif terms.closed == Reason.NOT_STARTED:
        found.append(badge(_("not begun"), "info", "schedule"))
    elif terms.closed == Reason.ENDED:
        found.append(badge(_("over"), "neutral", "event_busy"))
    if left_of(mechanism) == 0:
        found.append(badge(_("nothing left"), "warning", "production_quantity_limits"))
    return found


def _has_unusable(mechanism: Mechanism, *, at: datetime) -> bool:
    return any(unusable_segments(mechanism, at=at))


def unusable_segments(mechanism: Mechanism, *, at: datetime) -> Iterable[Any]:
    """The segments and lists of it whose members may not be acted upon."""
    for segment in (*mechanism.segments.all(), *mechanism.lists.all()):
        if not is_usable(segment, at=at):
            yield segment
