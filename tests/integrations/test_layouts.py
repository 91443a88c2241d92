"""A message laid out once for all says to each what it would say laid out for him alone."""

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from integrations import layouts
from integrations.errors import TemplateFailed
from integrations.inlining import inline
from integrations.layouts import Marks, can_hold_marks
from integrations.mjml import html_of
from integrations.rendering import fill, fill_message
from integrations.words import words_of

_VALUES = st.sampled_from(
    [
        *(
            "Anna",
            "",
            "Łucja",
            "O'Brien",
            "a & b",
            "<b>x</b>",
            "ß",
            "12,50 zł",
            "ǅ",
            "x" * 400,
            " x ",
        ),
        *(
            "https://shop.example/x?y=1",
            "https://shop.example/",
            "A-7",
            "anna@example.com",
            "--",
            "%",
        ),
        *(
            "mailto:anna@example.com",
            "tel:112",
            "#top",
            "none",
            "big",
            "zqx0xqz",
            "ZQX1XQZ",
            "a  b",
        ),
        *(None, 0, 12.5, True, ["a", "b"], "a\u00a0b", "\u200b", "red", "javascript:x", "a\nb"),
    ]
)
_PIECES = [
    "<p>Hello {{ a }}!</p>",
    "<h1>{{ a }} and {{ b }}</h1>",
    "<h2>{{ b | upcase }}{{ a | default: 'you' }}</h2>",
    "<a href='{{ a }}'>{{ a }}</a>",
    "<a href='https://shop.example/{{ b }}'>{{ b }}</a>",
    '<a href="mailto:{{ a }}" title="{{ b }}">{{ a }}</a>',
    "<a href={{ a }}>x</a>",
    "<img src='{{ a }}' alt='{{ b }}'>",
    "<p class='{{ a }}'>x</p>",
    "<p style='color: {{ a }}'>x</p>",
    "<div style='display:{{ a }}'>hidden</div>",
    "<p class=\"x href='{{ a }}'\">x</p>",
    "<style>p { color: {{ a }} }</style>",
    "<style>p { color: red } .big { font-size: 9px } p:empty { margin: 0 }</style>",
    "<style>a[href^='https'] { color: blue }</style>",
    "<!-- {{ a }} -->",
    "<title>{{ a }}</title>",
    "<textarea>{{ a }}</textarea>",
    "<table><tr><td>{{ a }}</td><td>{{ b }}</td></tr></table>",
    "<ul>{% for one in many %}<li>{{ one }} {{ a }}</li>{% endfor %}</ul>",
    "{% if a == 'Anna' %}<b>{{ a }}</b>{% else %}{{ b }}{% endif %}",
    "{% capture c %}{{ a }}{% endcapture %}<p>{{ c | size }} {{ c | upcase }}</p>",
    "{% assign d = a | append: b %}<p>{{ d }}</p>",
    "<p>{{ a }}{{ b }} {{ a }}</p>",
    "<{{ a }}>x",
    "<p title={{ a }} y>",
    "1 < 2 {{ a }} <a href='",
    "zqx0xqz {{ a }}",
    "<pre>\n{{ a }}</pre>",
    "<p>&{{ a }};</p>",
]
_MJML_PIECES = [
    "<mj-text>Hello {{ a }}!</mj-text>",
    "<mj-text><h1>{{ a }}</h1><p>{{ b }} <a href='{{ a }}'>{{ a }}</a></p></mj-text>",
    "<mj-button href='https://shop.example/{{ a }}'>{{ b }}</mj-button>",
    "<mj-button href='{{ a }}'>{{ b }}</mj-button>",
    "<mj-image src='https://shop.example/{{ a }}.png' alt='{{ b }}' href='{{ a }}' />",
    "<mj-image src='https://shop.example/x.png' width='{{ a }}' />",
    "<mj-text color='{{ a }}'>x</mj-text>",
    "<mj-table><tr><td>{{ a }}</td></tr></mj-table>",
    "<mj-raw><p>{{ a }}</p></mj-raw>",
    "<mj-social><mj-social-element name='facebook' href='{{ a }}'>{{ b }}</mj-social-element>"
    "</mj-social>",
    "<mj-navbar><mj-navbar-link href='{{ a }}'>{{ b }}</mj-navbar-link></mj-navbar>",
]


@given(pieces=st.lists(st.sampled_from(_PIECES), min_size=1, max_size=4), a=_VALUES, b=_VALUES)
@example(pieces=["<a href='{{ a }}'>{{ a }}</a>"], a="https://shop.example/", b="")
@example(pieces=["<p class='{{ a }}'>x</p>", "<style>.big { color: red }</style>"], a="big", b="")
def test_html_is_the_same(pieces: list[str], a: Any, b: Any) -> None:
    source = "\n".join(pieces)
    values = {"a": a, "b": b, "many": [a, b]}
    alone = fill(source, values, is_html=True)
    together = fill_message({"html": source}, values)
    assert together.html == inline(alone)
    assert together.text == words_of(alone)


@given(pieces=st.lists(st.sampled_from(_MJML_PIECES), min_size=1, max_size=3), a=_VALUES, b=_VALUES)
def test_mjml_is_the_same(pieces: list[str], a: Any, b: Any) -> None:
    head = "<mj-head><mj-title>{{ a }}</mj-title><mj-preview>{{ b }}</mj-preview></mj-head>"
    body = f"<mj-section><mj-column>{''.join(pieces)}</mj-column></mj-section>"
    source, values = f"<mjml>{head}<mj-body>{body}</mj-body></mjml>", {"a": a, "b": b}
    alone = fill(source, values, is_html=True)
    try:
        html = html_of(alone, "pl")
    except TemplateFailed:
        with pytest.raises(TemplateFailed):
            fill_message({"mjml": source}, values, language="pl")
        return
    together = fill_message({"mjml": source}, values, language="pl")
    assert (together.html, together.text) == (html, words_of(alone))


def test_what_is_the_same_for_many_is_laid_out_once() -> None:
    layouts._laid_out.cache_clear()
    source = "<style>p { color: red }</style><p>Hi {{ name }}</p><a href='{{ url }}'>Go</a>"
    for name in ("Anna", "Łucja", "Jan Maria"):
        message = fill_message({"html": source}, {"name": name, "url": f"https://s.example/{name}"})
        assert f"Hi {name}" in message.html
    assert layouts._laid_out.cache_info().misses == 1


def test_a_value_that_looks_like_a_mark_is_itself() -> None:
    message = fill_message({"html": "<p>{{ a }} {{ b }}</p>"}, {"a": "secret", "b": "zqx0xqz"})
    assert message.text == "secret zqx0xqz"


def test_a_text_that_keeps_what_it_wrote_holds_no_marks() -> None:
    assert can_hold_marks("<p>{{ a }}</p>")
    assert not can_hold_marks("{%- capture x %}{{ a }}{% endcapture %}")
    assert not can_hold_marks("<p>zqx0xqz {{ a }}</p>")


def test_the_same_value_has_the_same_mark() -> None:
    marks = Marks()
    assert marks.mark("a") == marks.mark("a") != marks.mark("b")
    assert marks.fill(f"{marks.mark('a')} {marks.mark('b').upper()}") == "a B"
