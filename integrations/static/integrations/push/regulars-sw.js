/* The service worker for push messages of Regulars. In the shop's own /regulars-sw.js:
 *
 *   importScripts("https://regulars.example/push/regulars-sw.js");
 */
(() => {
  "use strict";

  self.addEventListener("push", (event) => {
    const message = read(event.data);
    if (message) event.waitUntil(show(message));
  });

  self.addEventListener("notificationclick", (event) => {
    const about = event.notification.data;
    if (!about || !about.isRegulars) return;
    event.notification.close();
    event.waitUntil(Promise.all([open(about.url), report(about)]));
  });

  self.addEventListener("pushsubscriptionchange", (event) => {
    event.waitUntil(renew(event.oldSubscription, event.newSubscription));
  });

  function read(data) {
    try {
      const message = data.json();
      return message && (message.title || message.body) ? message : null;
    } catch {
      return null;
    }
  }

  function show(message) {
    const options = {
      body: message.title ? message.body || "" : "",
      data: {
        isRegulars: true,
        url: message.url || "",
        opened: message.opened || "",
        token: message.token || "",
      },
    };
    if (message.icon) options.icon = message.icon;
    // The same message once more takes the place of its first copy, without a sound.
    if (message.message) options.tag = `regulars-${message.message}`;
    return self.registration.showNotification(message.title || message.body, options);
  }

  async function open(url) {
    const wanted = new URL(url || "/", self.location.origin).href;
    const pages = await self.clients.matchAll({ type: "window", includeUncontrolled: true });
    const page = pages.find((one) => one.url === wanted);
    try {
      await (page ? page.focus() : self.clients.openWindow(wanted));
    } catch (error) {
      console.warn("Regulars: the page could not be opened:", error.message);
    }
  }

  async function report({ opened, token }) {
    if (!opened || !token) return;
    try {
      await fetch(opened, {
        method: "POST",
        body: JSON.stringify({ token }),
        headers: { "Content-Type": "text/plain" },
        credentials: "omit",
        keepalive: true,
      });
    } catch (error) {
      console.warn("Regulars: that it was opened could not be told:", error.message);
    }
  }

  /* The browser has a new address, and no page is open that would tell us. */
  async function renew(before, after) {
    const store = await caches.open("regulars-push");
    const found = await store.match("/regulars-push-settings");
    if (!found) return;
    const known = await found.json();
    const answer = await fetch(`${known.base}/push/key`, { credentials: "omit" });
    const { key } = await answer.json();
    const fresh =
      after ||
      (await self.registration.pushManager.subscribe({
        userVisibleOnly: true,
        applicationServerKey: bytes(key),
      }));
    await fetch(`${known.base}/push/subscribe`, {
      method: "POST",
      body: JSON.stringify({
        writeKey: known.writeKey,
        previous: (before && before.endpoint) || known.endpoint,
        subscription: fresh.toJSON(),
      }),
      headers: { "Content-Type": "text/plain" },
      credentials: "omit",
    });
    const now = JSON.stringify({ ...known, key, endpoint: fresh.endpoint });
    await store.put("/regulars-push-settings", new Response(now));
  }

  function bytes(text) {
    const plain = atob(text.replace(/-/g, "+").replace(/_/g, "/"));
    return Uint8Array.from(plain, (letter) => letter.charCodeAt(0));
  }
})();
