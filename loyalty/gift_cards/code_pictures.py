"""A code as pictures that a till can read: QR and Code 128, as SVG without styles of its own."""

import barcode  # type: ignore[import-untyped]
import segno
from django.utils.html import format_html
from django.utils.safestring import SafeString

# Quiet modules on either side, as ISO/IEC 15417 and 18004 want them.
_QUIET, _HEIGHT = 10, 40
_QR_QUIET = 4


def qr_svg(code: str, *, label: str) -> SafeString:
    """A QR code, with a name for who does not see it."""
    rows = segno.make(code, error="m", micro=False).matrix
    dots = "".join(
        f"M{start} {line}h{width}v1h-{width}z"
        for line, row in enumerate(rows, start=_QR_QUIET)
        for start, width in _runs("".join(map(str, row)), _QR_QUIET)
    )
    size = len(rows) + 2 * _QR_QUIET
    return _svg(size, size, format_html('<path d="{}"/>', dots), label)


def barcode_svg(code: str, *, label: str) -> SafeString | None:
    """A Code 128; None for a code that it cannot say."""
    try:
        [modules] = barcode.get("code128", code).build()
    except (barcode.errors.BarcodeError, KeyError, ValueError):
        return None
    bars = "".join(
        f"M{start} 0h{width}v{_HEIGHT}h-{width}z" for start, width in _runs(modules, _QUIET)
    )
    path = format_html('<path d="{}"/>', bars)
    return _svg(len(modules) + 2 * _QUIET, _HEIGHT, path, label)


def _runs(modules: str, start: int) -> list[tuple[int, int]]:
    """Where dark bars begin, and how wide they are."""
    found, place = [], 0
    while place < len(modules):
        end = place
        while end < len(modules) and modules[end] == modules[place]:
            end += 1
        if modules[place] == "1":
            found.append((start + place, end - place))
        place = end
    return found


def _svg(width: int, height: int, inside: SafeString, label: str) -> SafeString:
    return format_html(
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {} {}" role="img" aria-label="{}"'
        ' shape-rendering="crispEdges" preserveAspectRatio="none">{}</svg>',
        width,
        height,
        label,
        inside,
    )
