"""The links that a message carries: they count, lead where they say, and nowhere else."""

import html
import re
from html.parser import HTMLParser
from typing import Any

import pytest
from django.core.signing import BadSignature
from hypothesis import given
from hypothesis import strategies as st

from journeys.messages import links
from journeys.messages.links import Clicks, Holder, Links

OWN = links.links_of(Holder(7, 1042, "newsletter"))


def followed(source: str) -> list[str]:
    """Where the links of HTML lead once it is tracked, by what each link of ours says."""
    found = []

    class Reader(HTMLParser):
        def handle_starttag(self, tag: str, attrs: Any) -> None:
            for name, value in attrs:
                if tag in {"a", "area"} and name == "href":
                    found.append(target(value or ""))

    Reader().feed(links.track_html(source, Clicks(7, OWN)))
    return found


def target(url: str) -> str:
    place = re.search(r"/c/([\w-]+)$", url)
    if place is None:
        return f"as it was: {url}"
    message_id, leads_to = links.read_click(place[1])
    assert message_id == 7
    return leads_to


@pytest.mark.parametrize(
    ("source", "leads_to"),
    [
        ('<a href="https://shop.example/">', "https://shop.example/"),
        ("<a href='https://shop.example/?a=1&amp;b=2'>", "https://shop.example/?a=1&b=2"),
        ("<A HREF=https://shop.example/x class=b>", "https://shop.example/x"),
        ('<a\n  class="x"\n  href = "HTTP://shop.example/">', "HTTP://shop.example/"),
        ('<a title="a > b" href="https://shop.example/">', "https://shop.example/"),
        ('<a title="href=no" data-href="no" href="https://s.example/">', "https://s.example/"),
        ('<a href=" https://shop.example/\n ">', "https://shop.example/"),
        ('<area href="https://shop.example/zażółć?q=ż">', "https://shop.example/zażółć?q=ż"),
        ('<a href="https://a.example/" href="https://b.example/">', "https://a.example/"),
    ],
)
def test_a_link_of_html_counts_and_leads_on(source: str, leads_to: str) -> None:
    assert followed(source)[0] == leads_to


@pytest.mark.parametrize(
    "source",
    [
        '<a href="mailto:a@b.example">',
        '<a href="tel:+48601234567">',
        '<a href="#top">',
        '<a href="javascript:alert(1)">',
        '<a href="/relative">',
        '<a href="https://">',
        '<a href="https://[broken/">',
        "<a href>",
        "<a>",
        "<abbr href='https://shop.example/'>",
        '<a data-no-track href="https://shop.example/">',
        '<!-- <a href="https://shop.example/"> -->',
        '<style>a[href="https://shop.example/"] {}</style>',
        '<title><a href="https://shop.example/"></title>',
        '<a href="https://shop.example/',
        f'<a href="{OWN.unsubscribe_url}">',
        f'<a href="{OWN.view_url}">',
        f'<a href="https://shop.example/{"x" * 2000}">',
    ],
)
def test_what_is_no_link_on_the_web_stays_letter_by_letter(source: str) -> None:
    assert links.track_html(source, Clicks(7, OWN)) == source + links.picture_of(7)


def test_the_picture_stands_at_the_end_of_the_body() -> None:
    source = "<html><body><p>Hello</p></BODY ></html>"
    tracked = links.track_html(source, Clicks(7, OWN))
    assert tracked == f"<html><body><p>Hello</p>{links.picture_of(7)}</BODY ></html>"


@pytest.mark.parametrize(
    ("source", "leads_to", "rest"),
    [
        ("Look: https://shop.example/a.", "https://shop.example/a", "."),
        ("(https://shop.example/a)", "https://shop.example/a", ")"),
        ("https://shop.example/a_(b) now", "https://shop.example/a_(b)", " now"),
        ("https://shop.example/?a=1&b=2, or", "https://shop.example/?a=1&b=2", ", or"),
    ],
)
def test_a_link_of_a_text_counts_without_what_ends_the_sentence(
    source: str, leads_to: str, rest: str
) -> None:
    tracked = links.track_text(source, Clicks(7, OWN))
    (url,) = re.findall(r"http\S+/c/[\w-]+", tracked)
    assert (target(url), tracked.endswith(url + rest)) == (leads_to, True)


def test_our_own_pages_are_not_counted_in_a_text() -> None:
    source = f"Stop: {OWN.unsubscribe_url}"
    assert links.track_text(source, Clicks(7, OWN)) == source


@given(st.text(alphabet="<a href=\"'>https://x.y &;!-\n", max_size=200))
def test_any_html_stays_as_it_was_but_for_its_links(source: str) -> None:
    tracked = links.track_html(source, Clicks(7, OWN))
    restored = links.untracked(tracked, 7, is_html=True)
    plain = [re.sub(r"[\s\"']", "", html.unescape(text)) for text in (source, restored)]
    assert plain[0] == plain[1]


def test_html_that_never_ends_its_tags_takes_no_time() -> None:
    for source in (
        "<a href='" * 40_001,
        "<a " * 100_000,
        '<a x="' * 60_001,
        "<!--<style>" * 30_000,
    ):
        assert links.track_html(source, Clicks(7, OWN)) == source + links.picture_of(7)


@given(st.integers(1, 2**63), st.integers(1, 2**63), st.text(max_size=63))
def test_a_link_says_what_it_was_made_of(message_id: int, contact_id: int, purpose: str) -> None:
    holder = Holder(message_id, contact_id, purpose)
    token = links.links_of(holder).preferences_url.rstrip("/").rpartition("/")[2]
    assert links.read_holder(token) == holder


@pytest.mark.parametrize("place", [0, 5, 20, -1])
def test_a_token_of_which_a_letter_is_changed_leads_nowhere(place: int) -> None:
    url = links.click_url(7, "https://shop.example/sale")
    token = url.rpartition("/")[2]
    letters = list(token)
    letters[place] = "A" if letters[place] not in "AQgw" else "B"
    with pytest.raises(BadSignature):
        links.read_click("".join(letters))


@pytest.mark.parametrize("token", ["", "none", "a", "ż", "=" * 9, "A" * 60])
def test_what_is_no_token_leads_nowhere(token: str) -> None:
    for read in (links.read_click, links.read_holder, links.read_opened):
        with pytest.raises(BadSignature):
            read(token)


def test_a_token_for_one_thing_is_none_for_another() -> None:
    opened = re.search(r"/o/([\w-]+)\.gif", links.picture_of(7))
    assert opened is not None
    for read in (links.read_click, links.read_holder):
        with pytest.raises(BadSignature):
            read(opened[1])


def test_links_of_a_former_secret_still_lead_on(settings: Any) -> None:
    token = links.click_url(7, "https://shop.example/").rpartition("/")[2]
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "another-secret-that-nobody-knows"
    assert links.read_click(token) == (7, "https://shop.example/")
    settings.SECRET_KEY_FALLBACKS = []
    with pytest.raises(BadSignature):
        links.read_click(token)


def test_the_three_pages_of_a_receiver_are_different(settings: Any) -> None:
    assert len(set(OWN)) == 3
    assert isinstance(OWN, Links)
    assert all(url.startswith(settings.BASE_URL) for url in OWN)
