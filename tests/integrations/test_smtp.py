"""Handing a message to a mail server that is told several commands at a time."""

import smtplib
import socket
from collections.abc import Iterator
from dataclasses import dataclass, field
from threading import Thread

import pytest

from integrations.connectors.smtp import hand_over

_CONTENT = b"Subject: Hi\r\n\r\n.first\r\n..\r\nlast\r\n"


@dataclass
class Server:
    """Says what a test tells it, by the command; "" closes the connection. Notes what it heard."""

    pipelines: bool = True
    answers: dict[str, str] = field(default_factory=dict)
    heard: list[str] = field(default_factory=list)
    content: bytes = b""
    port: int = 0

    def serve(self, listening: socket.socket) -> None:
        line, _address = listening.accept()
        with line, line.makefile("rb") as read:
            line.sendall(b"220 here\r\n")
            while command := read.readline():
                word = command[:4].decode().upper()
                self.heard.append(command.decode().rstrip())
                answer = self.answers.get(word, self._usual(word))
                if not answer:
                    return
                line.sendall(f"{answer}\r\n".encode())
                if word == "DATA" and answer.startswith("354"):
                    self.content = b"".join(iter(read.readline, b".\r\n"))
                    if not (taken := self.answers.get("TAKE", "250 taken")):
                        return
                    line.sendall(f"{taken}\r\n".encode())

    def _usual(self, word: str) -> str:
        if word == "EHLO":
            return f"250-here\r\n250-SIZE 9999\r\n250 {'PIPELINING' if self.pipelines else 'HELP'}"
        return "354 go on" if word == "DATA" else "250 ok"


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    with socket.create_server(("127.0.0.1", 0)) as listening:
        made.port = listening.getsockname()[1]
        thread = Thread(target=made.serve, args=(listening,), daemon=True)
        thread.start()
        yield made
        thread.join(5)


def send(server: Server, receiver: str = "anna@example.com") -> list[str]:
    begun: list[str] = []
    line = smtplib.SMTP("127.0.0.1", server.port, timeout=5)
    sender = "Shop <shop@example.com>"
    try:
        hand_over(line, sender, receiver, _CONTENT, begins=lambda: begun.append("begun"))
    finally:
        line.close()
    return begun


@pytest.mark.parametrize("pipelines", [True, False])
def test_a_message_arrives_letter_by_letter(server: Server, pipelines: bool) -> None:
    server.pipelines = pipelines
    assert send(server) == ["begun"]
    assert server.content.replace(b"\r\n..", b"\r\n.") == _CONTENT
    assert server.heard[1:] == [
        f"MAIL FROM:<shop@example.com> SIZE={len(_CONTENT)}",
        "RCPT TO:<anna@example.com>",
        "DATA",
    ]


@pytest.mark.parametrize("pipelines", [True, False])
@pytest.mark.parametrize(
    ("answers", "error"),
    [
        ({"MAIL": "550 not you"}, smtplib.SMTPSenderRefused),
        (
            {"MAIL": "550 not you", "RCPT": "503 what", "DATA": "503 what"},
            smtplib.SMTPSenderRefused,
        ),
        ({"MAIL": "421 I close", "RCPT": ""}, smtplib.SMTPSenderRefused),
        ({"MAIL": "550 not you", "RCPT": ""}, smtplib.SMTPSenderRefused),
        ({"RCPT": "550 nobody"}, smtplib.SMTPRecipientsRefused),
        ({"RCPT": "550 nobody", "DATA": "554 nobody"}, smtplib.SMTPRecipientsRefused),
        ({"DATA": "452 full"}, smtplib.SMTPDataError),
        ({"RCPT": ""}, smtplib.SMTPServerDisconnected),
    ],
)
def test_what_is_refused_before_is_not_handed_over(
    server: Server, pipelines: bool, answers: dict[str, str], error: type[Exception]
) -> None:
    server.pipelines, server.answers = pipelines, answers
    begun: list[str] = []
    with pytest.raises(error):
        begun = send(server)
    assert begun == []
    assert server.content == b"", "nobody is sent anything"


def test_a_receiver_whom_the_server_forwards_is_taken(server: Server) -> None:
    server.answers = {"RCPT": "251 will forward"}
    assert send(server) == ["begun"]


@pytest.mark.parametrize(
    ("answer", "error"),
    [("554 spam", smtplib.SMTPDataError), ("", smtplib.SMTPServerDisconnected)],
)
def test_what_comes_to_grief_after_it_was_handed_over_is_told(
    server: Server, answer: str, error: type[Exception]
) -> None:
    server.answers = {"TAKE": answer}
    begun: list[str] = []
    line = smtplib.SMTP("127.0.0.1", server.port, timeout=5)
    with pytest.raises(error):
        hand_over(line, "a@b.example", "c@d.example", _CONTENT, begins=lambda: begun.append("x"))
    line.close()
    assert begun == ["x"]


def test_no_command_can_be_smuggled_in(server: Server) -> None:
    send(server, "<a@b.example>\r\nRCPT TO:<c@d.example>")
    assert server.heard[2:] == ["RCPT TO:<a@b.example>", "DATA"]
