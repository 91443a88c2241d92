"""A mail server that takes everything and keeps nothing, for a process of its own.

It reads no more than where a message ends, so that it is not what takes the time: a library that
takes a message line by line needs half a millisecond of the processor for each.
"""

import asyncio
from multiprocessing.connection import Connection

_END = b"\r\n.\r\n"
_GREETING = b"220 sink\r\n"
_EXTENSIONS = b"250-sink\r\n250-PIPELINING\r\n250-SIZE 33554432\r\n250 8BITMIME\r\n"


class _Sink(asyncio.Protocol):
    """One connection, of a client that may tell several commands at a time (RFC 2920)."""

    def __init__(self) -> None:
        self._kept = bytearray()
        self._is_content = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._line = transport
        transport.write(_GREETING)

    def data_received(self, data: bytes) -> None:
        self._kept += data
        answers = b""
        while (answer := self._next()) is not None:
            answers += answer
        if answers:
            self._line.write(answers)

    def _next(self) -> bytes | None:
        """The answer to what came next; None where it is not there as a whole."""
        end = _END if self._is_content else b"\r\n"
        place = self._kept.find(end)
        if place < 0:
            return None
        word = bytes(self._kept[:4]).upper()
        del self._kept[: place + len(end)]
        if self._is_content:
            self._is_content = False
            return b"250 Taken\r\n"
        if word == b"DATA":
            self._is_content = True
            # The last line of a command ends what may be an empty message.
            self._kept[:0] = b"\r\n"
            return b"354 Go on\r\n"
        if word == b"QUIT":
            self._line.write(b"221 Bye\r\n")
            self._line.close()
            return None
        return _EXTENSIONS if word == b"EHLO" else b"250 OK\r\n"


def serve(line: Connection) -> None:
    """Serve until somebody says something; the port is told first."""
    asyncio.run(_serve(line))


async def _serve(line: Connection) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(_Sink, "127.0.0.1", 0)
    line.send(server.sockets[0].getsockname()[1])
    await loop.run_in_executor(None, line.recv)
    server.close()
