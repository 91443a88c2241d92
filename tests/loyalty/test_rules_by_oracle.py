"""Random rules in random cases: judged as the second opinion in tests/reference judges."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contacts.models import Contact
from loyalty.models import ValidationRule, Voucher
from loyalty.validation_rules.rules import judge
from tests.factories import NOW
from tests.loyalty.rule_cases import AnOrder, leaf, make_redemption, make_voucher
from tests.reference import rules as reference

pytestmark = pytest.mark.django_db
CITIES, PRODUCTS = ("Krakow", "Lodz"), ("mug", "tea")
MESSAGES = st.sampled_from(["", "", "one", "two", "three"])


def told(node: dict[str, Any], message: str) -> dict[str, Any]:
    return {**node, "message": message} if message else node


LEAVES = st.one_of(
    st.builds(leaf, st.just("contact.city"), st.sampled_from(["=", "!="]), st.sampled_from(CITIES)),
    st.builds(leaf, st.just("order.amount"), st.just(">="), st.sampled_from([0, 10, 20])),
    st.builds(leaf, st.just("card.holder"), st.just("="), st.booleans()),
    st.builds(
        lambda scope, most: leaf(f"budget.count.{scope}.ever", "<=", most),
        st.sampled_from(["campaign", "customer", "voucher"]),
        st.integers(0, 4),
    ),
    st.builds(
        lambda product, operator, value: {
            "field": "order.items",
            "operator": operator,
            "value": value,
            "where": {
                "combinator": "and",
                "rules": [leaf("properties.product", "=", product)],
            },
        },
        st.sampled_from(PRODUCTS),
        st.sampled_from([">=", "="]),
        st.integers(0, 2),
    ),
)


def groups(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.builds(
        lambda word, nodes, negated, message: told(
            {"combinator": word, "rules": nodes, "not": negated}, message
        ),
        st.sampled_from(["and", "or"]),
        st.lists(inner, max_size=3),
        st.booleans(),
        MESSAGES,
    )


NODES = st.recursive(
    st.builds(
        lambda node, message, off: told({**node, "disabled": off}, message),
        LEAVES,
        MESSAGES,
        st.sampled_from([False, False, False, True]),
    ),
    groups,
    max_leaves=7,
)
DOCUMENTS = groups(NODES)
CASES = st.fixed_dictionaries(
    {
        "purpose": st.sampled_from(["publication", "validation"]),
        "has_order": st.booleans(),
        "amount": st.sampled_from([None, 0, 9, 10, 20]),
        "items": st.lists(
            st.sampled_from(PRODUCTS).map(lambda one: {"product_id": one}), max_size=3
        ),
    }
)


@pytest.fixture
def shop() -> tuple[Voucher, list[Contact], dict[int, int]]:
    """Two customers and a nobody; a card of the first, used twice by him and once by the other."""
    people = [Contact.objects.create(city=city) for city in CITIES]
    voucher = make_voucher(holder=people[0])
    other = make_voucher(voucher.campaign)
    make_redemption(voucher, contact=people[0])
    make_redemption(other, contact=people[0])
    make_redemption(other, contact=people[1])
    return voucher, people, {people[0].pk: 2, people[1].pk: 1}


def test_whom_nobody_knows_is_not_let_through_by_a_budget_of_customers(shop: Any) -> None:
    rules = [
        {"field": "order.amount", "operator": ">=", "value": 0},
        {"field": "budget.count.customer.ever", "operator": "<=", "value": 0},
    ]
    case = {"purpose": "validation", "has_order": False, "amount": None, "items": []}
    _agree(shop, {"combinator": "and", "rules": rules}, case)


def _agree(shop: Any, document: dict[str, Any], case: dict[str, Any]) -> None:
    voucher, people, used = shop
    rule = ValidationRule(pk=1, key="r", name="r", document=document)
    order = None
    if case["has_order"]:
        order = AnOrder(case["amount"], tuple({**one, "price": None} for one in case["items"]))
    options: dict[str, Any] = {
        "order": order,
        "voucher": voucher,
        "at": NOW,
        "purpose": case["purpose"],
    }
    found = judge([rule], contact_ids=[person.pk for person in people], **options)
    for person in [*people, None]:
        mine = {
            **case,
            "city": person and person.city,
            "is_holder": person is not None and person.pk == voucher.holder_id,
            "used": {"campaign": 3, "voucher": 1, "customer": used[person.pk] if person else 0},
        }
        refusal = found.get(person.pk) if person else judge([rule], contact_id=None, **options)
        is_refused = reference.is_refused(document, mine)
        assert (refusal is not None) == is_refused, (document, mine)
        if refusal is not None:
            assert refusal.custom == reference.message(document, mine), (document, mine)


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(DOCUMENTS, CASES)
def test_rules_are_judged_as_the_second_opinion_judges(
    shop: Any, document: dict[str, Any], case: dict[str, Any]
) -> None:
    _agree(shop, document, case)


@pytest.mark.long
@settings(
    max_examples=1500, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(DOCUMENTS, CASES)
def test_many_rules_are_judged_as_the_second_opinion_judges(
    shop: Any, document: dict[str, Any], case: dict[str, Any]
) -> None:
    _agree(shop, document, case)
