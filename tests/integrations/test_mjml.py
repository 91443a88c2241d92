"""MJML: what is refused when it is saved, and what becomes of it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integrations.errors import TemplateFailed
from integrations.inlining import inline
from integrations.mjml import faults_of_mjml, html_of
from integrations.rendering import fill_message


def page(inner: str) -> str:
    begin, end = "<mj-section><mj-column>", "</mj-column></mj-section>"
    return f"<mjml>\n<mj-body>\n{begin}\n{inner}\n{end}\n</mj-body>\n</mjml>"


def told(mjml: str) -> str:
    return "\n".join(one.message for one in faults_of_mjml("mjml", mjml))


@pytest.mark.parametrize(
    "inner",
    [
        '<mj-text>Dear {{ contact.first_name | default: "friend" }},</mj-text>',
        "<mj-text>a &amp; b &nbsp; <br> <b>x</b></mj-text>",
        "{% if contact.city == 'Łódź' %}<mj-text>Hi</mj-text>{% else %}<mj-divider/>{% endif %}",
        "{% for tag in contact.tags %}<mj-text>{{ tag }}</mj-text>{% endfor %}",
        "<mj-button href='{{ wallet_url }}?a=1&b=2'>Open</mj-button><mj-spacer height='20px'/>",
        "<!-- a note --><mj-image src='https://x.pl/a.png' alt='a'/>",
        "<mj-table><tr><td>1</td></tr></mj-table><mj-raw><hr><i>x</i></mj-raw>",
        "<mj-social><mj-social-element name='facebook' href='https://x.pl'>F</mj-social-element></mj-social>",
    ],
)
def test_what_is_right_is_taken(inner: str) -> None:
    assert told(page(inner)) == ""


def test_what_stands_in_the_head_is_taken() -> None:
    attributes = "<mj-attributes><mj-all color='red'/><mj-class name='x'/></mj-attributes>"
    style = "<mj-style inline='inline'>.a > b { color: red }</mj-style>"
    head = f"<mj-head>{attributes}{style}<mj-preview>Hi</mj-preview></mj-head>"
    body = "<mj-body><mj-section padding='12px 0'></mj-section></mj-body>"
    assert told(f"<mjml>{head}{body}</mjml>") == ""
    assert "<mj-txt>" in told(f"<mjml><mj-head>{attributes.replace('all', 'txt')}</mj-head>")


@pytest.mark.parametrize(
    ("mjml", "words"),
    [
        (page("<mj-txt>Hi</mj-txt>"), "Line 4: there is no <mj-txt>. Did you mean <mj-text>"),
        (page("<mj-section></mj-section>"), "Line 4: <mj-section> cannot stand in <mj-column>"),
        (page("<p>Hi</p>"), "Line 4: <p> is HTML: put it into <mj-text>"),
        (page("\nlost words"), "Line 5: “lost words” would be lost here"),
        (page("<mj-include path='/etc/passwd'/>"), "Line 4: <mj-include> is left out"),
        (page("<mj-text>\n<p>Hi</mj-text>"), "Line 5: <p> is never closed"),
        (page("<mj-text>Hi</b></mj-text>"), "Line 4: </b> closes nothing"),
        (page("<mj-text>1 < 2</mj-text>"), "Line 4: a “<” that begins nothing"),
        (page("<mj-text color=red>x</mj-text>"), "Line 4: in <mj-text> at “color=red”"),
        (page("<mj-text><a href='x' download>x</a></mj-text>"), "Line 4: in <a> at “download”"),
        (page("<mj-text>Hi"), "Line 4: <mj-text> is never closed"),
        (page("<mj-text><mj-button>x</mj-button></mj-text>"), "cannot stand in <mj-text>"),
        (page("<!-- never closed"), "a comment is never closed"),
        ("<p>Hello</p>", "<p>"),
        ("Hello", "would be lost"),
        ("<mjml></mjml>", "begin with <mjml><mj-body>"),
        ("<mjml><mj-body></mj-body></mjml><mjml></mjml>", "has to stand in <mjml>"),
        (page("<mj-text>" + "<b>" * 200 + "x" + "</b>" * 200 + "</mj-text>"), "nested too deeply"),
    ],
)
def test_what_would_be_lost_is_told_with_its_line(mjml: str, words: str) -> None:
    assert words in told(mjml)


@given(inner=st.text(alphabet="<>/mj-text ab='\"{}%!", max_size=40))
def test_what_has_no_fault_can_be_made_into_html(inner: str) -> None:
    mjml = page(f"<mj-text>{inner}</mj-text>")
    if not faults_of_mjml("mjml", mjml) and "{" not in inner:
        assert "<html" in html_of(mjml)


def test_it_becomes_html_that_asks_nobody_for_anything() -> None:
    html = html_of(page("<mj-text>Hi</mj-text>"), "pl")
    assert 'lang="pl"' in html
    assert "fonts.googleapis" not in html
    assert 'lang="und"' not in html_of(page("<mj-text>Hi</mj-text>"))


def test_lines_may_end_as_on_windows() -> None:
    mjml = page("<mj-text>Hi</mj-text>").replace("\n", "\r\n")
    assert told(mjml) == ""
    assert "Hi" in html_of(mjml)


def test_values_stay_words() -> None:
    value = "</mj-text><mj-raw><script>alert(1)</script></mj-raw>"
    sent = fill_message({"mjml": page("<mj-text title='{{ x }}'>{{ x }}</mj-text>")}, {"x": value})
    assert "<script" not in sent.html
    assert sent.text == value


def test_a_text_is_made_of_it() -> None:
    mjml = page("<mj-text><h1>Hi</h1></mj-text><mj-button href='https://x.pl'>Go</mj-button>")
    assert fill_message({"mjml": mjml}, {}).text == "HI\n\nGo (https://x.pl)"


@pytest.mark.parametrize("part", ["mjml", "html"])
def test_loops_cannot_nest_without_end(part: str) -> None:
    deep = "<style>p{}</style>{% for i in (1..900) %}<div><b>{% endfor %}x"
    with pytest.raises(TemplateFailed, match="nested too deeply"):
        fill_message({part: page(f"<mj-text>{deep}</mj-text>") if part == "mjml" else deep}, {})


def test_styles_are_written_to_their_elements() -> None:
    html = inline(
        "<html><head><style>.a { color: red } .a:hover { color: blue }"
        " @media (max-width: 400px) { .a { color: green } }</style></head>"
        "<body><p class='a'>x</p></body></html>"
    )
    assert 'style="color: red;"' in html
    assert ":hover" in html
    assert "@media" in html
    assert inline("<p>x</p>") == "<p>x</p>"


def test_many_paragraphs_are_not_deep() -> None:
    assert "color: red" in inline("<style>p { color: red }</style>" + "<p>x" * 2000)
