"""What somebody wants to pay with, and the order that shall be paid: the words of both verbs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Redeemable:
    """A card by its code; `credits` are minor units, None for as much as it can pay."""

    code: str
    credits: int | None = None


@dataclass(frozen=True, slots=True)
class OrderFacts:
    """The order that is to be paid; `amount_minor` is None where nobody said it.

    `items` and `raw` are as they were sent: rules ask about them, and redemptions keep them.
    """

    reference: str = ""
    amount_minor: int | None = None
    items: Sequence[Mapping[str, Any]] = ()
    raw: Mapping[str, Any] = field(default_factory=dict)
    metadata: Mapping[str, Any] = field(default_factory=dict)
    # ISO 4217, where the shop says it; the cards of one order have one currency in any case.
    currency: str = ""
