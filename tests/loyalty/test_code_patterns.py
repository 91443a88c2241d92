"""How codes look: drawn from an alphabet, with a check character that finds slips of the pen."""

from collections import Counter
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loyalty.gift_cards.code_patterns import (
    ALPHABETS,
    GUESSES_PER_CODE,
    CodePattern,
    check_value,
    places_needed,
    read_pattern,
    room_problem,
)

ALPHANUMERIC = ALPHABETS["alphanumeric"]
even_alphabets = st.sampled_from([*ALPHABETS.values(), "AB", "ACEGHKLMNPRTUVWXYZ"])


@given(
    alphabet=even_alphabets,
    parts=st.lists(st.sampled_from(["#", "##", "A", "7", "-"]), min_size=1, max_size=8),
    has_check=st.booleans(),
    count=st.integers(0, 30),
)
def test_every_code_matches_the_pattern_it_was_made_from(
    alphabet: str, parts: list[str], has_check: bool, count: int
) -> None:
    pattern = CodePattern("#" + "".join(parts) + "#", alphabet, has_check)
    codes = pattern.make(count)
    assert len(codes) == count
    assert all(pattern.matches(code) for code in codes)


@given(
    alphabet=even_alphabets.filter(lambda letters: len(letters) > 2),
    place=st.integers(0, 6),
    step=st.integers(1, 1000),
)
def test_a_check_character_finds_every_single_wrong_character(
    alphabet: str, place: int, step: int
) -> None:
    pattern = CodePattern("#######", alphabet, has_check=True)
    [code] = pattern.make(1)
    wrong = alphabet[(alphabet.index(code[place]) + 1 + step % (len(alphabet) - 1)) % len(alphabet)]
    mistyped = code[:place] + wrong + code[place + 1 :]
    assert (mistyped == code) is pattern.matches(mistyped)


def test_check_characters_are_those_of_the_standard() -> None:
    # The examples of ISO/IEC 7064 for MOD 11,10, and of the Global Release Identifier.
    assert check_value([0, 7, 9, 4], 10) == 5
    known = [ALPHANUMERIC.index(letter) for letter in "A12425GABC1234002"]
    assert ALPHANUMERIC[check_value(known, 36)] == "M"


def test_all_characters_are_equally_likely() -> None:
    # 256 is no multiple of 31: without care the first eight would come more often.
    pattern = CodePattern("#" * 40, "23456789ABCDEFGHJKLMNPQRSTUVWXY")
    found = Counter("".join(pattern.make(10_000)))
    expected = 400_000 / 31
    chi_squared = sum((count - expected) ** 2 / expected for count in found.values())
    assert len(found) == 31
    # With 30 degrees of freedom one run in ten million is above; the bias would give 1,500.
    assert chi_squared < 90


def test_all_combinations_come() -> None:
    codes = set(CodePattern("##", "AB").make(200))
    assert codes == {"".join(two) for two in product("AB", repeat=2)}


def test_settings_of_voucherify_are_understood() -> None:
    pattern, problems = read_pattern(
        {
            "length": 8,
            "charset": "alphanumeric",
            "prefix": "REV-",
            "postfix": "",
            "pattern": "REV-########",
        }
    )
    assert not problems
    assert (pattern.pattern, pattern.combinations) == ("REV-########", 36**8)


def test_a_prefix_is_put_before_what_the_length_says() -> None:
    pattern, problems = read_pattern({"length": 6, "prefix": "rev-", "postfix": "-x"})
    assert not problems
    assert pattern.pattern == "REV-######-X"


def test_what_is_kept_reads_the_same_again() -> None:
    pattern, _problems = read_pattern({"prefix": "A-", "length": 9, "check_digit": True})
    assert read_pattern(pattern.document()) == (pattern, [])


@pytest.mark.parametrize(
    ("settings", "path"),
    [
        ({"lenght": 8}, "lenght"),
        ({"length": 0}, "length"),
        ({"length": True}, "length"),
        ({"length": "8"}, "length"),
        ({"charset": "Ä"}, "charset"),
        ({"charset": "A"}, "charset"),
        ({"charset": 7}, "charset"),
        ({"prefix": "A B"}, "prefix"),
        ({"postfix": "\0"}, "postfix"),
        ({"pattern": "NO-MARK"}, "pattern"),
        ({"pattern": "#" * 41}, "pattern"),
        ({"pattern": "A" * 80 + "#"}, "pattern"),
        ({"pattern": "#", "check_digit": True}, "pattern"),
        ({"charset": "ABC", "check_digit": True}, "charset"),
        ({"check_digit": "yes"}, "check_digit"),
    ],
)
def test_faulty_settings_are_told_by_name(settings: dict[str, object], path: str) -> None:
    _pattern, problems = read_pattern(settings)
    assert path in {problem.path for problem in problems}


def test_a_space_in_which_guessing_would_pay_is_refused() -> None:
    pattern, _problems = read_pattern({"length": 6, "charset": "numbers"})
    assert room_problem(pattern, 1) is None
    problem = room_problem(pattern, 2)
    assert problem is not None
    assert problem.code == "too_few_combinations"
    assert "2,000,000" in problem.message
    assert "at least 7" in problem.message


def test_a_check_character_is_no_help_against_guessing() -> None:
    with_check, _problems = read_pattern({"length": 8, "check_digit": True})
    without, _problems = read_pattern({"length": 7})
    assert with_check.combinations == without.combinations


@given(size=st.integers(2, 36), count=st.integers(1, 10**7))
def test_the_number_of_places_told_is_the_least_that_does(size: int, count: int) -> None:
    places = places_needed(size, count)
    assert size**places >= count * GUESSES_PER_CODE
    assert places == 1 or size ** (places - 1) < count * GUESSES_PER_CODE
