/* The page of a test: the log grows by itself, and a trigger has fields beside its code. */
(() => {
  "use strict";
  const POLL = 2000, SLOWEST = 30000;

  const follow = async (feed) => {
    let wait = POLL;
    for (;;) {
      await new Promise((done) => setTimeout(done, wait));
      if (document.hidden) continue;
      try {
        const answer = await fetch(feed.dataset.url, { credentials: "same-origin" });
        // The test ended elsewhere: the page says so.
        if (answer.status === 204 || answer.redirected) { window.location.reload(); return; }
        if (!answer.ok) throw new Error(String(answer.status));
        const page = new DOMParser().parseFromString(await answer.text(), "text/html");
        const fresh = page.querySelector("[data-test-log]"), old = feed.querySelector("[data-test-log]");
        if (fresh && old && !old.contains(document.activeElement?.closest("summary, pre"))) put(feed, old, fresh);
        wait = POLL;
      } catch {
        wait = Math.min(wait * 2, SLOWEST);
      }
    }
  };
  const key = (part) => `${part.parentElement.closest("[data-keep]")?.dataset.keep || ""}/${part.dataset.keep}`;
  const put = (feed, old, fresh) => {
    const known = new Map([...old.querySelectorAll("[data-keep]")].map((part) => [key(part), part.open]));
    feed.replaceChild(fresh, old);
    for (const part of fresh.querySelectorAll("[data-keep]")) if (known.has(key(part))) part.open = known.get(key(part));
  };

  // Fields write into the code, and the code is what is sent.
  const offer = (form) => {
    const choice = form.querySelector("[data-trigger-event]");
    if (!choice) return;
    const box = form.querySelector("[data-trigger-fields]"), code = form.querySelector("textarea");
    const examples = JSON.parse(document.getElementById("trigger-examples").textContent);
    const schemas = JSON.parse(document.getElementById("trigger-schemas").textContent);
    const write = (name, value) => {
      let all;
      try { all = JSON.parse(code.value || "{}"); } catch { return; }
      const steps = name.split("."), last = steps.pop();
      let inside = all;
      for (const step of steps) inside = inside[step] = typeof inside[step] === "object" && inside[step] ? inside[step] : {};
      inside[last] = value;
      code.value = JSON.stringify(all, null, 2);
    };
    const read = (name) => {
      try { return name.split(".").reduce((inside, step) => inside?.[step], JSON.parse(code.value || "{}")); } catch { return undefined; }
    };
    const fields = () => {
      box.replaceChildren();
      const wanted = (schemas[choice.value] || []).filter((one) => !["list", "object", "array"].includes(one.type));
      box.hidden = !wanted.length;
      for (const one of wanted) {
        const label = document.createElement("label"), title = document.createElement("span"), input = document.createElement("input");
        label.className = "rg-stack";
        label.style.gap = ".2rem";
        title.textContent = one.required ? `${one.name} *` : one.name;
        input.className = "rg-input";
        input.type = one.type === "number" ? "number" : one.type === "boolean" ? "checkbox" : one.type === "date" ? "date" : "text";
        if (input.type === "number") input.step = "any";
        const value = read(one.name);
        if (input.type === "checkbox") { input.className = ""; input.checked = value === true; label.className = "rg-row"; }
        else input.value = value ?? "";
        input.addEventListener("input", () => write(one.name, input.type === "checkbox" ? input.checked : input.type === "number" ? (input.value === "" ? null : Number(input.value)) : input.value));
        label.append(title, input);
        box.append(label);
      }
    };
    const choose = () => { code.value = JSON.stringify(examples[choice.value] || {}, null, 2); fields(); };
    choice.addEventListener("change", choose);
    code.addEventListener("change", fields);
    choose();
  };

  // What belongs to the other way of entering is put aside.
  const ways = (form) => {
    const show = () => {
      const how = form.querySelector("[name=how]:checked").value;
      for (const part of form.querySelectorAll("[data-how]")) part.hidden = part.dataset.how !== how;
    };
    for (const one of form.querySelectorAll("[name=how]")) one.addEventListener("change", show);
    show();
  };

  const start = () => {
    for (const feed of document.querySelectorAll("[data-test-feed]")) follow(feed);
    for (const form of document.querySelectorAll("[data-trigger]")) offer(form);
    for (const form of document.querySelectorAll("form")) if (form.querySelector("[name=how]")) ways(form);
  };
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", start);
  else start();
})();
