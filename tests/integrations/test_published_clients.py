"""The client libraries that Segment publishes, unmodified, with their host set to ours."""

import os
import shutil
import subprocess
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone
from pytest_django.live_server_helper import LiveServer

from contacts import event_pages
from contacts.merging import survivor_of
from contacts.models import Contact, Identity
from integrations import sources
from integrations.digestion import digest
from integrations.models import HeldEvent, InboundRequest, ReceivedEvent, WriteKey
from workspace.access import SYSTEM

pytestmark = pytest.mark.django_db(transaction=True)

_CHECKOUT = Path(__file__).parents[2]
_NODE_SCRIPT = Path(__file__).with_name("send_with_node.mjs")
_ORDERED_AT = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
# Named, not imported: it has no types.
Client: Any = import_module("segment.analytics.client").Client
Send = Callable[[str, str], None]


def send_with_python(host: str, write_key: str, **options: Any) -> None:
    """What send_with_node.mjs sends, with the published client for Python."""
    errors: list[Any] = []
    client = Client(
        write_key,
        host=host,
        max_retries=0,
        upload_size=4,
        upload_interval=0.05,
        on_error=lambda error, _batch: errors.append(error),
        **options,
    )
    client.track(anonymous_id="an1", event="Viewed", properties={"sku": "A-1"})
    client.page(anonymous_id="an1", name="Home", properties={"path": "/"})
    traits: dict[str, Any] = {"email": "Michael@example.com", "firstName": "Michael"}
    traits |= {"lastName": "Scott", "plan": "pro", "address": {"city": "Scranton"}}
    client.identify(user_id="u1", anonymous_id="an1", traits=traits)
    order = {"total": 12.5, "order_id": "o1"}
    client.track("u1", "Order Completed", order, timestamp=_ORDERED_AT, message_id="order-1")
    client.track("u1", "Order Completed", order, message_id="order-1")
    client.screen("u1", name="Settings")
    client.group("u1", "g1", {"name": "ACME"})
    client.track("old1", "review_left", {"rating": 5})
    client.alias("old1", "u1")
    for n in range(9):
        client.track("u1", "Counted", {"n": n, "text": "żółć €"})
    if not options.get("sync_mode"):
        client.flush()
        client.join()
    assert errors == []


def send_packed_with_python(host: str, write_key: str) -> None:
    """The same, packed by gzip."""
    send_with_python(host, write_key, gzip=True)


def send_at_once_with_python(host: str, write_key: str) -> None:
    """The same, one request an event."""
    send_with_python(host, write_key, sync_mode=True)


def send_with_node(host: str, write_key: str) -> None:
    """With the published client for Node."""
    require_node()
    done = subprocess.run(
        ["node", str(_NODE_SCRIPT)],
        cwd=_CHECKOUT,
        env={**os.environ, "HOST": host, "WRITE_KEY": write_key},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def require_node() -> None:
    """Skip the test without Node and its packages; with `REQUIRE_NODE=1` it fails."""
    reason = "" if shutil.which("node") and shutil.which("npm") else "no Node was found"
    if not reason:
        install = ["sh", "config/islands.sh", "install"]
        if subprocess.run(install, cwd=_CHECKOUT, capture_output=True, check=False).returncode:
            reason = "npm could not install the packages of package-lock.json"
    if reason:
        message = f"THE PUBLISHED CLIENT FOR NODE WAS NOT TESTED: {reason}."
        if os.environ.get("REQUIRE_NODE", "") not in {"", "0"}:
            pytest.fail(f"REQUIRE_NODE is set. {message}", pytrace=False)
        pytest.skip(message)


@pytest.mark.parametrize(
    "send", [send_with_python, send_packed_with_python, send_at_once_with_python, send_with_node]
)
def test_what_a_published_client_sends_is_right_in_the_profile(
    live_server: LiveServer, send: Send
) -> None:
    _source, write_key = sources.create_source(name="Shop", actor=SYSTEM, at=timezone.now())
    send(live_server.url, write_key)
    assert InboundRequest.objects.exists()
    while digest(timezone.now()):
        pass
    assert not InboundRequest.objects.exists()
    assert list(HeldEvent.objects.values_list("reason", flat=True)) == []
    contact = Contact.objects.get(pk=Identity.objects.get(value="u1").contact_id)
    assert (contact.first_name, contact.last_name) == ("Michael", "Scott")
    assert (contact.email, contact.city) == ("Michael@example.com", "Scranton")
    assert contact.attributes["plan"] == "pro"
    for value in ("an1", "old1"):
        found = Identity.objects.get(value=value).contact_id
        assert survivor_of(found) == contact.pk
    events = event_pages.events_page(contact_id=contact.pk, newest_first=False, limit=100)
    assert Counter(event.name for event in events) == {
        "Viewed": 1,
        "page_visit": 1,
        "Order Completed": 1,
        "screen_view": 1,
        "group": 1,
        "review_left": 1,
        "Counted": 9,
    }
    (order,) = (event for event in events if event.name == "Order Completed")
    assert order.properties == {"total": Decimal("12.5"), "order_id": "o1"}
    assert abs(order.occurred_at - _ORDERED_AT).total_seconds() < 5
    texts = {event.properties["text"] for event in events if event.name == "Counted"}
    assert texts == {"żółć €"}
    outcomes = Counter(ReceivedEvent.objects.values_list("outcome", flat=True))
    assert outcomes == {"accepted": 17, "duplicate": 1}
    assert WriteKey.objects.get().last_used_at is not None


def test_the_client_for_python_reads_why_it_was_refused(live_server: LiveServer) -> None:
    errors: list[Any] = []
    client = Client(
        "wk_none",
        host=live_server.url,
        max_retries=0,
        upload_interval=0.05,
        on_error=lambda error, _batch: errors.append(error),
    )
    client.track("u1", "Order Completed")
    client.flush()
    client.join()
    (error,) = errors
    assert (error.status, error.code) == (401, "write_key_unknown")
