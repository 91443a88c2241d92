"""A real HTTP server on this machine that takes what webhooks send, and answers as told."""

import hashlib
import hmac
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

from integrations import outbound


@dataclass(frozen=True)
class Received:
    """One request."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def document(self) -> Any:
        return json.loads(self.body)


@dataclass
class Receiver:
    """What came, and what is answered: a status, or a function that answers by itself."""

    url: str = ""
    answer: int | Callable[[BaseHTTPRequestHandler], None] = 200
    received: list[Received] = field(default_factory=list)

    @property
    def ids(self) -> list[str]:
        return [request.document["id"] for request in self.received]


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


@contextmanager
def receiver(answer: Any = 200) -> Iterator[Receiver]:
    """A server that runs as long as the block lasts."""
    known = Receiver(answer=answer)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            body = self.rfile.read(length)
            if len(body) < length:
                # Who was killed while it spoke has sent nothing.
                self.close_connection = True
                return
            known.received.append(Received(self.path, dict(self.headers), body))
            if not isinstance(known.answer, int):
                known.answer(self)
                return
            self.send_response(known.answer)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"ok")

        def log_message(self, *args: Any) -> None:
            """Tests look at what came, not at the terminal."""

    server = _Server(("127.0.0.1", 0), Handler)
    known.url = f"http://127.0.0.1:{server.server_address[1]}/hook"
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield known
    finally:
        outbound.hang_up()
        server.shutdown()
        thread.join()
        server.server_close()


def is_signed(request: Received, secret: str) -> bool:
    """Whether a receiver who keeps this secret finds the signature right, by the spec's words."""
    parts = [part.split("=", 1) for part in request.headers["X-Regulars-Signature"].split(",")]
    (moment,) = [value for name, value in parts if name == "t"]
    expected = hmac.new(secret.encode(), f"{moment}.".encode() + request.body, hashlib.sha256)
    return expected.hexdigest() in [value for name, value in parts if name == "v1"]
