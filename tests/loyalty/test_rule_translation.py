"""Voucherify's rules become ours and go back; what has no counterpart is refused."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loyalty.errors import RuleUntranslatable
from loyalty.validation_rules.rule_translation import OWN_NAME, from_voucherify, to_voucherify
from tests.loyalty.rule_cases import any_of, every, items, leaf

KEYS = {"seg_1": "reviewers", "seg_2": "poles"}


def read(rules: Any) -> dict[str, Any]:
    return from_voucherify(rules, segment_key=KEYS.get)


def write(document: dict[str, Any]) -> dict[str, Any]:
    ids = {key: number for number, key in KEYS.items()}
    return to_voucherify(document, segment_id=ids.__getitem__)


def rule(name: str, message: Any = "", property: Any = None, **conditions: Any) -> Any:  # noqa: A002
    found = {
        "name": name,
        "property": property,
        "conditions": {f"${operator}": values for operator, values in conditions.items()},
    }
    return found | ({"error": {"message": message}} if message else {})


def test_the_rule_of_the_reviewers_is_understood() -> None:
    sent = {
        "1": rule("customer.segment", "Write a review first", **{"is": ["seg_1"]}),
        "logic": "1",
    }
    node = leaf("segment", "in", ["reviewers"], "Write a review first")
    assert read(sent) == every(node)
    assert write(every(node)) == {
        "1": {**sent["1"], "rules": {}},
        "logic": "1",
    }


@pytest.mark.parametrize(
    ("sent", "node"),
    [
        (
            rule("customer.loyalty_tier", is_not=["gold"]),
            leaf("loyalty.tier", "notIn", ["gold"]),
        ),
        (rule("order.amount", more_than_or_equal=[5000]), leaf("order.amount", ">=", 5000)),
        (
            rule("redemption.count.per_customer", less_than_or_equal=[1]),
            leaf("budget.count.customer.ever", "<=", 1),
        ),
        (
            rule("redemption.count.per_customer", **{"is": [1]}),
            leaf("budget.count.customer.ever", "<=", 1),
        ),
        (rule("redemption.count.daily", less_than=[3]), leaf("budget.count.campaign.day", "<=", 2)),
        (
            rule("redemption.gift.amount.total", less_than_or_equal=[100]),
            leaf("budget.amount.campaign.ever", "<=", 100),
        ),
        (
            rule("product.id", **{"is": [{"id": "prod_1", "source_id": "mug"}, "tea"]}),
            leaf("order.products", "in", ["mug", "tea"]),
        ),
        (
            rule("customer.metadata", property="size", **{"is": ["XL"]}),
            leaf("attribute.size", "=", "XL"),
        ),
        (rule("order.items.count", more_than=[1]), items(operator=">", value=1)),
        (rule("redemption.holder_only", **{"is": [True]}), leaf("card.holder", "=", True)),
    ],
)
def test_the_names_that_are_known(sent: dict[str, Any], node: dict[str, Any]) -> None:
    assert read({"1": sent, "logic": "1"}) == every(node)


def test_what_is_asked_of_a_product_is_asked_of_the_item() -> None:
    inner = {"1": rule("product.price", more_than_or_equal=[5000]), "logic": "1"}
    sent = {**rule("product.id", **{"is": ["mug"]}), "rules": inner}
    found = items(leaf("properties.product", "in", ["mug"]), leaf("properties.price", ">=", 5000))
    assert read({"1": sent, "logic": "1"}) == every(found)
    metadata = rule("order.metadata", property="channel", **{"is": ["web"]})
    [node] = read({"1": metadata, "logic": "1"})["rules"]
    assert (node["field"], node["where"]) == (
        "order.metadata",
        every(leaf("properties.channel", "=", "web")),
    )


def test_the_logic_says_how_rules_go_together() -> None:
    numbered = {str(n): rule("order.amount", more_than=[n]) for n in range(1, 5)}
    one, two, three, four = (leaf("order.amount", ">", n) for n in range(1, 5))
    assert read({**numbered, "logic": "1 and (2 or 3) or 4"}) == any_of(
        every(one, any_of(two, three)), four
    )
    assert read({**numbered, "logic": "not (1 OR 2) and 3"}) == every(
        any_of(one, two, **{"not": True}), three
    )
    assert read(numbered) == every(one, two, three, four)
    assert read({}) == every()


@pytest.mark.parametrize(
    ("rules", "path"),
    [
        ([], "rules"),
        ({"1": {"name": "weather"}, "logic": "1"}, "rules.1.conditions"),
        ({"1": rule("weather", **{"is": ["sunny"]}), "logic": "1"}, "rules.1.name"),
        ({"1": rule("customer.segment", **{"is": ["seg_9"]})}, "rules.1.conditions.$is"),
        ({"1": rule("order.amount", near=[1])}, "rules.1.conditions.$near"),
        ({"1": rule("redemption.count.total", **{"is": ["many"]})}, "rules.1.conditions.$is"),
        *(
            ({"1": rule("order.amount", more_than=[1]), "logic": logic}, "rules.logic")
            for logic in ("1 and", "(1", "1 2", "7", "1 & 1", "not", "(" * 90 + "1", 5)
        ),
    ],
)
def test_what_has_no_counterpart_is_refused_with_its_place(rules: Any, path: str) -> None:
    with pytest.raises(RuleUntranslatable) as refused:
        read(rules)
    [problem] = refused.value.problems
    assert problem.path == path
    assert problem.message


LEAVES = st.sampled_from(
    [
        leaf("segment", "in", ["reviewers", "poles"]),
        leaf("segment", "all", ["poles"]),
        leaf("loyalty.tier", "notIn", ["gold"], "No gold"),
        leaf("order.amount", ">=", 100),
        leaf("order.amount", "between", [1, 2]),
        leaf("budget.amount.customer.week", "<=", 10),
        leaf("card.holder", "=", True),
        items(leaf("properties.sku", "=", "x")),
    ]
)
TREES = st.recursive(
    LEAVES,
    lambda inner: st.builds(
        lambda word, nodes, negated: {
            "combinator": word,
            "rules": nodes,
            **({"not": True} if negated else {}),
        },
        st.sampled_from(["and", "or"]),
        st.lists(inner, min_size=2, max_size=3),
        st.booleans(),
    ),
    max_leaves=8,
)


def meaning(node: dict[str, Any]) -> Any:
    """What a tree means: a group in a group of the same kind is one with it."""
    if "rules" not in node:
        return sorted((key, repr(value)) for key, value in node.items())
    parts = [meaning(child) for child in node["rules"]]
    word = node["combinator"]
    flat = [
        inner
        for part in parts
        for inner in (part[1] if isinstance(part, tuple) and part[0] == word else [part])
    ]
    found = flat[0] if len(flat) == 1 else (word, flat)
    return ("not", [found]) if node.get("not") else found


@settings(max_examples=40, deadline=None)
@given(TREES)
def test_a_document_comes_back_from_voucherify_s_shape(tree: dict[str, Any]) -> None:
    document = tree if "rules" in tree else every(tree)
    assert meaning(read(write(document))) == meaning(document)


def test_what_voucherify_has_no_word_for_goes_out_under_a_name_of_ours() -> None:
    node = leaf("time.weekday", "in", ["monday"])
    assert write(every(node))["1"]["name"] == OWN_NAME
    assert read(write(every(node, {**node, "disabled": True}))) == every(node)
