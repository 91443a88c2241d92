"""An UpSet plot: a column for each combination of segments, a row for each segment.

The geometry of a drawing in SVG, in its own units; the template writes it down.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from segments.overlap import Comparison
from workspace.admin.pictures import number

COLUMN_LIMIT = 24
_COLUMN, _ROW = 36, 30
_LABELS, _SIZES = 140, 90
_TOP, _BARS, _GAP = 34, 150, 14
_RADIUS = 7


@dataclass(frozen=True, slots=True)
class Dot:
    """One segment in a column."""

    x: float
    y: float
    is_in: bool


@dataclass(frozen=True, slots=True)
class Column:
    """A combination: who is in these segments and in none of the others."""

    sentence: str
    count: str
    x: float
    bar_x: float
    bar_y: float
    bar_height: float
    dots: tuple[Dot, ...]
    line: tuple[float, float] | None
    url: str


@dataclass(frozen=True, slots=True)
class Row:
    """A segment with its size."""

    name: str
    short_name: str
    size: str
    y: float
    bar_x: float
    bar_width: float
    is_odd: bool


@dataclass(frozen=True, slots=True)
class Plot:
    """The whole drawing."""

    width: float
    height: float
    left: float
    matrix_y: float
    row_height: float
    rows: tuple[Row, ...]
    columns: tuple[Column, ...]
    hidden_count: int


def draw(found: Comparison, names: Mapping[str, str], urls: Mapping[tuple[str, ...], str]) -> Plot:
    """The plot of a comparison; `names` of the segments by key, `urls` by combination.

    Combinations without anybody are left out, the largest come first; what is beyond COLUMN_LIMIT
    stands in the table only.
    """
    keys = list(names)
    filled = sorted((one for one in found.sets if one.only), key=lambda one: -one.only)
    shown = filled[:COLUMN_LIMIT]
    most = max((one.only for one in shown), default=1)
    left, matrix_y = _LABELS + _SIZES, _TOP + _BARS + _GAP
    columns = []
    for place, one in enumerate(shown):
        x = left + _COLUMN * (place + 0.5)
        height = max(2.0, one.only / most * (_BARS - 16))
        rows_in = [row for row, key in enumerate(keys) if key in one.keys]
        columns.append(
            Column(
                sentence=combination_sentence(one.keys, one.only, found.total, names),
                count=short(one.only),
                x=x,
                bar_x=x - 11,
                bar_y=_TOP + _BARS - height,
                bar_height=height,
                dots=tuple(
                    Dot(x, _row_y(matrix_y, row), row in rows_in) for row in range(len(keys))
                ),
                line=(_row_y(matrix_y, rows_in[0]), _row_y(matrix_y, rows_in[-1]))
                if len(rows_in) > 1
                else None,
                url=urls.get(one.keys, ""),
            )
        )
    return Plot(
        width=left + _COLUMN * max(1, len(shown)) + 8,
        height=matrix_y + _ROW * len(keys) + 4,
        left=left,
        matrix_y=matrix_y,
        row_height=_ROW,
        rows=tuple(_rows(found, names, matrix_y)),
        columns=tuple(columns),
        hidden_count=len(filled) - len(shown),
    )


def combination_sentence(
    keys: Sequence[str], only: int, total: int, names: Mapping[str, str]
) -> str:
    """In words: in A and B and no other: 1,234 (3.1 %)."""
    words = {
        "names": _(" and ").join(names[key] for key in keys),
        "count": number(only),
        "share": percent(only / total if total else 0),
    }
    if len(keys) == len(names):
        return _("in %(names)s: %(count)s (%(share)s)") % words
    return _("in %(names)s and no other: %(count)s (%(share)s)") % words


def percent(share: float) -> str:
    """A share as a percentage with one digit."""
    return _("%(number)s %%") % {"number": number(round(share * 100, 1))}


def short(count: int) -> str:
    """A count that fits over a bar: 950, 12.3k, 4.5M."""
    for size, letter in ((1_000_000, "M"), (1_000, "k")):
        if count >= size * 10:
            return f"{count / size:.0f}{letter}"
        if count >= size:
            return f"{count / size:.1f}{letter}"
    return str(count)


def _rows(found: Comparison, names: Mapping[str, str], matrix_y: float) -> Any:
    sizes = {one.keys[0]: one.count for one in found.sets if len(one.keys) == 1}
    most = max(sizes.values(), default=0) or 1
    for place, (key, name) in enumerate(names.items()):
        width = sizes[key] / most * (_SIZES - 44)
        yield Row(
            name=name,
            short_name=name if len(name) <= 18 else f"{name[:17]}…",
            size=short(sizes[key]),
            y=_row_y(matrix_y, place),
            bar_x=_LABELS + _SIZES - 10 - width,
            bar_width=width,
            is_odd=place % 2 == 0,
        )


def _row_y(matrix_y: float, row: int) -> float:
    return matrix_y + _ROW * (row + 0.5)
