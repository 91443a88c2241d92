"""What the rooms around are told of cards that pay, and whether their ledger is whole."""

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from contacts.extensions import register_eraser, register_merger
from loyalty.gift_cards import card_merging
from loyalty.redeeming import redemption_events
from workspace import checkup, sql
from workspace.checkup import Finding

# What the cards of a campaign have, beside what its postings put onto cards.
_DIFFERENCES = """
WITH posted AS (
  SELECT campaign_id, sum(CASE WHEN credit = 'cards' THEN amount_minor ELSE -amount_minor END)
    AS amount
  FROM loyalty_cardposting GROUP BY campaign_id
), found AS (
  SELECT campaign_id, sum(balance_minor) AS amount FROM loyalty_voucher GROUP BY campaign_id
)
SELECT c.key FROM loyalty_campaign c
LEFT JOIN posted p ON p.campaign_id = c.id LEFT JOIN found f ON f.campaign_id = c.id
WHERE coalesce(p.amount, 0) <> coalesce(f.amount, 0) ORDER BY c.key
"""


def register() -> None:
    """Take part in merges, erasures and the check-up, and name what webhooks may hear."""
    register_eraser("cards", card_merging.forget_cards)
    register_merger("cards", card_merging.merge_cards)
    redemption_events.register()
    checkup.register("cards", examine)


def examine() -> Finding:
    """Whether the cards have together what the ledger says. Reads all cards."""
    keys = [key for (key,) in sql.lists(_DIFFERENCES)]
    if not keys:
        return Finding("cards", True, _("The cards have what their ledger says."))
    message = ngettext(
        "The cards of %(count)d campaign (%(keys)s) have other sums than their ledger.",
        "The cards of %(count)d campaigns (%(keys)s) have other sums than their ledger.",
        len(keys),
    )
    words = {"count": len(keys), "keys": ", ".join(keys[:3])}
    return Finding("cards", False, message % words)
