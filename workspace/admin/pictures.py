"""Small pictures that tables and pages show: badges, sparklines, charts, numbers."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from django.utils.formats import number_format
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

_WIDTH, _HEIGHT = 96, 24


def number(value: Any) -> str:
    """A number with its thousands apart."""
    return number_format(value, use_l10n=True, force_grouping=True)


def badge(text: Any, tone: str = "neutral", icon: str = "") -> SafeString:
    """A word with a colour: good, info, warning, bad or neutral. The word alone says it all."""
    symbol = (
        format_html('<span class="material-symbols-outlined" aria-hidden="true">{}</span>', icon)
        if icon
        else ""
    )
    return format_html('<span class="rg-badge rg-{}">{}{}</span>', tone, symbol, text)


def change_since(entered: int | None, left: int | None) -> SafeString:
    """How many came and went: +3 −1."""
    if entered is None or left is None:
        return format_html('<span class="rg-faint">{}</span>', "–")
    if not entered and not left:
        return format_html('<span class="rg-faint">{}</span>', "±0")
    return format_html(
        '<span class="rg-change"><span class="rg-plus">+{}</span> '
        '<span class="rg-minus">−{}</span></span>',
        number(entered),
        number(left),
    )


def sparkline(values: Sequence[float | int], label: str) -> SafeString:
    """A line that shows the course of a few values; `label` says it in words."""
    if len(values) < 2:
        return format_html('<span class="rg-faint">{}</span>', "–")
    least, most = min(values), max(values)
    span = (most - least) or 1
    step = _WIDTH / (len(values) - 1)
    points = " ".join(
        f"{index * step:.1f},{_HEIGHT - 2 - (value - least) / span * (_HEIGHT - 4):.1f}"
        for index, value in enumerate(values)
    )
    return format_html(
        '<svg class="rg-spark" viewBox="0 0 {} {}" role="img" aria-label="{}">'
        '<title>{}</title><polyline points="{}"/></svg>',
        _WIDTH,
        _HEIGHT,
        label,
        label,
        points,
    )


def chips(labels: Sequence[str], empty: str = "–") -> SafeString:
    """Short words side by side."""
    if not labels:
        return format_html('<span class="rg-faint">{}</span>', empty)
    return format_html_join(" ", '<span class="rg-chip">{}</span>', ((text,) for text in labels))


def figures(names: Mapping[str, Any], values: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Facts with their names, in the order of `names`."""
    return [(str(label), values[key]) for key, label in names.items() if key in values]


# As the theme has them for charts that stand; where there are options it takes nothing else.
_LYING: Mapping[str, Any] = {
    "animation": False,
    "indexAxis": "y",
    "maintainAspectRatio": False,
    "responsive": True,
    "plugins": {"legend": {"display": False}},
    "scales": {
        "x": {
            "beginAtZero": True,
            "border": {"dash": [5, 5], "width": 0},
            "grid": {"color": "#d1d5db"},
            "ticks": {"color": "#9ca3af", "maxTicksLimit": 6, "precision": 0},
        },
        "y": {
            "border": {"width": 0},
            "grid": {"display": False},
            "ticks": {"autoSkip": False, "color": "#9ca3af"},
        },
    },
}
_LABEL_LIMIT = 22


def _cut(labels: Sequence[str]) -> list[str]:
    """Labels beside lying bars, which take the place of the bars; the table has all of them."""
    return [
        text if len(text) <= _LABEL_LIMIT else f"{text[: _LABEL_LIMIT - 1].rstrip()}…"
        for text in labels
    ]


def interval(
    share: float, low: float, high: float, *, begin: float = 0, end: float = 1
) -> dict[str, str]:
    """Where a share and its bounds stand on a line from `begin` to `end`, in per cent of it.

    For `workspace/interval.html`, which has them in words besides.
    """
    span = (end - begin) or 1
    places = {
        name: min(100.0, max(0.0, (value - begin) / span * 100))
        for name, value in (("share", share), ("low", low), ("high", high), ("zero", 0))
    }
    told = {name: f"{value:.2f}%" for name, value in places.items()}
    return {**told, "width": f"{places['high'] - places['low']:.2f}%"}


def chart(
    labels: Sequence[str],
    series: Sequence[tuple[str, Sequence[float | int], str]],
    *,
    kind: str = "line",
    axis: str = "",
    is_stacked: bool = False,
    is_lying: bool = False,
) -> dict[str, Any]:
    """What the template of a chart needs: data for Chart.js, and the same figures as a table.

    `series` are (name, values, tone); tones are primary, good, warning, bad and neutral. `axis`
    says what the labels are; moments where it is empty. Stacked bars stand on each other; lying
    ones go from the left to the right, the first at the top.
    """
    colours = {
        "primary": "var(--color-primary-600)",
        "good": "var(--color-green-600)",
        "bad": "var(--color-red-500)",
        "warning": "var(--color-amber-500)",
        "neutral": "var(--color-base-400)",
    }
    # The theme draws bars over each other where they are not told to stand beside each other.
    standing = {"stack": "all"} if is_stacked else {"grouped": True} if kind == "bar" else {}
    datasets = [
        {
            **standing,
            "label": name,
            "data": list(values),
            "borderColor": colours[tone],
            "backgroundColor": colours[tone],
            "displayYAxis": True,
            "maxTicksXLimit": 8,
            "maxBarThickness": 18,
            "borderRadius": 3,
        }
        for name, values, tone in series
    ]
    columns = [list(values) for _name, values, _tone in series]
    return {
        "kind": kind,
        "data": json.dumps(
            {"labels": _cut(labels) if is_lying else list(labels), "datasets": datasets}
        ),
        "options": json.dumps(_LYING) if is_lying else "",
        "height": f"{3 + 1.75 * len(labels) * max(1, len(series))}rem" if is_lying else "",
        "names": [axis or _("When"), *(name for name, _values, _tone in series)],
        "rows": list(zip(labels, *columns, strict=True)),
        "legend": [(name, colours[tone]) for name, _values, tone in series if len(series) > 1],
        "summary": ", ".join(name for name, _values, _tone in series),
    }
