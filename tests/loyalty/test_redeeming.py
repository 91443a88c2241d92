"""Cards pay orders: how much, in which order, once."""

import pytest

from contacts.models import Event
from loyalty.errors import RedemptionRefused, SessionUsed
from loyalty.gift_cards import ledger
from loyalty.models import Redemption
from tests.factories import DAY, NOW, make_contact
from tests.loyalty.cards import ask, balance, make_campaign, make_card, pay

pytestmark = pytest.mark.django_db


def test_a_card_pays_what_is_asked_and_keeps_the_rest() -> None:
    card = make_card()
    done = pay("rev-1", each=1000, amount=5500)
    assert [part.redemption.amount_minor for part in done.parts] == [1000]
    assert (done.discount_minor, done.total_minor, done.parent) == (1000, 4500, None)
    card.refresh_from_db()
    assert (card.balance_minor, card.redeemed_minor, card.redeemed_count) == (1500, 1000, 1)
    assert ledger.account_sums()["redeemed"] == 1000
    assert sum(ledger.account_sums().values()) == 0


def test_a_redemption_stands_on_the_contact_it_was_for() -> None:
    holder, other = make_contact(external_id="h"), make_contact(external_id="o")
    make_card(holder=holder, published_at=NOW)
    pay("REV-1", each=100)
    pay("REV-1", each=100, contact_id=other.pk)
    told = Event.objects.filter(definition__name="redemption.succeeded")
    assert list(told.order_by("message_id").values_list("contact_id", flat=True)) == [
        holder.pk,
        other.pk,
    ]


def test_too_much_is_refused_and_written_down() -> None:
    make_card()
    with pytest.raises(RedemptionRefused) as refused:
        pay("REV-1", each=2501)
    assert refused.value.code == "gift_amount_exceeded"
    failed = Redemption.objects.get()
    assert (failed.state, failed.failure_code) == ("failed", "gift_amount_exceeded")
    assert balance() == 2500


def test_cards_pay_one_after_the_other_what_is_left() -> None:
    make_card("A"), make_card("B"), make_card("C")
    done = pay("B", "A", "C", amount=4000)
    assert [(part.voucher.code, part.redemption.amount_minor) for part in done.parts] == [
        ("B", 2500),
        ("A", 1500),
    ]
    assert done.skipped == ("C",)
    assert done.parent is not None
    assert done.total_minor == 0


def test_all_cards_of_an_order_pay_or_none() -> None:
    make_card("A"), make_card("B", is_enabled=False)
    with pytest.raises(RedemptionRefused) as refused:
        pay("A", "B", amount=4000)
    assert refused.value.code == "voucher_disabled"
    assert balance("A") == 2500


def test_a_session_is_redeemed_once() -> None:
    make_card()
    ask("REV-1", each=2000, session="cart")
    first, again = (pay("REV-1", each=2000, session_key="cart") for _ in range(2))
    assert again.parts[0].redemption == first.parts[0].redemption
    assert balance() == 500
    with pytest.raises(SessionUsed):
        pay("REV-1", each=2000, session_key="cart", reference="another order")


def test_a_session_holds_money_until_it_is_over() -> None:
    make_card()
    assert ask("REV-1", each=2000, session="cart").valid
    found = ask("REV-1", each=1000)
    assert found.parts[0].failure is not None
    assert found.parts[0].failure.key == "gift_amount_exceeded"
    assert ask("REV-1", each=500).valid
    assert ask("REV-1", each=1000, at=NOW + 7 * DAY).valid, "the hold is over"


def test_a_session_holds_a_use() -> None:
    make_campaign(redemption_limit=1)
    make_card()
    ask("REV-1", each=100, session="cart")
    with pytest.raises(RedemptionRefused) as refused:
        pay("REV-1", each=100)
    assert refused.value.code == "quantity_exceeded"
    assert pay("REV-1", each=100, session_key="cart").discount_minor == 100
