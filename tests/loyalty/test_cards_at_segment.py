"""A review earns a card, the card reaches Segment with its code, and so does its redemption."""

from collections.abc import Iterator
from typing import Any

import pytest

from integrations.sandbox.segment import Segment
from loyalty.models import Voucher
from tests.factories import make_contact
from tests.integrations.segment.source import GIVEN, REDEEMED, connect, drain, workspace
from tests.loyalty.cards import pay
from tests.loyalty.distributions import make_distribution, make_reviewers, run
from tests.loyalty.gift_cards import NOW
from tests.segments.factories import refresh

pytestmark = pytest.mark.django_db


@pytest.fixture
def box(settings: Any) -> Iterator[Segment]:
    with workspace(settings) as segment:
        yield segment


def test_the_code_of_a_card_reaches_segment_and_so_does_its_redemption(box: Segment) -> None:
    connect(box, GIVEN, REDEEMED, names="titles")
    reviewers = make_reviewers()
    make_distribution(channel="none")
    contact = make_contact(external_id="scott", email="scott@example.com", city="Oslo")
    make_contact(email="nameless@example.com", city="Oslo")
    refresh(reviewers)
    run()
    card = Voucher.objects.get(holder=contact)
    drain(NOW)
    pay(card.code, each=1000, amount=1000)
    drain(NOW)
    assert [(one["event"], one["userId"]) for one in box.events] == [
        ("Customer Publication Succeeded", "scott"),
        ("Customer Redemption Succeeded", "scott"),
    ]
    given, redeemed = (one["properties"] for one in box.events)
    assert given["publication_voucher_code"] == redeemed["code"] == card.code
    assert box.invalid == []
