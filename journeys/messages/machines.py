"""Opens and clicks by programs: scanners that look for bad links, previews, fetchers ahead.

A heuristic, as nobody can know: programs that say what they are, and an address that opens several
links of one message within seconds of its sending. One link alone counts at once, whoever it was
and however early; it is taken back when a second one shows what it was. What programs did is kept
with the message, marked, and means nothing else.
"""

import hashlib
import hmac
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings

OPENED, CLICKED = "email_opened", "email_clicked"
# Why something is no person's doing: what the program says of itself, or that it opens everything.
AGENT, SEVERAL = "agent", "several_links"
# How long after its sending, and after one another, a program looks through a message.
WITHIN = timedelta(seconds=10)
# So many looks are kept of a message; of more nobody learns anything.
LIMIT = 50
_AGENT_LIMIT, _URL_LIMIT = 200, 2000

# Mail security, previews of links, libraries. Names that they give themselves, as of 2026; a
# person's image proxy (Gmail's, Yahoo's) is none of them: it asks when somebody looks.
_NAMES = re.compile(
    r"barracuda|proofpoint|urldefense|mimecast|messagelabs|symantec|cloudmark|sophos|trend ?micro"
    r"|\btmes\b|fireeye|trellix|zscaler|ciscosecureemail|ironport|fortinet|fortimail|f-secure"
    r"|vade ?secure|checkpoint|phishtank|safebrowsing|google-safety|googlesecurityscanner"
    r"|gmail-content-sampling|chrome/42\.0\.2311\.135 safari/537\.36 edge/12\.246"
    r"|bingpreview|skypeuripreview|microsoftpreview|slackbot|slack-imgproxy|facebookexternal"
    r"|facebot|twitterbot|linkedinbot|telegrambot|discordbot|whatsapp/|redditbot|pinterestbot"
    r"|embedly|iframely|snap url preview"
    r"|\w*bot\b|crawl|spider|scanner|headlesschrome|phantomjs|puppeteer"
    r"|python-requests|python-urllib|aiohttp|httpx|go-http-client|libwww-perl|apache-httpclient"
    r"|^java/|^jetty/|^wget|^axios|^node-fetch|lua-resty-http",
    re.IGNORECASE,
)
# Telephones called after a robot are held by people.
_PEOPLE = re.compile(r"cubot", re.IGNORECASE)
# How Apple's mail program fetches the pictures of every message, read or not.
_AHEAD = "Mozilla/5.0"


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who asked: an address of the network, and what the program says it is."""

    address: str = ""
    agent: str = ""


NOBODY = Visitor()


@dataclass(frozen=True, slots=True)
class Visit:
    """One look at a message that is kept with it: `machine` says why it is no person's, or "".

    `origin` stands for the address of the network, which is not kept itself. `has_opened`: the
    click counted as the first opening, too. `is_taken_back`: it counted until it was known.
    """

    kind: str
    at: datetime
    origin: str
    url: str = ""
    agent: str = ""
    machine: str = ""
    has_opened: bool = False
    is_taken_back: bool = False

    @classmethod
    def read(cls, document: Mapping[str, Any]) -> "Visit":
        """That of the JSON kept with a message."""
        return cls(**{**document, "at": datetime.fromisoformat(document["at"])})

    def as_json(self) -> dict[str, Any]:
        """As it is kept, without what is empty."""
        known = {one.name: getattr(self, one.name) for one in fields(self)}
        return {name: value for name, value in known.items() if value} | {
            "at": self.at.isoformat(),
            "origin": self.origin,
        }


@dataclass(slots=True)
class Judged:
    """What a look is taken for. `visits` is to be kept, where `is_news`.

    `taken_back` are those that counted and turn out to have been a program's.
    """

    machine: str
    visits: list[Visit]
    is_news: bool = False
    taken_back: list[Visit] = field(default_factory=list)


def judge(
    known: Sequence[Visit],
    kind: str,
    visitor: Visitor,
    *,
    message_id: int,
    sent_at: datetime | None,
    at: datetime,
    url: str = "",
    has_opened: bool = False,
) -> Judged:
    """Whether a look at a message is a program's, by what it says and what was seen before."""
    if settings.MESSAGE_MACHINES_COUNT or visitor == NOBODY:
        return Judged("", list(known))
    origin = origin_of(message_id, visitor.address)
    is_early = sent_at is None or abs(at - sent_at) <= WITHIN
    marked = [one for one in known if one.origin == origin and one.machine == SEVERAL]
    machine, taken_back = "", list[Visit]()
    if is_program(visitor.agent, kind):
        machine = AGENT
    elif any(abs(at - one.at) <= WITHIN for one in marked):
        # It goes on as it began.
        machine = SEVERAL
    elif is_early and kind == CLICKED and _links_of(known, origin) - {url}:
        machine = SEVERAL
        taken_back = [one for one in known if one.origin == origin and not one.machine]
    if not machine and not is_early:
        return Judged("", list(known))
    new = Visit(
        kind=kind,
        at=at,
        origin=origin,
        url=url[:_URL_LIMIT],
        agent=visitor.agent[:_AGENT_LIMIT],
        machine=machine,
        has_opened=has_opened and not machine,
    )
    kept = [
        replace(one, machine=SEVERAL, is_taken_back=True) if one in taken_back else one
        for one in known
    ]
    if len(kept) < LIMIT:
        kept.append(new)
    is_news = len(kept) > len(known) or bool(taken_back)
    return Judged(machine, kept, is_news, taken_back)


def is_program(agent: str, kind: str) -> bool:
    """Whether a program says of itself that it is one. Without a name it may be anybody."""
    if kind == OPENED and agent.strip() == _AHEAD:
        return True
    return bool(_NAMES.search(_PEOPLE.sub("", agent)))


def origin_of(message_id: int, address: str) -> str:
    """What stands for an address of the network, in one message: it cannot be read back."""
    text = f"journeys.machines:{message_id}:{address}".encode()
    return hmac.digest(settings.SECRET_KEY.encode(), text, hashlib.sha256).hex()[:16]


def read_visits(documents: Any) -> list[Visit]:
    """The looks that are kept with a message."""
    return [Visit.read(one) for one in documents or ()]


def of_machines(visits: Iterable[Visit]) -> list[Visit]:
    """Those that were programs'."""
    return [one for one in visits if one.machine]


def told_before(visits: Iterable[Visit], kind: str, url: str = "") -> int:
    """How often it was told of an opening, or of a click on an address, that was taken back."""
    return sum(
        one.is_taken_back
        and (one.has_opened or one.kind == OPENED if kind == OPENED else one.url == url)
        for one in visits
    )


def _links_of(known: Sequence[Visit], origin: str) -> set[str]:
    return {one.url for one in known if one.origin == origin and one.kind == CLICKED}
