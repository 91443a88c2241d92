"""How codes look, and codes made at random: pure, no database.

A pattern is a text in which each `#` is drawn from the alphabet. With a check character the last
`#` follows from the others, by the hybrid system of ISO/IEC 7064 (MOD 37,36 for 36 characters,
MOD 11,10 for digits, MOD n+1,n in general): a till finds a mistyped character without asking us.
It is no secret, so it does not count among the combinations that somebody who guesses has to try.
"""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from django.utils.translation import gettext as _
from numpy.typing import NDArray

from workspace.errors import Problem

LENGTH = 8
LENGTH_LIMIT = 40
CODE_LIMIT = 80
# What is easily taken for another when it is read aloud or typed: 0 and O, 1 and I.
UNAMBIGUOUS = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"
ALPHABETS: Mapping[str, str] = {
    "unambiguous": UNAMBIGUOUS,
    "alphanumeric": "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ",
    "alphabetic": "ABCDEFGHIJKLMNOPQRSTUVWXYZ",
    "numbers": "0123456789",
}
# So many guesses for each code that exists: with the limits on unknown codes nobody lives to try.
GUESSES_PER_CODE = 1_000_000
_MARK = "#"
_LITERALS = frozenset("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ-_.")
_KEYS = ("length", "charset", "prefix", "postfix", "pattern", "check_digit")


@dataclass(frozen=True, slots=True)
class CodePattern:
    """A pattern, its alphabet, and whether its last place is a check character."""

    pattern: str
    alphabet: str
    has_check: bool = False

    @property
    def places(self) -> int:
        """How many characters are drawn at random."""
        return self.pattern.count(_MARK) - self.has_check

    @property
    def combinations(self) -> int:
        """How many different codes there are."""
        return int(len(self.alphabet) ** self.places)

    @property
    def code_limit(self) -> int:
        """So many codes there may be, for guessing not to pay."""
        return self.combinations // GUESSES_PER_CODE

    def make(self, count: int) -> list[str]:
        """Codes from the system's source of randomness, each combination equally likely.

        Now and then two are equal: whoever keeps them looks.
        """
        if count < 1:
            return []
        drawn = _draw(len(self.alphabet), count * self.places).reshape(count, self.places)
        if self.has_check:
            drawn = np.column_stack([drawn, _check_values(drawn, len(self.alphabet))])
        letters = np.frombuffer(self.alphabet.encode("ascii"), dtype=np.uint8)
        codes = np.empty((count, len(self.pattern)), dtype=np.uint8)
        codes[:] = np.frombuffer(self.pattern.encode("ascii"), dtype=np.uint8)
        codes[:, self._marks()] = letters[drawn]
        text = codes.tobytes().decode("ascii")
        width = len(self.pattern)
        return [text[start : start + width] for start in range(0, count * width, width)]

    def matches(self, code: str) -> bool:
        """Whether a code looks as this pattern has it, its check character included."""
        if len(code) != len(self.pattern):
            return False
        for mine, its in zip(self.pattern, code, strict=True):
            if mine != its if mine != _MARK else its not in self.alphabet:
                return False
        if not self.has_check:
            return True
        values = [self.alphabet.index(code[place]) for place in self._marks()]
        return check_value(values[:-1], len(self.alphabet)) == values[-1]

    def document(self) -> dict[str, Any]:
        """The settings as they are kept; what `read_pattern` takes."""
        named = next((name for name, text in ALPHABETS.items() if text == self.alphabet), None)
        return {
            "pattern": self.pattern,
            "length": len(self.pattern),
            "charset": named or self.alphabet,
            "check_digit": self.has_check,
        }

    def _marks(self) -> list[int]:
        return [place for place, letter in enumerate(self.pattern) if letter == _MARK]


def read_pattern(given: Mapping[str, Any]) -> tuple[CodePattern, list[Problem]]:
    """The pattern that settings describe, and what is wrong with them, by key.

    With a `pattern` the `length` says nothing; a prefix or postfix that the pattern does not have
    already is put around it. Texts are taken in upper case, as codes are kept.
    """
    problems = [
        Problem(name, "unknown_field", _("There is no such setting of codes."))
        for name in given
        if name not in _KEYS
    ]
    alphabet = _alphabet(given.get("charset"), problems)
    prefix = _text(given, "prefix", problems)
    postfix = _text(given, "postfix", problems)
    pattern = _text(given, "pattern", problems, extra=_MARK)
    if not pattern:
        pattern = _MARK * _length(given.get("length"), problems)
    if not pattern.startswith(prefix):
        pattern = prefix + pattern
    if not pattern.endswith(postfix):
        pattern += postfix
    has_check = given.get("check_digit") or False
    if not isinstance(has_check, bool):
        message = _("It is true or false.")
        problems.append(Problem("check_digit", "wrong_type", message))
        has_check = False
    problems += _faults(pattern, alphabet, has_check)
    return CodePattern(pattern, alphabet, has_check), problems


def check_value(values: Iterable[int], modulus: int) -> int:
    """The check character's place in the alphabet, by ISO/IEC 7064 MOD n+1,n; n is even."""
    product = modulus
    for value in values:
        total = (product + value) % modulus or modulus
        product = total * 2 % (modulus + 1)
    return (1 - product) % modulus


def _check_values(drawn: "NDArray[np.uint8]", modulus: int) -> "NDArray[np.uint8]":
    """The same for many rows at once."""
    product = np.full(len(drawn), modulus, dtype=np.int32)
    for column in drawn.T:
        total = (product + column) % modulus
        total[total == 0] = modulus
        product = total * 2 % (modulus + 1)
    return ((1 - product) % modulus).astype(np.uint8)


def _draw(size: int, count: int) -> "NDArray[np.uint8]":
    """Whole numbers below `size`, all equally likely: bytes above its last multiple are dropped."""
    limit = 256 - 256 % size
    found: list[NDArray[np.uint8]] = []
    missing = count
    while missing:
        wanted = missing * 256 // limit + 16
        drawn = np.frombuffer(os.urandom(wanted), dtype=np.uint8)
        kept = drawn[drawn < limit][:missing] if limit < 256 else drawn[:missing]
        found.append(kept % np.uint8(size))
        missing -= len(kept)
    return np.concatenate(found)


def _alphabet(given: Any, problems: list[Problem]) -> str:
    if given in (None, ""):
        return UNAMBIGUOUS
    if not isinstance(given, str):
        problems.append(Problem("charset", "wrong_type", _("It is a text.")))
        return UNAMBIGUOUS
    if named := ALPHABETS.get(given.lower()):
        return named
    alphabet = "".join(dict.fromkeys(given.upper()))
    if not 2 <= len(alphabet) <= len(_LITERALS) or set(alphabet) - _LITERALS:
        message = _("Name an alphabet (%(names)s), or write its letters A to Z and digits.") % {
            "names": ", ".join(ALPHABETS)
        }
        problems.append(Problem("charset", "invalid", message))
        return UNAMBIGUOUS
    return alphabet


def _text(given: Mapping[str, Any], name: str, problems: list[Problem], extra: str = "") -> str:
    value = given.get(name)
    if value in (None, ""):
        return ""
    if not isinstance(value, str):
        problems.append(Problem(name, "wrong_type", _("It is a text.")))
        return ""
    text = value.strip().upper()
    if len(text) > CODE_LIMIT or set(text) - _LITERALS - set(extra):
        message = _("Codes consist of letters A to Z, digits, “-”, “_” and “.”.")
        problems.append(Problem(name, "invalid", message))
        return ""
    return text


def _length(given: Any, problems: list[Problem]) -> int:
    if given is None:
        return LENGTH
    if not isinstance(given, int) or isinstance(given, bool) or not 1 <= given <= LENGTH_LIMIT:
        message = _("It is a whole number from 1 to %(limit)d.") % {"limit": LENGTH_LIMIT}
        problems.append(Problem("length", "out_of_range", message))
        return LENGTH
    return given


def _faults(pattern: str, alphabet: str, has_check: bool) -> list[Problem]:
    """What is wrong with a pattern as a whole."""
    marks, faults = pattern.count(_MARK), []
    if len(pattern) > CODE_LIMIT:
        message = _("A code has at most %(limit)d characters.") % {"limit": CODE_LIMIT}
        faults.append(Problem("pattern", "too_long", message))
    if marks > LENGTH_LIMIT:
        message = _("At most %(limit)d characters are drawn.") % {"limit": LENGTH_LIMIT}
        faults.append(Problem("pattern", "too_long", message))
    if marks <= has_check:
        message = _("The pattern needs a “#” for each character that is drawn.")
        faults.append(Problem("pattern", "invalid", message))
    if has_check and len(alphabet) % 2:
        message = _(
            "A check character needs an even number of different characters, and these are"
            " %(count)d: leave one out."
        )
        faults.append(Problem("charset", "odd", message % {"count": len(alphabet)}))
    return faults


def room_problem(pattern: CodePattern, code_count: int) -> Problem | None:
    """Why a pattern is too small for so many codes; None where guessing does not pay."""
    if code_count <= pattern.code_limit:
        return None
    message = _(
        "The pattern “%(pattern)s” has %(has)s combinations, and %(codes)s codes need %(needed)s"
        " for guessing not to pay. Draw at least %(places)d characters."
    ) % {
        "pattern": pattern.pattern,
        "has": f"{pattern.combinations:,}",
        "codes": f"{code_count:,}",
        "needed": f"{code_count * GUESSES_PER_CODE:,}",
        "places": places_needed(len(pattern.alphabet), code_count) + pattern.has_check,
    }
    return Problem("pattern", "too_few_combinations", message)


def places_needed(alphabet_size: int, code_count: int) -> int:
    """How many characters have to be drawn for so many codes."""
    places = 1
    while alphabet_size**places < code_count * GUESSES_PER_CODE:
        places += 1
    return places
