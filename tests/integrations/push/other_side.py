"""The other side: browsers with keys of their own, and push services that answer as told."""

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler
from secrets import token_hex
from typing import Any
from urllib.parse import parse_qs

import http_ece
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from contacts.identities import USER_ID, Name
from integrations import outbox, push, sending
from integrations.models import Delivery, PushSubscription
from integrations.push import connections, subscriptions
from tests.factories import NOW
from tests.integrations.receiving import Received, Receiver, receiver
from workspace.access import SYSTEM


def base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def from_base64url(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


@dataclass
class Browser:
    """A browser that subscribed: it alone can read what is sent to it."""

    endpoint: str
    key: ec.EllipticCurvePrivateKey = field(
        default_factory=lambda: ec.generate_private_key(ec.SECP256R1())
    )
    secret: bytes = b"sixteen bytes !!"

    @property
    def keys(self) -> dict[str, str]:
        point = self.key.public_key().public_bytes(
            serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint
        )
        return {"p256dh": base64url(point), "auth": base64url(self.secret)}

    @property
    def subscription(self) -> dict[str, Any]:
        return {"endpoint": self.endpoint, "expirationTime": None, "keys": self.keys}

    def subscribe(self, user_id: str = "A-17", **given: Any) -> PushSubscription:
        given = {"names": [Name(USER_ID, user_id)], "at": NOW, "cause": "source:test", **given}
        # No browser subscribes without our key, which is made when it is asked for.
        connections.web_push_connection(at=NOW)
        return subscriptions.subscribe_browser(endpoint=self.endpoint, keys=self.keys, **given)

    def read(self, request: Received) -> Any:
        assert request.headers["Content-Encoding"] == "aes128gcm"
        text = http_ece.decrypt(
            request.body, private_key=self.key, auth_secret=self.secret, version="aes128gcm"
        )
        return json.loads(text)


def vapid_claims(request: Received, public_key: str) -> dict[str, Any]:
    """What our token says, once its signature was found right. *Source:* RFC 8292."""
    scheme, _space, rest = request.headers["Authorization"].partition(" ")
    assert scheme == "vapid"
    parts = dict(part.strip().split("=", 1) for part in rest.split(","))
    assert parts["k"] == public_key
    said, _dot, mark = parts["t"].rpartition(".")
    signature = from_base64url(mark)
    assert len(signature) == 64
    halves = [int.from_bytes(half) for half in (signature[:32], signature[32:])]
    known = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), from_base64url(public_key))
    known.verify(encode_dss_signature(*halves), said.encode(), ec.ECDSA(hashes.SHA256()))
    head, claims = (json.loads(from_base64url(part)) for part in said.split("."))
    assert head == {"typ": "JWT", "alg": "ES256"}
    return dict(claims)


def queue(contact_id: int, *, number: int = 7, at: Any = NOW, **given: Any) -> list[str]:
    """Queue a message to all devices of a contact; the keys of its deliveries."""
    said = push.payload(
        title=given.get("title", "Hello"),
        body=given.get("body", "Anna"),
        url="/sale",
        message_id=number,
        contact_id=contact_id,
        at=at,
    )
    made = [
        replace(
            push.delivery(one, key=f"message:{number}", subject=f"message:{number}", payload=said),
            repeats=given.get("repeats", True),
        )
        for one in push.deliveries_for([contact_id]).get(contact_id, [])
    ]
    outbox.enqueue(made, at=at)
    return [one.key for one in made]


def drain(at: Any = NOW) -> sending.Sent:
    return sending.drain(lambda: at)


def states() -> list[str]:
    return list(Delivery.objects.order_by("pk").values_list("state", flat=True))


def answering(status: int, body: bytes = b"", **headers: str) -> Any:
    """An answer with these headers; their names are written with _ for -."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    return answer


@dataclass
class Google:
    """Google's side of FCM: it gives tokens for assertions that are signed right, and sends."""

    server: Receiver
    key: rsa.RSAPrivateKey
    tokens: int = 0
    sent: list[dict[str, Any]] = field(default_factory=list)
    answers: list[tuple[int, dict[str, Any]]] = field(default_factory=list)
    token_answer: tuple[int, dict[str, Any]] | None = None
    key_id: str = field(default_factory=lambda: token_hex(8))

    @property
    def base_url(self) -> str:
        return self.server.url.removesuffix("/hook")

    def account(self, **changes: Any) -> str:
        """The JSON file of a service account."""
        pem = self.key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        made = {
            "type": "service_account",
            "project_id": "shop-app",
            # Tokens are kept by it: those of another test are none here.
            "private_key_id": self.key_id,
            "private_key": pem.decode(),
            "client_email": "push@shop-app.iam.gserviceaccount.com",
            "token_uri": "https://oauth2.googleapis.com/token",
        }
        return json.dumps({**made, **changes})

    def connect(self) -> Any:
        return connections.create_app_connection(
            account=self.account(),
            base_url=self.base_url,
            token_url=f"{self.base_url}/token",
            actor=SYSTEM,
            at=NOW,
        )

    def reply(self, handler: BaseHTTPRequestHandler) -> None:
        request = self.server.received[-1]
        if request.path == "/token":
            status, body = self._grant(request)
        else:
            status, body = self._send(request)
        answering(status, json.dumps(body).encode())(handler)

    def _grant(self, request: Received) -> tuple[int, dict[str, Any]]:
        form = parse_qs(request.body.decode())
        said, _dot, mark = form["assertion"][0].rpartition(".")
        self.key.public_key().verify(
            from_base64url(mark), said.encode(), padding.PKCS1v15(), hashes.SHA256()
        )
        claims = json.loads(from_base64url(said.split(".")[1]))
        if self.token_answer is not None:
            return self.token_answer
        assert claims["iss"] == "push@shop-app.iam.gserviceaccount.com"
        assert claims["aud"] == "https://oauth2.googleapis.com/token"
        assert 0 < claims["exp"] - claims["iat"] <= 3600
        self.tokens += 1
        long = "x" * 2500
        return 200, {"access_token": f"token-{self.tokens}-{long}", "expires_in": 3599}

    def _send(self, request: Received) -> tuple[int, dict[str, Any]]:
        assert request.path == "/v1/projects/shop-app/messages:send"
        assert request.headers["Authorization"].startswith(f"Bearer token-{self.tokens}-")
        self.sent.append(request.document["message"])
        if self.answers:
            return self.answers.pop(0)
        return 200, {"name": f"projects/shop-app/messages/{len(self.sent)}"}


@contextmanager
def google() -> Iterator[Google]:
    """Google, as long as the block lasts."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    with receiver() as server:
        made = Google(server, key)
        server.answer = made.reply
        yield made


def app_of(user_id: str, token: str, **given: Any) -> PushSubscription:
    """An app that takes messages for a contact."""
    given = {"names": [Name(USER_ID, user_id)], "at": NOW, "cause": "source:test", **given}
    return subscriptions.subscribe_app(token=token, **given)
