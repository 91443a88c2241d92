"""Gift cards in Python, one at a time: what each has, what sessions hold, what may be done."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta


@dataclass
class Card:
    """A card, its movements by account, and whether it works."""

    value: int
    limit: int | None = None
    expires_at: datetime | None = None
    is_enabled: bool = True
    uses: int = 0
    accounts: dict[str, int] = field(
        default_factory=lambda: {"redeemed": 0, "expired": 0, "adjusted": 0}
    )

    @property
    def balance(self) -> int:
        return self.value - sum(self.accounts.values())


@dataclass
class Lock:
    """What a session holds of a card."""

    amount: int
    until: datetime


@dataclass
class Paid:
    """A redemption."""

    parts: dict[str, int]
    at: datetime
    is_undone: bool = False


class Till:
    """All cards of a shop. Every verb gives the key of the refusal, or "" where it was done."""

    def __init__(self) -> None:
        self.cards: dict[str, Card] = {}
        self.locks: dict[tuple[str, str], Lock] = {}
        self.paid: list[Paid] = []

    def _parts(
        self, wishes: dict[str, int | None], amount: int | None, session: str, at: datetime
    ) -> tuple[dict[str, int], str]:
        parts: dict[str, int] = {}
        left = amount
        failed = ""
        for code, wanted in wishes.items():
            card = self.cards[code]
            others = [
                lock
                for (key, locked), lock in self.locks.items()
                if locked == code and key != session and lock.until > at
            ]
            own = self.locks.get((session, code)) if session else None
            own_amount = own.amount if own and own.until > at else None
            available = card.balance - sum(lock.amount for lock in others)
            key = self._state(card, len(others), at)
            if not key:
                if wanted is None:
                    wanted = own_amount if left is None else min(available, left)
                if wanted is None:
                    key = "missing_amount"
                elif available < max(wanted, 1):
                    key = "gift_amount_exceeded"
            if key:
                failed = failed or key
                continue
            assert wanted is not None
            pays = wanted if left is None else min(wanted, left)
            if pays:
                parts[code] = pays
                left = None if left is None else left - pays
        if not failed and not parts:
            failed = "missing_amount"
        return parts, failed

    @staticmethod
    def _state(card: Card, held: int, at: datetime) -> str:
        if not card.is_enabled:
            return "voucher_disabled"
        if card.expires_at is not None and card.expires_at <= at:
            return "voucher_expired"
        if card.limit is not None and card.uses + held >= card.limit:
            return "quantity_exceeded"
        return ""

    def lock(
        self, wishes: dict[str, int | None], amount: int | None, session: str, at: datetime
    ) -> str:
        parts, failed = self._parts(wishes, amount, session, at)
        if not failed:
            self.release(session)
            for code, pays in parts.items():
                self.locks[session, code] = Lock(pays, at + timedelta(hours=1))
        return failed

    def release(self, session: str) -> None:
        self.locks = {key: lock for key, lock in self.locks.items() if key[0] != session}

    def redeem(
        self, wishes: dict[str, int | None], amount: int | None, session: str, at: datetime
    ) -> str:
        parts, failed = self._parts(wishes, amount, session, at)
        if failed:
            return failed
        for code, pays in parts.items():
            self.cards[code].accounts["redeemed"] += pays
            self.cards[code].uses += 1
        if session:
            self.release(session)
        self.paid.append(Paid(parts, at))
        return ""

    def roll_back(self, index: int, at: datetime) -> str:
        paid = self.paid[index]
        if paid.is_undone:
            return "already_rolled_back"
        paid.is_undone = True
        for code, pays in paid.parts.items():
            self.cards[code].accounts["redeemed"] -= pays
            self.cards[code].uses -= 1
        return ""

    def add(self, code: str, amount: int, at: datetime) -> str:
        card = self.cards[code]
        is_over = card.expires_at is not None and card.expires_at <= at
        if card.balance + amount < 0 or (amount > 0 and is_over):
            return "balance_invalid"
        card.accounts["adjusted"] -= amount
        return ""

    def expire(self, at: datetime) -> None:
        for card in self.cards.values():
            if card.expires_at is not None and card.expires_at <= at:
                card.accounts["expired"] += card.balance

    def extend(self, code: str, until: datetime | None, at: datetime) -> None:
        card = self.cards[code]
        card.expires_at = until
        if until is None or until > at:
            card.accounts["expired"] = 0
