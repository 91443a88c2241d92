"""Many tills at once, with real connections; and tills that are killed."""

import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable
from random import Random
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import pytest
from django.conf import settings
from django.db import connection
from django.test import Client
from django.utils import timezone

from config.embedded import paths
from loyalty.gift_cards import cards, ledger
from loyalty.models import CardPosting, Redemption, Voucher, VoucherLock
from loyalty.redeeming import rollbacks
from tests.factories import NOW
from tests.loyalty.cards import ask, make_campaign, make_card, pay
from workspace.access import SCOPES, SYSTEM
from workspace.errors import DomainError
from workspace.keys import create_api_user

pytestmark = pytest.mark.django_db(transaction=True)


def _at_once(number: int, run: Callable[[int], Any]) -> list[Any]:
    """What each of so many threads, which begin together, brought: a result or a refusal's code."""
    begin, results = threading.Barrier(number), [None] * number

    def do(place: int) -> None:
        begin.wait()
        try:
            results[place] = run(place)
        except DomainError as refused:
            results[place] = refused.code  # type: ignore[call-overload]
        finally:
            connection.close()

    threads = [threading.Thread(target=do, args=(place,)) for place in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not any(thread.is_alive() for thread in threads), "they wait for each other"
    return results


def _is_whole() -> bool:
    return cards.examine().is_well and sum(ledger.account_sums().values()) == 0


def test_fifty_tills_and_a_card_that_pays_once_give_one_success() -> None:
    make_card("ONCE", make_campaign(redemption_limit=1))
    results = _at_once(50, lambda _place: pay("ONCE", each=100))
    codes = Counter(result if isinstance(result, str) else "paid" for result in results)
    assert codes == {"paid": 1, "quantity_exceeded": 49}
    assert Voucher.objects.get().balance_minor == 2400
    states = Counter(Redemption.objects.values_list("state", flat=True))
    assert states == {"succeeded": 1, "failed": 49}
    assert _is_whole()


def test_fifty_requests_for_a_card_that_pays_once_give_one_success() -> None:
    make_card("ONCE", make_campaign(redemption_limit=1))
    _user, key = create_api_user(
        name="till", actor=SYSTEM, at=timezone.now(), scopes=SCOPES, requests_per_minute=10_000
    )
    body = {"redeemables": [{"object": "voucher", "id": "ONCE", "gift": {"credits": 100}}]}
    settings.STATIC_ROOT.mkdir(parents=True, exist_ok=True)

    def send(_place: int) -> tuple[int, str]:
        client = Client(headers={"Authorization": f"Api-Key {key}"})
        answer = client.post("/api/redemptions/", body, content_type="application/json")
        return answer.status_code, answer.json().get("code", "paid")

    assert Counter(_at_once(50, send)) == {(201, "paid"): 1, (400, "quantity_exceeded"): 49}
    assert Voucher.objects.get().redeemed_count == 1


def test_a_balance_is_spent_once_however_many_ask() -> None:
    make_card("A")
    results = _at_once(20, lambda _place: pay("A", each=1000))
    assert Counter(str(one) for one in results if isinstance(one, str)) == {
        "gift_amount_exceeded": 18
    }
    assert Voucher.objects.get().balance_minor == 500


def test_overlapping_sets_of_cards_never_wait_for_each_other_in_a_circle() -> None:
    codes = ["A", "B", "C", "D"]
    campaign = make_campaign()
    for code in codes:
        make_card(code, campaign)

    def buy(place: int) -> Any:
        chosen = Random(place).sample(codes, 3)
        return pay(*chosen, each=10, reference=f"o{place}")

    assert not [one for one in _at_once(16, buy) if isinstance(one, str)]
    assert CardPosting.objects.filter(kind="redemption").count() == 48
    assert _is_whole()


def test_one_session_is_redeemed_once_by_ten_tills() -> None:
    make_card("A")
    ask("A", each=1000, session="cart")
    results = _at_once(10, lambda _place: pay("A", each=1000, session_key="cart"))
    assert {one.parts[0].redemption.pk for one in results} == {Redemption.objects.get().pk}
    assert not VoucherLock.objects.exists()


def test_ten_sessions_hold_what_there_is_and_no_more() -> None:
    make_card("A")
    results = _at_once(10, lambda place: ask("A", each=1000, session=f"s{place}").valid)
    assert Counter(results) == {True: 2, False: 8}


def test_ten_rollbacks_give_the_money_back_once() -> None:
    make_card("A")
    number = pay("A", each=1000).parts[0].redemption.pk
    results = _at_once(10, lambda _place: rollbacks.roll_back(number, actor=SYSTEM, at=NOW))
    assert Counter(one for one in results if isinstance(one, str)) == {"already_rolled_back": 9}
    assert Voucher.objects.get().balance_minor == 2500


# Three of one process, so that the product is loaded once; each has a connection of its own.
_TILLS = """
import os, django
django.setup()
from django.utils import timezone
from loyalty.redeeming.redeemables import OrderFacts, Redeemable
from loyalty.redeeming.redemptions import redeem
from workspace.access import SYSTEM
till = 0 if os.fork() else 1 if os.fork() else 2
for number in range(100_000):
    order = OrderFacts(reference=f"till{till}-{number}", amount_minor=30)
    redeem(redeemables=[Redeemable("A", 10), Redeemable("B", 10), Redeemable("C", 10)],
        order=order, actor=SYSTEM, at=timezone.now())
    os.write(1, f"{order.reference}\\n".encode())
"""


@pytest.mark.walk
def test_tills_that_are_killed_lose_no_money_and_double_none() -> None:
    campaign = make_campaign(amount_minor=100_000_000)
    for code in "ABC":
        make_card(code, campaign)
    parts = urlsplit(os.environ["DATABASE_URL"])
    database = urlunsplit(parts._replace(path=f"/{connection.settings_dict['NAME']}"))
    environment = {**os.environ, "DATABASE_URL": database}
    environment |= {"PYTHONPATH": str(paths.CHECKOUT), "DJANGO_SETTINGS_MODULE": "config.settings"}
    with subprocess.Popen(
        [sys.executable, "-c", _TILLS],
        env=environment,
        cwd=paths.CHECKOUT,
        stdout=subprocess.PIPE,
        start_new_session=True,
    ) as tills:
        assert tills.stdout is not None
        told: set[str] = set()
        while len({reference.partition("-")[0] for reference in told}) < 3 or len(told) < 60:
            told.add(tills.stdout.readline().decode().strip())
        os.killpg(tills.pid, signal.SIGKILL)
        told |= set(tills.stdout.read().decode().split())
    paid = Redemption.objects.filter(voucher__isnull=True)
    references = list(paid.values_list("order_reference", flat=True))
    assert len(references) == len(set(references)), "no order was paid twice"
    assert told <= set(references), "what a till was told is there"
    balances = set(Voucher.objects.values_list("balance_minor", flat=True))
    assert balances == {100_000_000 - 10 * len(references)}, "all cards of an order paid or none"
    assert CardPosting.objects.filter(kind="redemption").count() == 3 * len(references)
    assert _is_whole()
