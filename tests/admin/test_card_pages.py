"""Cards, redemptions and their ledger on the screen."""

from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from loyalty.models import Redemption, Voucher
from tests.admin.conftest import MakePerson
from tests.factories import make_contact
from tests.loyalty.cards import ask, make_campaign, make_card, pay

pytestmark = pytest.mark.django_db
_LOOKS = ("loyalty.view_voucher", "loyalty.view_redemption", "loyalty.view_cardposting")


def _text(client: Client, name: str, *args: Any, query: str = "") -> str:
    answer: Any = client.get(reverse(f"admin:loyalty_{name}", args=args) + query)
    assert answer.status_code == 200, answer
    content = b"".join(answer.streaming_content) if answer.streaming else answer.content
    return content.decode()


def _press(client: Client, thing: Any, action: str, **body: str) -> None:
    name = f"admin:loyalty_{thing._meta.model_name}_action"
    client.post(reverse(name, args=[thing.pk, action]), body)
    thing.refresh_from_db()


def test_a_card_shows_its_money_its_holder_and_all_that_moved_it(admin: Client) -> None:
    now = timezone.now()
    holder = make_contact(first_name="Michael", last_name="Scott")
    card = make_card("REV-1", holder=holder, published_at=now, at=now)
    pay("REV-1", each=1000, reference="o1", at=now)
    ask("REV-1", each=200, session="cart-7", at=now)
    page = _text(admin, "voucher_change", card.pk)
    for told in ("15.00\N{NO-BREAK SPACE}USD", "partially redeemed", "Michael Scott", "cart-7"):
        assert told in page
    assert "CREDITS_REDEMPTION" in page
    assert "REV-1" in _text(admin, "voucher_changelist", query="?q=rev&state=partially_redeemed")
    assert "REV-1" not in _text(admin, "voucher_changelist", query="?state=expired")


def test_buttons_move_money_and_say_why(admin: Client) -> None:
    card = make_card("REV-1")
    _press(admin, card, "add_money", amount="10", reason="birthday")
    assert card.balance_minor == 3500
    _press(admin, card, "take_money", amount="5.25", reason="mistake")
    assert card.balance_minor == 2975
    _press(admin, card, "take_money", amount="5.255")
    _press(admin, card, "take_money", amount="-5")
    _press(admin, card, "take_money", amount="99")
    assert card.balance_minor == 2975
    assert {"birthday", "mistake"} <= set(card.postings.values_list("reason", flat=True))
    _press(admin, card, "disable", reason="lost")
    assert not card.is_enabled
    _press(admin, card, "enable")
    assert card.is_enabled


def test_a_redemption_is_rolled_back_by_its_button(admin: Client) -> None:
    make_card("A", at=timezone.now()), make_card("B", at=timezone.now())
    done = pay("A", "B", amount=3000, reference="o9", at=timezone.now())
    part, parent = done.parts[0].redemption, done.parent
    assert parent is not None
    page = _text(admin, "redemption_change", part.pk)
    assert "One of several cards" in page
    assert 'action/roll_back/"' not in page
    assert "30.00" in _text(admin, "redemption_change", parent.pk)
    _press(admin, parent, "roll_back", reason="returned")
    assert parent.state == Redemption.State.ROLLED_BACK
    assert set(Voucher.objects.values_list("balance_minor", flat=True)) == {2500}
    assert "returned" in _text(admin, "redemption_change", parent.pk)


def test_the_ledger_adds_up_to_zero_and_can_be_taken_away(admin: Client) -> None:
    make_card("A")
    pay("A", each=1000)
    page = _text(admin, "cardposting_changelist")
    for amount in ("-25.00", "15.00", "10.00", "0.00"):
        assert f"{amount}\N{NO-BREAK SPACE}USD" in page
    lines = _text(admin, "cardposting_export").splitlines()
    assert lines[0].startswith("id,at,kind,from,to,amount_minor")
    assert [line.split(",")[2] for line in lines[1:]] == ["issue", "redemption"]


def test_who_is_outside_of_the_group_sees_nothing_of_its_cards(make_person: MakePerson) -> None:
    poland, france = (Group.objects.create(name=name) for name in ("Poland", "France"))
    campaign = make_campaign()
    campaign.groups.add(poland)
    card = make_card("SECRET-1", campaign)
    redemption = pay("SECRET-1", each=1).parts[0].redemption
    inside, outside = (make_person(*_LOOKS, groups=(group,)) for group in (poland, france))
    for name in ("voucher_changelist", "redemption_changelist", "cardposting_changelist"):
        assert "SECRET-1" in _text(inside, name)
        assert "SECRET-1" not in _text(outside, name)
    assert "SECRET-1" not in _text(outside, "cardposting_export")
    for thing in (card, redemption):
        name = f"admin:loyalty_{thing._meta.model_name}_change"
        assert outside.get(reverse(name, args=[thing.pk])).status_code in {302, 404}


def test_who_may_only_look_has_no_buttons(make_person: MakePerson) -> None:
    card = make_card("A")
    looker = make_person(*_LOOKS)
    assert "action/add_money" not in _text(looker, "voucher_change", card.pk)
    answer = looker.post(reverse("admin:loyalty_voucher_action", args=[card.pk, "disable"]))
    assert answer.status_code == 403
