"""Whatever happens to cards in whatever order: they have what the ledger and common sense say."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from loyalty.gift_cards import balances, card_expiry, cards, ledger, states
from loyalty.models import CardPosting, Voucher
from loyalty.redeeming import rollbacks, sessions
from loyalty.redeeming.sessions import SessionWish
from tests.factories import DAY, HOUR, NOW
from tests.loyalty.cards import ask, make_campaign, make_card, redeem_wishes
from tests.reference.cards import Card, Till
from workspace.access import SYSTEM
from workspace.errors import DomainError

CODES = ("A", "B", "C")
VALUE = 1000
_amounts = st.sampled_from([1, 400, VALUE - 1, VALUE, VALUE + 1])
_wishes = st.dictionaries(
    st.sampled_from(CODES), st.one_of(st.none(), _amounts), min_size=1, max_size=3
)
_orders = st.one_of(st.none(), st.sampled_from([0, 1, 500, VALUE, 2 * VALUE + 1, 5 * VALUE]))
_sessions = st.sampled_from(["", "s1", "s2"])
_steps = st.sampled_from([timedelta(0), HOUR - timedelta(seconds=1), HOUR, DAY])


def _key(run: Any) -> str:
    try:
        run()
    except DomainError as refused:
        return refused.code
    return ""


class CardsInAnyOrder(RuleBasedStateMachine):
    """Real cards beside those of the reference; after each step they agree."""

    paid = Bundle("paid")

    @initialize(limit=st.sampled_from([None, 1, 2]))
    def begin(self, limit: int | None) -> None:
        self.at = NOW
        self.till = Till()
        self.used: set[str] = set()
        self.ids: dict[int, int] = {}
        campaign = make_campaign("any", amount_minor=VALUE)
        for code in CODES:
            ends = NOW + 2 * DAY if code == "B" else None
            uses = limit if code == "C" else None
            make_card(code, campaign, expires_at=ends, redemption_limit=uses)
            self.till.cards[code] = Card(VALUE, limit=uses, expires_at=ends)

    @rule(step=_steps)
    def let_time_pass(self, step: timedelta) -> None:
        self.at += step

    @rule(wishes=_wishes, amount=_orders, session=st.sampled_from(["s1", "s2"]))
    def lock(self, wishes: dict[str, int | None], amount: int | None, session: str) -> None:
        wish = SessionWish(session, 1, "HOURS")
        answer = ask(wishes=wishes, amount=amount, session=wish, at=self.at)
        failed = self.till.lock(wishes, amount, session, self.at)
        keys = [part.failure.key for part in answer.parts if part.failure]
        assert answer.valid == (not failed)
        assert keys[:1] == ([failed] if failed and keys else [])

    @rule(session=st.sampled_from(["s1", "s2"]))
    def release(self, session: str) -> None:
        sessions.release(session, actor=SYSTEM, at=self.at)
        self.till.release(session)

    @rule(target=paid, wishes=_wishes, amount=_orders, session=_sessions)
    def redeem(self, wishes: dict[str, int | None], amount: int | None, session: str) -> int:
        if session in self.used:
            session = ""
        done: list[Any] = []
        key = _key(
            lambda: done.append(
                redeem_wishes(wishes, amount=amount, at=self.at, session_key=session)
            )
        )
        assert key == self.till.redeem(wishes, amount, session, self.at)
        if key:
            return -1
        if session:
            self.used.add(session)
        first = done[0].parts[0].redemption
        self.ids[len(self.till.paid) - 1] = first.parent_id or first.pk
        return len(self.till.paid) - 1

    @rule(index=paid)
    def roll_back(self, index: int) -> None:
        if index < 0:
            return
        run = rollbacks.roll_back
        key = _key(lambda: run(self.ids[index], actor=SYSTEM, at=self.at))
        assert key == self.till.roll_back(index, self.at)

    @rule(code=st.sampled_from(CODES), amount=st.sampled_from([-VALUE, -400, -1, 1, 400]))
    def add_or_remove(self, code: str, amount: int) -> None:
        card = Voucher.objects.get(code=code)
        key = _key(lambda: balances.add_balance(card, amount, actor=SYSTEM, at=self.at))
        assert key == self.till.add(code, amount, self.at)

    @rule()
    def expire(self) -> None:
        card_expiry.expire_cards(at=self.at)
        self.till.expire(self.at)

    @rule(code=st.sampled_from(CODES), days=st.sampled_from([None, 1, 3]))
    def extend(self, code: str, days: int | None) -> None:
        until = None if days is None else self.at + days * DAY
        balances.update_voucher(
            Voucher.objects.get(code=code), changes={"expires_at": until}, actor=SYSTEM, at=self.at
        )
        self.till.extend(code, until, self.at)

    @rule(code=st.sampled_from(CODES), on=st.booleans())
    def switch(self, code: str, on: bool) -> None:
        verb = balances.enable if on else balances.disable
        verb(Voucher.objects.get(code=code), actor=SYSTEM, at=self.at)
        self.till.cards[code].is_enabled = on

    @invariant()
    def balances_agree(self) -> None:
        if not hasattr(self, "till"):
            return
        sums = {"cards": 0, "redeemed": 0, "expired": 0, "adjusted": 0}
        for voucher in Voucher.objects.select_related("campaign"):
            card = self.till.cards[voucher.code]
            assert voucher.balance_minor == card.balance, voucher.code
            assert voucher.redeemed_count == card.uses, voucher.code
            assert voucher.redeemed_minor == card.accounts["redeemed"], voucher.code
            assert voucher.balance_minor == voucher.initial_minor + self.moved(voucher)
            found = Voucher.objects.annotate(state=states.state_expression(self.at))
            assert found.get(pk=voucher.pk).state == states.state_of(voucher, at=self.at)
            sums["cards"] += card.balance
            for account, amount in card.accounts.items():
                sums[account] += amount
        assert ledger.account_sums() == {"issued": -len(CODES) * VALUE, **sums}
        assert cards.examine().is_well

    @staticmethod
    def moved(voucher: Voucher) -> int:
        sides = CardPosting.objects.filter(voucher=voucher)
        return sum(
            one.amount_minor if one.credit == "cards" else -one.amount_minor for one in sides
        )


def _run(examples: int, steps: int) -> None:
    machine = _rolled_back(CardsInAnyOrder)
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


def _rolled_back(machine: type[RuleBasedStateMachine]) -> type[RuleBasedStateMachine]:
    """The machine, each run of which leaves nothing in the database."""

    class Apart(machine):  # type: ignore[misc, valid-type]
        def __init__(self) -> None:
            super().__init__()
            with connection.cursor() as cursor:
                cursor.execute("SAVEPOINT example")

        def teardown(self) -> None:
            with connection.cursor() as cursor:
                cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
                cursor.execute("ROLLBACK TO SAVEPOINT example")

    return Apart


@pytest.mark.django_db
def test_cards_have_what_the_reference_says_whatever_happens() -> None:
    _run(8, 12)


@pytest.mark.long
@pytest.mark.django_db
def test_cards_have_what_the_reference_says_in_thousands_of_orders() -> None:
    _run(2000, 25)
