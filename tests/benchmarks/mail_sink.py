"""A mail server that takes everything and keeps nothing, for a process of its own."""

import socket
from multiprocessing.connection import Connection
from typing import Any

from aiosmtpd.controller import Controller


class _Sink:
    """Takes everything and keeps nothing."""

    async def handle_DATA(  # noqa: N802  named by the library
        self, server: Any, session: Any, envelope: Any
    ) -> str:
        return "250 Taken"


def serve(line: Connection) -> None:
    """Serve until somebody says something; the port is told first."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = Controller(_Sink(), hostname="127.0.0.1", port=port)
    server.start()
    line.send(port)
    line.recv()
    server.stop()
