"""A push message there and back: subscribed on a page, shown by the service worker, opened.

Chromium without a window has neither a push service nor a place to show messages. So the address
and keys of its subscription are the test's, the service is a server on this machine that reads what
comes as the browser would, the browser is handed that by its debugging protocol, and what the
service worker shows is noted.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_network
from threading import Thread
from typing import Any

import pytest
from django.utils import timezone
from playwright.sync_api import Browser as Chromium
from playwright.sync_api import BrowserContext, Page, expect

from contacts.erasure import erase_contact
from contacts.identities import find_contact_id
from contacts.models import Event
from integrations.models import PushSubscription
from integrations.push import connections
from integrations.sources import create_source
from tests.browser.looking import faults_by_path
from tests.integrations.push.other_side import Browser, drain, queue
from tests.integrations.receiving import receiver
from workspace.access import SYSTEM

pytestmark = [pytest.mark.walk, pytest.mark.django_db(transaction=True)]

PAGE = """<!doctype html><title>Shop</title><body>
<button id="ask">Tell me</button><button id="stop">No more</button><p id="state"></p>
<script src="{base}/push/regulars-push.js" data-write-key="{key}" data-user-id="{user}"></script>
<script src="/shop.js"></script>"""
SHOP = """
const say = (state) => { document.querySelector("#state").textContent = state; };
document.querySelector("#ask").onclick = () => regularsPush.subscribe().then(say, say);
document.querySelector("#stop").onclick = () => regularsPush.unsubscribe().then(say, say);
regularsPush.state().then(say);
"""
# A shop that allows nothing but itself and us.
POLICY = "default-src 'none'; script-src 'self' {base}; connect-src {base}; worker-src 'self'"
# What Chromium without a window cannot do itself, on the page and in the service worker.
PUSH_MANAGER = """
const given = {subscription};
function made(key) {{
  return {{
    endpoint: given.endpoint,
    options: {{ applicationServerKey: key }},
    toJSON: () => given,
    unsubscribe: async () => {{ sessionStorage.removeItem("made"); return true; }},
  }};
}}
PushManager.prototype.subscribe = async function (options) {{
  if (!options.userVisibleOnly) throw new Error("not visible");
  sessionStorage.setItem("made", JSON.stringify([...options.applicationServerKey]));
  return made(options.applicationServerKey.buffer);
}};
PushManager.prototype.getSubscription = async function () {{
  const key = sessionStorage.getItem("made");
  return key ? made(new Uint8Array(JSON.parse(key)).buffer) : null;
}};
Object.defineProperty(Notification, "permission", {{
  get: () => sessionStorage.getItem("permission") || "default",
}});
Notification.requestPermission = async () => {{
  sessionStorage.setItem("permission", "granted");
  return "granted";
}};
"""
SCREEN = """
self.shown = new Map();
self.windows = [];
self.registration.showNotification = async (title, options) => {
  const close = () => self.shown.delete(options.tag);
  self.shown.set(options.tag, { title, ...options, close });
};
self.clients.openWindow = async (url) => { self.windows.push(url); };
self.fire = async (name, about) => {
  const waits = [];
  const event = Object.assign(new Event(name), about, { waitUntil: (one) => waits.push(one) });
  self.dispatchEvent(event);
  await Promise.all(waits);
};
"""
SHOWN = "() => [...self.shown.values()].map(({ close, ...rest }) => rest)"
CLICK = """() => {
  const [notification] = self.shown.values();
  return self.fire("notificationclick", { notification });
}"""
MOVE = """(subscription) => self.fire("pushsubscriptionchange", {
  oldSubscription: null,
  newSubscription: { endpoint: subscription.endpoint, toJSON: () => subscription },
})"""


@contextmanager
def shop(base: str, write_key: str) -> Iterator[str]:
    """The website of a shop, on an origin of its own."""
    files = {
        "/": ("text/html", PAGE.format(base=base, key=write_key, user="A-17")),
        "/logged-out": ("text/html", PAGE.format(base=base, key=write_key, user="")),
        "/shop.js": ("text/javascript", SHOP),
        "/sale": ("text/html", "<!doctype html><title>Sale</title>"),
        "/regulars-sw.js": (
            "text/javascript",
            f'{SCREEN}importScripts("{base}/push/regulars-sw.js");',
        ),
    }

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            kind, text = files.get(self.path, ("text/plain", ""))
            self.send_response(200 if self.path in files else 404)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Security-Policy", POLICY.format(base=base))
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *args: Any) -> None:
            """Nobody reads it."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def visit(
    chromium: Chromium, origin: str, device: Browser, *, is_quiet: bool = True
) -> Iterator[tuple[BrowserContext, Page]]:
    """Somebody who looks at the shop, and allows messages when he is asked."""
    context = chromium.new_context()
    context.set_default_timeout(15_000)
    context.add_init_script(PUSH_MANAGER.format(subscription=json.dumps(device.subscription)))
    page = context.new_page()
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda one: complaints.extend([one.text] if one.type == "error" else []))
    page.goto(f"{origin}/")
    try:
        yield context, page
    finally:
        context.close()
    assert complaints == [] or not is_quiet


def until(page: Page, holds: Any) -> None:
    """Wait until something holds that no page shows."""
    for _time in range(100):
        if holds():
            return
        page.wait_for_timeout(50)
    raise AssertionError("It did not come to pass.")


def deliver(context: BrowserContext, page: Page, origin: str, text: str) -> Any:
    """Hand a message to the service worker of the page, as a push service does; the worker."""
    session = context.new_cdp_session(page)
    found: list[str] = []
    session.on(
        "ServiceWorker.workerRegistrationUpdated",
        lambda told: found.extend(
            one["registrationId"] for one in told["registrations"] if not one["isDeleted"]
        ),
    )
    session.send("ServiceWorker.enable")
    until(page, lambda: found)
    session.send(
        "ServiceWorker.deliverPushMessage",
        {"origin": f"{origin}/", "registrationId": found[-1], "data": text},
    )
    return context.service_workers[-1]


@pytest.fixture
def site_key(address: str, settings: Any) -> str:
    settings.OUTBOUND_ALLOW = [ip_network("127.0.0.0/8")]
    settings.PUSH_HOSTS = ["127.0.0.1"]
    settings.BASE_URL = address
    _source, write_key = create_source(name="Site", kind="web", actor=SYSTEM, at=timezone.now())
    return write_key


def test_a_message_is_shown_and_that_it_was_opened_is_told(
    browser: Chromium, address: str, site_key: str
) -> None:
    with receiver(201) as service, shop(address, site_key) as origin:
        device = Browser(service.url)
        with visit(browser, origin, device) as (context, page):
            expect(page.locator("#state")).to_have_text("default")
            page.get_by_role("button", name="Tell me").click()
            expect(page.locator("#state")).to_have_text("subscribed")
            contact_id = find_contact_id("user_id", "A-17")
            assert contact_id is not None
            assert PushSubscription.objects.get().contact_id == contact_id

            at = timezone.now()
            queue(contact_id, at=at)
            assert drain(at).delivered == 1
            text = json.dumps(device.read(service.received[0]))
            # Twice, as from a service that forgot that it had delivered it: shown once.
            for _time in range(2):
                worker = deliver(context, page, origin, text)
            until(page, lambda: worker.evaluate(SHOWN))
            (shown,) = worker.evaluate(SHOWN)
            assert (shown["title"], shown["body"]) == ("Hello", "Anna")

            worker.evaluate(CLICK)
            assert worker.evaluate(SHOWN) == []
            assert worker.evaluate("() => self.windows") == [f"{origin}/sale"]

    event = Event.objects.get(definition__name="push_opened")
    assert (event.contact_id, event.properties) == (contact_id, {"message": 7})


def test_a_page_keeps_a_subscription_up_to_date_and_ends_it(
    browser: Chromium, address: str, site_key: str
) -> None:
    with receiver(201) as service, shop(address, site_key) as origin:
        device = Browser(service.url)
        with visit(browser, origin, device) as (_context, page):
            page.get_by_role("button", name="Tell me").click()
            expect(page.locator("#state")).to_have_text("subscribed")
            connections.rotate_key(actor=SYSTEM, at=timezone.now())
            assert PushSubscription.objects.get().ended_at is not None

            # The next visit finds that our key is another one, and asks nobody; nor does it
            # matter that nobody is logged in.
            page.goto(f"{origin}/logged-out")
            until(page, lambda: PushSubscription.objects.get().ended_at is None)
            assert PushSubscription.objects.get().contact_id == find_contact_id("user_id", "A-17")

            page.get_by_role("button", name="No more").click()
            expect(page.locator("#state")).to_have_text("granted")
            assert PushSubscription.objects.get().ended_reason == "It was ended there."


def test_a_browser_of_somebody_who_was_forgotten_is_let_go(
    browser: Chromium, address: str, site_key: str
) -> None:
    with receiver(201) as service, shop(address, site_key) as origin:
        device = Browser(service.url)
        with visit(browser, origin, device, is_quiet=False) as (_context, page):
            page.get_by_role("button", name="Tell me").click()
            expect(page.locator("#state")).to_have_text("subscribed")
            person = find_contact_id("user_id", "A-17")
            assert person is not None
            erase_contact(person, actor=SYSTEM, at=timezone.now())

            page.goto(f"{origin}/logged-out")
            until(page, lambda: page.evaluate("regularsPush.state()") == "granted")

    assert not PushSubscription.objects.exists()


def test_a_browser_that_gets_a_new_address_says_so_without_a_page(
    browser: Chromium, address: str, site_key: str
) -> None:
    with receiver(201) as service, shop(address, site_key) as origin:
        device, moved = Browser(service.url), Browser(f"{service.url}/moved")
        with visit(browser, origin, device) as (context, page):
            page.get_by_role("button", name="Tell me").click()
            expect(page.locator("#state")).to_have_text("subscribed")

            context.service_workers[-1].evaluate(MOVE, moved.subscription)

    before, after = PushSubscription.objects.order_by("pk")
    assert before.ended_reason == "The browser has a new address."
    assert (after.address, after.contact_id) == (moved.endpoint, before.contact_id)
    assert after.ended_at is None


def test_no_page_of_push_messages_has_a_serious_fault(logged_in: Page, site_key: str) -> None:
    device = Browser("http://127.0.0.1:9/1").subscribe("A-17", device="Firefox on Linux")
    connection = connections.web_push_connection(at=timezone.now())
    room = f"/admin/integrations/pushconnection/{connection.pk}"
    paths = [
        "/admin/integrations/pushconnection/",
        "/admin/integrations/pushconnection/add/",
        f"{room}/change/",
        f"{room}/settings/",
        "/admin/integrations/pushsubscription/",
        f"/admin/integrations/pushsubscription/{device.pk}/change/",
        f"/admin/contacts/contact/{device.contact_id}/change/",
    ]

    found = faults_by_path(logged_in, paths)

    assert found == {}, "\n".join(f"{path}\n  " + "\n  ".join(f) for path, f in found.items())
