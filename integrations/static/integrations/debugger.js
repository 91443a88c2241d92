/* The live debugger: events appear as they arrive; filters, details and the keyboard. */
(() => {
  "use strict";

  const EVERY = 1000;
  const KNOWN = 40;
  const SHOWN = 500;
  const TYPING = 250;

  const begin = (box) => {
    const part = (name) => box.querySelector(`[data-${name}]`);
    const list = part("list");
    const form = box.querySelector("form");
    const announce = part("announce");
    let newest = Number(box.dataset.newest);
    let isPaused = false;
    let round = 0;
    let arrivedCount = 0;

    const rows = () => [...list.querySelectorAll(":scope > .rg-live-row")];
    const opener = (row) => row.querySelector(".rg-live-open");
    const words = () => {
      const found = new URLSearchParams();
      for (const [name, value] of new FormData(form)) if (value.trim()) found.set(name, value.trim());
      return found;
    };
    const ask = async (more) => {
      const query = words();
      for (const [name, value] of Object.entries(more)) query.set(name, value);
      const answer = await fetch(`${box.dataset.rows}?${query}`, { headers: { Accept: "application/json" } });
      if (answer.redirected || !answer.ok) throw new Error(String(answer.status));
      return answer.json();
    };
    const drawn = (html) => {
      const holder = document.createElement("template");
      holder.innerHTML = html;
      return [...holder.content.querySelectorAll("li")];
    };

    // One row at a time is reached by Tab; arrow keys lead to the others.
    const rove = (chosen) => {
      for (const row of rows()) opener(row).tabIndex = row === chosen ? 0 : -1;
    };
    const keepReachable = () => {
      const all = rows();
      if (all.length && !all.some((row) => opener(row).tabIndex === 0)) rove(all[0]);
    };
    const showEmpty = () => {
      const isEmpty = !list.children.length;
      part("none").hidden = !isEmpty;
      part("none-any").hidden = words().size > 0;
      part("none-chosen").hidden = words().size === 0;
    };

    const insert = (fresh) => {
      const before = new Map(rows().map((row) => [Number(row.dataset.id), row]));
      let added = 0;
      for (const row of fresh.reverse()) {
        const id = Number(row.dataset.id);
        if (before.has(id)) continue;
        opener(row).tabIndex = -1;
        row.classList.add("rg-new");
        const place = [...list.children].find((other) => Number(other.dataset.id) < id);
        list.insertBefore(row, place ?? null);
        newest = Math.max(newest, id);
        added += 1;
      }
      // Old rows make room, except the one that somebody reads.
      for (const row of rows().slice(SHOWN)) {
        if (row.contains(document.activeElement) || row.querySelector(".rg-live-detail")) continue;
        row.remove();
        part("more").hidden = false;
        part("older").dataset.before = rows().at(-1).dataset.id;
      }
      keepReachable();
      showEmpty();
      return added;
    };

    // Where more arrived at once than was drawn, the list says so and leads to the others.
    const markGap = (lowest) => {
      const item = document.createElement("li");
      item.className = "rg-live-gap";
      item.dataset.id = lowest - 0.5;
      const button = document.createElement("button");
      button.type = "button";
      button.className = "rg-button rg-tiny";
      button.textContent = box.dataset.skipped;
      button.addEventListener("click", async () => {
        const known = new Set(rows().map((row) => row.dataset.id));
        const answer = await ask({ before: Math.ceil(Number(item.dataset.id)) });
        const found = drawn(answer.html);
        const last = found.at(-1);
        const isFilled = !last || found.some((row) => known.has(row.dataset.id));
        insert(found);
        if (isFilled) item.remove();
        else {
          item.dataset.id = Number(last.dataset.id) - 0.5;
          list.querySelector(`[data-id="${last.dataset.id}"]`).after(item);
          button.focus();
        }
      });
      item.append(button);
      list.querySelector(`[data-id="${lowest}"]`)?.after(item);
    };

    const say = (text) => { if (announce.textContent !== text) announce.textContent = text; };
    // Told every few seconds at most, or a screen reader would never be silent.
    setInterval(() => {
      if (!arrivedCount) return;
      say(arrivedCount === 1 ? box.dataset.newOne : box.dataset.newMany.replace("#", arrivedCount));
      arrivedCount = 0;
    }, 4000);

    const showWaiting = (answer) => {
      part("waiting").hidden = !answer.waiting;
      part("waiting").textContent = answer.waiting_text;
    };

    const poll = async () => {
      const mine = round;
      const known = rows().slice(0, KNOWN).map((row) => row.dataset.id).join(",");
      const answer = await ask({ after: newest, known });
      if (mine !== round || isPaused) return;
      showWaiting(answer);
      if (answer.count) {
        const fresh = drawn(answer.html);
        const lowest = fresh.at(-1).dataset.id;
        arrivedCount += insert(fresh);
        if (answer.is_more) markGap(lowest);
      }
      if (announce.textContent === box.dataset.lost) say("");
    };
    const live = async () => {
      let wait = EVERY;
      for (;;) {
        await new Promise((done) => setTimeout(done, wait));
        if (isPaused || document.hidden) { wait = EVERY; continue; }
        try {
          await poll();
          wait = EVERY;
          part("dot").classList.remove("rg-lost");
        } catch {
          wait = Math.min(wait * 2, 15000);
          part("dot").classList.add("rg-lost");
          say(box.dataset.lost);
        }
      }
    };

    const showPage = (answer, isFirst) => {
      if (isFirst) {
        list.replaceChildren();
        newest = Math.max(newest, answer.newest);
      }
      for (const row of drawn(answer.html)) {
        if (isFirst || !list.querySelector(`[data-id="${row.dataset.id}"]`)) list.append(row);
      }
      if (!isFirst) for (const row of rows().slice(1)) if (row !== document.activeElement?.closest("li")) opener(row).tabIndex = -1;
      part("more").hidden = !answer.next_before;
      part("older").dataset.before = answer.next_before ?? "";
      part("cut").hidden = !answer.is_search_cut;
      keepReachable();
      showEmpty();
      showWaiting(answer);
    };
    const choose = async () => {
      const mine = ++round;
      const query = words().toString();
      history.replaceState(null, "", query ? `?${query}` : location.pathname);
      const answer = await ask({});
      if (mine === round) showPage(answer, true);
    };
    let typing = 0;
    const chooseSoon = (delay) => {
      clearTimeout(typing);
      typing = setTimeout(() => choose().catch(() => say(box.dataset.lost)), delay);
    };
    form.addEventListener("input", (event) => chooseSoon(event.target.matches("select") ? 0 : TYPING));
    form.addEventListener("submit", (event) => { event.preventDefault(); chooseSoon(0); });
    part("clear").addEventListener("click", (event) => {
      event.preventDefault();
      for (const field of form.elements) field.value = "";
      chooseSoon(0);
      form.querySelector("select").focus();
    });
    part("older").addEventListener("click", async () => {
      const last = rows().at(-1);
      showPage(await ask({ before: part("older").dataset.before }), false);
      const next = last ? last.nextElementSibling : list.firstElementChild;
      if (next) { rove(next); opener(next).focus(); }
    });

    part("pause").addEventListener("click", () => {
      isPaused = !isPaused;
      round += 1;
      const button = part("pause");
      button.querySelector("[data-label]").textContent = isPaused ? button.dataset.resumeLabel : button.dataset.pauseLabel;
      button.querySelector(".material-symbols-outlined").textContent = isPaused ? "play_arrow" : "pause";
      const state = part("state");
      state.textContent = isPaused ? state.dataset.paused : state.dataset.live;
      part("dot").classList.toggle("rg-still", isPaused);
      if (!isPaused) poll().catch(() => say(box.dataset.lost));
    });
    document.addEventListener("visibilitychange", () => {
      if (!document.hidden && !isPaused) poll().catch(() => say(box.dataset.lost));
    });

    const close = (row) => {
      row.querySelector(".rg-live-detail")?.remove();
      opener(row).setAttribute("aria-expanded", "false");
    };
    const open = async (row) => {
      opener(row).setAttribute("aria-expanded", "true");
      const detail = document.createElement("div");
      detail.className = "rg-live-detail";
      detail.setAttribute("aria-busy", "true");
      row.append(detail);
      const answer = await fetch(`${box.dataset.event}?id=${row.dataset.id}`);
      if (!answer.ok || answer.redirected) return close(row);
      detail.innerHTML = await answer.text();
      detail.removeAttribute("aria-busy");
    };
    list.addEventListener("click", (event) => {
      const button = event.target.closest(".rg-live-open");
      if (!button) return;
      const row = button.closest("li");
      rove(row);
      if (row.querySelector(".rg-live-detail")) close(row);
      else open(row).catch(() => close(row));
    });
    list.addEventListener("keydown", (event) => {
      const row = event.target.closest("li");
      if (event.key === "Escape" && row?.querySelector(".rg-live-detail")) {
        close(row);
        opener(row).focus();
        return;
      }
      if (!event.target.matches(".rg-live-open")) return;
      const all = rows();
      const to = {
        ArrowDown: row.nextElementSibling, ArrowUp: row.previousElementSibling, Home: all[0], End: all.at(-1),
      }[event.key];
      if (!to) return;
      event.preventDefault();
      rove(to);
      opener(to).focus();
    });

    live();
  };

  for (const box of document.querySelectorAll("[data-debugger]")) begin(box);
})();
