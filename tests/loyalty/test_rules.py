"""What validation rules let through and refuse, and what whom they refuse is told."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from loyalty.errors import RuleInvalid
from loyalty.models import ValidationRule
from loyalty.validation_rules import rules
from loyalty.validation_rules.rule_documents import check_document
from loyalty.validation_rules.rules import Purpose, Refusal, Use, judge
from segments import lifecycle
from tests.factories import DAY, NOW, make_contact
from tests.loyalty.rule_cases import (
    AnOrder,
    any_of,
    every,
    items,
    leaf,
    make_campaign,
    make_redemption,
    make_rule,
    make_voucher,
)
from tests.segments.factories import make_segment, refresh
from workspace.access import SYSTEM

pytestmark = pytest.mark.django_db
FROM_KRAKOW = leaf("contact.city", "=", "Krakow", "Only for Krakow")


def key_of(refusal: Refusal | None) -> str:
    return refusal.key if refusal else ""


def told(*nodes: dict[str, Any], **case: Any) -> str:
    """The key with which a rule of these parts refuses."""
    case.setdefault("at", NOW)
    return key_of(judge([make_rule(*nodes)], **case))


def problems_of(document: Any) -> list[tuple[str, str]]:
    return [(one.path, one.code) for one in check_document(document, SYSTEM)]


# --- The audience --------------------------------------------------------------------------------


def test_only_who_is_in_the_segment_may_join() -> None:
    segment = make_segment("reviewers")
    member, other = make_contact(city="Warszawa"), make_contact(city="Lodz")
    refresh(segment)
    rule = make_rule(leaf("segment", "in", ["reviewers"], "Write a review first"))
    found = judge([rule], contact_ids=[member.pk, other.pk], at=NOW, purpose=Purpose.PUBLICATION)
    assert set(found) == {other.pk}
    refusal = found[other.pk]
    assert (refusal.key, refusal.message) == ("customer_rules_violated", "Write a review first")
    assert (refusal.custom, refusal.rule, refusal.path) == (refusal.message, rule, "rules[0]")


def test_a_rule_refuses_everybody_while_its_segment_is_out_of_use() -> None:
    segment = make_segment("reviewers")
    member = make_contact(city="Warszawa")
    refresh(segment)
    rule = make_rule(leaf("segment", "notIn", ["reviewers"]), message="Not now")
    lifecycle.inactivate(segment, actor=SYSTEM, at=NOW)
    refusal = judge([rule], contact_id=member.pk, at=NOW, purpose=Purpose.PUBLICATION)
    assert refusal is not None
    assert (refusal.key, refusal.message) == ("customer_rules_violated", "Not now")
    lifecycle.activate(segment, actor=SYSTEM, at=NOW)
    assert key_of(judge([rule], contact_id=member.pk, at=NOW)) == "customer_rules_violated"
    assert judge([rule], contact_id=make_contact(city="Lodz").pk, at=NOW) is None


def test_a_rule_that_lost_what_it_asks_about_refuses_everybody() -> None:
    rule = make_rule()
    ValidationRule.objects.filter(pk=rule.pk).update(
        document=every(leaf("attribute.gone", "=", "x"))
    )
    rule.refresh_from_db()
    assert key_of(judge([rule], contact_id=make_contact().pk, at=NOW)) == "customer_rules_violated"


def test_without_a_customer_nobody_passes_a_rule_about_customers() -> None:
    assert told(FROM_KRAKOW) == "missing_customer"
    assert told(every(FROM_KRAKOW, **{"not": True})) == "missing_customer"
    assert told(any_of(FROM_KRAKOW, leaf("order.amount", ">=", 5)), order=AnOrder(5)) == ""


def test_only_the_holder_redeems() -> None:
    holder, other = make_contact(), make_contact()
    voucher = make_voucher(holder=holder)
    rule = make_rule(leaf("card.holder", "=", True))
    assert judge([rule], contact_id=holder.pk, voucher=voucher, at=NOW) is None
    refused = judge([rule], contact_id=other.pk, voucher=voucher, at=NOW)
    assert key_of(refused) == "customer_rules_violated"
    opposite = make_rule(leaf("card.holder", "!=", True))
    assert judge([opposite], contact_id=other.pk, voucher=voucher, at=NOW) is None
    assert key_of(judge([opposite], contact_id=holder.pk, voucher=voucher, at=NOW))


def test_questions_do_not_grow_with_the_contacts(django_assert_num_queries: Any) -> None:
    rule = make_rule(FROM_KRAKOW, leaf("contact.country", "=", "PL"))
    contacts = [make_contact(city="Krakow", country="PL").pk for _ in range(5)]
    refused = make_contact(city="Krakow").pk
    with django_assert_num_queries(8 + 2):
        assert judge([rule], contact_ids=contacts[:1], at=NOW) == {}
    with django_assert_num_queries(8 + 2):
        assert set(judge([rule], contact_ids=[*contacts, refused], at=NOW)) == {refused}


# --- The order -----------------------------------------------------------------------------------

MUG = {"product_id": "mug", "sku_id": "mug-blue", "quantity": 2, "price": 900}
TEA = {"source_id": "tea", "related_object": "product", "quantity": 1, "amount": 1500}


@pytest.mark.parametrize(
    ("node", "is_allowed"),
    [
        (leaf("order.amount", ">=", 3300), True),
        (leaf("order.amount", ">", 3300), False),
        (leaf("order.amount", "between", [1, 3300]), True),
        (leaf("order.quantity", "=", 3), True),
        (leaf("order.highest_price", "<", 1500), False),
        (leaf("order.lowest_price", "=", 900), True),
        (leaf("order.products", "in", ["tea", "milk"]), True),
        (leaf("order.products", "all", ["tea", "milk"]), False),
        (leaf("order.products", "notIn", ["milk"]), True),
        (leaf("order.skus", "in", ["mug-blue"]), True),
        (leaf("order.skus", "in", ["tea"]), False),
        (items(leaf("properties.product", "=", "mug")), True),
        (items(leaf("properties.product", "=", "milk")), False),
        (items(leaf("properties.product", "=", "milk"), operator="=", value=0), True),
        (items(leaf("properties.quantity", ">=", 2), leaf("properties.price", "<", 900)), False),
        (
            items(
                leaf("properties.sku", "beginsWith", "mug"),
                measure={"function": "sum", "property": "quantity"},
                value=2,
            ),
            True,
        ),
        (items(measure={"function": "maximum", "property": "amount"}, value=1801), False),
        (items(measure={"function": "distinct", "property": "product"}, value=2), True),
    ],
)
def test_an_order_is_asked_by_its_amount_and_its_items(
    node: dict[str, Any], *, is_allowed: bool
) -> None:
    order = AnOrder(items=(MUG, TEA))
    assert told(node, order=order) == ("" if is_allowed else "order_rules_violated")


def test_an_order_is_asked_for_its_metadata() -> None:
    node = {
        "field": "order.metadata",
        "operator": ">=",
        "value": 1,
        "where": every(leaf("properties.channel", "=", "web")),
    }
    assert told(node, order=AnOrder(metadata={"channel": "web"})) == ""
    assert told(node, order=AnOrder(metadata={"channel": "shop"})) == "order_rules_violated"
    assert told(node, order=AnOrder()) == "order_rules_violated"


def test_items_are_told_apart_by_their_amount() -> None:
    node = {
        "field": "order.items",
        "operator": ">=",
        "value": 1,
        "where": every(leaf("properties.amount", ">", 1000)),
    }
    dear, cheap = {"product_id": "coat", "amount": 9000}, {"product_id": "sock", "amount": 900}
    assert told(node, order=AnOrder(items=(dear, cheap))) == ""
    assert told(node, order=AnOrder(items=(cheap,))) == "order_rules_violated"


def test_an_amount_that_nobody_said_passes_no_comparison() -> None:
    assert told(leaf("order.amount", "<=", 100), order=AnOrder()) == "order_rules_violated"
    assert told(leaf("order.amount", "<=", 100)) == "order_rules_violated"


def test_giving_a_card_does_not_ask_what_only_the_till_can_know() -> None:
    contact = make_contact(city="Krakow")
    case: dict[str, Any] = {"contact_id": contact.pk, "purpose": "publication"}
    for node in (
        leaf("order.amount", ">=", 100),
        every(leaf("order.amount", ">=", 100), **{"not": True}),
        leaf("budget.count.campaign.ever", "<=", 0),
        leaf("card.holder", "=", True),
        leaf("time.weekday", "in", ["sunday"]),
        any_of(leaf("order.amount", ">=", 100), leaf("contact.city", "=", "Lodz")),
    ):
        assert told(node, **case) == "", node
    both = every(leaf("order.amount", ">=", 100), leaf("contact.city", "=", "Lodz"))
    assert told(both, **case) == "customer_rules_violated"


# --- Time ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("node", "is_allowed"),
    [
        (leaf("time.weekday", "in", ["monday", "tuesday"]), True),
        (leaf("time.weekday", "notIn", ["monday"]), False),
        (leaf("time.of_day", "between", ["09:00", "12:00"]), True),
        (leaf("time.of_day", "<", "12:00"), False),
        (leaf("time.of_day", ">=", "12:00"), True),
        (leaf("time.of_day", "between", ["22:00", "06:00"]), False),
        (leaf("time.of_day", "between", ["11:00", "06:00"]), True),
        (leaf("time.of_day", "notBetween", ["22:00", "06:00"]), True),
        (leaf("time.date", "<=", "2026-03-02"), True),
        (leaf("time.date", "between", ["2026-03-03", "2026-03-31"]), False),
    ],
)
def test_the_moment_is_asked_on_the_workspace_s_clock(
    node: dict[str, Any], *, is_allowed: bool
) -> None:
    # A Monday, at noon.
    assert told(node) == ("" if is_allowed else "redemption_rules_violated")


# --- Budgets -------------------------------------------------------------------------------------


def test_a_budget_counts_what_was_redeemed_and_what_is_to_be() -> None:
    campaign, mine, other = make_campaign(), make_contact(), make_contact()
    voucher, second = make_voucher(campaign), make_voucher(campaign)
    make_redemption(voucher, contact=mine, amount_minor=700)
    make_redemption(second, contact=other, amount_minor=500)
    make_redemption(make_voucher(), contact=mine, amount_minor=9000)
    make_redemption(voucher, contact=mine, state="rolled_back")
    make_redemption(voucher, contact=mine, state="failed")
    case: dict[str, Any] = {"voucher": voucher, "contact_id": mine.pk, "amount_minor": 300}
    for name, most in (
        ("budget.count.campaign.ever", 3),
        ("budget.count.customer.ever", 2),
        ("budget.count.voucher.ever", 2),
        ("budget.amount.campaign.ever", 1500),
        ("budget.amount.customer.ever", 1000),
        ("budget.amount.voucher.ever", 1000),
    ):
        assert told(leaf(name, "<=", most), **case) == "", name
        assert told(leaf(name, "<=", most - 1), **case) == "redemption_rules_violated", name


def test_redemptions_of_the_same_order_count_before_they_are_written() -> None:
    voucher, contact = make_voucher(), make_contact()
    rule = make_rule(leaf("budget.count.customer.day", "<=", 2))
    once = Use(voucher.campaign_id, voucher.pk, contact.pk, 100)
    elsewhere = Use(make_campaign().pk, voucher.pk + 1, contact.pk, 100)
    case: dict[str, Any] = {"contact_id": contact.pk, "voucher": voucher, "at": NOW}
    assert judge([rule], others=[once, elsewhere], **case) is None
    assert key_of(judge([rule], others=[once, once], **case)) == "redemption_rules_violated"


@pytest.mark.parametrize(
    ("period", "edge"),
    [
        ("day", datetime(2026, 3, 2, tzinfo=UTC)),
        ("week", datetime(2026, 3, 2, tzinfo=UTC)),
        ("month", datetime(2026, 3, 1, tzinfo=UTC)),
    ],
)
def test_a_period_begins_with_the_calendar(period: str, edge: datetime) -> None:
    voucher = make_voucher()
    node = leaf(f"budget.count.voucher.{period}", "<=", 1)
    make_redemption(voucher, at=edge - timedelta(microseconds=1))
    assert told(node, voucher=voucher) == ""
    make_redemption(voucher, at=edge)
    assert told(node, voucher=voucher) == "redemption_rules_violated"


def test_what_was_redeemed_by_a_clock_that_is_ahead_counts_as_well() -> None:
    voucher = make_voucher()
    make_redemption(voucher, at=NOW + timedelta(seconds=2))
    assert told(leaf("budget.count.voucher.day", "<=", 1), voucher=voucher)
    assert told(leaf("budget.count.voucher.day", "<=", 1), voucher=voucher, at=NOW + DAY) == ""


# --- What is told --------------------------------------------------------------------------------


def test_the_first_part_that_refuses_is_told() -> None:
    contact = make_contact(city="Lodz")
    rule = make_rule(
        leaf("contact.country", "=", "PL", "Only for Poland"), FROM_KRAKOW, message="Sorry"
    )
    refusal = judge([rule], contact_id=contact.pk, at=NOW)
    assert refusal is not None
    assert refusal.message == "Only for Poland"
    contact = make_contact(country="PL")
    refusal = judge([rule], contact_id=contact.pk, at=NOW)
    assert refusal is not None
    assert (refusal.message, refusal.path) == ("Only for Krakow", "rules[1]")


def test_a_part_without_a_message_is_told_by_what_is_around_it() -> None:
    silent = leaf("contact.city", "=", "Krakow")
    contact = make_contact().pk
    inner = every(silent, message="The group says no")
    refusal = judge([make_rule(inner, message="Sorry")], contact_id=contact, at=NOW)
    assert refusal is not None
    assert refusal.message == "The group says no"
    refusal = judge([make_rule(silent, message="Sorry")], contact_id=contact, at=NOW)
    assert refusal is not None
    assert (refusal.message, refusal.custom) == ("Sorry", "Sorry")
    refusal = judge([make_rule(silent)], contact_id=contact, at=NOW)
    assert refusal is not None
    assert (refusal.message, refusal.custom) == (
        "The customer does not meet the conditions.",
        "",
    )


def test_where_one_of_several_would_do_the_group_speaks() -> None:
    nodes = (FROM_KRAKOW, leaf("contact.country", "=", "PL", "Only for Poland"))
    contact = make_contact().pk
    refusal = judge(
        [make_rule(any_of(*nodes, message="Krakow or Poland"))], contact_id=contact, at=NOW
    )
    assert refusal is not None
    assert refusal.message == "Krakow or Poland"
    refusal = judge([make_rule(any_of(*nodes))], contact_id=contact, at=NOW)
    assert refusal is not None
    assert refusal.message == "Only for Krakow"


def test_of_several_rules_the_first_that_refuses_is_told() -> None:
    first, second = make_rule(FROM_KRAKOW), make_rule(leaf("contact.country", "=", "PL"))
    both, none = make_contact(city="Krakow", country="PL"), make_contact()
    found = judge([first, second], contact_ids=[both.pk, none.pk], at=NOW)
    assert found[none.pk].rule == first
    assert both.pk not in found
    assert judge([], contact_id=none.pk, at=NOW) is None


# --- Documents -----------------------------------------------------------------------------------


def test_every_fault_of_a_document_is_told_with_its_path() -> None:
    document = every(
        leaf("contact.shoe_size", "=", 44),
        leaf("order.amount", "null", None),
        leaf("order.amount", ">=", "many"),
        leaf("time.of_day", "<", "25:00"),
        leaf("time.weekday", "in", ["monday", "someday"]),
        leaf("budget.count.campaign.ever", "<=", 1.5),
        leaf("budget.count.campaign.ever", ">=", 1),
        items(measure={"function": "first"}, operator="<", value="2026-01-01"),
        items(leaf("occurred_at", "<", "2026-01-01")),
        leaf("card.holder", "=", True, "x" * 301),
        {"combinator": "or", "rules": [], "message": 5},
        leaf("segment", "in", ["nowhere"]),
    )
    assert set(problems_of(document)) == {
        ("rules[0].field", "unknown_field"),
        ("rules[1].operator", "unknown_operator"),
        ("rules[2].value", "wrong_type"),
        ("rules[3].value", "wrong_type"),
        ("rules[4].value[1]", "wrong_type"),
        ("rules[5].value", "wrong_type"),
        ("rules[6].operator", "unknown_operator"),
        ("rules[7].measure.function", "malformed"),
        ("rules[8].where.rules[0].field", "unknown_field"),
        ("rules[9].message", "too_long"),
        ("rules[10].message", "malformed"),
        ("rules[11].value[0]", "unknown_key"),
    }


@pytest.mark.parametrize("document", [None, [], {}, "x", {"field": "order.amount"}])
def test_what_is_no_document_is_refused(document: Any) -> None:
    assert problems_of(document)


def test_disabled_parts_are_not_asked_and_not_checked() -> None:
    off = {**leaf("order.amount", "?", "many"), "disabled": True}
    assert problems_of(every(off)) == []
    assert told(off) == ""


def test_a_segment_that_is_out_of_use_cannot_be_chosen_anew_but_may_stay() -> None:
    segment = make_segment("reviewers")
    node = leaf("segment", "in", ["reviewers"])
    rule = make_rule(node)
    lifecycle.inactivate(segment, actor=SYSTEM, at=NOW)
    with pytest.raises(RuleInvalid) as refused:
        make_rule(node)
    [problem] = refused.value.document_problems
    assert (problem.path, problem.code) == ("rules[0].value[0]", "segment_inactive")
    assert "Reviewers" in problem.message
    kept = rules.update_rule(rule, actor=SYSTEM, at=NOW, document=every(node, FROM_KRAKOW))
    assert len(kept.document["rules"]) == 2
