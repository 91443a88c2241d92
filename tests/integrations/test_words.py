"""HTML as plain text."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integrations.words import words_of


@pytest.mark.parametrize(
    ("markup", "words"),
    [
        ("<h1>Hello &amp; welcome</h1><p>Dear\n  Anna</p>", "HELLO & WELCOME\n\nDear Anna"),
        ("<ul><li>one<li>two</ul>", "- one\n- two"),
        ("<ol><li>a</li><li>b</li></ol>", "1. a\n\n2. b"),
        ("<table><tr><td>x</td><td>1</td></tr><tr><td>y</td></tr></table>", "x 1\n\ny"),
        ("<a href='https://x.pl/?a=1&amp;b=2'>here</a>", "here (https://x.pl/?a=1&b=2)"),
        ("<a href='https://x.pl'>https://x.pl</a>", "https://x.pl"),
        ("<a href='mailto:a@b.pl'>a@b.pl</a>", "a@b.pl"),
        ("<a href='#top'>up</a>", "up"),
        ("<a href='https://x.pl'><img src='y' alt='Shop'></a>", "Shop (https://x.pl)"),
        ("a<br>b<hr>c", "a\nb\n\n---\n\nc"),
        ("<p>seen</p><div style='display: none'>not<div>so</div></div><p>too</p>", "seen\n\ntoo"),
        ("<head><title>t</title><style>p > a {}</style></head>x<!-- no <p> --><script>1<2", "x"),
        ("<!--[if mso]><table><tr><td>Outlook</td></tr></table><![endif]-->x", "x"),
        ("1&nbsp;000 &lt;b&gt;", "1 000 <b>"),
        (
            "<mj-text>Hi</mj-text><mj-button href='https://x.pl'>Go</mj-button>",
            "Hi\n\nGo (https://x.pl)",
        ),
        ("", ""),
    ],
)
def test_words_are_what_a_reader_sees(markup: str, words: str) -> None:
    assert words_of(markup).replace("\n\n", "\n") == words.replace("\n\n", "\n")
    assert "\n\n\n" not in words_of(markup)


@given(markup=st.text(alphabet="<>a/!-\"'= &;p", max_size=60))
def test_whatever_it_is_it_has_words(markup: str) -> None:
    text = words_of(markup)
    assert text == text.strip()


@pytest.mark.parametrize(
    "piece", ["<a", '<a "', "<!--", "<style>", "<", "<p>", "&", "<a href='x'>"]
)
def test_no_text_takes_long(piece: str) -> None:
    began = time.process_time()
    words_of(piece * (200_000 // len(piece)))
    # A text whose time grows with the square of its length takes minutes.
    assert time.process_time() - began < 5
