"""E-mail over a real mail server on this machine, that does what a test tells it."""

import email
import smtplib
import socket
from collections.abc import Iterator
from dataclasses import dataclass, field
from email.message import Message as Parsed
from typing import Any

import pytest
from aiosmtpd.controller import Controller

from integrations import template_tests, templates
from integrations.bounces import marks
from integrations.connector import Message
from integrations.connectors.mail import CONNECTOR, MailConnector, message_id_of
from integrations.errors import PermanentError, TemplateInvalid, TemporaryError
from tests.factories import NOW
from workspace.access import SYSTEM, actor_of_user
from workspace.models import User


@dataclass
class Office:
    """What the server got; `answers` are what it says to the next messages instead of yes."""

    got: list[Parsed] = field(default_factory=list)
    recipients: list[str] = field(default_factory=list)
    senders: list[str] = field(default_factory=list)
    lines: set[str] = field(default_factory=set)
    answers: list[str] = field(default_factory=list)
    refusals: dict[str, str] = field(default_factory=dict)
    port: int = 0

    async def handle_RCPT(  # noqa: N802  named by the library
        self, server: Any, session: Any, envelope: Any, address: str, options: Any
    ) -> str:
        if refusal := self.refusals.get(address):
            return refusal
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(  # noqa: N802
        self, server: Any, session: Any, envelope: Any
    ) -> str:
        if self.answers:
            return self.answers.pop(0)
        self.lines.add(str(session.peer))
        self.recipients += envelope.rcpt_tos
        self.senders.append(envelope.mail_from)
        self.got.append(email.message_from_bytes(envelope.content))
        return "250 Taken"


@pytest.fixture
def office(settings: Any) -> Iterator[Office]:
    handler = Office()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        handler.port = probe.getsockname()[1]
    server = Controller(handler, hostname="127.0.0.1", port=handler.port)
    server.start()
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", handler.port
    settings.EMAIL_TIMEOUT = 5
    settings.DEFAULT_FROM_EMAIL = "Regulars <regulars@shop.example>"
    yield handler
    server.stop()


@pytest.fixture
def connector() -> Iterator[MailConnector]:
    made = MailConnector()
    yield made
    made.close()


def message(key: str = "distribution:1:2", **payload: Any) -> Message:
    body = {"to": "anna@example.com", "subject": "Karta ☕", "text": "Kod", "html": "<b>Kod</b>"}
    return Message(key=key, kind="email", payload={**body, **payload}, sent_at=NOW)


def test_text_and_html_arrive(office: Office, connector: MailConnector) -> None:
    receipt = connector.send(message(headers={"X-Campaign": "reviews"}))
    (got,) = office.got
    assert got["Message-ID"] == receipt.reference == message_id_of("distribution:1:2")
    assert got["Message-ID"].endswith("@shop.example>")
    assert (got["To"], got["X-Campaign"]) == ("anna@example.com", "reviews")
    assert str(email.header.make_header(email.header.decode_header(got["Subject"]))) == "Karta ☕"
    assert got.get_content_type() == "multipart/alternative"
    assert [part.get_content_type() for part in got.walk()][1:] == ["text/plain", "text/html"]


def test_a_mail_comes_back_to_an_address_that_names_it(
    office: Office, connector: MailConnector, settings: Any
) -> None:
    connector.send(message())
    settings.BOUNCE_ADDRESS = "bounces@shop.example"
    connector.send(message())
    plain, marked = office.senders
    assert plain == "regulars@shop.example"
    assert marked.startswith("bounces+distribution=1=2=")
    assert marks.key_of_address(marked) == "distribution:1:2"
    for got in office.got:
        assert got["From"] == "Regulars <regulars@shop.example>"
        assert marks.key_of(got[marks.HEADER]) == "distribution:1:2"


def test_a_second_attempt_is_the_same_message(office: Office, connector: MailConnector) -> None:
    for _attempt in range(2):
        connector.send(message())
    connector.send(message(key="another"))
    first, second, other = (got["Message-ID"] for got in office.got)
    assert first == second != other


def test_messages_share_a_connection(office: Office, connector: MailConnector) -> None:
    for number in range(5):
        connector.send(message(key=str(number)))
    assert (len(office.got), len(office.lines)) == (5, 1)


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ("451 Try again later", TemporaryError),
        ("452 Mailbox full", TemporaryError),
        ("554 Spam", PermanentError),
    ],
)
def test_what_the_server_says_to_a_message_is_told(
    office: Office, connector: MailConnector, answer: str, error: type[Exception]
) -> None:
    office.answers.append(answer)
    with pytest.raises(error, match=answer) as refused:
        connector.send(message())
    assert str(refused.value.http_status) == answer[:3]  # type: ignore[attr-defined]
    # The next one finds its way.
    connector.send(message())
    assert len(office.got) == 1


@pytest.mark.parametrize(
    ("answer", "error"),
    [("550 No such user", PermanentError), ("450 Greylisted", TemporaryError)],
)
def test_what_the_server_says_to_an_address_is_told(
    office: Office, connector: MailConnector, answer: str, error: type[Exception]
) -> None:
    office.refusals["anna@example.com"] = answer
    with pytest.raises(error, match=answer):
        connector.send(message())


def test_a_server_that_is_away_is_tried_again(
    office: Office, connector: MailConnector, settings: Any
) -> None:
    settings.EMAIL_PORT = 1
    with pytest.raises(TemporaryError, match="could not be reached"):
        connector.send(message())


def test_a_connection_that_the_server_closed_is_made_anew(
    office: Office, connector: MailConnector
) -> None:
    connector.send(message())
    line: smtplib.SMTP = connector._local.line.connection
    assert line.sock is not None
    line.sock.shutdown(socket.SHUT_RDWR)
    connector._local.used_at -= 60
    connector.send(message(key="later"))
    assert (len(office.got), len(office.lines)) == (2, 2)


@pytest.mark.parametrize("to", ["", " ", "nobody", "a@b.c\nBcc: d@e.f"])
def test_nobody_to_send_to_is_final(connector: MailConnector, to: str) -> None:
    with pytest.raises(PermanentError):
        connector.send(message(to=to))


def test_headers_cannot_be_smuggled_in(office: Office, connector: MailConnector) -> None:
    with pytest.raises(PermanentError):
        connector.send(message(subject="Hello\nBcc: d@e.f"))
    assert office.got == []


def test_without_a_server_mail_is_kept_on_disk(
    settings: Any, tmp_path: Any, connector: MailConnector
) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.filebased.EmailBackend"
    settings.EMAIL_FILE_PATH = tmp_path
    for number in range(2):
        connector.send(message(key=str(number)))
    (file,) = tmp_path.iterdir()
    assert file.read_text().count("Message-ID") == 2


@pytest.mark.django_db
def test_a_test_goes_to_who_asks_for_it_alone(office: Office) -> None:
    template = templates.create_template(
        actor=SYSTEM, at=NOW, name="Card", subject="For {{ contact.first_name }}", text="Hi"
    )
    me = User.objects.create(username="me", email="me@shop.example", is_superuser=True)
    template_tests.send_test(template, actor=actor_of_user(me), at=NOW)
    assert office.recipients == ["me@shop.example"]
    assert office.got[0]["Subject"] == "[Test] For Anna"
    nameless = User.objects.create(username="nameless", is_superuser=True)
    with pytest.raises(TemplateInvalid, match="no e-mail address"):
        template_tests.send_test(template, actor=actor_of_user(nameless), at=NOW)
    CONNECTOR.close()
