"""The ledger of cards cannot be made to lie, whoever writes."""

from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db import DatabaseError, connection, transaction

from loyalty.gift_cards import ledger
from loyalty.gift_cards.ledger import Movement
from loyalty.models import Campaign, CardPosting, CodeBatch, Redemption, Voucher
from tests.factories import NOW
from tests.loyalty.cards import make_campaign, make_card, pay

pytestmark = pytest.mark.django_db

_NEW = """INSERT INTO loyalty_cardposting (campaign_id, voucher_id, kind, debit, credit,
  amount_minor, currency, balance_minor, cause, redemption_id, reverses_id, source_id, reason,
  actor_label, at) VALUES (%(campaign)s, %(card)s, %(kind)s, %(debit)s, %(credit)s, %(amount)s,
  %(currency)s, %(balance)s, 'x', NULL, %(reverses)s, '', '', '', now())"""


def _refused(statement: str, params: Any = ()) -> str:
    with pytest.raises(DatabaseError) as refused, transaction.atomic():
        _run(statement, params)
    return str(refused.value)


def _run(statement: str, params: Any = ()) -> None:
    """The statement, and what is checked at the end of its transaction."""
    with connection.cursor() as cursor:
        cursor.execute(statement, params)
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")


def _wait_with_checks() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("SET CONSTRAINTS ALL DEFERRED")


def _make_batch(cards: int, **changes: int) -> None:
    """A batch that says two cards worth 50.00, with so many cards as `changes` have them."""
    campaign = make_campaign()
    batch = CodeBatch.objects.create(
        campaign=campaign, kind="generated", code_count=2, amount_minor=5000, created_at=NOW
    )
    values = {"initial_minor": 2500, "balance_minor": 2500, **changes}
    for number in range(cards):
        Voucher.objects.create(campaign=campaign, batch=batch, code=f"N{number}", **values)
    ledger.issue_batch(batch, at=NOW)
    _run("SET CONSTRAINTS ALL IMMEDIATE")


def _added(of: Voucher, **changes: Any) -> dict[str, Any]:
    said = {
        "campaign": of.campaign_id,
        "card": of.pk,
        "kind": "addition",
        "debit": "adjusted",
        "credit": "cards",
        "amount": 100,
        "currency": "USD",
        "balance": 2600,
        "reverses": None,
    }
    return said | changes


def test_only_the_ledger_writes_postings() -> None:
    writes = ("CardPosting(", "CardPosting.objects.create", "CardPosting.objects.bulk_create")
    writers = {
        path.relative_to(settings.BASE_DIR).as_posix()
        for app in ("loyalty", "journeys", "config", "segments", "integrations", "contacts")
        for path in (Path(settings.BASE_DIR) / app).rglob("*.py")
        if "migrations" not in path.parts
        and (
            "INTO loyalty_cardposting" in (text := path.read_text())
            or any(write in text.replace("class CardPosting(", "") for write in writes)
        )
    }
    assert writers == {"loyalty/gift_cards/ledger.py"}


@pytest.mark.parametrize(
    "changes",
    [
        {"currency": "EUR"},
        {"balance": 2500},
        {"balance": None},
        {"amount": 0},
        {"amount": -100, "balance": 2400},
        {"kind": "redemption"},
        {"kind": "removal", "debit": "cards", "credit": "redeemed", "balance": 2400},
        {"kind": "removal", "debit": "cards", "credit": "adjusted", "amount": 2501, "balance": -1},
        {"kind": "issue", "debit": "issued"},
        {"kind": "rollback", "debit": "redeemed"},
        {"card": None},
    ],
    ids=str,
)
def test_a_posting_that_lies_is_refused(changes: dict[str, Any]) -> None:
    assert _refused(_NEW, _added(make_card(), **changes))


def test_the_same_posting_without_a_lie_is_taken() -> None:
    card = make_card()
    with connection.cursor() as cursor:
        cursor.execute(_NEW, _added(card))
    card.refresh_from_db()
    assert card.balance_minor == 2600


def test_a_posting_of_another_campaign_is_refused() -> None:
    card, other = make_card(), make_campaign("other")
    assert "contradicts" in _refused(_NEW, _added(card, campaign=other.pk))


def test_a_reversal_moves_the_same_money_of_the_same_card() -> None:
    card, other = make_card("A"), make_card("B")
    movement = Movement(card.pk, ledger.Kind.ADDITION, 100, "add")
    [posted] = ledger.move([movement], actor_label="", at=NOW)
    back = {"kind": "removal", "debit": "cards", "credit": "adjusted", "reverses": posted.id}
    assert "contradicts" in _refused(_NEW, _added(card, **back, amount=50, balance=2550))
    assert "contradicts" in _refused(_NEW, _added(other, **back, amount=100, balance=2400))
    again = {"kind": "addition", "debit": "adjusted", "credit": "cards", "reverses": posted.id}
    assert _refused(_NEW, _added(card, **again, balance=2700))


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE loyalty_voucher SET balance_minor = 9900",
        "UPDATE loyalty_voucher SET redeemed_minor = 1",
        "UPDATE loyalty_voucher SET redeemed_count = 0 WHERE redeemed_count > 0",
        "UPDATE loyalty_voucher SET initial_minor = 9900",
        "UPDATE loyalty_cardposting SET amount_minor = 1",
        "DELETE FROM loyalty_cardposting",
        "DELETE FROM loyalty_voucher",
        "TRUNCATE loyalty_cardposting CASCADE",
        "TRUNCATE loyalty_voucher CASCADE",
        "TRUNCATE loyalty_codebatch CASCADE",
        "UPDATE loyalty_campaign SET is_demo = true",
        "UPDATE loyalty_campaign SET currency = 'EUR'",
        "UPDATE loyalty_codebatch SET amount_minor = 9900",
        "UPDATE loyalty_codebatch SET code_count = 2",
        "INSERT INTO loyalty_voucher (campaign_id, batch_id, code, initial_minor, balance_minor)"
        " SELECT campaign_id, batch_id, 'MORE', 2500, 2500 FROM loyalty_voucher",
    ],
)
def test_nothing_is_changed_behind_its_back(statement: str) -> None:
    make_card()
    pay("REV-1", each=100)
    assert _refused(statement)


@pytest.mark.parametrize(
    "changes",
    [{"balance_minor": 9900}, {"redeemed_minor": 5}, {"redeemed_count": 1}, {"initial_minor": 0}],
    ids=str,
)
def test_a_new_card_has_its_value_and_was_not_used(changes: dict[str, int]) -> None:
    with pytest.raises(DatabaseError), transaction.atomic():
        _make_batch(2, **changes)


def test_a_batch_says_what_its_cards_are_worth() -> None:
    with pytest.raises(DatabaseError, match="says 2 codes"), transaction.atomic():
        _make_batch(1)
    _make_batch(2)


def test_a_demo_campaign_can_be_removed_with_its_ledger() -> None:
    campaign = make_campaign("demo", is_demo=True)
    make_card("D", campaign)
    pay("D", each=100)
    CardPosting.objects.filter(campaign=campaign).delete()
    Redemption.objects.all().delete()
    Voucher.objects.filter(campaign=campaign).delete()
    CodeBatch.objects.filter(campaign=campaign).delete()
    assert Campaign.objects.filter(pk=campaign.pk).delete()[0] == 1


def test_a_campaign_that_gave_no_card_away_goes_as_a_whole() -> None:
    make_card("A"), make_card("B")
    _wait_with_checks()
    assert "whole campaign" in _refused("DELETE FROM loyalty_cardposting")
    assert "never deleted" in _refused("DELETE FROM loyalty_voucher WHERE code = 'A'")
    _wait_with_checks()
    CardPosting.objects.all().delete()
    Voucher.objects.all().delete()
    CodeBatch.objects.all().delete()
    Campaign.objects.all().delete()
    _run("SET CONSTRAINTS ALL IMMEDIATE")
