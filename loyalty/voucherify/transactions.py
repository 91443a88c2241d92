"""What moved the money of a voucher, in the words of Voucherify's ledger."""

from typing import Any

from django.http import HttpResponse

from integrations.voucherify import ids
from integrations.voucherify.answers import answer_list, instant
from integrations.voucherify.entry import Call, Way, view
from loyalty.gift_cards import card_transactions
from loyalty.gift_cards.card_transactions import Transaction
from loyalty.models import Voucher
from loyalty.voucherify.finding import find_voucher
from loyalty.voucherify.vouchers import VIEW
from workspace import sql

# What came onto the card, and went off it but by being redeemed, since each posting.
_LATER = """
SELECT p.id, coalesce(sum(CASE WHEN q.credit = 'cards' THEN q.amount_minor
  ELSE -q.amount_minor END), 0)::bigint AS amount
FROM unnest(%s::bigint[]) AS p (id)
LEFT JOIN loyalty_cardposting q ON q.voucher_id = %s AND q.id > p.id
  AND q.kind IN ('addition', 'removal', 'expiry', 'reinstatement')
GROUP BY p.id
"""


def show_list(call: Call) -> HttpResponse:
    """The transactions of a voucher, the newest first."""
    voucher = find_voucher(call.parts["code"], call)
    postings = card_transactions.postings(voucher).select_related("redemption")
    start, limit = call.page()
    count = postings.count()
    if after := ids.read("vtx", call.query.get("starting_after_id", "")):
        # So the library for Python turns the page.
        postings = postings.filter(pk__lt=after)
        count, start = postings.count(), 0
    page = list(postings[start : start + limit])
    later = dict(sql.lists(_LATER, [[one.pk for one in page], voucher.pk]))
    total = voucher.balance_minor + voucher.redeemed_minor
    orders = {one.pk: one.redemption.order_reference for one in page if one.redemption is not None}
    rows = [
        _describe(
            card_transactions.describe(one), voucher, total - later[one.pk], orders.get(one.pk, "")
        )
        for one in page
    ]
    return answer_list("data", rows, count, has_more=count > start + limit)


def _describe(transaction: Transaction, voucher: Voucher, total: int, order: str) -> dict[str, Any]:
    details: dict[str, Any] = {
        "balance": {
            "type": "gift_voucher",
            "total": total,
            "amount": transaction.amount_minor,
            "balance": transaction.balance_minor,
            "operation_type": "MANUAL" if transaction.is_manual else "AUTOMATIC",
            "object": "balance",
            "related_object": {"type": "voucher", "id": f"v_{voucher.pk}"},
        }
    }
    if transaction.redemption_id is not None:
        details["redemption"] = {"id": f"r_{transaction.redemption_id}"}
        details["order"] = {"id": None, "source_id": order or None}
    return {
        "id": f"vtx_{transaction.id}",
        "source_id": transaction.source_id or None,
        "voucher_id": f"v_{voucher.pk}",
        "campaign_id": f"camp_{voucher.campaign_id}",
        "source": transaction.actor_label or None,
        "reason": transaction.reason or None,
        "type": transaction.type,
        "details": details,
        "related_transaction_id": ids.written("vtx", transaction.related_id),
        "created_at": instant(transaction.at),
    }


OF_VOUCHER = view("vouchers/transactions", {"GET": Way(show_list, VIEW)})
