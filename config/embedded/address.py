"""The address that `make run` serves: read from the settings, tried before anything starts."""

import contextlib
import errno
import os
import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self
from urllib.parse import urlsplit

from .errors import SettingRefused


def _is_public_address(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        # The port is none, or a bracket is missing.
        return False


@dataclass(frozen=True, slots=True)
class Address:
    """Where the web server listens, and the address under which people reach it."""

    host: str
    port: int
    base_url: str

    @classmethod
    def read(cls, environ: Mapping[str, str]) -> Self:
        """From `BIND`, `PORT` and `BASE_URL`. Raises SettingRefused when one is nonsense."""
        host = environ.get("BIND", "").strip() or "127.0.0.1"
        text = environ.get("PORT", "").strip() or "8000"
        if not re.fullmatch(r"[0-9]{1,5}", text) or not 1 <= int(text) <= 65535:
            raise SettingRefused(
                "PORT", f"must be a whole number from 1 to 65535, not “{text}”", "8001"
            )
        named = environ.get("BASE_URL", "").strip().rstrip("/")
        base_url = named or f"http://{_bracketed(host)}:{text}"
        if not _is_public_address(base_url):
            raise SettingRefused(
                "BASE_URL",
                f"must be the public address of the product, not “{named}”",
                "https://regulars.example.com",
            )
        return cls(host=host, port=int(text), base_url=base_url)

    @property
    def listen(self) -> str:
        """As gunicorn's `--bind` takes it."""
        return f"{_bracketed(self.host)}:{self.port}"

    @property
    def public_host(self) -> str:
        """The host and port that browsers send, which Django allows."""
        return urlsplit(self.base_url).netloc

    def check_free(self) -> None:
        """Raise SettingRefused when nothing can listen there, saying which setting is at fault."""
        try:
            found = socket.getaddrinfo(
                self.host, self.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
            )[0]
        except OSError as error:
            raise SettingRefused(
                "BIND", f"names “{self.host}”, which is no address of this machine", "127.0.0.1"
            ) from error
        family, kind, protocol, _, where = found
        with socket.socket(family, kind, protocol) as trial:
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                trial.bind(where)
                trial.listen()
            except OSError as error:
                if error.errno == errno.EADDRNOTAVAIL:
                    reason = f"names “{self.host}”, which is no address of this machine"
                    raise SettingRefused("BIND", reason, "127.0.0.1") from error
                reasons = {
                    errno.EADDRINUSE: "another program listens there already",
                    errno.EACCES: "only root may listen there",
                }
                reason = reasons.get(error.errno or 0, os.strerror(error.errno or 0))
                raise SettingRefused(
                    "PORT", f"cannot be {self.port}: {reason}", str(_suggestion(self.port))
                ) from error

    def connect(self) -> socket.socket:
        """A connection to the web server, for the question whether it answers yet."""
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)  # noqa: S104
        return socket.create_connection((host, self.port), timeout=1)


class Probe:
    """Asks a web server for its health without waiting for the answer."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._connection: socket.socket | None = None

    def succeeds(self) -> bool:
        """Ask, or look for the answer to an earlier question; true once it is 200."""
        try:
            if self._connection is None:
                self._connection = self._ask()
            status = self._connection.recv(32)
        except BlockingIOError:
            return False
        except OSError:
            status = b""
        self.close()
        return re.match(rb"HTTP/1\.[01] 200 ", status) is not None

    def close(self) -> None:
        """Forget the question."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _ask(self) -> socket.socket:
        scheme = urlsplit(self._address.base_url).scheme
        connection = self._address.connect()
        with contextlib.ExitStack() as undo:
            undo.callback(connection.close)
            connection.sendall(
                "GET /health/live HTTP/1.1\r\n"
                f"Host: {self._address.public_host}\r\n"
                f"X-Forwarded-Proto: {scheme}\r\n"
                "Connection: close\r\n\r\n".encode()
            )
            connection.setblocking(False)
            undo.pop_all()
        return connection


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _suggestion(port: int) -> int:
    return port + 1 if 1024 <= port < 65535 else 8000
