"""Two groups side by side: who got a card, and who was set aside. Pure.

The difference of two shares has the interval of Newcombe (his method 10: two Wilson intervals),
which holds for small groups and for shares near 0 and 1, too. *Source:* R. G. Newcombe, "Interval
estimation for the difference between independent proportions", Statistics in Medicine 17 (1998).
"""

from dataclasses import dataclass
from decimal import Decimal
from math import sqrt
from statistics import NormalDist

_Z = NormalDist().inv_cdf(0.975)


@dataclass(frozen=True, slots=True)
class Group:
    """How many were reached, how many of them ordered in time, and for how much."""

    reached: int
    ordered: int
    amount: Decimal

    @property
    def share(self) -> float:
        """Who ordered, 0 to 1; 0 where nobody was reached."""
        return self.ordered / self.reached if self.reached else 0.0

    @property
    def amount_each(self) -> Decimal:
        """The amount of orders for each who was reached."""
        return self.amount / self.reached if self.reached else Decimal(0)


@dataclass(frozen=True, slots=True)
class Difference:
    """How much larger the share of the first group is, with the bounds of 95 % certainty."""

    difference: float
    low: float
    high: float

    @property
    def is_certain(self) -> bool:
        """Whether it is one by chance in fewer than one case of twenty."""
        return self.low > 0 or self.high < 0


def compare(first: Group, second: Group) -> Difference | None:
    """The difference of their shares; None where one of them is empty."""
    if not first.reached or not second.reached:
        return None
    low_1, high_1 = _wilson(first.ordered, first.reached)
    low_2, high_2 = _wilson(second.ordered, second.reached)
    p_1, p_2 = first.share, second.share
    difference = p_1 - p_2
    return Difference(
        difference,
        difference - sqrt((p_1 - low_1) ** 2 + (high_2 - p_2) ** 2),
        difference + sqrt((high_1 - p_1) ** 2 + (p_2 - low_2) ** 2),
    )


def share_bounds(hits: int, total: int) -> tuple[float, float]:
    """The bounds of 95 % certainty of a share, 0 to 1, by Wilson; `total` is at least 1."""
    return _wilson(hits, total)


def _wilson(hits: int, total: int) -> tuple[float, float]:
    share, square = hits / total, _Z * _Z
    center = (share + square / (2 * total)) / (1 + square / total)
    reach = _Z * sqrt(share * (1 - share) / total + square / (4 * total * total))
    reach /= 1 + square / total
    return max(0.0, center - reach), min(1.0, center + reach)
