"""What a contact holds, on his profile."""

from typing import Any

from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from contacts.admin import Panel, register_panel
from contacts.models import Contact
from loyalty.gift_cards import states
from loyalty.money import money
from loyalty.wallets import wallet
from workspace.access import actor_of
from workspace.admin.pictures import badge

_SHOWN = 20
_TONES = {
    "published": "good",
    "partially_redeemed": "good",
    "not_active": "info",
    "expired": "warning",
    "disabled": "bad",
}


def _wallet_panel(request: HttpRequest, contact: Contact) -> dict[str, Any] | None:
    actor = actor_of(request)
    if not actor.may("loyalty.view_voucher") or contact.erased_at is not None:
        return None
    cards = wallet.wallet_of(contact.pk, actor=actor, at=timezone.now())
    return {
        "cards": [
            {
                "card": card,
                "balance": money(card.balance_minor, card.currency),
                "state": badge(states.STATES[card.state], _TONES.get(card.state, "neutral")),
            }
            for card in cards[:_SHOWN]
        ],
        "more_count": max(0, len(cards) - _SHOWN),
        "url": wallet.wallet_url(contact.pk),
        "may_withdraw": actor.may("loyalty.change_voucher"),
    }


register_panel(Panel("wallet", _("Wallet"), "loyalty/wallet_panel.html", _wallet_panel, 25))
