"""How cards and redemptions look: states as words with a colour, money beside a bar."""

from django.utils.html import format_html
from django.utils.safestring import SafeString

from loyalty.gift_cards.card_transactions import Transaction
from loyalty.gift_cards.states import STATES
from loyalty.models import Redemption, Voucher
from loyalty.money import money
from workspace.admin.pictures import badge

_STATES = {
    "generated": ("neutral", "draft"),
    "published": ("good", "outgoing_mail"),
    "partially_redeemed": ("info", "hourglass_bottom"),
    "fully_redeemed": ("neutral", "done_all"),
    "expired": ("warning", "event_busy"),
    "disabled": ("bad", "block"),
    "not_active": ("neutral", "schedule"),
}
_USES = {
    Redemption.State.SUCCEEDED: ("good", "check_circle"),
    Redemption.State.FAILED: ("bad", "error"),
    Redemption.State.ROLLED_BACK: ("warning", "undo"),
}


def state_badge(state: str) -> SafeString:
    """The state of a card."""
    tone, icon = _STATES[state]
    return badge(STATES[state], tone, icon)


def redemption_badge(redemption: Redemption) -> SafeString:
    """Whether a redemption succeeded, failed or was rolled back."""
    tone, icon = _USES[Redemption.State(redemption.state)]
    return badge(redemption.get_state_display(), tone, icon)


def balance_bar(voucher: Voucher) -> SafeString:
    """What is left of a card, as a bar of all that came onto it, and in figures."""
    whole = max(voucher.balance_minor + voucher.redeemed_minor, voucher.initial_minor, 1)
    share = min(100, round(100 * voucher.balance_minor / whole))
    left = money(voucher.balance_minor, voucher.campaign.currency)
    return format_html(
        '<div style="min-width:7rem"><span class="rg-nowrap">{}</span>'
        '<div class="rg-progress" role="img" aria-label="{} %"><div style="width:{}%"></div></div>'
        "</div>",
        left,
        share,
        share,
    )


def amount_of(transaction: Transaction) -> SafeString:
    """Money that came or went, with its sign and colour."""
    tone = "rg-plus" if transaction.amount_minor > 0 else "rg-minus"
    sign = "+" if transaction.amount_minor > 0 else "−"
    shown = money(abs(transaction.amount_minor), transaction.currency)
    return format_html('<span class="{} rg-nowrap">{}{}</span>', tone, sign, shown)
