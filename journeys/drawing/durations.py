"""Durations as drawings and settings write them: {"amount": 1, "unit": "day"}."""

from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Any

UNITS: Mapping[str, timedelta] = {
    "second": timedelta(seconds=1),
    "minute": timedelta(minutes=1),
    "hour": timedelta(hours=1),
    "day": timedelta(days=1),
    "week": timedelta(weeks=1),
}
LIMIT = timedelta(days=3660)


def length_of(document: Mapping[str, Any]) -> timedelta:
    """How long a duration without faults lasts. Raises ValueError for one with faults."""
    found = read_duration(document)
    if found is None:
        raise ValueError(f"This is no duration: {document!r}.")
    return found


def read_duration(document: Any) -> timedelta | None:
    """How long a duration lasts; None where it is none: a whole amount from one, and a unit."""
    if not isinstance(document, Mapping):
        return None
    amount, unit = document.get("amount"), document.get("unit")
    if not isinstance(unit, str) or unit not in UNITS or isinstance(amount, bool):
        return None
    if isinstance(amount, Decimal | float):
        if not Decimal(amount).is_finite() or amount != int(amount):
            return None
        amount = int(amount)
    if not isinstance(amount, int) or not 1 <= amount <= LIMIT // UNITS[unit]:
        return None
    return amount * UNITS[unit]
