"""What rules compare: the order, the moment, what was redeemed so far; and the comparing."""

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from operator import eq, ge, gt, le, lt
from typing import Any, Protocol
from zoneinfo import ZoneInfo

from loyalty.models import Redemption
from loyalty.validation_rules.rule_fields import (
    DATE,
    ITEMS,
    TIME_OF_DAY,
    WEEKDAY,
    WEEKDAYS,
    Budget,
    Period,
    Scope,
)
from segments import criteria
from segments.criteria import Criteria
from segments.criteria.syntax import (
    Between,
    Compare,
    EachOf,
    EventRule,
    Function,
    Matches,
    OneOf,
    Present,
    Property,
    Test,
)
from segments.criteria.times import to_instant
from workspace import sql
from workspace.exactjson import exact_dumps

_NUMBER = re.compile(r"-?\d+(\.\d+)?", re.ASCII)
_COMPARISONS: Mapping[str, Callable[[Any, Any], bool]] = {
    "=": eq,
    "<": lt,
    "<=": le,
    ">": gt,
    ">=": ge,
}
_WHERE = """
SELECT given.place FROM jsonb_array_elements(%s::jsonb) WITH ORDINALITY AS given (thing, place)
CROSS JOIN LATERAL (
  SELECT given.thing AS properties, %s::timestamptz AS occurred_at, NULL::bigint AS url_id,
    segments_number(given.thing -> 'amount') AS amount) e
WHERE {condition}
"""
_USED = """
SELECT count(*) AS count, coalesce(sum(r.amount_minor), 0) AS amount
FROM loyalty_redemption r JOIN loyalty_voucher v ON v.id = r.voucher_id
WHERE r.state = %s AND {}
"""


class Order(Protocol):
    """What a rule reads of an order. Items are as they were sent, in the words of Voucherify."""

    @property
    def amount_minor(self) -> int | None:
        """What all cost, in minor units."""

    @property
    def items(self) -> Sequence[Mapping[str, Any]]:
        """What is bought."""

    @property
    def metadata(self) -> Mapping[str, Any]:
        """What the shop says of it besides."""


@dataclass(frozen=True, slots=True)
class Use:
    """A redemption of the same order that is decided, but not written yet."""

    campaign_id: int
    voucher_id: int
    contact_id: int | None
    amount_minor: int


@dataclass(frozen=True, slots=True)
class Item:
    """One line of an order; price and amount in minor units."""

    properties: Mapping[str, Any]

    @classmethod
    def of(cls, sent: Mapping[str, Any]) -> "Item":
        """A line as a shop sends it: with ids, or with what is bought inside."""
        product, sku = _part(sent, "product"), _part(sent, "sku")
        kind, source = sent.get("related_object"), sent.get("source_id")
        quantity = _count(sent.get("quantity"), 1)
        price = _count(sent.get("price", product.get("price")), None)
        amount = _count(sent.get("amount"), None)
        if amount is None and price is not None and quantity is not None:
            amount = price * quantity
        if price is None and amount is not None and quantity:
            price = amount // quantity
        found = {
            "product": sent.get("product_id")
            or product.get("source_id")
            or product.get("id")
            or (source if kind != "sku" else None),
            "sku": sent.get("sku_id")
            or sku.get("source_id")
            or sku.get("id")
            or (source if kind != "product" else None),
            "name": sent.get("name") or product.get("name") or sku.get("sku"),
            "quantity": quantity,
            "price": price,
            "amount": amount,
            "metadata": {**_part(product, "metadata"), **_part(sent, "metadata")},
        }
        return cls({name: value for name, value in found.items() if value is not None})


def order_value(name: str, order: Order) -> Any:
    """The value of a field about the order as a whole; None where it is missing."""
    items = [Item.of(sent).properties for sent in order.items]
    prices = [item["price"] for item in items if "price" in item]
    match name:
        case "order.amount":
            if order.amount_minor is not None:
                return Decimal(order.amount_minor)
            amounts = [item["amount"] for item in items if "amount" in item]
            is_known = amounts and len(amounts) == len(items)
            return Decimal(sum(amounts)) if is_known else None
        case "order.quantity":
            return Decimal(sum(item.get("quantity", 0) for item in items))
        case "order.highest_price":
            return Decimal(max(prices)) if prices else None
        case "order.lowest_price":
            return Decimal(min(prices)) if prices else None
        case "order.products":
            return [str(item["product"]) for item in items if item.get("product")]
        case "order.skus":
            return [str(item["sku"]) for item in items if item.get("sku")]
    raise ValueError(f"An order has no field {name}.")


def time_value(name: str, at: datetime, zone: ZoneInfo) -> Any:
    """The value of a field about the moment, on the workspace's clock."""
    wall = at.astimezone(zone)
    match name:
        case _ if name == WEEKDAY:
            return WEEKDAYS[wall.weekday()]
        case _ if name == TIME_OF_DAY:
            return Decimal(wall.hour * 60 + wall.minute)
        case _ if name == DATE:
            return wall.date()
    raise ValueError(f"A moment has no field {name}.")


def passes(test: Test, value: Any) -> bool:
    """Whether a value passes a test; a missing one passes none."""
    match test:
        case _ if value is None or value == "":
            return False
        case Compare(operator, wanted):
            return _COMPARISONS[operator](value, wanted)
        case OneOf(values):
            return any(one in values for one in _listed(value))
        case EachOf(texts):
            return set(texts) <= set(_listed(value))
        case Between(low, high):
            return bool(low <= value <= high)
        case Matches(how, text):
            return _matches(how, str(value).lower(), text.lower())
        case Present():
            return bool(_listed(value))
    raise ValueError(f"Rules do not ask for {test}.")


def passes_of_day(test: Test, minutes: Decimal) -> bool:
    """As `passes`, of a time of day: from 22:00 to 06:00 goes around midnight."""
    match test:
        case Between(Decimal() as low, Decimal() as high) if low > high:
            return minutes >= low or minutes <= high
        case _:
            return passes(test, minutes)


def listed_holds(rule: EventRule, name: str, order: Order, *, at: datetime, zone: ZoneInfo) -> bool:
    """Whether a rule about what is in the order holds. One query where it has conditions."""
    things: list[Mapping[str, Any]] = [dict(order.metadata)]
    if name == ITEMS:
        things = [dict(Item.of(sent).properties) for sent in order.items]
    if rule.where.children or rule.where.negated or rule.where.combinator == "or":
        query = criteria.compile_where(Criteria(rule.where, zone), now=at)
        statement = _WHERE.format(condition=query.text)
        places = sql.lists(statement, [exact_dumps(things), at, *query.params])
        things = [things[place - 1] for (place,) in sorted(places)]
    value = _measured(rule, things)
    return passes(rule.test, value) != rule.negated


def span_of(period: Period, at: datetime, zone: ZoneInfo) -> tuple[datetime, datetime] | None:
    """From when to before when the day, week or month of an instant is; None for ever."""
    if period is Period.EVER:
        return None
    day = at.astimezone(zone).date()
    first, after = day, day + timedelta(days=1)
    if period is Period.WEEK:
        first -= timedelta(days=day.weekday())
        after = first + timedelta(days=7)
    elif period is Period.MONTH:
        first = day.replace(day=1)
        after = (first + timedelta(days=31)).replace(day=1)
    return to_instant(first, zone), to_instant(after, zone)


def used(
    budget: Budget,
    *,
    campaign_id: int,
    voucher_id: int | None,
    contact_ids: Sequence[int],
    others: Iterable[Use],
    at: datetime,
    zone: ZoneInfo,
) -> dict[int, int]:
    """What is used of a budget so far, for each of the contacts. One query.

    The period is that of `at`, the whole of it: who came first by his clock may be counted last.
    `others` count as well.
    """
    condition, params = "v.campaign_id = %s", list[Any]([campaign_id])
    if span := span_of(budget.period, at, zone):
        condition, params = f"{condition} AND r.at >= %s AND r.at < %s", [*params, *span]
    if budget.scope is Scope.VOUCHER:
        condition, params = f"{condition} AND r.voucher_id = %s", [*params, voucher_id]
    succeeded = Redemption.State.SUCCEEDED
    if budget.scope is not Scope.CUSTOMER:
        row = sql.rows(_USED.format(condition), [succeeded, *params])[0]
        found = dict.fromkeys(contact_ids, _of(budget, row))
    else:
        condition = f"{condition} AND r.contact_id = ANY(%s) GROUP BY r.contact_id"
        statement = _USED.format(condition).replace("SELECT", "SELECT r.contact_id,", 1)
        rows = sql.rows(statement, [succeeded, *params, list(contact_ids)])
        found = dict.fromkeys(contact_ids, 0)
        found.update({row["contact_id"]: _of(budget, row) for row in rows})
    for use in others:
        for contact_id in contact_ids:
            if _concerns(use, budget.scope, campaign_id, voucher_id, contact_id):
                found[contact_id] += use.amount_minor if budget.is_amount else 1
    return found


def _concerns(
    use: Use, scope: Scope, campaign_id: int, voucher_id: int | None, contact_id: int
) -> bool:
    if use.campaign_id != campaign_id:
        return False
    if scope is Scope.VOUCHER:
        return use.voucher_id == voucher_id
    return scope is Scope.CAMPAIGN or use.contact_id == contact_id


def _of(budget: Budget, row: Mapping[str, Any]) -> int:
    return int(row["amount" if budget.is_amount else "count"])


def _measured(rule: EventRule, things: Sequence[Mapping[str, Any]]) -> Decimal | None:
    """The measure over things of an order, by the rules of criteria."""
    function, asked = rule.measure.function, rule.measure.property
    if function is Function.COUNT or asked is None:
        return Decimal(len(things))
    values = [_at(thing, asked) for thing in things]
    if function is Function.DISTINCT:
        return Decimal(len({_canonical(one) for one in values if one is not None and one != ""}))
    numbers = [number for one in values if (number := _number(one)) is not None]
    if function is Function.SUM:
        return sum(numbers, Decimal(0))
    if not numbers:
        return None
    match function:
        case Function.AVERAGE:
            return sum(numbers, Decimal(0)) / len(numbers)
        case Function.MINIMUM:
            return min(numbers)
        case Function.MAXIMUM:
            return max(numbers)
    raise ValueError(f"Nothing of an order has a {function} time.")


def _at(thing: Any, asked: Property) -> Any:
    for key in asked.way:
        thing = thing.get(key) if isinstance(thing, Mapping) else None
    return thing


def _number(value: Any) -> Decimal | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float | Decimal):
        return Decimal(str(value))
    is_number = isinstance(value, str) and _NUMBER.fullmatch(value)
    return Decimal(value) if is_number else None


def _canonical(value: Any) -> str:
    """The same text for the same JSON value: 1 and 1.0 are one, 1 and "1" are two."""
    if isinstance(value, int | float | Decimal) and not isinstance(value, bool):
        return f"{Decimal(str(value)).normalize():f}"
    return json.dumps(value, sort_keys=True, default=str)


def _listed(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list) else [value]


def _matches(how: str, text: str, wanted: str) -> bool:
    if how == "beginsWith":
        return text.startswith(wanted)
    return text.endswith(wanted) if how == "endsWith" else wanted in text


def _part(sent: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = sent.get(name)
    return found if isinstance(found, Mapping) else {}


def _count(value: Any, default: int | None) -> int | None:
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) < 19:
        # Shops send quantities as texts, too.
        return int(value)
    is_whole = isinstance(value, int) and not isinstance(value, bool)
    return value if is_whole else default
