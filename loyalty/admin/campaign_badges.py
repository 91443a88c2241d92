"""How campaigns, codes and publications look in a word."""

from datetime import datetime

from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from loyalty.gift_cards import codes, states
from loyalty.models import Campaign, Publication
from loyalty.reports.figures import CampaignFigures
from workspace.admin.pictures import badge, number

_STATES = {
    "generated": "neutral",
    "published": "info",
    "partially_redeemed": "info",
    "fully_redeemed": "good",
    "expired": "warning",
    "disabled": "bad",
    "not_active": "warning",
}


def status_badge(campaign: Campaign, *, at: datetime) -> SafeString:
    """Whether a campaign gives codes: active, and within its dates."""
    if campaign.status == Campaign.Status.DRAFT:
        return badge(_("draft"), "neutral", "edit")
    if campaign.status == Campaign.Status.DISABLED:
        return badge(_("disabled"), "bad", "pause")
    if campaign.starts_at is not None and at < campaign.starts_at:
        return badge(_("not begun"), "warning", "schedule")
    if campaign.ends_at is not None and at >= campaign.ends_at:
        return badge(_("over"), "warning", "event_busy")
    return badge(_("active"), "good", "check_circle")


def creation_badge(campaign: Campaign) -> SafeString:
    """How far the making of the codes is; nothing where they are there."""
    creation = codes.creation_of(campaign)
    if creation == Campaign.Creation.IN_PROGRESS:
        return badge(_("codes are being made"), "info", "progress_activity")
    if creation == Campaign.Creation.FAILED:
        return badge(_("making codes failed"), "bad", "error")
    if creation == Campaign.Creation.NONE and not campaign.voucher_count:
        return badge(_("no codes yet"), "warning", "inventory_2")
    return SafeString("")


def state_badge(state: str) -> SafeString:
    """The state of a code."""
    return badge(states.STATES[state], _STATES[state])


def publication_badge(publication: Publication) -> SafeString:
    """Whether a contact got a code."""
    if publication.state == Publication.State.SUCCESS:
        return badge(_("got it"), "good", "check_circle")
    return badge(_("got none"), "bad", "block")


def share_bar(figures: CampaignFigures) -> SafeString:
    """How many codes were given away and how many are left, as numbers and a small bar."""
    share = round(100 * figures.published / figures.codes) if figures.codes else 0
    label = _("%(published)s given away, %(left)s left") % {
        "published": number(figures.published),
        "left": number(figures.unpublished),
    }
    return format_html(
        '<span class="rg-two-lines"><span class="rg-small">{}</span>'
        '<span class="rg-money-bar" role="img" aria-label="{} %">'
        '<span class="rg-money-primary" style="width:{}%"></span></span></span>',
        label,
        share,
        share,
    )
