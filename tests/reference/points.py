"""A ledger of points in Python, point by point: the second opinion on the database's."""

from dataclasses import dataclass, field
from datetime import UTC, datetime

_NEVER = datetime(9999, 1, 1, tzinfo=UTC)


@dataclass
class Came:
    """Points that came in; `order` says which came first."""

    order: int
    points: int
    expires_at: datetime | None
    is_earned: bool


@dataclass
class Account:
    """What one member has: what came in and what went out, as lists of what still counts."""

    came: dict[int, Came] = field(default_factory=dict)
    went: dict[int, int] = field(default_factory=dict)
    # Lines of which each is reversed, and those that are reversals or expired, never are.
    final: set[int] = field(default_factory=set)

    @property
    def balance(self) -> int:
        """The points that there are."""
        return sum(one.points for one in self.came.values()) - sum(self.went.values())

    @property
    def earned(self) -> int:
        """The points ever earned, without those taken back."""
        return sum(one.points for one in self.came.values() if one.is_earned)

    def left(self) -> list[tuple[int, datetime | None]]:
        """Each single point that is there, by the line that brought it and when it expires."""
        in_order = sorted(
            self.came.values(),
            key=lambda one: (one.expires_at or _NEVER, one.order),
        )
        singles = [one for one in in_order for _number in range(one.points)]
        rest = singles[sum(self.went.values()) :]
        return [(one.order, one.expires_at) for one in rest]

    def expire(self, number: int, at: datetime) -> int:
        """Take out the points whose time is over; how many."""
        count = sum(1 for _order, expires in self.left() if expires is not None and expires <= at)
        if count:
            self.went[number] = count
            self.final.add(number)
        return count

    def absorb(self, other: "Account") -> None:
        """Have all that the other has."""
        self.came |= other.came
        self.went |= other.went
        self.final |= other.final
