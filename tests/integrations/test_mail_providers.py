"""E-mail by a provider's API, and what the provider tells of it: over real HTTP, both ways."""

import base64
import hashlib
import hmac
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from django.test import Client

from integrations.bounces import marks
from integrations.connector import Message
from integrations.connectors.mail import MailConnector
from integrations.errors import PermanentError, TemporaryError
from integrations.models import MailReport, Suppression
from integrations.suppressions import suppressed_addresses
from tests.factories import NOW
from tests.integrations.returning import KEY, bounce, queue

SECRET = "a-password-of-the-hooks"


class Provider:
    """An API that takes e-mails as Postmark's does, and says what a test wants."""

    def __init__(self) -> None:
        self.got: list[dict[str, Any]] = []
        self.answer: tuple[int, dict[str, Any]] | None = None
        self.is_silent = False
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                status, answer = provider.take(body)
                if provider.is_silent:
                    self.close_connection = True
                    return
                content = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *args: object) -> None:
                """Nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/"

    def take(self, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        if self.answer is not None:
            return self.answer
        self.got.append(body)
        told = {"To": body["To"], "MessageID": "b7bc2f4a", "ErrorCode": 0, "Message": "OK"}
        return 200, {**told, "SubmittedAt": "2026-03-02T12:00:00Z"}


@pytest.fixture
def provider(settings: Any) -> Iterator[Provider]:
    made = Provider()
    thread = threading.Thread(target=made.server.serve_forever, args=(0.02,))
    thread.start()
    settings.EMAIL_BACKEND = "anymail.backends.postmark.EmailBackend"
    settings.DEFAULT_FROM_EMAIL = "Regulars <regulars@shop.example>"
    settings.ANYMAIL = {
        **settings.ANYMAIL,
        "POSTMARK_SERVER_TOKEN": "token",
        "POSTMARK_API_URL": made.url,
    }
    yield made
    made.server.shutdown()
    made.server.server_close()
    thread.join()


@pytest.fixture
def connector() -> Iterator[MailConnector]:
    made = MailConnector()
    yield made
    made.close()


@pytest.fixture
def hooks(settings: Any) -> None:
    settings.MAIL_HOOKS_SECRET = SECRET
    settings.ANYMAIL = {
        **settings.ANYMAIL,
        "WEBHOOK_SECRET": f"regulars:{SECRET}",
        "MAILGUN_WEBHOOK_SIGNING_KEY": "signing-key",
    }


def message(**payload: Any) -> Message:
    body = {"to": "anna@example.com", "subject": "Hello", "text": "Hi", "html": "<b>Hi</b>"}
    return Message(key=KEY, kind="email", payload={**body, **payload}, sent_at=NOW)


def tell(path: str, body: Any, password: str = SECRET, **given: Any) -> Any:
    word = base64.b64encode(f"regulars:{password}".encode()).decode()
    content_type = given.pop("content_type", "application/json")
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    client = Client(raise_request_exception=False, enforce_csrf_checks=True)
    headers = {"Authorization": f"Basic {word}"}
    return client.generic("POST", f"/hooks/{path}/", data, content_type, headers=headers)


def postmark(kind: str = "HardBounce", number: int = 1, **given: Any) -> dict[str, Any]:
    return {
        "RecordType": "SpamComplaint" if kind == "SpamComplaint" else "Bounce",
        "Type": kind,
        "ID": number,
        "MessageID": "b7bc2f4a",
        "Email": "anna@example.com",
        "Details": "550 5.1.1 No such user",
        "BouncedAt": "2026-03-02T12:00:00Z",
        "Metadata": {marks.NOTE: marks.mark_of(KEY)},
        **given,
    }


class TestSending:
    def test_a_provider_gets_the_mail_with_its_mark(
        self, provider: Provider, connector: MailConnector, settings: Any
    ) -> None:
        settings.BOUNCE_ADDRESS = "bounces@shop.example"
        receipt = connector.send(message(headers={"List-Unsubscribe": "<https://shop.example/u>"}))
        assert receipt.reference == "b7bc2f4a"
        (got,) = provider.got
        headers = {one["Name"]: one["Value"] for one in got["Headers"]}
        assert (got["From"], got["To"]) == ("Regulars <regulars@shop.example>", "anna@example.com")
        assert marks.key_of(headers[marks.HEADER]) == KEY
        assert marks.key_of(got["Metadata"][marks.NOTE]) == KEY
        assert headers["List-Unsubscribe"] == "<https://shop.example/u>"

    @pytest.mark.parametrize(
        ("status", "error"),
        [
            (401, TemporaryError),
            (429, TemporaryError),
            (503, TemporaryError),
            (400, PermanentError),
        ],
    )
    def test_what_the_provider_refuses_is_told(
        self, provider: Provider, connector: MailConnector, status: int, error: type[Exception]
    ) -> None:
        provider.answer = status, {"ErrorCode": 10, "Message": "Not so"}
        with pytest.raises(error, match=r"Postmark refused it: .*Not so"):
            connector.send(message())

    def test_an_address_that_the_provider_knows_to_be_gone_is_final(
        self, provider: Provider, connector: MailConnector
    ) -> None:
        words = "You tried to send to a recipient that has been marked as inactive. Found inactive"
        provider.answer = (
            422,
            {
                "ErrorCode": 406,
                "Message": f"{words} addresses: anna@example.com. Inactive recipients are ones.",
            },
        )
        with pytest.raises(PermanentError):
            connector.send(message())

    def test_a_provider_that_is_away_is_tried_again(
        self, provider: Provider, connector: MailConnector, settings: Any
    ) -> None:
        settings.ANYMAIL = {**settings.ANYMAIL, "POSTMARK_API_URL": "http://127.0.0.1:1/"}
        with pytest.raises(TemporaryError) as caught:
            connector.send(message())
        assert not caught.value.is_perhaps_taken

    def test_a_provider_that_hangs_up_without_a_word_may_have_taken_it(
        self, provider: Provider, connector: MailConnector
    ) -> None:
        provider.is_silent = True
        with pytest.raises(TemporaryError) as caught:
            connector.send(message())
        assert caught.value.is_perhaps_taken
        assert len(provider.got) == 1

    @pytest.mark.parametrize(("status", "is_so"), [(503, True), (401, False), (429, False)])
    def test_a_provider_with_trouble_may_have_taken_it(
        self, provider: Provider, connector: MailConnector, status: int, is_so: bool
    ) -> None:
        provider.answer = status, {"ErrorCode": 10, "Message": "Not so"}
        with pytest.raises(TemporaryError) as caught:
            connector.send(message())
        assert caught.value.is_perhaps_taken is is_so


@pytest.mark.django_db
@pytest.mark.usefixtures("hooks")
class TestHooks:
    def test_a_bounce_is_heard_and_the_address_suppressed(self) -> None:
        queue(to="Anna@example.com")
        assert tell("mail/postmark", postmark()).json() == {"heard": 1}
        assert tell("mail/postmark", postmark()).json() == {"heard": 0}
        assert suppressed_addresses(["anna@example.com"]) == {"anna@example.com": "bounce"}
        kept = MailReport.objects.get()
        assert (kept.source, kept.delivery_key, kept.kind) == ("postmark", KEY, "hard_bounce")

    @pytest.mark.parametrize(
        ("kind", "reason"),
        [("SpamComplaint", "complaint"), ("SoftBounce", None), ("Transient", None)],
    )
    def test_each_kind_has_its_consequence(self, kind: str, reason: str | None) -> None:
        tell("mail/postmark", postmark(kind))
        assert suppressed_addresses(["anna@example.com"]).get("anna@example.com") == reason

    def test_many_are_told_at_once(self, django_assert_max_num_queries: Any) -> None:
        events = [
            {
                "msys": {
                    "message_event": {
                        "type": "bounce",
                        "event_id": f"e{number}",
                        "message_id": "m",
                        "raw_rcpt_to": f"person{number}@example.com",
                        "timestamp": "1767225600",
                        "bounce_class": "10" if number % 2 else "22",
                        "raw_reason": "550 5.1.1 gone" if number % 2 else "552 5.2.2 full",
                    }
                }
            }
            for number in range(200)
        ]
        with django_assert_max_num_queries(8):
            assert tell("mail/sparkpost", events).json() == {"heard": 200}
        assert Suppression.objects.count() == 100

    def test_a_signature_is_looked_at(self) -> None:
        token, at = "t" * 50, "1767225600"
        right = hmac.new(b"signing-key", (at + token).encode(), hashlib.sha256).hexdigest()
        event = {
            "event": "complained",
            "id": "e1",
            "timestamp": 1767225600.0,
            "recipient": "anna@example.com",
            "message": {"headers": {"message-id": "m@x"}},
            "user-variables": {marks.NOTE: marks.mark_of(KEY)},
        }
        signed = {"token": token, "timestamp": at, "signature": "0" * 64}
        answer = tell("mail/mailgun", {"signature": signed, "event-data": event})
        assert (answer.status_code, answer.json()["code"]) == (400, "not_signed")
        answer = tell(
            "mail/mailgun", {"signature": {**signed, "signature": right}, "event-data": event}
        )
        assert answer.json() == {"heard": 1}
        assert suppressed_addresses(["anna@example.com"]) == {"anna@example.com": "complaint"}

    @pytest.mark.parametrize(
        ("path", "body", "status", "code"),
        [
            ("mail/nobody", {}, 404, "provider_unknown"),
            ("mail/postmark", b"no JSON", 400, "unreadable"),
            ("mail/sparkpost", {"not": "a list"}, 400, "unreadable"),
            ("mail/mandrill", {}, 503, "setting_missing"),
        ],
    )
    def test_what_cannot_be_heard_is_refused(
        self, path: str, body: Any, status: int, code: str
    ) -> None:
        answer = tell(path, body)
        assert (answer.status_code, answer.json()["code"]) == (status, code)

    @pytest.mark.parametrize("path", ["mail/postmark", "bounces"])
    def test_only_who_has_the_password_is_heard(self, path: str, settings: Any) -> None:
        answer = tell(path, postmark(), password="guessed")
        assert (answer.status_code, answer["WWW-Authenticate"][:5]) == (401, "Basic")
        assert Client().post(f"/hooks/{path}/").status_code == 401
        settings.MAIL_HOOKS_SECRET = ""
        assert tell(path, postmark(), password="").status_code == 404
        assert not MailReport.objects.exists()

    def test_a_provider_may_look_whether_the_address_is_there(self) -> None:
        word = base64.b64encode(f"regulars:{SECRET}".encode()).decode()
        answer = Client().head("/hooks/mail/postmark/", headers={"Authorization": f"Basic {word}"})
        assert answer.status_code == 200

    def test_a_mail_that_came_back_may_be_posted(self) -> None:
        answer = tell("bounces", bounce(), content_type="message/rfc822")
        assert answer.json() == {"heard": 1}
        assert tell("bounces", b"", content_type="message/rfc822").json() == {"heard": 0}
        assert tell("bounces", b"x" * 5_000_001, content_type="message/rfc822").status_code == 413
        assert suppressed_addresses(["anna@example.com"]) == {"anna@example.com": "bounce"}
