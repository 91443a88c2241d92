"""The addresses that a message carries: signed, so that each says what it is for and nothing else.

A click leads on to an address that stands in its own link: nobody can make a link of ours that
leads elsewhere. Links do not end: mail is kept for years, and must be cancellable.
"""

import base64
import binascii
import hashlib
import hmac
import html as markup
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import urlsplit

from django.conf import settings
from django.core.signing import BadSignature
from django.urls import reverse

_MAC_SIZE = 16
# Longer ones stay as they are: mail programs cut addresses.
_URL_LIMIT = 2000
# What is passed over, and the opening tags that may lead somewhere. The quantifiers never go back,
# so that no HTML takes long.
_TAGS = re.compile(
    r"""<!--.*?-->|<(?:script|style|title|textarea)\b.*?</(?:script|style|title|textarea)\s*>"""
    r"""|<(?P<name>a|area)(?=\s)(?P<inside>(?:[^>"']|"[^"]*"|'[^']*')*+)>""",
    re.IGNORECASE | re.DOTALL,
)
_ATTRIBUTES = re.compile(
    r"""(?P<name>[^\s=>/"']++)(?:\s*+=\s*+(?P<value>"[^"]*"|'[^']*'|[^\s>"']++))?""", re.DOTALL
)
_PLAIN_URLS = re.compile(r"""https?://[^\s<>"'\u0000-\u001f]++""", re.IGNORECASE)
_ENDS = ".,;:!?'\"*_"
_BODY_END = re.compile(r"</body\s*>", re.IGNORECASE)
_INVISIBLE = re.compile(r"[\t\r\n]")


@dataclass(frozen=True, slots=True)
class Holder:
    """Who was sent the link to his own pages: with which message, and for which purpose."""

    message_id: int
    contact_id: int
    purpose: str


@dataclass(frozen=True, slots=True)
class Links:
    """The addresses of one message, absolute."""

    unsubscribe_url: str
    preferences_url: str
    view_url: str

    def __iter__(self) -> Iterator[str]:
        return iter((self.unsubscribe_url, self.preferences_url, self.view_url))


def links_of(holder: Holder) -> Links:
    """The receiver's own pages."""
    token = _seal("holder", f"{holder.message_id}:{holder.contact_id}:{holder.purpose}")
    return Links(
        *(
            _absolute(name, token)
            for name in ("message_unsubscribe", "message_preferences", "message_view")
        )
    )


def read_holder(token: str) -> Holder:
    """Whose link it is. Raises BadSignature for what is none of ours."""
    message_id, contact_id, purpose = _unseal("holder", token).split(":", 2)
    return Holder(int(message_id), int(contact_id), purpose)


def read_opened(token: str) -> int:
    """The message whose picture was asked for. Raises BadSignature."""
    return int(_unseal("opened", token))


def read_click(token: str) -> tuple[int, str]:
    """The message in which the link stands, and where it leads. Raises BadSignature."""
    message_id, url = _unseal("click", token).split(":", 1)
    return int(message_id), url


def picture_of(message_id: int) -> str:
    """The picture of one point by which an opened e-mail tells of itself, as HTML."""
    address = _absolute("message_opened", _seal("opened", str(message_id)))
    return f'<img src="{address}" width="1" height="1" alt="" style="display:block;border:0">'


def click_url(message_id: int, url: str) -> str:
    """The address that counts a click and leads on to `url`."""
    return _absolute("message_clicked", _seal("click", f"{message_id}:{url}"))


def track_html(source: str, message_id: int, *, untracked: Links) -> str:
    """HTML whose links count clicks, with the picture at its end.

    Only http and https are followed, not our own pages, nor a tag with `data-no-track`. All else
    stays as it was written, letter by letter.
    """

    def followed(tag: re.Match[str]) -> str:
        inside = tag["inside"]
        return tag[0] if inside is None else _followed(tag, inside, message_id, untracked)

    tracked = _TAGS.sub(followed, source)
    picture = picture_of(message_id)
    ends = list(_BODY_END.finditer(tracked))
    if not ends:
        return tracked + picture
    place = ends[-1].start()
    return tracked[:place] + picture + tracked[place:]


def track_text(source: str, message_id: int, *, untracked: Links) -> str:
    """A plain text whose links count clicks; what ends a sentence is no part of them."""
    own = frozenset(untracked)

    def followed(found: re.Match[str]) -> str:
        url = found[0]
        while url[-1:] and (url[-1] in _ENDS or (url[-1] == ")" and "(" not in url)):
            url = url[:-1]
        rest = found[0][len(url) :]
        return found[0] if url in own or not _leads(url) else click_url(message_id, url) + rest

    return _PLAIN_URLS.sub(followed, source)


def _followed(tag: re.Match[str], inside: str, message_id: int, untracked: Links) -> str:
    value = None
    for attribute in _ATTRIBUTES.finditer(inside):
        name = attribute["name"].lower()
        if name == "data-no-track":
            return tag[0]
        if name == "href" and value is None:
            value = attribute
    if value is None or value["value"] is None:
        return tag[0]
    given = value["value"]
    quoted = given[1:-1] if given[0] in "\"'" else given
    url = _INVISIBLE.sub("", markup.unescape(quoted)).strip()
    if url in frozenset(untracked) or not _leads(url):
        return tag[0]
    begin, end = value.span("value")
    address = click_url(message_id, url)
    return f'<{tag["name"]}{inside[:begin]}"{address}"{inside[end:]}>'


def _leads(url: str) -> bool:
    """Whether it is an address on the web that can be counted."""
    if len(url) > _URL_LIMIT or not url.lower().startswith(("http://", "https://")):
        return False
    try:
        return bool(urlsplit(url).hostname) and not any(ord(letter) < 32 for letter in url)
    except ValueError:
        return False


def _absolute(name: str, token: str) -> str:
    return f"{settings.BASE_URL.rstrip('/')}{_path(name).replace('TOKEN', token)}"


@lru_cache(maxsize=16)
def _path(name: str) -> str:
    return reverse(name, args=["TOKEN"])


def _seal(kind: str, text: str) -> str:
    content = text.encode("utf-8", "surrogatepass")
    sealed = _mac(settings.SECRET_KEY, kind, content) + content
    return base64.urlsafe_b64encode(sealed).rstrip(b"=").decode()


def _unseal(kind: str, token: str) -> str:
    try:
        sealed = base64.urlsafe_b64decode(token.encode("ascii") + b"=" * (-len(token) % 4))
    except (binascii.Error, ValueError) as error:
        raise BadSignature(token[:40]) from error
    mac, content = sealed[:_MAC_SIZE], sealed[_MAC_SIZE:]
    fits: Callable[[str], bool] = lambda key: hmac.compare_digest(  # noqa: E731
        mac, _mac(key, kind, content)
    )
    if not any(fits(key) for key in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)):
        raise BadSignature(token[:40])
    return content.decode("utf-8", "surrogatepass")


def _mac(secret: str, kind: str, content: bytes) -> bytes:
    return hmac.digest(_key(secret, kind), content, "sha256")[:_MAC_SIZE]


@lru_cache(maxsize=32)
def _key(secret: str, kind: str) -> bytes:
    return hashlib.sha256(f"journeys.messages.{kind}:{secret}".encode()).digest()
