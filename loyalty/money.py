"""Money as people write it: integer minor units and a currency, in and out.

How many digits a currency has after the point follows ISO 4217 (amendment 176): two, but for those
named below.
"""

import re
from decimal import Decimal, InvalidOperation

from django.utils.formats import number_format

_NONE = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF"
_THREE = "BHD IQD JOD KWD LYD OMR TND"
_DIGITS = {
    **dict.fromkeys(_NONE.split(), 0),
    **dict.fromkeys(_THREE.split(), 3),
    **dict.fromkeys(("CLF", "UYW"), 4),
}
_CODE = re.compile(r"[A-Z]{3}")


def is_currency(code: str) -> bool:
    """Whether it has the form of a code of ISO 4217: three capital letters."""
    return _CODE.fullmatch(code) is not None


def digits_of(currency: str) -> int:
    """How many digits the currency has after the point."""
    return _DIGITS.get(currency, 2)


def to_decimal(minor: int, currency: str) -> Decimal:
    """An amount in whole units: 2500 USD is 25.00."""
    return Decimal(minor).scaleb(-digits_of(currency))


def to_minor(amount: Decimal | str, currency: str) -> int:
    """An amount of whole units in minor ones. Raises ValueError where it is none, or too fine."""
    try:
        minor = Decimal(amount).scaleb(digits_of(currency))
    except InvalidOperation as error:
        raise ValueError(f"{amount!r} is no amount.") from error
    if not minor.is_finite() or minor != minor.to_integral_value():
        raise ValueError(f"{amount!r} has more digits than {currency} has.")
    return int(minor)


def money(minor: int, currency: str) -> str:
    """As people read it in their language: “25.00 USD”, “1,500 JPY”."""
    digits = digits_of(currency)
    shown = number_format(
        to_decimal(minor, currency), decimal_pos=digits, use_l10n=True, force_grouping=True
    )
    return f"{shown}\N{NO-BREAK SPACE}{currency}"
