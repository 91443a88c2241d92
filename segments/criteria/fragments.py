"""SQL and its values, which never mix."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

Param = str | int | bool | Decimal | date | datetime | list[str] | list[int] | list[Decimal]


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


def value(param: Param, type_name: str) -> Fragment:
    """One value as a placeholder of the PostgreSQL type `type_name`.

    The cast makes the server read it the same however the driver binds it, and makes a literal
    bound on the client's side equal to the constant in an expression index.
    """
    return Fragment(f"%s::{type_name}", (param,))


def joined(separator: str, parts: Iterable[Fragment], *, empty: str) -> Fragment:
    """`parts` in parentheses, with `separator` between them; `empty` where there are none."""
    found = tuple(parts)
    if not found:
        return Fragment(empty)
    if len(found) == 1:
        return found[0]
    text = "(" + separator.join(part.text for part in found) + ")"
    return Fragment(text, tuple(param for part in found for param in part.params))


def all_of(parts: Iterable[Fragment]) -> Fragment:
    """True where every part is."""
    return joined(" AND ", parts, empty="true")


def any_of(parts: Iterable[Fragment]) -> Fragment:
    """True where some part is."""
    return joined(" OR ", parts, empty="false")
