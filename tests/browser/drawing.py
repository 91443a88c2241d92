"""Drawing a journey as people do: by dragging, by the plus of an activity, in the panel."""

from typing import Any

import simplejson
from playwright.sync_api import Locator, Page, expect
from playwright.sync_api import TimeoutError as TookTooLong

from journeys.models import Journey


def page_of(journey: Journey) -> str:
    return f"/admin/journeys/journey/{journey.pk}/change/"


def open_page(page: Page, journey: Journey) -> None:
    # Nothing moves by itself, so that a place is where it was looked up.
    page.emulate_media(reduced_motion="reduce")
    page.goto(page_of(journey))
    expect(page.locator(".jc-stage")).to_be_visible()


def drawing_of(page: Page) -> Any:
    return simplejson.loads(page.locator("#id_drawing").input_value(), use_decimal=True)


def ways_of(drawing: Any) -> set[tuple[str, str, str]]:
    return {
        (edge["from"], edge.get("outcome", "next"), edge["to"]) for edge in drawing.get("edges", ())
    }


def config_of(page: Page, node: str) -> dict[str, Any]:
    found: dict[str, Any] = next(
        one["config"] for one in drawing_of(page)["nodes"] if one["id"] == node
    )
    return found


def activity(page: Page, name: str) -> Locator:
    return page.locator(f'[data-activity="{name}"]')


def kind(page: Page, name: str) -> Locator:
    return page.locator(f'.jc-palette [data-kind="{name}"]')


def choose(page: Page, label: str, text: str) -> None:
    """Find something by typing, in a field of the panel."""
    field = page.locator("[data-panel]").get_by_role("combobox", name=label, exact=True)
    field.click()
    field.fill(text)
    page.get_by_role("option").filter(has_text=text).first.click()


def close_panel(page: Page) -> None:
    page.locator("[data-panel]").get_by_role("button", name="Close", exact=True).click()
    expect(page.locator("[data-panel]")).to_have_count(0)


def plus(page: Page, name: str, kind: str, way: str = "next") -> None:
    """The plus of an activity: hover it, click, choose."""
    offered = page.get_by_role("menuitem", name=kind, exact=True)
    button = activity(page, name).locator(f'[data-outcome="{way}"] .jc-plus')
    # While what was drawn before is still being laid out the click can miss: as people do, again.
    for _time in range(4):
        try:
            activity(page, name).hover(timeout=4000)
            button.click(timeout=4000)
        except TookTooLong:
            # Something lies over it at this size: without the mouse it is reached all the same.
            button.dispatch_event("click")
        try:
            offered.wait_for(timeout=6000)
        except TookTooLong:
            continue
        break
    offered.click()
    expect(page.locator("[data-panel]")).to_be_visible()


def drag_way(page: Page, source: str, target: str, way: str = "next") -> None:
    """From the end of a way to an activity, as with a mouse."""
    start = activity(page, source).locator(f'[data-outcome="{way}"] .jc-handle').bounding_box()
    end = activity(page, target).locator(".jc-handle").first.bounding_box()
    assert start is not None
    assert end is not None
    page.mouse.move(start["x"] + start["width"] / 2, start["y"] + start["height"] / 2)
    page.mouse.down()
    page.mouse.move(end["x"] + 20, end["y"] - 20, steps=6)
    page.mouse.move(end["x"] + end["width"] / 2, end["y"] + end["height"] / 2, steps=4)
    page.mouse.up()


def drag(page: Page, what: Locator, *, x: int, y: int) -> None:
    """By so many pixels, as with a mouse."""
    box = what.bounding_box()
    assert box is not None
    start = (box["x"] + box["width"] / 2, box["y"] + 12)
    page.mouse.move(*start)
    page.mouse.down()
    page.mouse.move(start[0] + x / 2, start[1] + y / 2, steps=4)
    page.mouse.move(start[0] + x, start[1] + y, steps=4)
    page.mouse.up()


def save(page: Page) -> None:
    page.locator("[data-save]").click()
    expect(page.get_by_text("was saved.")).to_be_visible()


def draw_the_use_case(page: Page) -> None:
    """The journey of the French document, as somebody draws it who begins; not saved yet."""
    page.goto("/admin/journeys/journey/add/")
    page.get_by_label("Name").fill("Depending on the reaction")
    page.emulate_media(reduced_motion="reduce")
    page.get_by_role("button", name="Begin to draw").click()
    # It begins with reading a segment, which is dragged there.
    kind(page, "read_segment").drag_to(page.locator(".jc-stage"))
    choose(page, "Segment", "Atlanta")
    close_panel(page)
    # A message is dragged onto the entry: it comes behind it.
    kind(page, "message").drag_to(activity(page, "read_segment"))
    choose(page, "E-mail", "first")
    choose(page, "Push message", "first-push")
    page.get_by_role("textbox", name="Label").fill("First message")
    close_panel(page)
    # Plus at the message makes a new path, and another beside it.
    plus(page, "message", "Reaction")
    page.get_by_label("What happens").select_option("push_opened")
    close_panel(page)
    plus(page, "message", "Reaction")
    page.get_by_label("What happens").select_option("email_opened")
    page.get_by_label("Define the event timeout").check()
    page.get_by_label("Define the event timeout: amount").fill("1")
    page.get_by_label("Set a timeout path").check()
    close_panel(page)
    # The path of the timeout: a follow-up.
    plus(page, "reaction_2", "Message", way="timeout")
    choose(page, "E-mail", "follow-up")
    close_panel(page)
    # Three paths into one event.
    plus(page, "reaction", "Wait for an event")
    choose(page, "Event", "purchase_thank_you")
    close_panel(page)
    page.get_by_role("button", name="Show all").click()
    drag_way(page, "reaction_2", "event")
    drag_way(page, "message_2", "event")
    plus(page, "event", "Message")
    choose(page, "Push message", "Thank you")
    close_panel(page)
