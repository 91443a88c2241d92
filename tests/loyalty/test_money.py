import pytest
from hypothesis import given
from hypothesis import strategies as st

from loyalty.money import money, to_decimal, to_minor


@pytest.mark.parametrize(
    ("minor", "currency", "shown"),
    [
        (2500, "USD", "25.00\N{NO-BREAK SPACE}USD"),
        (1500, "JPY", "1,500\N{NO-BREAK SPACE}JPY"),
        (-1250, "KWD", "-1.250\N{NO-BREAK SPACE}KWD"),
        (0, "EUR", "0.00\N{NO-BREAK SPACE}EUR"),
    ],
)
def test_money_is_shown_with_the_digits_of_its_currency(
    minor: int, currency: str, shown: str
) -> None:
    assert money(minor, currency) == shown


@given(st.integers(-(10**15), 10**15), st.sampled_from(["USD", "JPY", "KWD", "CLF"]))
def test_what_is_written_in_whole_units_is_the_same_money(minor: int, currency: str) -> None:
    assert to_minor(to_decimal(minor, currency), currency) == minor


@pytest.mark.parametrize("amount", ["1.005", "abc", "NaN", "Infinity", ""])
def test_what_is_no_amount_is_refused(amount: str) -> None:
    with pytest.raises(ValueError, match=r"amount|digits"):
        to_minor(amount, "USD")
