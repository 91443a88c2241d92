/* Push messages of Regulars for the pages of a shop.
 *
 *   <script src="https://regulars.example/push/regulars-push.js" defer
 *           data-write-key="wk_..." data-worker="/regulars-sw.js" data-user-id="A-17"></script>
 *
 * Where the source asks for signed users, with data-user-hash="..." from your server.
 *
 *   button.addEventListener("click", () => regularsPush.subscribe({ userId: "A-17" }));
 *
 * Browsers ask a person only when he did something: call subscribe from a click. Who subscribed
 * already is kept up to date by the page alone, without a question.
 */
(() => {
  "use strict";

  const script = document.currentScript;
  const base = new URL(script.src).href.replace(/\/push\/[^/]*$/, "");
  const writeKey = script.dataset.writeKey || "";
  const worker = script.dataset.worker || "/regulars-sw.js";
  // The page tells us of a subscription again after a day, or when anything about it changed.
  const TOLD = "regulars-push-told";
  const DAY = 24 * 60 * 60 * 1000;

  function isSupported() {
    return (
      "serviceWorker" in navigator && "PushManager" in window && "Notification" in window
    );
  }

  /* "unsupported", "default" (not asked yet), "denied", "granted" or "subscribed". */
  async function state() {
    if (!isSupported()) return "unsupported";
    if (Notification.permission !== "granted") return Notification.permission;
    const registration = await navigator.serviceWorker.getRegistration(worker);
    const found = registration && (await registration.pushManager.getSubscription());
    return found ? "subscribed" : "granted";
  }

  /* Ask the person, and send to this browser from now on. Gives the state afterwards. */
  async function subscribe(who) {
    if (!isSupported()) return "unsupported";
    const permission = await Notification.requestPermission();
    if (permission !== "granted") return permission;
    const names = named(who);
    await settle(names.userId || names.anonymousId ? names : { anonymousId: ownId() }, true);
    return "subscribed";
  }

  /* Send nothing more to this browser. */
  async function unsubscribe() {
    if (!isSupported()) return "unsupported";
    forget();
    const registration = await navigator.serviceWorker.getRegistration(worker);
    const found = registration && (await registration.pushManager.getSubscription());
    if (found) {
      await post("/push/unsubscribe", { writeKey, endpoint: found.endpoint });
      await found.unsubscribe();
    }
    return state();
  }

  async function settle(who, isAsked) {
    const key = await publicKey();
    await navigator.serviceWorker.register(worker);
    const registration = await navigator.serviceWorker.ready;
    let found = await registration.pushManager.getSubscription();
    let previous = "";
    if (found && !isMadeWith(found, key)) {
      // Our key was changed: nothing reaches this subscription any more.
      previous = found.endpoint;
      await found.unsubscribe();
      found = null;
    }
    if (!found) {
      found = await registration.pushManager.subscribe({
        userVisibleOnly: true,
        applicationServerKey: bytes(key),
      });
    }
    const told = JSON.stringify([base, writeKey, key, found.endpoint, who]);
    if (!isAsked && wasTold(told)) return;
    await remember(key, found.endpoint);
    // Where the page does not say who it is, whoever it was is it still.
    if (!who.userId && !who.anonymousId) previous = previous || found.endpoint;
    const subscription = found.toJSON();
    try {
      await post("/push/subscribe", { writeKey, ...who, subscription, key, previous });
    } catch (error) {
      // Nobody whom we know any more: the person was forgotten.
      if (!isAsked && error.status === 400) await found.unsubscribe();
      throw error;
    }
    try {
      localStorage.setItem(TOLD, JSON.stringify([told, Date.now()]));
    } catch {
      // Without storage the page tells us each time.
    }
  }

  function named(who) {
    const { userId, userHash, anonymousId } = who || {};
    return {
      userId: userId || script.dataset.userId || undefined,
      // That of the page is of the user of the page.
      userHash: userHash || (userId ? undefined : script.dataset.userHash) || undefined,
      anonymousId: anonymousId || script.dataset.anonymousId || undefined,
    };
  }

  /* Where nobody says who it is: an id that stays the same in this browser. */
  function ownId() {
    const NAME = "regulars-push-id";
    try {
      const known = localStorage.getItem(NAME) || crypto.randomUUID();
      localStorage.setItem(NAME, known);
      return known;
    } catch {
      return crypto.randomUUID();
    }
  }

  async function publicKey() {
    const answer = await fetch(`${base}/push/key`, { credentials: "omit" });
    if (!answer.ok) throw new Error(`Regulars gave no key for push messages: ${answer.status}`);
    return (await answer.json()).key;
  }

  async function post(path, body) {
    // As text: then the browser need not ask beforehand whether it may.
    const answer = await fetch(base + path, {
      method: "POST",
      body: JSON.stringify(body),
      headers: { "Content-Type": "text/plain" },
      credentials: "omit",
    });
    if (!answer.ok) {
      const said = await answer.json().catch(() => ({}));
      const error = new Error(said.message || `Regulars answered ${answer.status}`);
      throw Object.assign(error, { status: answer.status });
    }
  }

  /* For the service worker, which has no storage of its own: what it needs when a browser gets a
   * new address while no page is open. */
  async function remember(key, endpoint) {
    const store = await caches.open("regulars-push");
    const known = JSON.stringify({ base, writeKey, key, endpoint });
    await store.put("/regulars-push-settings", new Response(known));
  }

  function wasTold(told) {
    try {
      const [what, when] = JSON.parse(localStorage.getItem(TOLD) || "[]");
      return what === told && Date.now() - when < DAY;
    } catch {
      return false;
    }
  }

  function forget() {
    try {
      localStorage.removeItem(TOLD);
    } catch {
      // Nothing was kept.
    }
  }

  function isMadeWith(subscription, key) {
    const made = subscription.options && subscription.options.applicationServerKey;
    if (!made) return true;
    const [first, second] = [new Uint8Array(made), bytes(key)];
    return first.length === second.length && first.every((byte, place) => byte === second[place]);
  }

  function bytes(text) {
    const plain = atob(text.replace(/-/g, "+").replace(/_/g, "/"));
    return Uint8Array.from(plain, (letter) => letter.charCodeAt(0));
  }

  window.regularsPush = { isSupported, state, subscribe, unsubscribe };

  // Who subscribed before is kept up to date, also when the key or the person is another now.
  state()
    .then((now) => (now === "subscribed" && writeKey ? settle(named(), false) : undefined))
    .catch((error) => console.warn("Regulars:", error.message));
})();
