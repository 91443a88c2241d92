"""Numbers of members' cards: digits, drawn at random, with a check digit at the end.

*Source:* the check digit is that of ISO/IEC 7812-1, annex B (Luhn), which tills know.
"""

import secrets

from loyalty.models import Member
from loyalty.programme import programmes

LENGTH = 16
_ATTEMPTS = 20


def make_card_number() -> str:
    """A number that no member has, beginning as the programme says."""
    prefix = programmes.programme().card_prefix
    for _attempt in range(_ATTEMPTS):
        digits = LENGTH - 1 - len(prefix)
        body = f"{prefix}{secrets.randbelow(10**digits):0{digits}d}"
        number = body + check_digit(body)
        if not Member.objects.filter(card_number=number).exists():
            return number
    raise RuntimeError("No free number for a card was found: are there billions of members?")


def check_digit(body: str) -> str:
    """The digit that makes the number valid."""
    total = 0
    for place, digit in enumerate(reversed(body)):
        value = int(digit) * (2 if place % 2 == 0 else 1)
        total += value - 9 if value > 9 else value
    return str(-total % 10)


def is_valid(number: str) -> bool:
    """Whether the last digit is the check digit of those before; for tills and forms."""
    is_number = len(number) > 1 and number.isascii() and number.isdigit()
    return is_number and check_digit(number[:-1]) == number[-1]
