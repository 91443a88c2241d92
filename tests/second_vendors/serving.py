"""What the second servers are made of: strict by default, unlucky where a test says so.

The servers of this folder were written from the public description of the vendors' interfaces
alone (spec/external_apis.md), by someone who had not seen our connectors or the sandbox. Where that
page allows several answers, a server has an option for each; what it forbids is refused.
"""

from __future__ import annotations

import json
import re
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, TypeVar
from urllib.parse import parse_qsl, urlsplit


@dataclass(frozen=True)
class Request:
    """What came in; the path as it was written, with its escapes."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        """The body's value; raises ValueError where it is no JSON."""
        return json.loads(self.body)


@dataclass(frozen=True)
class Answer:
    """What goes out: a value is sent as JSON, text and bytes as they are."""

    status: int
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    content_type: str = "application/json; charset=utf-8"

    def payload(self) -> bytes:
        """The body as bytes."""
        if self.body is None:
            return b""
        if isinstance(self.body, bytes):
            return self.body
        if isinstance(self.body, str):
            return self.body.encode()
        return json.dumps(self.body).encode()


@dataclass
class Misfortune:
    """What befalls the next calls that fit: another answer, a wait, or a connection that breaks.

    `after` says that the vendor did the work before: its answer is what gets lost.
    """

    method: str
    pattern: str
    times: int = 1
    skip: int = 0
    answer: Answer | None = None
    reset: bool = False
    after: bool = False
    seconds: float = 0.0
    alter: Callable[[Answer], Answer] | None = None

    def fits(self, request: Request) -> bool:
        """Whether this call is one that it waits for; counts it down."""
        if self.times <= 0 or self.method not in {"*", request.method}:
            return False
        if re.search(self.pattern, request.path) is None:
            return False
        if self.skip > 0:
            self.skip -= 1
            return False
        self.times -= 1
        return True


class BrokenConnection(Exception):
    """The connection is to be torn without an answer."""


class SecondVendor:
    """The base of the servers: a log of calls, misfortunes, one lock around the vendor's state."""

    def __init__(self) -> None:
        self.calls: list[Request] = []
        self.answers: list[tuple[Request, Answer]] = []
        self.misfortunes: list[Misfortune] = []
        self.lock = threading.RLock()
        self.url = ""
        self.clock: Callable[[], float] = time.time

    def handle(self, request: Request) -> Answer:
        """What the vendor answers."""
        raise NotImplementedError

    def befall(self, method: str, pattern: str, **how: Any) -> Misfortune:
        """Let the next calls of that kind meet with a misfortune."""
        misfortune = Misfortune(method, pattern, **how)
        self.misfortunes.append(misfortune)
        return misfortune

    def called(self, method: str, pattern: str) -> list[Request]:
        """The calls of a kind so far."""
        return [
            call for call in self.calls if call.method == method and re.search(pattern, call.path)
        ]

    def serve(self, request: Request) -> Answer:
        """Answer one call, with what befalls it."""
        with self.lock:
            self.calls.append(request)
            met = next((one for one in self.misfortunes if one.fits(request)), None)
            if met is None:
                answer = self.handle(request)
            elif met.after or met.alter is not None or (met.answer is None and not met.reset):
                answer = self.handle(request)
                if met.alter is not None:
                    answer = met.alter(answer)
            else:
                answer = met.answer or Answer(500)
            self.answers.append((request, answer))
        if met is not None and met.seconds:
            time.sleep(met.seconds)
        if met is not None and met.reset:
            raise BrokenConnection
        if met is not None and met.answer is not None:
            return met.answer
        return answer


def _handler(vendor: SecondVendor) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def _any(self) -> None:
            parts = urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
                body = b"".join(self._chunks())
            request = Request(
                self.command,
                parts.path,
                dict(parse_qsl(parts.query, keep_blank_values=True)),
                {name.lower(): value for name, value in self.headers.items()},
                body,
            )
            try:
                answer = vendor.serve(request)
            except BrokenConnection:
                # A reset, not a polite end: what a crashed proxy looks like.
                self.connection.setsockopt(
                    socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
                )
                self.close_connection = True
                self.connection.close()
                return
            payload = answer.payload()
            self.send_response_only(answer.status)
            self.send_header("Date", self.date_time_string(int(vendor.clock())))
            if payload:
                self.send_header("Content-Type", answer.content_type)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(payload)))
            self.end_headers()
            self.wfile.write(payload)

        def _chunks(self) -> Iterator[bytes]:
            while size := int(self.rfile.readline().split(b";")[0], 16):
                yield self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = _any  # noqa: N815 - their names

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its name
            return

    return Handler


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        return


V = TypeVar("V", bound=SecondVendor)


@contextmanager
def serving(vendor: V) -> Iterator[V]:
    """Serve a vendor on a loopback port of its own."""
    server = _Server(("127.0.0.1", 0), _handler(vendor))
    vendor.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(
        target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
    )
    thread.start()
    try:
        yield vendor
    finally:
        server.shutdown()
        server.server_close()
