"""The pages of reports, as they are opened."""

import pytest
from django.test import Client

from tests.factories import NOW, make_contact
from tests.loyalty.raw_cards import make_campaign, make_cards, post, publish_card

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    "address",
    [
        "/admin/loyalty/reports/",
        "/admin/loyalty/reports/liability/",
        "/admin/loyalty/reports/attribution/?trigger=review_left",
        "/admin/loyalty/reports/attribution/?campaign=none",
    ],
)
def test_the_pages_open_without_campaigns_and_with_one(admin: Client, address: str) -> None:
    assert admin.get(address).status_code == 200
    campaign = make_campaign()
    [card] = make_cards(campaign)
    publish_card(card, make_contact().pk, NOW)
    post(card, "redemption", 1000, NOW)
    for more in ("", "format=csv"):
        answer = admin.get(f"{address}{'&' if '?' in address else '?'}{more}")
        assert answer.status_code == 200
