"""What goes over the line says what Django's own message says: the same to whoever reads it."""

import email
from email.message import EmailMessage
from email.policy import default as modern
from typing import Any

import pytest
from django.core.mail import EmailMultiAlternatives
from hypothesis import example, given
from hypothesis import strategies as st

from integrations.connectors.mail_writing import written
from integrations.mail_addresses import bare_address, is_plain, written_address

_LETTERS = st.sampled_from('ab zł=.\t"<>&;:,?_@-ÅŁ☕💳\u00a0')
_LINES = st.lists(st.text(_LETTERS, max_size=90), max_size=5)
_BODIES = _LINES.flatmap(lambda lines: st.sampled_from(["\n", "\r\n"]).map(lambda e: e.join(lines)))
_HEADERS = st.text(_LETTERS, max_size=150).map(lambda text: " ".join(text.split()))


def mail(
    *, subject: str = "Hello", text: str = "Hi", html: str = "<p>Hi</p>", **more: Any
) -> EmailMultiAlternatives:
    made = EmailMultiAlternatives(
        subject=subject,
        body=text,
        from_email=more.pop("from_email", "Regulars <regulars@shop.example>"),
        to=[more.pop("to", "anna@example.com")],
        headers=more,
    )
    if html:
        made.attach_alternative(html, "text/html")
    return made


def read(content: bytes) -> EmailMessage:
    message = email.message_from_bytes(content, policy=modern)
    assert isinstance(message, EmailMessage)
    return message


def texts_of(message: EmailMessage) -> list[tuple[str, str]]:
    parts = [part for part in message.walk() if not part.is_multipart()]
    contents = [part.get_content().replace("\r\n", "\n").rstrip("\n") for part in parts]
    return [(part.get_content_type(), text) for part, text in zip(parts, contents, strict=True)]


@given(subject=_HEADERS, text=_BODIES, html=_BODIES, note=_HEADERS)
@example(
    subject="x" * 2_000, text=".\n.\nFrom me", html="", note="<https://shop.example/" + "p" * 500
)
@example(subject="Zażółć gęślą jaźń " * 20, text="", html="<p>=_</p>" + "ł" * 3_000, note="a")
def test_it_says_the_same_as_djangos(subject: str, text: str, html: str, note: str) -> None:
    one = mail(subject=subject, text=text, html=html, **{"X-Note": note})
    ours, theirs = read(written(one)), read(one.message().as_bytes())
    assert texts_of(ours) == texts_of(theirs)
    assert ours.get_content_type() == theirs.get_content_type()
    for name in ("Subject", "From", "To", "X-Note"):
        assert " ".join(str(ours[name]).split()) == " ".join(str(theirs[name]).split())
    assert not ours.defects


@given(text=_BODIES)
def test_every_line_is_ascii_and_short_enough_for_any_server(text: str) -> None:
    content = written(mail(text=text, html=text, subject=" ".join(text.split())))
    assert content.isascii()
    assert content.replace(b"\r\n", b"").count(b"\n") == content.replace(b"\r\n", b"").count(b"\r")
    assert max(len(line) for line in content.split(b"\r\n")) <= 998


def test_a_sender_with_a_name_in_any_language_is_written() -> None:
    message = read(written(mail(from_email="Róża <roza@żółw.example>")))
    assert str(message["From"]) == "Róża <roza@xn--w-uga1v8h.example>"


@pytest.mark.parametrize(
    "given", [{"subject": "a\nBcc: d@e.f"}, {"X-Note": "a\r\nBcc: d@e.f"}, {"X\nBcc": "d@e.f"}]
)
def test_a_header_has_one_line(given: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="one line"):
        written(mail(**given))


@pytest.mark.parametrize(
    ("text", "is_it"),
    [
        ("anna.nowak+shop@example.com", True),
        ("a..b@example.com", False),
        (".a@example.com", False),
        ("Anna <anna@example.com>", False),
        ("anna@localhost", False),
        ("anna@example.com\n", False),
        ("łucja@example.com", False),
        ("a" * 60 + "@example.com", False),
    ],
)
def test_only_what_is_written_the_same_everywhere_is_plain(text: str, is_it: bool) -> None:
    assert is_plain(text) is is_it


def test_addresses_that_are_not_plain_are_read_by_the_library() -> None:
    assert bare_address("Anna <anna@example.com>") == "anna@example.com"
    assert written_address("Łucja <anna@żółw.example>").endswith("<anna@xn--w-uga1v8h.example>")
