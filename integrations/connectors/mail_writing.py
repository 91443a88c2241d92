"""An e-mail as it goes over the line: what Django's own would say, written at once.

Django builds a tree of parts and has the standard library write it, which takes longer than to send
it. All texts are quoted-printable: no line is too long, and every server passes them on unchanged.

*Source:* RFC 5322 (headers), RFC 2045 (parts), RFC 2047 (headers that are not ASCII).
"""

import binascii
import hashlib
import re
from collections.abc import Iterator
from email.header import Header
from functools import lru_cache

from django.core.mail import EmailMultiAlternatives
from django.core.mail.message import BadHeaderError, forbid_multi_line_headers

from integrations.mail_addresses import is_plain

_CHARSET = "utf-8"
_LINE_ENDS = re.compile(r"\r\n|\r|\n")
_FORBIDDEN = re.compile(r"[\r\n]")
# Lines up to this length are not folded: "should", and at most 998 (RFC 5322 2.1.1).
_LINE_LIMIT, _LINE_MOST = 76, 900
_NAMES_OF_ADDRESSES = frozenset({"from", "to"})


def written(mail: EmailMultiAlternatives) -> bytes:
    """The message of an e-mail to one receiver, with lines that end as mail servers ask for it.

    Raises ValueError for what cannot be written: a header of two lines, an address that is none.
    """
    parts = [("plain", str(mail.body))] if mail.body or not mail.alternatives else []
    parts += [(kind.partition("/")[2], str(content)) for content, kind in mail.alternatives]
    lines = [f"{name}: {_header(name, value)}" for name, value in _headers(mail)]
    head = "\r\n".join([*lines, "MIME-Version: 1.0", ""]).encode("ascii")
    bodies = [_part(subtype, text) for subtype, text in parts]
    if not mail.alternatives:
        return head + bodies[0] + b"\r\n"
    mark = _mark(bodies)
    told = f'Content-Type: multipart/alternative; boundary="{mark}"\r\n\r\n'.encode()
    begin, end = f"--{mark}\r\n".encode(), f"\r\n--{mark}--\r\n".encode()
    between = b"\r\n" + begin
    return head + told + begin + between.join(bodies) + end


def _headers(mail: EmailMultiAlternatives) -> Iterator[tuple[str, str]]:
    more = dict(mail.extra_headers)
    yield "Subject", str(mail.subject)
    yield "From", str(more.pop("From", mail.from_email))
    yield "To", ", ".join(mail.to)
    for name, value in more.items():
        yield name, str(value)


def _header(name: str, value: str) -> str:
    """A header's value in ASCII, folded where it is long."""
    if _FORBIDDEN.search(name) or _FORBIDDEN.search(value):
        raise BadHeaderError(f"A header is one line: {name!r}: {value!r}.")
    length = len(name) + 2 + len(value)
    if name.lower() in _NAMES_OF_ADDRESSES:
        return value if is_plain(value) else _addresses(name, value)
    if value.isascii() and (length <= _LINE_LIMIT or (length <= _LINE_MOST and " " not in value)):
        return value
    charset = "us-ascii" if value.isascii() else _CHARSET
    return Header(value, charset, header_name=name).encode(linesep="\r\n")


@lru_cache(maxsize=500)
def _addresses(name: str, value: str) -> str:
    # The sender is the same in all of them.
    known = forbid_multi_line_headers(name, value, _CHARSET)[1]
    return Header(known, header_name=name).encode(linesep="\r\n")


def _part(subtype: str, text: str) -> bytes:
    """A text with its own headers, without an end of the last line."""
    # With an end, so that all lines that are broken are so as the others end.
    content = (_LINE_ENDS.sub("\r\n", text) + "\r\n").encode(_CHARSET)
    return (
        f'Content-Type: text/{subtype}; charset="{_CHARSET}"\r\n'
        "Content-Transfer-Encoding: quoted-printable\r\n\r\n"
    ).encode() + binascii.b2a_qp(content, istext=True)[:-2]


def _mark(bodies: list[bytes]) -> str:
    """What stands between parts, and in none of them: quoted-printable has no "=_"."""
    digest = hashlib.sha256()
    for body in bodies:
        digest.update(body)
    return f"=_{digest.hexdigest()[:32]}"
