"""What campaigns add to the profile of a contact: giving a card by hand."""

from typing import Any

from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from contacts.admin import Panel, register_panel
from contacts.models import Contact
from loyalty.gift_cards.campaigns import known_campaigns
from loyalty.gift_cards.publications import why_closed
from loyalty.models import Campaign
from loyalty.money import money
from workspace.access import actor_of

_OFFERED = 200


def _panel(request: HttpRequest, contact: Contact) -> dict[str, Any] | None:
    actor, now = actor_of(request), timezone.now()
    if not actor.may("loyalty.publish_campaign") or not actor.may("loyalty.view_campaign"):
        return None
    active = known_campaigns(actor).filter(status=Campaign.Status.ACTIVE).order_by("name")
    offered = [one for one in active[:_OFFERED] if not why_closed(one, now)]
    if not offered:
        return None
    return {"campaigns": [(one, money(one.amount_minor, one.currency)) for one in offered]}


register_panel(Panel("give-card", _("Give a card"), "loyalty/give_card_panel.html", _panel, 24))
