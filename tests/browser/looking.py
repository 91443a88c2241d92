"""What axe finds on the pages that a browser has open."""

from collections.abc import Iterable, Sequence
from typing import Any, Literal

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

# Told by axe as of this weight: what keeps somebody from using the page.
_SERIOUS = {"serious", "critical"}
# What a theme or a width alone can break; the others need one look only.
RULES_OF_LOOKS = ("color-contrast", "scrollable-region-focusable", "target-size")
# The criteria builder has drawn itself, and whatever says that it is busy is no more.
_SETTLED = """() => document.readyState === "complete"
  && [...document.querySelectorAll("[data-criteria-builder]")].every((place) => place.firstChild)
  && !document.querySelector('[aria-busy="true"]')"""
# Nothing fades or moves from one state to the next any more; what spins goes on.
_AT_REST = """() => document.getAnimations().every(
  (one) => !(one instanceof CSSTransition) || one.playState !== "running")"""


def serious_faults(
    page: Page, *, rules: Sequence[str] = (), within: str | None = None
) -> list[str]:
    """The serious faults of the page, or of a part of it, with the first places of each.

    Only those of some `rules` where they are named.
    """
    options: dict[str, Any] = {"resultTypes": ["violations"]}
    if rules:
        options["runOnly"] = list(rules)
    found: list[dict[str, Any]] = (
        Axe().run(page, context=within, options=options).response["violations"]
    )
    return [
        f"{fault['id']} ({fault['impact']}): "
        + "; ".join(node["html"][:160] for node in fault["nodes"][:3])
        for fault in found
        if fault["impact"] in _SERIOUS
    ]


def faults_by_path(
    page: Page, paths: Iterable[str], *, rules: Sequence[str] = ()
) -> dict[str, Any]:
    """Open one page after the other; the serious faults of those that have some."""
    found = {}
    for path in paths:
        page.goto(path)
        settle(page)
        if faults := serious_faults(page, rules=rules):
            found[path] = faults
    return found


def settle(page: Page) -> None:
    """Wait until what the page draws by itself is there."""
    page.wait_for_function(_SETTLED)
    page.wait_for_function(_AT_REST)


def dress(page: Page, *, width: int, theme: Literal["light", "dark"]) -> None:
    """Have the browser be so wide and prefer a theme, and see that the product follows."""
    page.set_viewport_size({"width": width, "height": 900})
    page.emulate_media(color_scheme=theme)
    page.goto("/admin/")
    is_dark = "document.documentElement.classList.contains('dark')"
    page.wait_for_function(is_dark if theme == "dark" else f"!{is_dark}")
