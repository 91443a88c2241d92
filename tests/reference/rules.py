"""Validation rules once more, in plain Python, for one contact: a second opinion for tests.

Three values as in `loyalty.judging`: True, False, and None where it cannot be known. The audience
is given: a dictionary that says what holds.
"""

from collections.abc import Mapping, Sequence
from typing import Any

Truth = bool | None


def holds(node: Mapping[str, Any], case: Mapping[str, Any]) -> Truth:
    """Whether a document, or a part of it, holds in a case."""
    if "rules" not in node:
        return _leaf(node, case)
    found = [holds(child, case) for child in node["rules"] if not child.get("disabled")]
    every = node["combinator"] == "and"
    if (not every) in found:
        joined: Truth = not every
    else:
        joined = None if None in found else every
    if node.get("not"):
        return None if joined is None else not joined
    return joined


def is_refused(node: Mapping[str, Any], case: Mapping[str, Any]) -> bool:
    """Whether the rule refuses: when a card is given only what is surely not so does."""
    found = holds(node, case)
    return found is False if case["purpose"] == "publication" else found is not True


def message(node: Mapping[str, Any], case: Mapping[str, Any]) -> str:
    """What a refused customer is told by the parts of a document; '' where none says anything."""
    return _told(node, case, wanted=True, around="")


def _told(node: Mapping[str, Any], case: Mapping[str, Any], *, wanted: bool, around: str) -> str:
    own = node.get("message") or around
    children = [child for child in node.get("rules", ()) if not child.get("disabled")]
    if not children:
        return str(own)
    inner = wanted != bool(node.get("not"))
    if ((node["combinator"] == "and") != inner) and node.get("message"):
        return str(own)
    for child in children:
        if _fails(child, case, wanted=inner):
            return _told(child, case, wanted=inner, around=own)
    raise AssertionError("a group that fails has a part that does")


def _fails(node: Mapping[str, Any], case: Mapping[str, Any], *, wanted: bool) -> bool:
    found = holds(node, case)
    if case["purpose"] == "publication":
        return found is (not wanted)
    return found is not wanted


def _leaf(node: Mapping[str, Any], case: Mapping[str, Any]) -> Truth:
    field, value = node["field"], node["value"]
    if field == "contact.city":
        return (
            None if case["city"] is None else (case["city"] == value) == (node["operator"] == "=")
        )
    if case["purpose"] == "publication":
        return None
    if field == "order.amount":
        amount = case["amount"]
        if not case["has_order"]:
            return None
        return amount is not None and amount >= value
    if field == "order.items":
        return None if not case["has_order"] else _items(node, case["items"])
    if field == "card.holder":
        known = case["city"] is not None
        return case["is_holder"] == value if known else None
    if field.startswith("budget.count."):
        scope = field.split(".")[2]
        if scope == "customer" and case["city"] is None:
            return None
        return bool(case["used"][scope] + 1 <= value)
    raise AssertionError(field)


def _items(node: Mapping[str, Any], items: Sequence[Mapping[str, Any]]) -> bool:
    wanted = node["where"]["rules"][0]["value"]
    count = sum(item["product_id"] == wanted for item in items)
    return bool(count >= node["value"] if node["operator"] == ">=" else count == node["value"])
