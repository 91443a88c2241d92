/* A test message to the browser of whoever looks at the connection. */
(() => {
  "use strict";

  const form = document.querySelector("[data-push-trial]");
  if (!form) return;
  const said = form.querySelector("[data-said]");
  const button = form.querySelector("button");

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    button.disabled = true;
    said.textContent = "…";
    try {
      said.textContent = await tryIt();
    } catch (error) {
      said.textContent = `${form.dataset.failed} ${error.message}`;
    } finally {
      button.disabled = false;
    }
  });

  async function tryIt() {
    if (!("serviceWorker" in navigator && "PushManager" in window && "Notification" in window)) {
      return form.dataset.unsupported;
    }
    if ((await Notification.requestPermission()) !== "granted") return form.dataset.denied;
    const worker = await navigator.serviceWorker.register(form.dataset.workerUrl);
    await active(worker);
    const { key } = await (await fetch(form.dataset.keyUrl)).json();
    // One from before may have been made with another key.
    await (await worker.pushManager.getSubscription())?.unsubscribe();
    const subscription = await worker.pushManager.subscribe({
      userVisibleOnly: true,
      applicationServerKey: bytes(key),
    });
    const body = new FormData(form);
    body.append("subscription", JSON.stringify(subscription));
    const answer = await fetch(form.action, { method: "POST", body });
    return (await answer.json()).message;
  }

  function active(registration) {
    const worker = registration.active || registration.waiting || registration.installing;
    if (!worker || worker.state === "activated") return undefined;
    return new Promise((done) => {
      worker.addEventListener("statechange", () => worker.state === "activated" && done());
    });
  }

  function bytes(text) {
    const plain = atob(text.replace(/-/g, "+").replace(/_/g, "/"));
    return Uint8Array.from(plain, (letter) => letter.charCodeAt(0));
  }
})();
