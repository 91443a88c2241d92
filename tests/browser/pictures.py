"""Pictures of pages, for whoever wants to look at what the tests see: PICTURES=folder."""

import os
from pathlib import Path

from playwright.sync_api import Page


def picture(page: Page, name: str) -> None:
    """Take the page at the sizes of a desk and a phone, in light and dark."""
    folder = os.environ.get("PICTURES", "")
    if not folder:
        return
    for scheme in ("light", "dark"):
        for width in (1280, 360):
            page.set_viewport_size({"width": width, "height": 900})
            page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
            page.screenshot(path=Path(folder) / f"{name}-{width}-{scheme}.png", full_page=True)
    page.set_viewport_size({"width": 1280, "height": 900})
    page.emulate_media(color_scheme="light")
