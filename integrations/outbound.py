"""The only way by which we call an address that somebody gave us over HTTP.

A name is resolved here, each of its addresses is checked, and a connection is made to one that was
checked: no answer of a name server can change it in between. Redirects are not followed and no
proxy of the environment is used. The whole call has a time, and of the answer we read a beginning.
"""

import socket
import ssl
import time
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as Late
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from ipaddress import ip_address
from threading import Lock
from typing import Any
from urllib.parse import urlsplit

import certifi
import httpcore
import httpx
from django.conf import settings
from django.utils.translation import gettext as _

from integrations import addresses
from integrations.errors import AddressRefused, TemporaryError
from workspace.errors import Problem

SECONDS = 10.0
URL_LIMIT = 2000
_ANSWER_LIMIT = 2000
_CHUNK = 16_384
# What fails so has not said anything to the other side yet.
_BEFORE = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
# Which time is over for the call that this thread makes.
_deadline: ContextVar[float] = ContextVar("_deadline", default=float("inf"))
_making = Lock()
_clients: list[httpx.Client] = []
# The system's resolver knows no limit of time; whoever waits for it here does.
_RESOLVERS = ThreadPoolExecutor(8, thread_name_prefix="resolver")


@dataclass(frozen=True, slots=True)
class Answer:
    """What was answered: the status, the beginning of the body, and how long to wait.

    `headers` by their names in lower case. `is_cut` where the body was longer than was read.
    """

    status: int
    text: str
    retry_after: timedelta | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    is_cut: bool = False


def post(
    url: str,
    *,
    body: bytes,
    headers: Mapping[str, str],
    seconds: float = SECONDS,
    limit: int = _ANSWER_LIMIT,
) -> Answer:
    """Post `body` and give the answer: `request` by its most common method."""
    return request("POST", url, body=body, headers=headers, seconds=seconds, limit=limit)


def request(
    method: str,
    url: str,
    *,
    body: bytes = b"",
    headers: Mapping[str, str],
    seconds: float = SECONDS,
    limit: int = _ANSWER_LIMIT,
) -> Answer:
    """Call an address and give the answer, whatever its status; of its body up to `limit` bytes.

    Raises AddressRefused where we do not call that address, TemporaryError where nothing answered
    in time, which says whether the other side may have got it all the same.
    """
    token = _deadline.set(time.monotonic() + seconds)
    try:
        with _client().stream(method, url, content=body, headers=dict(headers)) as response:
            wait = _wait(response.headers.get("Retry-After", ""))
            text, is_cut = _beginning(response, limit)
            given = {name.lower(): value for name, value in response.headers.items()}
            return Answer(response.status_code, text, wait, given, is_cut)
    except httpx.TimeoutException as error:
        words = _("It did not answer within %(seconds)g s.")
        raise TemporaryError(
            words % {"seconds": seconds}, is_perhaps_taken=not isinstance(error, _BEFORE)
        ) from error
    except httpx.InvalidURL as error:
        raise AddressRefused(_("It is no address that can be called.")) from error
    except (httpx.HTTPError, ssl.SSLError, OSError) as error:
        words = _("It could not be reached: %(reason)s")
        raise TemporaryError(
            words % {"reason": _reason(error)}, is_perhaps_taken=not isinstance(error, _BEFORE)
        ) from error
    finally:
        _deadline.reset(token)


def check_url(url: str, path: str = "url") -> Problem | None:
    """What is wrong with an address that somebody gives us to call; None where nothing is.

    Names are not resolved: what they mean is checked at each call.
    """

    def problem(code: str, message: str) -> Problem:
        return Problem(path, code, message)

    if len(url) > URL_LIMIT:
        return problem("too_long", _("An address has up to %(n)d letters.") % {"n": URL_LIMIT})
    if any(letter.isspace() or not letter.isprintable() for letter in url):
        return problem("invalid", _("An address has no blanks or line breaks."))
    try:
        parts = urlsplit(url)
        _port, host = parts.port, parts.hostname
        httpx.URL(url)
    except (ValueError, httpx.InvalidURL, UnicodeError):
        return problem("invalid", _("It is no address: write it as https://example.com/hook."))
    if parts.scheme not in {"http", "https"} or not host:
        return problem(
            "invalid", _("Write it as https://example.com/hook, with https:// or http://")
        )
    if parts.username is not None or parts.password is not None:
        words = _("Leave name and password out of the address: what we send is signed.")
        return problem("has_credentials", words)
    address = addresses.literal_address(host)
    if host == "localhost" or host.endswith(".localhost"):
        address = ip_address("127.0.0.1")
    if address is not None and not addresses.is_allowed(address, _allowed()):
        return problem("private_address", _refusal(host))
    return None


def hang_up() -> None:
    """End the connections that are kept open for the next call."""
    with _making:
        if _clients:
            _clients.pop().close()


def _client() -> httpx.Client:
    """The one client of this process, which all threads share."""
    with _making:
        if not _clients:
            _clients.append(
                httpx.Client(
                    transport=GuardedTransport(),
                    trust_env=False,
                    follow_redirects=False,
                    timeout=SECONDS,
                    headers={"User-Agent": "Regulars", "Accept-Encoding": "identity"},
                )
            )
        return _clients[0]


class GuardedTransport(httpx.HTTPTransport):
    """A transport of httpx that makes connections to checked addresses only."""

    def __init__(self) -> None:
        trusted = ssl.create_default_context(cafile=certifi.where())
        trusted.load_default_certs()
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=64)
        super().__init__(verify=trusted, trust_env=False, limits=limits)
        # httpx offers no way to say this; tests see that it has an effect.
        self._pool._network_backend = _GuardedBackend()


class _GuardedBackend(httpcore.NetworkBackend):
    """Resolves, checks, and connects to what was checked."""

    def __init__(self) -> None:
        self._plain = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        found = _resolve(host, port, _left(timeout))
        allowed = [one for one in found if addresses.is_allowed(ip_address(one), _allowed())]
        if not allowed:
            raise AddressRefused(_refusal(host))
        last: httpcore.ConnectError | httpcore.ConnectTimeout | None = None
        for address in allowed:
            try:
                stream = self._plain.connect_tcp(
                    address, port, _left(timeout), local_address, socket_options
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                last = error
            else:
                return _TimedStream(stream)
        raise last or httpcore.ConnectError("no address")

    def connect_unix_socket(
        self, path: str, timeout: float | None = None, socket_options: Any = None
    ) -> httpcore.NetworkStream:
        raise AddressRefused(_("Sockets of this machine are not called."))

    def sleep(self, seconds: float) -> None:
        self._plain.sleep(min(seconds, _left(seconds)))


class _TimedStream(httpcore.NetworkStream):
    """A connection none of whose steps lasts longer than what is left of the whole call."""

    def __init__(self, stream: httpcore.NetworkStream) -> None:
        self._stream = stream

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, _left(timeout, httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        for start in range(0, len(buffer), _CHUNK):
            left = _left(timeout, httpcore.WriteTimeout)
            self._stream.write(buffer[start : start + _CHUNK], left)

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        return _TimedStream(self._stream.start_tls(ssl_context, server_hostname, _left(timeout)))

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


def _left(
    timeout: float | None, error: type[httpcore.TimeoutException] = httpcore.ConnectTimeout
) -> float:
    """What is left of the call's time, at most `timeout`. Raises `error` where nothing is."""
    left = _deadline.get() - time.monotonic()
    if left <= 0:
        raise error("the time of the whole call is over")
    return left if timeout is None else min(left, timeout)


def _resolve(host: str, port: int, seconds: float) -> list[str]:
    """The addresses of a host, each once, in the order of the resolver."""
    asked = _RESOLVERS.submit(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
    try:
        found = asked.result(seconds)
    except Late as error:
        raise httpcore.ConnectTimeout("the name was not resolved in time") from error
    except (OSError, UnicodeError) as error:
        raise httpcore.ConnectError(_("no such name: %(host)s") % {"host": host}) from error
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def _wait(text: str) -> timedelta | None:
    """What a header Retry-After asks for, a day at most; None where it asks for nothing."""
    try:
        if text.isdecimal():
            wait = timedelta(seconds=min(int(text), 86_400))
        else:
            wait = parsedate_to_datetime(text) - datetime.now(UTC)
    except (TypeError, ValueError, OverflowError):
        return None
    return min(max(wait, timedelta(0)), timedelta(days=1))


def _beginning(response: httpx.Response, limit: int) -> tuple[str, bool]:
    """The start of a body, and whether more was to come, which then is not read.

    Where the body breaks off the connection is given up.
    """
    read, is_cut = bytearray(), False
    try:
        for chunk in response.iter_raw(_CHUNK):
            read += chunk
            if len(read) > limit:
                is_cut = True
                break
    except httpx.HTTPError:
        # An answer is one when its status is there, whatever becomes of its body.
        is_cut = True
    return bytes(read[:limit]).decode("utf-8", "replace").replace("\x00", ""), is_cut


def _allowed() -> list[addresses.Network]:
    return addresses.read_networks(settings.OUTBOUND_ALLOW)


def _refusal(host: str) -> str:
    words = _(
        "%(host)s is an address of a private network, which is not called. Who runs the server can"
        " allow it by the setting OUTBOUND_ALLOW."
    )
    return words % {"host": host}


def _reason(error: BaseException) -> str:
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[0][:300]
