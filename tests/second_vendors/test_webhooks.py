"""What a receiver of our webhooks sees who knows nothing but their description (spec/api.md)."""

import hashlib
import hmac
from contextlib import ExitStack
from datetime import datetime, timedelta

import pytest

from integrations import announcements, sending
from integrations.models import Delivery
from integrations.webhooks import create_webhook
from tests.factories import NOW
from tests.second_vendors.conftest import mostly_long
from tests.second_vendors.serving import Answer, Request, SecondVendor, serving
from workspace.access import SYSTEM

pytestmark = pytest.mark.django_db
WAITS = [
    *(timedelta(minutes=number) for number in (1, 2, 4, 8, 16, 32)),
    *(timedelta(hours=number) for number in (1, 2, 4, 8, 16, 24)),
]


class Receiver(SecondVendor):
    """Answers what it is told to."""

    answer = Answer(500, "<html>Oops</html>", content_type="text/html")

    def handle(self, request: Request) -> Answer:
        return self.answer


@pytest.fixture
def receiver(network: ExitStack) -> Receiver:
    return network.enter_context(serving(Receiver()))


def drain(at: datetime) -> sending.Sent:
    return sending.drain(lambda: at)


def signed_at(request: Request, secret: str) -> int:
    """The time of a right signature; fails for a wrong one."""
    parts = dict(part.split("=", 1) for part in request.headers["x-regulars-signature"].split(","))
    signed = parts["t"].encode() + b"." + request.body
    assert parts["v1"] == hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()
    return int(parts["t"])


ANSWERS = [Answer(404), Receiver.answer, Answer(302), Answer(410)]


@pytest.mark.parametrize("answer", mostly_long(1, ANSWERS), ids=str)
def test_what_is_not_taken_comes_twelve_times_more_and_then_no_more(
    receiver: Receiver, answer: Answer
) -> None:
    receiver.answer = answer
    webhook, secret = create_webhook(
        url=f"{receiver.url}/hook", types=["export.ready"], actor=SYSTEM, at=NOW
    )
    announcements.announce("export.ready", [announcements.Fact("a", {"n": 1})], at=NOW)
    at = NOW
    drain(at)
    for wait in WAITS:
        early, at = at + wait - timedelta(seconds=1), at + wait
        before = len(receiver.calls)
        drain(early)
        assert len(receiver.calls) == before, f"before {wait}"
        drain(at)
        assert len(receiver.calls) == before + 1, f"after {wait}"
    webhook.refresh_from_db()
    assert not webhook.is_enabled
    assert webhook.disabled_reason
    drain(at + timedelta(days=30))
    assert len(receiver.calls) == 13
    assert Delivery.objects.get().state == "failed"
    assert {request.body for request in receiver.calls} == {receiver.calls[0].body}
    assert [*receiver.calls[0].json()] == ["id", "type", "created_at", "data"]
    assert all(signed_at(request, secret) for request in receiver.calls)


@pytest.mark.parametrize("status", mostly_long(1, [204, 200, 201, 202, 299]))
def test_any_2xx_is_success(receiver: Receiver, status: int) -> None:
    receiver.answer = Answer(status)
    create_webhook(url=f"{receiver.url}/hook", types=["export.ready"], actor=SYSTEM, at=NOW)
    announcements.announce("export.ready", [announcements.Fact("a", {"n": 1})], at=NOW)
    assert drain(NOW).delivered == 1
