"""The metric of rewards that were redeemed counts what holds, of rewards and of gift cards."""

from datetime import timedelta

import pytest

from contacts import computed_metrics
from contacts.metrics import values_of
from loyalty.models import Claim, Mechanism, Redemption
from tests.factories import NOW, make_contact
from tests.loyalty.factories import make_member
from tests.loyalty.raw_cards import make_campaign, make_cards

pytestmark = pytest.mark.django_db


def test_claims_in_force_and_redemptions_that_stand_count() -> None:
    anna, ben = make_member(), make_contact().pk
    reward = Mechanism.objects.create(key="mug", kind=Mechanism.Kind.REWARD, name="Mug")
    offer = Mechanism.objects.create(key="ten", kind=Mechanism.Kind.OFFER, name="Ten")
    claims = [
        (reward, Claim.State.CLAIMED, NOW),
        (reward, Claim.State.USED, NOW),
        (reward, Claim.State.REVOKED, NOW),
        (reward, Claim.State.CLAIMED, NOW + timedelta(seconds=1)),
        (offer, Claim.State.CLAIMED, NOW),
    ]
    for number, (mechanism, state, at) in enumerate(claims):
        Claim.objects.create(
            contact_id=anna,
            mechanism=mechanism,
            state=state,
            cause=f"c{number}",
            at=at,
            used_at=at if state == Claim.State.USED else None,
            revoked_at=at if state == Claim.State.REVOKED else None,
        )
    (card,) = make_cards(make_campaign(), 1)
    parent = Redemption.objects.create(contact_id=anna, state="succeeded", at=NOW)
    for outcome in Redemption.State:
        Redemption.objects.create(
            contact_id=anna, voucher=card, parent=parent, state=outcome, at=NOW
        )
    computed_metrics.compute(as_of=NOW)
    assert values_of(anna)["rewards_redeemed"] == 3
    assert values_of(ben)["rewards_redeemed"] == 0
