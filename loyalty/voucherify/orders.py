"""Orders, cards and sessions as bodies say them, and orders as answers show them."""

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext as _

from integrations.voucherify.entry import Call, invalid
from loyalty.redeeming.redeemables import OrderFacts, Redeemable
from loyalty.redeeming.sessions import SessionWish
from loyalty.voucherify import said

_STATUSES = {"CREATED", "PAID", "CANCELED", "FULFILLED"}
_ITEM_LIMIT = 500
_ITEM_TEXTS = ("id", "source_id", "product_id", "sku_id")
_ITEM_NUMBERS = (
    *("quantity", "price", "amount", "discount_amount", "discount_quantity"),
    *("initial_amount", "initial_quantity", "subtotal_amount"),
)


def read_redeemables(body: Mapping[str, Any]) -> list[Redeemable]:
    """The cards that shall pay, in their order."""
    return [_redeemable(one, index) for index, one in enumerate(said.listed(body, "redeemables"))]


def read_order(body: Mapping[str, Any]) -> OrderFacts:
    """The order; without an amount it is what the items cost, if they have prices."""
    order = said.mapping(body, "order")
    items = said.listed(order, "items", "order.items")
    if len(items) > _ITEM_LIMIT:
        message = _("An order has up to %(limit)d items.") % {"limit": _ITEM_LIMIT}
        raise invalid(message)
    kept = [_item(one, index) for index, one in enumerate(items)]
    amount = said.integer(order, "amount", "order.amount")
    if amount is None:
        amount = _cost(kept)
    return OrderFacts(
        reference=said.text(order, "source_id", "order.source_id")
        or said.text(order, "id", "order.id"),
        amount_minor=amount,
        items=kept,
        raw=order,
        metadata=said.mapping(order, "metadata", "order.metadata"),
    )


def read_session(body: Mapping[str, Any]) -> SessionWish | None:
    """The session that is asked for; none where none is."""
    session = said.mapping(body, "session")
    if not session:
        return None
    if said.text(session, "type", "session.type").upper() not in {"", "LOCK"}:
        raise invalid(_("“session.type” has to be LOCK."))
    unit = said.text(session, "ttl_unit", "session.ttl_unit").upper()
    wish = SessionWish(
        key=said.text(session, "key", "session.key"),
        ttl=said.number(session, "ttl", "session.ttl"),
    )
    return SessionWish(wish.key, wish.ttl, unit) if unit else wish


def session_key(body: Mapping[str, Any]) -> str:
    """The key of the session that a redemption uses up."""
    return said.text(said.mapping(body, "session"), "key", "session.key")


def describe_order(
    order: OrderFacts | Mapping[str, Any],
    *,
    discount: int,
    amount: int | None = None,
    customer_id: int | None = None,
    status: str = "",
) -> dict[str, Any]:
    """An order with what cards pay of it; what nobody said is left out. Orders are not kept."""
    raw: Mapping[str, Any] = order.raw if isinstance(order, OrderFacts) else order
    if isinstance(order, OrderFacts):
        amount = order.amount_minor
    given = raw.get("status")
    source_id = raw.get("source_id") or raw.get("id")
    found: dict[str, Any] = {
        "id": None,
        "source_id": None if source_id is None else str(source_id),
        "status": status or (given if given in _STATUSES else "CREATED"),
        "customer_id": None if customer_id is None else f"cust_{customer_id}",
        "referrer_id": None,
        "metadata": raw.get("metadata") if isinstance(raw.get("metadata"), Mapping) else {},
        "total_discount_amount": discount,
        "total_applied_discount_amount": discount,
        "discount_amount": discount,
        "applied_discount_amount": discount,
        "object": "order",
    }
    if amount is not None:
        found |= {"amount": amount, "initial_amount": amount, "total_amount": amount - discount}
    items = raw.get("items")
    if isinstance(items, list):
        found["items"] = [_shown(one) for one in items if isinstance(one, Mapping)]
    return found


def stacking_rules() -> dict[str, Any]:
    """How several cards on one order are treated: all pay or none, in the order they are given."""
    return {
        "redeemables_limit": 30,
        "applicable_redeemables_limit": 30,
        "applicable_redeemables_per_category_limit": 30,
        "applicable_exclusive_redeemables_limit": 1,
        "applicable_exclusive_redeemables_per_category_limit": 1,
        "exclusive_categories": [],
        "joint_categories": [],
        "redeemables_application_mode": "ALL",
        "redeemables_sorting_rule": "REQUESTED_ORDER",
        "redeemables_products_application_mode": "STACK",
        "redeemables_no_effect_rule": "SKIP",
        "no_effect_skip_categories": [],
        "no_effect_redeem_anyway_categories": [],
        "redeemables_rollback_order_mode": "WITH_ORDER",
    }


def tracking_of(call: Call) -> str:
    """The tracking id, which stands in the body or in the address."""
    return (said.text(call.body, "tracking_id") or call.query.get("tracking_id", ""))[:120]


def _redeemable(given: Any, index: int) -> Redeemable:
    path = f"redeemables[{index}]"
    if not isinstance(given, Mapping):
        message = _("“%(path)s” has to be an object, as {“object”: “voucher”, “id”: “CODE”}.")
        raise invalid(message % {"path": path})
    if said.text(given, "object", f"{path}.object") not in {"", "voucher"}:
        message = _("“%(path)s” has to be “voucher”: other things cannot pay here.")
        raise invalid(message % {"path": f"{path}.object"})
    gift = said.mapping(given, "gift", f"{path}.gift")
    return Redeemable(
        said.text(given, "id", f"{path}.id"),
        said.integer(gift, "credits", f"{path}.gift.credits"),
    )


def _item(given: Any, index: int) -> Mapping[str, Any]:
    if not isinstance(given, Mapping):
        raise invalid(_("“order.items[%(index)d]” has to be an object.") % {"index": index})
    for name in ("quantity", "price", "amount"):
        said.integer(given, name, f"order.items[{index}].{name}")
    return given


def _cost(items: list[Mapping[str, Any]]) -> int | None:
    """What items cost together; none where one does not say it."""
    total = 0
    for item in items:
        amount, price = said.integer(item, "amount"), said.integer(item, "price")
        if amount is None and price is not None:
            quantity = said.integer(item, "quantity")
            amount = price * (1 if quantity is None else quantity)
        if amount is None:
            return None
        total += amount
    return total if items else None


def _shown(item: Mapping[str, Any]) -> dict[str, Any]:
    """An item with the fields whose types the libraries read."""
    texts = {name: item[name] for name in _ITEM_TEXTS if isinstance(item.get(name), str)}
    numbers = {
        name: item[name]
        for name in _ITEM_NUMBERS
        if isinstance(item.get(name), int) and not isinstance(item[name], bool)
    }
    related = item.get("related_object")
    kind = {"related_object": related} if related in {"product", "sku"} else {}
    return {**texts, **numbers, **kind, "object": "order_item"}
