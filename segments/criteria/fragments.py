"""SQL and its values, which never mix."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from .moving import Filling
    from .spans import Moving


Scalar = str | int | bool | Decimal | date | datetime
Param = Scalar | list[str] | list[int] | list[Decimal] | list[datetime]


class Deferred:
    """A value that is not known yet when the text is made; see `moving.py`."""

    __slots__ = ()

    def windows(self) -> tuple["Moving", ...]:
        """The windows that it is made of."""
        return ()

    def fill(self, filling: "Filling") -> Param:
        """The value itself."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class Fragment:
    """A piece of SQL and the values of its %s placeholders, in order.

    `text` is made only of literals written by developers, here and in registered facts; every
    value a person typed is in `params`. Injection is impossible, not escaped.
    """

    text: str
    params: tuple[Param, ...] = ()


def sql(template: str, *parts: Fragment) -> Fragment:
    """`template` with its `{}` filled by `parts`. The template is a literal of ours, always."""
    pieces = template.split("{}")
    if len(pieces) != len(parts) + 1:
        raise ValueError(f"{len(parts)} parts for {template!r}")
    text = pieces[0] + "".join(
        part.text + piece for part, piece in zip(parts, pieces[1:], strict=True)
    )
    return Fragment(text, tuple(param for part in parts for param in part.params))


def value(param: Param | Deferred, type_name: str) -> Fragment:
    """One value as a placeholder of the PostgreSQL type `type_name`.

    The cast makes the server read it the same however the driver binds it, and makes a literal
    bound on the client's side equal to the constant in an expression index.
    """
    # A deferred value stands for the one that is filled in before the statement is asked.
    return Fragment(f"%s::{type_name}", (cast(Param, param),))


def row_id(number: int) -> Fragment:
    """The id of a row as a literal: no person types one, and hundreds of placeholders take long."""
    return Fragment(str(int(number)))


def joined(separator: str, parts: Iterable[Fragment]) -> Fragment:
    """`parts` with `separator` between them."""
    found = tuple(parts)
    text = separator.join(part.text for part in found)
    return Fragment(text, tuple(param for part in found for param in part.params))


def all_of(parts: Iterable[Fragment]) -> Fragment:
    """True where every part is; in parentheses where there are several."""
    return _logical(" AND ", tuple(parts), empty="true")


def any_of(parts: Iterable[Fragment]) -> Fragment:
    """True where some part is; in parentheses where there are several."""
    return _logical(" OR ", tuple(parts), empty="false")


def select(
    columns: Iterable[Fragment], table: Fragment | str, where: Iterable[Fragment]
) -> Fragment:
    """SELECT from `table` where all of `where` holds. A table as text is a literal of ours."""
    conditions = [part for part in where if part != _TRUE]
    listed = tuple(columns)
    start = sql("SELECT {}", joined(", ", listed)) if listed else Fragment("SELECT")
    found = sql("{} FROM {}", start, _table(table))
    return sql("{} WHERE {}", found, joined(" AND ", conditions)) if conditions else found


_TRUE = Fragment("true")


def _table(table: Fragment | str) -> Fragment:
    return Fragment(table) if isinstance(table, str) else table


def _logical(separator: str, parts: tuple[Fragment, ...], *, empty: str) -> Fragment:
    if len(parts) < 2:
        return parts[0] if parts else Fragment(empty)
    return sql("({})", joined(separator, parts))
