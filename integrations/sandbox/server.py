"""A local HTTP server that plays a vendor's system, and can be told to fail in every way they do.

Knows the standard library only: a system outside shares nothing with what calls it.
"""

import json
import socket
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import RLock, Thread
from typing import Any
from urllib.parse import parse_qsl, urlsplit


@dataclass(frozen=True)
class Request:
    """What came. `headers` by their names in lower case; of `query` the last of each name."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    at: float

    def document(self) -> Any:
        """The body as JSON. Raises ValueError."""
        return json.loads(self.body)


@dataclass(frozen=True)
class Response:
    """What is answered: JSON of `body`, or the bytes themselves."""

    status: int = 200
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)

    def content(self) -> bytes:
        """The bytes of the body."""
        if isinstance(self.body, bytes):
            return self.body
        return b"" if self.body is None else json.dumps(self.body, ensure_ascii=False).encode()


@dataclass(frozen=True)
class Fault:
    """How a request goes wrong. Without `response` it is worked on as ever.

    `delay` seconds pass first. With `drop` the connection breaks without an answer: before anything
    is done, or with `is_done` after it was. With `cut` the answer breaks off in its middle.
    """

    response: Response | None = None
    delay: float = 0.0
    drop: bool = False
    is_done: bool = False
    cut: bool = False


class Sandbox:
    """One vendor's system. Subclasses answer in `handle`, which is called by one at a time.

    `clock` gives its present in seconds since 1970, so that tests can drive it.
    """

    name = "sandbox"
    port = 0

    def __init__(self, *, clock: Callable[[], float] = time.time) -> None:
        self.clock = clock
        self.lock = RLock()
        self.url = ""
        self.requests: deque[Request] = deque(maxlen=100_000)
        self.chaos: Callable[[Request], Fault | None] = lambda request: None
        self._faults: deque[tuple[str, Fault]] = deque()

    def handle(self, request: Request) -> Response:
        """The answer to a request, while nothing goes wrong."""
        raise NotImplementedError

    def fail_next(self, *faults: Fault, path: str = "") -> None:
        """Let the next requests go wrong, one after the other, whose paths contain `path`."""
        with self.lock:
            self._faults.extend((path, fault) for fault in faults)

    def asked(self, path: str = "", method: str = "") -> list[Request]:
        """The requests so far whose paths contain `path`."""
        return [
            one
            for one in list(self.requests)
            if path in one.path and (not method or one.method == method)
        ]

    def move_in(self, addresses: Sequence[str], *, unknown: int) -> None:
        """Know these people, as an account does that a company has used for long.

        Of a hundred so many are unknown all the same. Systems that know nobody have nothing to do.
        """

    def describe(self) -> list[str]:
        """How somebody who started it by hand connects to it: lines for the terminal."""
        return []

    def fault_of(self, request: Request) -> Fault | None:
        """How this request goes wrong, if it does."""
        with self.lock:
            for place, (path, fault) in enumerate(self._faults):
                if path in request.path:
                    del self._faults[place]
                    return fault
        return self.chaos(request)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A connection that breaks is no news here."""


def make_server(sandbox: Sandbox, port: int = 0) -> ThreadingHTTPServer:
    """A server on this machine only that answers for a sandbox; `sandbox.url` says where."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def log_message(self, *args: Any) -> None:
            """What came is in `sandbox.requests`."""

        def _answer(self) -> None:
            parts = urlsplit(self.path)
            request = Request(
                method=self.command,
                path=parts.path,
                query=dict(parse_qsl(parts.query, keep_blank_values=True)),
                headers={name.lower(): value for name, value in self.headers.items()},
                body=self.rfile.read(int(self.headers.get("Content-Length") or 0)),
                at=sandbox.clock(),
            )
            sandbox.requests.append(request)
            fault = sandbox.fault_of(request) or Fault()
            if fault.delay:
                time.sleep(fault.delay)
            if fault.drop and not fault.is_done:
                self._hang_up()
                return
            response = fault.response
            if response is None:
                with sandbox.lock:
                    response = sandbox.handle(request)
            if fault.drop:
                self._hang_up()
                return
            content = response.content()
            self.send_response(response.status)
            if not isinstance(response.body, bytes):
                self.send_header("Content-Type", "application/json")
            for name, value in response.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if fault.cut:
                self.wfile.write(content[: len(content) // 2])
                self._hang_up()
                return
            self.wfile.write(content)

        def _hang_up(self) -> None:
            self.close_connection = True
            self.wfile.flush()
            self.connection.shutdown(socket.SHUT_RDWR)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _answer  # noqa: N815

    server = _Server(("127.0.0.1", port), Handler)
    sandbox.url = f"http://127.0.0.1:{server.server_address[1]}"
    return server


@contextmanager
def running(sandbox: Sandbox, port: int = 0) -> Iterator[Sandbox]:
    """The sandbox on a port of this machine, as long as the block lasts."""
    server = make_server(sandbox, port)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield sandbox
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
