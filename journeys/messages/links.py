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
# Where something begins that is passed over, or a tag that may lead somewhere.
_BEGINS = re.compile(
    r"<(?P<passed>!--|(?:script|style|title|textarea)\b)|<(?P<name>a|area)(?=\s)", re.IGNORECASE
)
_ENDS_OF = {
    "!--": re.compile("-->"),
    **{
        name: re.compile(rf"</{name}\s*>", re.IGNORECASE)
        for name in ("script", "style", "title", "textarea")
    },
}
# The rest of a tag. Its quantifiers never go back.
_INSIDE = re.compile(r"""(?P<inside>(?:[^>"']++|"[^"]*+"|'[^']*+')*+)>""")
_ATTRIBUTES = re.compile(
    r"""(?P<name>[^\s=>/"']++)(?:\s*+=\s*+(?P<value>"[^"]*"|'[^']*'|[^\s>"']++))?""", re.DOTALL
)
_PLAIN_URLS = re.compile(r"""https?://[^\s<>"'\u0000-\u001f]++""", re.IGNORECASE)
_ENDS = ".,;:!?'\"*_"
_BODY_END = re.compile(r"</body\s*>", re.IGNORECASE)
_INVISIBLE = re.compile(r"[\t\r\n]")
_CONTROL = re.compile(r"[\x00-\x1f]")
# Longer tags are not kept in memory.
_KEPT_LIMIT = 3_000


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


class Clicks:
    """The addresses that count clicks in one message; each is made once, in HTML and text."""

    def __init__(self, message_id: int, own: Links) -> None:
        self.message_id = message_id
        self._ours = frozenset(own)
        self._known: dict[str, str] = {}

    def count(self, url: str) -> str | None:
        """The address that counts, and leads on to `url`; None for one of our own pages."""
        if url in self._ours:
            return None
        known = self._known.get(url)
        if known is None:
            known = self._known[url] = click_url(self.message_id, url)
        return known


def track_html(source: str, clicks: Clicks) -> str:
    """HTML whose links count clicks, with the picture at its end.

    Only http and https are followed, not our own pages, nor a tag with `data-no-track`. All else
    stays as it was written, letter by letter.
    """
    parts, done = [], 0
    for begin, end, name, inside in _leading_tags(source):
        parts += [source[done:begin], _followed(name, inside, clicks)]
        done = end
    tracked = "".join(parts) + source[done:]
    picture = picture_of(clicks.message_id)
    ends = list(_BODY_END.finditer(tracked))
    if not ends:
        return tracked + picture
    place = ends[-1].start()
    return tracked[:place] + picture + tracked[place:]


def track_text(source: str, clicks: Clicks) -> str:
    """A plain text whose links count clicks; what ends a sentence is no part of them."""

    def followed(found: re.Match[str]) -> str:
        url = found[0]
        while url[-1:] and (url[-1] in _ENDS or (url[-1] == ")" and "(" not in url)):
            url = url[:-1]
        counting = clicks.count(url) if _leads(url) else None
        return found[0] if counting is None else counting + found[0][len(url) :]

    return _PLAIN_URLS.sub(followed, source)


def untracked(source: str, message_id: int, *, is_html: bool) -> str:
    """What `track_html` or `track_text` was given, so that looking at it counts for nobody."""

    def target(found: re.Match[str]) -> str:
        try:
            url = read_click(found["token"])[1]
            return markup.escape(url) if is_html else url
        except (BadSignature, ValueError):
            return found[0]

    pattern = re.escape(_absolute("message_clicked", "")) + r"(?P<token>[\w-]++)"
    return re.sub(pattern, target, source.replace(picture_of(message_id), ""))


def _leading_tags(source: str) -> Iterator[tuple[int, int, str, str]]:
    """Begin, end, name and inside of each tag that may lead somewhere.

    Each letter is looked at a few times at most: what does not end takes the rest with it, as in
    browsers.
    """
    place = 0
    while begins := _BEGINS.search(source, place):
        if passed := begins["passed"]:
            ends = _ENDS_OF[passed.lower()].search(source, begins.end())
        else:
            ends = _INSIDE.match(source, begins.end())
        if ends is None:
            return
        if not passed:
            yield begins.start(), ends.end(), begins["name"], ends["inside"]
        place = ends.end()


def _followed(tag: str, inside: str, clicks: Clicks) -> str:
    """A tag whose link counts; as it was where that is none to be counted."""
    target = _target(inside) if len(inside) > _KEPT_LIMIT else _known_target(inside)
    if target is not None and (counting := clicks.count(target[2])) is not None:
        begin, end, _url = target
        return f'<{tag}{inside[:begin]}"{counting}"{inside[end:]}>'
    return f"<{tag}{inside}>"


def _target(inside: str) -> tuple[int, int, str] | None:
    """Where in a tag its address stands, and which; None where it is none to be counted."""
    value = None
    for attribute in _ATTRIBUTES.finditer(inside):
        name = attribute["name"].lower()
        if name == "data-no-track":
            return None
        if name == "href" and value is None:
            value = attribute
    if value is None or value["value"] is None:
        return None
    given = value["value"]
    quoted = given[1:-1] if given[0] in "\"'" else given
    url = _INVISIBLE.sub("", markup.unescape(quoted)).strip()
    return (*value.span("value"), url) if _leads(url) else None


# Most links are the same in all messages of a template: each is read once.
_known_target = lru_cache(maxsize=4_000)(_target)


def _leads(url: str) -> bool:
    """Whether it is an address on the web that can be counted."""
    return len(url) <= _URL_LIMIT and _is_web(url)


@lru_cache(maxsize=4_000)
def _is_web(url: str) -> bool:
    if not url.lower().startswith(("http://", "https://")):
        return False
    try:
        return bool(urlsplit(url).hostname) and _CONTROL.search(url) is None
    except ValueError:
        return False


def _absolute(name: str, token: str) -> str:
    before, after = _around(settings.BASE_URL, name)
    return f"{before}{token}{after}"


@lru_cache(maxsize=32)
def _around(base_url: str, name: str) -> tuple[str, str]:
    """What stands before the token of an address, and what behind it."""
    before, _token, after = reverse(name, args=["TOKEN"]).partition("TOKEN")
    return f"{base_url.rstrip('/')}{before}", after


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
