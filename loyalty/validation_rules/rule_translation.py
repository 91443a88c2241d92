"""Validation rules as Voucherify's clients write them, to our documents and back.

No database: how segments are called there comes in as functions. What we have no word for is
refused with a sentence; what Voucherify has no word for goes out as `regulars.condition`, which is
understood when it comes back, so that nothing is lost on the way.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from django.utils.translation import gettext as _

from loyalty.errors import RuleUntranslatable
from loyalty.validation_rules.rule_fields import ITEMS, METADATA, Period, Scope
from workspace.errors import Problem

OWN_NAME = "regulars.condition"
_NUMBERS = {
    "order.amount": "order.amount",
    "order.items.total_quantity": "order.quantity",
    "order.initial_amount": "order.amount",
}
_SETS = {
    "product.id": "order.products",
    "sku.id": "order.skus",
    "order.items.any": "order.products",
}
_OF_ITEMS = {
    "product.price": "properties.price",
    "product.quantity": "properties.quantity",
    "product.amount": "properties.amount",
    "sku.price": "properties.price",
    "sku.quantity": "properties.quantity",
}
_SCOPES = {
    "total": (Scope.CAMPAIGN, Period.EVER),
    "campaign": (Scope.CAMPAIGN, Period.EVER),
    "daily": (Scope.CAMPAIGN, Period.DAY),
    "weekly": (Scope.CAMPAIGN, Period.WEEK),
    "monthly": (Scope.CAMPAIGN, Period.MONTH),
    "per_customer": (Scope.CUSTOMER, Period.EVER),
    "per_customer_daily": (Scope.CUSTOMER, Period.DAY),
    "per_customer_weekly": (Scope.CUSTOMER, Period.WEEK),
    "per_customer_monthly": (Scope.CUSTOMER, Period.MONTH),
    "per_voucher": (Scope.VOUCHER, Period.EVER),
    "per_voucher_daily": (Scope.VOUCHER, Period.DAY),
    "per_voucher_weekly": (Scope.VOUCHER, Period.WEEK),
    "per_voucher_monthly": (Scope.VOUCHER, Period.MONTH),
}
_BUDGETS = {
    f"redemption.{there}.{name}": f"budget.{here}.{scope}.{period}"
    for there, here in (("count", "count"), ("amount", "amount"), ("gift.amount", "amount"))
    for name, (scope, period) in _SCOPES.items()
}
_HOLDER = "redemption.holder_only"
_ORDERED = {
    "$more_than": ">",
    "$less_than": "<",
    "$more_than_or_equal": ">=",
    "$less_than_or_equal": "<=",
}
_TEXTS = {
    "$contains": "contains",
    "$not_contain": "doesNotContain",
    "$starts_with": "beginsWith",
    "$ends_with": "endsWith",
}
_CHOICES = {"$is": "in", "$in": "in", "$is_not": "notIn", "$not_in": "notIn"}
_PRESENCE = {"$has_value": "notNull", "$is_unknown": "null"}
_WORDS = re.compile(r"\s*(?:[()]|[\w-]+)\s*")
_LONGEST_LOGIC = 10_000
_DEEPEST = 50

SegmentKey = Callable[[str], str | None]
SegmentId = Callable[[str], str]


def from_voucherify(rules: Any, *, segment_key: SegmentKey) -> dict[str, Any]:
    """The document of `rules`, as they stand in the body of a validation rule.

    `segment_key` says the key of one of Voucherify's ids ("seg_…"). Raises RuleUntranslatable with
    the first thing that has no counterpart.
    """
    if not isinstance(rules, Mapping):
        raise _refused("rules", _("The rules are an object of numbered rules and their logic."))
    numbered = {name: one for name, one in rules.items() if name != "logic"}
    if not numbered:
        return {"combinator": "and", "rules": []}
    logic = rules.get("logic") or " and ".join(numbered)
    if not isinstance(logic, str) or len(logic) > _LONGEST_LOGIC:
        raise _refused("rules.logic", _("The logic is a text such as “1 and (2 or 3)”."))
    reader = _Reader(
        {name: _leaf(one, f"rules.{name}", segment_key) for name, one in numbered.items()}
    )
    tree = reader.logic(logic)
    return tree if "rules" in tree else {"combinator": "and", "rules": [tree]}


def to_voucherify(document: Mapping[str, Any], *, segment_id: SegmentId) -> dict[str, Any]:
    """The numbered rules and their logic of a document of ours, without its disabled parts."""
    rules: dict[str, Any] = {}
    logic = _logic(document, rules, segment_id)
    return {**rules, "logic": logic}


def _refused(path: str, message: str) -> RuleUntranslatable:
    return RuleUntranslatable(message, problems=[Problem(path, "unknown", message)])


# --- From there to here --------------------------------------------------------------------------


class _Reader:
    """Reads the logic: and, or, not and parentheses over the names of rules."""

    def __init__(self, leaves: Mapping[str, dict[str, Any]]) -> None:
        self.leaves = leaves
        self.words: list[str] = []

    def logic(self, text: str) -> dict[str, Any]:
        place = 0
        while place < len(text.rstrip()):
            found = _WORDS.match(text, place)
            if found is None:
                raise self._fault(text[place : place + 20])
            self.words.append(found[0].strip())
            place = found.end()
        tree = self._or(0)
        if self.words:
            raise self._fault(self.words[0])
        return tree

    def _or(self, depth: int) -> dict[str, Any]:
        return self._joined("or", lambda: self._joined("and", lambda: self._part(depth)))

    def _joined(self, word: str, read: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        parts = [read()]
        while self.words and self.words[0].lower() == word:
            self.words.pop(0)
            parts.append(read())
        return parts[0] if len(parts) == 1 else {"combinator": word, "rules": parts}

    def _part(self, depth: int) -> dict[str, Any]:
        if not self.words or depth > _DEEPEST:
            raise self._fault(_("its end"))
        word = self.words.pop(0)
        if word.lower() == "not":
            inner = self._part(depth + 1)
            if "rules" in inner and not inner.get("not"):
                return {**inner, "not": True}
            return {"combinator": "and", "not": True, "rules": [inner]}
        if word == "(":
            inner = self._or(depth + 1)
            if not self.words or self.words.pop(0) != ")":
                raise self._fault(_("its end"))
            return inner
        if word not in self.leaves:
            raise self._fault(word)
        return self.leaves[word]

    def _fault(self, near: str) -> RuleUntranslatable:
        message = _("The logic cannot be read near “%(near)s”. It reads like “1 and (2 or 3)”.")
        return _refused("rules.logic", message % {"near": near})


def _leaf(rule: Any, path: str, segment_key: SegmentKey) -> dict[str, Any]:
    if not isinstance(rule, Mapping) or not isinstance(rule.get("name"), str):
        raise _refused(path, _("A rule is an object with a name and conditions."))
    name, conditions = rule["name"], rule.get("conditions") or {}
    if not isinstance(conditions, Mapping) or not conditions:
        raise _refused(
            f"{path}.conditions", _("The conditions are an object such as {“$is”: […]}.")
        )
    nodes = [
        _condition(name, operator, values, rule, path, segment_key)
        for operator, values in conditions.items()
    ]
    node = nodes[0] if len(nodes) == 1 else {"combinator": "and", "rules": nodes}
    error = rule.get("error")
    if isinstance(error, Mapping) and isinstance(error.get("message"), str) and error["message"]:
        node = {**node, "message": error["message"]}
    return node


def _condition(
    name: str, operator: str, values: Any, rule: Mapping[str, Any], path: str, key: SegmentKey
) -> dict[str, Any]:
    """One of our rules for one of Voucherify's conditions."""
    at = f"{path}.conditions.{operator}"
    given = values if isinstance(values, list) else [values]
    if name == OWN_NAME and operator == "$is" and len(given) == 1 and isinstance(given[0], dict):
        return dict(given[0])
    if name == "customer.segment":
        return _choice("segment", operator, [_segment(one, at, key) for one in given], at)
    if name == "customer.loyalty_tier":
        return _choice("loyalty.tier", operator, given, at)
    if name == _HOLDER and operator == "$is":
        return {"field": "card.holder", "operator": "=", "value": given[:1] != [False]}
    if name in _BUDGETS:
        return _budget(_BUDGETS[name], operator, given, at)
    if name in _NUMBERS:
        return _compared(_NUMBERS[name], operator, given, at)
    if name == "order.items.count":
        return _compared(ITEMS, operator, given, at)
    if name in _SETS:
        return _products(name, operator, [_product(one, at) for one in given], rule, path)
    field = rule.get("property")
    if name.rstrip(".") in ("customer.metadata", "order.metadata") and isinstance(field, str):
        if name.startswith("customer"):
            return _compared(f"attribute.{field}", operator, given, at)
        inner = _compared(f"properties.{field}", operator, given, at)
        where = {"combinator": "and", "rules": [inner]}
        return {"field": METADATA, "operator": ">=", "value": 1, "where": where}
    message = _("There is no counterpart here for rules about “%(name)s”.") % {"name": name}
    raise _refused(f"{path}.name", message)


def _segment(given: Any, at: str, segment_key: SegmentKey) -> str:
    found = segment_key(given) if isinstance(given, str) else None
    if found is None:
        raise _refused(at, _("There is no segment “%(id)s”.") % {"id": given})
    return found


def _product(given: Any, at: str) -> str:
    found = given
    if isinstance(given, Mapping):
        found = given.get("source_id") or given.get("id")
    if not isinstance(found, str) or not found:
        raise _refused(at, _("A product is named by its id or source_id."))
    return found


def _choice(field: str, operator: str, values: list[Any], at: str) -> dict[str, Any]:
    if operator not in _CHOICES:
        raise _unknown_operator(operator, at)
    return {"field": field, "operator": _CHOICES[operator], "value": values}


def _compared(field: str, operator: str, values: list[Any], at: str) -> dict[str, Any]:
    if operator in _PRESENCE:
        return {"field": field, "operator": _PRESENCE[operator]}
    one = {**_ORDERED, **_TEXTS}
    if operator in _CHOICES and len(values) == 1:
        sign = "=" if _CHOICES[operator] == "in" else "!="
        return {"field": field, "operator": sign, "value": values[0]}
    if operator in _CHOICES:
        return _choice(field, operator, values, at)
    if operator not in one:
        raise _unknown_operator(operator, at)
    if len(values) != 1:
        raise _refused(at, _("“%(operator)s” takes one value.") % {"operator": operator})
    return {"field": field, "operator": one[operator], "value": values[0]}


def _budget(field: str, operator: str, values: list[Any], at: str) -> dict[str, Any]:
    [value] = values if len(values) == 1 else [None]
    if not isinstance(value, int) or isinstance(value, bool):
        raise _refused(at, _("A budget is one whole number."))
    if operator not in ("$is", "$less_than", "$less_than_or_equal"):
        raise _unknown_operator(operator, at)
    return {"field": field, "operator": "<=", "value": value - (operator == "$less_than")}


def _products(
    name: str, operator: str, ids: list[str], rule: Mapping[str, Any], path: str
) -> dict[str, Any]:
    inner = rule.get("rules")
    named = _numbered(inner)
    if not named:
        return _choice(_SETS[name], operator, ids, f"{path}.conditions.{operator}")
    kind = "properties.sku" if name.startswith("sku") else "properties.product"
    asked = [_choice(kind, operator, ids, f"{path}.conditions.{operator}")]
    for number, one in named.items():
        at = f"{path}.rules.{number}"
        field = _OF_ITEMS.get(one.get("name", "")) if isinstance(one, Mapping) else None
        if field is None:
            message = _("There is no counterpart here for rules about “%(name)s” of a product.")
            told = one.get("name") if isinstance(one, Mapping) else one
            raise _refused(f"{at}.name", message % {"name": told})
        for inner_operator, values in (one.get("conditions") or {}).items():
            given = values if isinstance(values, list) else [values]
            asked.append(_compared(field, inner_operator, given, f"{at}.conditions"))
    where = {"combinator": "and", "rules": asked}
    return {"field": ITEMS, "operator": ">=", "value": 1, "where": where}


def _numbered(inner: Any) -> dict[str, Any]:
    if not isinstance(inner, Mapping):
        return {}
    return {name: one for name, one in inner.items() if name != "logic"}


def _unknown_operator(operator: str, at: str) -> RuleUntranslatable:
    message = _("“%(operator)s” has no counterpart here.") % {"operator": operator}
    return _refused(at, message)


# --- From here to there --------------------------------------------------------------------------

_BACK_NUMBERS = {"order.amount": "order.amount", "order.quantity": "order.items.total_quantity"}
_BACK_SETS = {"order.products": "product.id", "order.skus": "sku.id"}
_BACK_BUDGETS = {here: there for there, here in reversed(_BUDGETS.items())}
_BACK_CHOICES = {"in": "$is", "notIn": "$is_not"}
_BACK_ORDERED = {sign: there for there, sign in _ORDERED.items()}


def _logic(node: Mapping[str, Any], rules: dict[str, Any], segment_id: SegmentId) -> str:
    parts: list[str] = []
    for child in _living(node):
        if "rules" in child:
            inner = _logic(child, rules, segment_id)
            parts.append(inner if inner.startswith("not (") else f"({inner})")
        else:
            number = str(len(rules) + 1)
            rules[number] = _rule(child, segment_id)
            parts.append(number)
    if not parts:
        number = str(len(rules) + 1)
        rules[number] = _own({key: value for key, value in node.items() if key != "message"})
        return number
    logic = f" {node.get('combinator', 'and')} ".join(parts)
    return f"not ({logic})" if node.get("not") else logic


def _living(node: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    return (child for child in node.get("rules", ()) if child.get("disabled") is not True)


def _rule(leaf: Mapping[str, Any], segment_id: SegmentId) -> dict[str, Any]:
    plain = {key: value for key, value in leaf.items() if key != "message"}
    found = _named(plain, segment_id) or _own(plain)
    if leaf.get("message"):
        found["error"] = {"message": leaf["message"]}
    return found


def _named(leaf: Mapping[str, Any], segment_id: SegmentId) -> dict[str, Any] | None:
    field, operator, value = leaf.get("field"), leaf.get("operator"), leaf.get("value")
    if field == "segment" and operator in _BACK_CHOICES and isinstance(value, list):
        return _shape("customer.segment", _BACK_CHOICES[operator], [*map(segment_id, value)])
    if field == "loyalty.tier" and operator in _BACK_CHOICES and isinstance(value, list):
        return _shape("customer.loyalty_tier", _BACK_CHOICES[operator], value)
    if field in _BACK_SETS and operator in _BACK_CHOICES and isinstance(value, list):
        named = [{"id": one, "source_id": one} for one in value]
        return _shape(_BACK_SETS[field], _BACK_CHOICES[operator], named)
    if field in _BACK_BUDGETS and operator == "<=":
        return _shape(_BACK_BUDGETS[field], "$less_than_or_equal", [value])
    if field in _BACK_NUMBERS and operator in _BACK_ORDERED:
        return _shape(_BACK_NUMBERS[field], _BACK_ORDERED[operator], [value])
    if field == "card.holder" and operator == "=":
        return _shape(_HOLDER, "$is", [value])
    return None


def _own(node: Mapping[str, Any]) -> dict[str, Any]:
    return _shape(OWN_NAME, "$is", [dict(node)])


def _shape(name: str, operator: str, values: list[Any]) -> dict[str, Any]:
    return {"name": name, "property": None, "conditions": {operator: values}, "rules": {}}
