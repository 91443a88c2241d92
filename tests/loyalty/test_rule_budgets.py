"""A budget holds however many redeem at once: real connections, one lock for a rule."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection, transaction
from django.utils import timezone

from loyalty.models import Redemption, ValidationRule
from loyalty.validation_rules.rules import judge, lock_budgets
from tests.factories import make_contact
from tests.loyalty.rule_cases import leaf, make_campaign, make_redemption, make_rule, make_voucher

pytestmark = pytest.mark.django_db(transaction=True)


def at_once(count: int, attempt: Any) -> list[Any]:
    """What so many threads answer that each begin with a connection of their own."""

    def run(index: int) -> Any:
        try:
            return attempt(index)
        finally:
            connection.close()

    with ThreadPoolExecutor(max_workers=10) as threads:
        return list(threads.map(run, range(count)))


def test_of_fifty_redemptions_at_once_a_budget_for_ten_allows_ten() -> None:
    campaign, contact = make_campaign(), make_contact()
    vouchers = [make_voucher(campaign) for _ in range(5)]
    rule = make_rule(leaf("budget.amount.campaign.day", "<=", 1000))

    def redeem(index: int) -> bool:
        voucher, at = vouchers[index % 5], timezone.now()
        with transaction.atomic():
            refused = judge([rule], contact_id=contact.pk, voucher=voucher, at=at, amount_minor=100)
            if refused is None:
                make_redemption(voucher, at=at, contact=contact, amount_minor=100)
        return refused is None

    assert sum(at_once(50, redeem)) == 10
    assert Redemption.objects.count() == 10


def test_two_orders_with_the_same_rules_never_wait_in_a_circle() -> None:
    both = [make_rule(leaf("budget.count.campaign.ever", "<=", 9)) for _ in range(2)]
    silent = make_rule(leaf("contact.city", "=", "Krakow"))

    def lock(index: int) -> bool:
        with transaction.atomic():
            lock_budgets([silent, *(both if index % 2 else reversed(both))])
            return ValidationRule.objects.filter(pk=both[0].pk).exists()

    assert all(at_once(20, lock))
