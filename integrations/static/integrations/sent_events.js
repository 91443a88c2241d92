/* The events of a connection: new ones appear, waiting ones say what came of them. */
(() => {
  "use strict";

  const EVERY = 2000;
  const LONGEST = 30000;
  const list = document.querySelector("[data-sent-events]");
  for (const choice of document.querySelectorAll("[data-sends]")) choice.addEventListener("change", () => choice.form.requestSubmit());
  if (!list) return;
  const dot = document.querySelector("[data-dot]");
  const address = new URL(location.href);
  address.searchParams.set("part", "rows");
  let wait = EVERY;

  // A row that somebody reads stays open, and keeps the focus, when it is drawn anew.
  const renew = (html) => {
    const holder = document.createElement("template");
    holder.innerHTML = html;
    const before = new Map([...list.children].map((row) => [row.dataset.id, row]));
    const fresh = [...holder.content.querySelectorAll("li")];
    if (fresh.every((row, place) => list.children[place]?.dataset.id === row.dataset.id && list.children[place].dataset.version === row.dataset.version)) return;
    const focused = document.activeElement?.closest("li[data-id]");
    for (const row of fresh) {
      const former = before.get(row.dataset.id);
      if (former?.dataset.version === row.dataset.version) { row.replaceWith(former); continue; }
      if (former?.querySelector("details").open) row.querySelector("details").open = true;
    }
    list.replaceChildren(...holder.content.children);
    if (focused && list.querySelector(`[data-id="${focused.dataset.id}"]`)) list.querySelector(`[data-id="${focused.dataset.id}"] summary`).focus();
    document.querySelector("[data-none]")?.toggleAttribute("hidden", list.children.length > 0);
  };
  const look = async () => {
    if (!document.hidden) {
      try {
        const answer = await fetch(address);
        if (!answer.ok || answer.redirected) throw new Error(String(answer.status));
        renew(await answer.text());
        dot?.classList.remove("rg-lost");
        wait = EVERY;
      } catch {
        dot?.classList.add("rg-lost");
        wait = Math.min(2 * wait, LONGEST);
      }
    }
    setTimeout(look, wait);
  };
  setTimeout(look, wait);
})();
