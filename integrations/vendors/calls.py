"""Calls of vendors: sent by the one guarded client, written down with their secrets blanked."""

import gzip
import json
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from time import monotonic
from urllib.parse import quote, quote_plus, urlsplit

from django.utils.translation import gettext as _

from integrations import outbound
from integrations.connector import HttpAnswer
from integrations.errors import ConnectorError, MalformedAnswer
from integrations.models import VendorCall, VendorConnection
from workspace import access, sql
from workspace.access import Actor

KEPT = timedelta(days=7)
# What is written down of a request and of an answer.
_TEXT_LIMIT = 4000
_URL_LIMIT = 500
_BLANK = "••••"
# Headers that carry nothing but secrets.
_SECRET_HEADERS = frozenset({"authorization", "x-wsse", "proxy-authorization", "cookie"})
# Members of bodies and answers whose values are secrets, whoever named them.
_SECRET_MEMBERS = re.compile(
    r'("(?:access_token|refresh_token|id_token|client_secret|password|secret|writeKey)"\s*:\s*)'
    r'"(?:[^"\\]|\\.)*"'
)
_SHORTEST_SECRET = 4
_FIRST_REFUSAL = 400
# Of an address: the interface and what of it, as "v2/address-books".
_PARTS_SHOWN = 2


class VendorHttp:
    """What a client speaks through: the base address of an account, its log, its clock.

    With `connection_id` None nothing is written down: so are credentials verified that nobody
    saved yet. `secrets` are blanked wherever they stand in what is written down.
    """

    def __init__(
        self,
        base_url: str,
        *,
        connection_id: int | None,
        secrets: Collection[str],
        now: Callable[[], datetime],
    ) -> None:
        self._base_url = base_url.rstrip("/")
        self._connection_id = connection_id
        self._secrets = list(secrets)
        self._now = now

    def request(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str],
        body: bytes = b"",
        seconds: float = 30.0,
        limit: int = 64_000_000,
    ) -> HttpAnswer:
        url = path if path.startswith(("http://", "https://")) else self._base_url + path
        began, at = monotonic(), self._now()
        try:
            answer = outbound.request(
                method, url, body=body, headers=headers, seconds=seconds, limit=limit
            )
            if answer.is_cut:
                words = _("Its answer breaks off, or is longer than %(limit)d bytes.")
                raise MalformedAnswer(words % {"limit": limit}, http_status=answer.status)
        except ConnectorError as error:
            self._write(at, method, url, headers, body, began, error=str(error))
            raise
        self._write(at, method, url, headers, body, began, answer=answer)
        text = answer.text
        if answer.status >= _FIRST_REFUSAL:
            # Some vendors repeat in what they refuse what they were sent; clients cite it.
            text = self._blanked(text)
        return HttpAnswer(answer.status, text, answer.headers, at)

    def note_limit(
        self, scope: str, *, limit: int | None, remaining: int | None, reset_at: datetime | None
    ) -> None:
        if self._connection_id is None:
            return
        said = {
            "limit": limit,
            "remaining": remaining,
            "reset_at": reset_at.isoformat() if reset_at else None,
            "at": self._now().isoformat(),
        }
        sql.execute(
            "UPDATE integrations_vendorconnection SET rate_limits = rate_limits || %s::jsonb"
            " WHERE connection_id = %s",
            [json.dumps({scope[:40]: said}), self._connection_id],
        )

    def now(self) -> datetime:
        return self._now()

    def _write(
        self,
        at: datetime,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes,
        began: float,
        *,
        answer: outbound.Answer | None = None,
        error: str = "",
    ) -> None:
        if self._connection_id is None:
            return
        shown = [
            f"{name}: {_BLANK if name.lower() in _SECRET_HEADERS else value}"
            for name, value in headers.items()
        ]
        # Blanked before it is cut: half of a secret would be no secret that is known.
        if headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        text = body[: 2 * _TEXT_LIMIT].decode("utf-8", "replace")
        VendorCall.objects.create(
            connection_id=self._connection_id,
            at=at,
            method=method[:8],
            url=self._blanked(url)[:_URL_LIMIT],
            request=self._blanked("\n".join([*shown, "", text]))[:_TEXT_LIMIT],
            status=answer.status if answer else None,
            answer=self._blanked(answer.text[: 2 * _TEXT_LIMIT])[:_TEXT_LIMIT] if answer else "",
            error=self._blanked(error)[:500],
            milliseconds=int((monotonic() - began) * 1000),
        )

    def _blanked(self, text: str) -> str:
        return blanked(text, self._secrets)


def blanked(text: str, secrets: Collection[str]) -> str:
    """`text` without secrets, also where they are written as forms, addresses or JSON have them."""
    clean = _SECRET_MEMBERS.sub(rf'\1"{_BLANK}"', text.replace("\x00", ""))
    forms = {
        form
        for one in secrets
        if len(one) >= _SHORTEST_SECRET
        for form in (
            *(one, quote(one, safe=""), quote_plus(one)),
            *(json.dumps(one)[1:-1], json.dumps(one, ensure_ascii=False)[1:-1]),
        )
    }
    # The longest first: one may be a part of another.
    for form in sorted(forms, key=len, reverse=True):
        clean = clean.replace(form, _BLANK)
    return clean


@dataclass(frozen=True, slots=True)
class ToldCall:
    """A call as somebody may know of it. `is_whole` is false where what it said is kept back."""

    id: int
    at: datetime
    method: str
    url: str
    request: str
    status: int | None
    answer: str
    error: str
    milliseconds: int
    is_whole: bool


def may_read(actor: Actor) -> bool:
    """Whether the actor may read what was said, and not only that something was.

    Requests and answers name contacts, segments and lists, whosever they are: they are for those
    who may see contacts, and from whom no user group keeps anything.
    """
    if actor.is_admin:
        return True
    return actor.may("contacts.view_contact") and access.knows_all(actor)


def told(call: VendorCall, *, is_whole: bool) -> ToldCall:
    """A call with what was said, or without."""
    return ToldCall(
        id=call.pk,
        at=call.at,
        method=call.method,
        url=call.url if is_whole else _beginning(call.url),
        request=call.request if is_whole else "",
        status=call.status,
        answer=call.answer if is_whole else "",
        error=call.error,
        milliseconds=call.milliseconds,
        is_whole=is_whole,
    )


def _beginning(url: str) -> str:
    """The part of an address that says which interface is called, and of nobody in it."""
    parts = urlsplit(url)
    names = parts.path.strip("/").split("/")
    shown = "/".join(names[:_PARTS_SHOWN])
    rest = "/…" if len(names) > _PARTS_SHOWN or parts.query else ""
    return f"{parts.scheme}://{parts.netloc}/{shown}{rest}"


def calls_of(connection: VendorConnection, limit: int = 50) -> list[VendorCall]:
    """The last calls of a connection, the newest first."""
    return list(connection.calls.order_by("-pk")[:limit])


def purge(as_of: datetime) -> Mapping[str, int]:
    """Delete what is older than `KEPT`."""
    count, _each = VendorCall.objects.filter(at__lt=as_of - KEPT).delete()
    return {"calls of vendors": count}
