"""The wallet as a page that a customer opens without a login, and the button that withdraws it."""

from collections.abc import Callable
from typing import Any

from csp.constants import NONE, SELF
from csp.decorators import csp_replace
from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from contacts.errors import ContactUnknown
from contacts.models import Contact
from loyalty.gift_cards import states
from loyalty.gift_cards.code_pictures import barcode_svg, qr_svg
from loyalty.money import money
from loyalty.wallets import wallet
from loyalty.wallets.wallet import WalletCard
from workspace import rates
from workspace.access import actor_of
from workspace.addresses import address_of
from workspace.errors import DomainError

_PER_MINUTE = 30
_POLICY = {
    "default-src": [NONE],
    "script-src": [SELF],
    "style-src": [SELF],
    "img-src": [SELF],
    "connect-src": [NONE],
    "form-action": [NONE],
}


@require_GET
@csp_replace(_POLICY)  # type: ignore[arg-type]  # It is said of views without arguments.
def wallet_page(request: HttpRequest, token: str) -> HttpResponse:
    """A customer's cards, with what is left and until when, as text and as pictures for tills."""
    rate = rates.count(f"wallet:{address_of(request)}", limit=_PER_MINUTE, window_seconds=60)
    if rate.is_exceeded:
        answer = _answer(request, "loyalty/wallet_closed.html", {"is_busy": True}, status=429)
        answer["Retry-After"] = str(rate.retry_after)
        return answer
    try:
        opened = wallet.open_wallet(token, at=timezone.now())
    except ContactUnknown:
        return _answer(request, "loyalty/wallet_closed.html", {}, status=404)
    with _language_of(opened.contact):
        cards = [_shown(card) for card in opened.cards if card.is_usable]
        context = {
            "first_name": opened.contact.first_name,
            "cards": cards,
            "past": [_told(card) for card in opened.cards if not card.is_usable],
            "offers": opened.offers,
        }
        return _answer(request, "loyalty/wallet.html", context)


@require_POST
def withdraw_view(request: HttpRequest, contact_id: int) -> HttpResponse:
    """Make the links to a contact's wallet worthless, and go back to his profile."""
    try:
        wallet.withdraw_links(contact_id, actor=actor_of(request), at=timezone.now())
    except DomainError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, _("The links given out so far lead nowhere any more."))
    return HttpResponseRedirect(reverse("admin:contacts_contact_change", args=[contact_id]))


def _answer(
    request: HttpRequest, template: str, context: dict[str, Any], *, status: int = 200
) -> HttpResponse:
    answer = render(request, template, {**context, "language": translation.get_language()})
    answer.status_code = status
    answer["Cache-Control"] = "no-store"
    answer["X-Robots-Tag"] = "noindex, nofollow, noarchive"
    answer["Referrer-Policy"] = "no-referrer"
    return answer


def _language_of(contact: Contact) -> Any:
    """The contact's language where the product speaks it, else that of the browser."""
    wanted = (contact.language or "").lower()
    known: Callable[[str], bool] = dict(settings.LANGUAGES).__contains__
    spoken = next((one for one in (wanted, wanted.split("-")[0]) if known(one)), None)
    return translation.override(spoken or translation.get_language())


def _told(card: WalletCard) -> dict[str, Any]:
    """A card in words."""
    return {
        "card": card,
        "balance": money(card.balance_minor, card.currency),
        "value": money(card.initial_minor, card.currency),
        "is_partly_used": card.balance_minor != card.initial_minor,
        "state": states.STATES[card.state],
    }


def _shown(card: WalletCard) -> dict[str, Any]:
    """A card in words and in pictures."""
    named = {"code": card.code}
    return {
        **_told(card),
        "qr": qr_svg(card.code, label=_("QR code of %(code)s") % named),
        "barcode": barcode_svg(card.code, label=_("Barcode of %(code)s") % named),
    }
