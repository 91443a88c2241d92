/* The timeline without loading the page anew: filters, older items, and what is new while one looks. */
(() => {
  "use strict";
  const POLL = 4000, TYPED = 300, SLOWEST = 60000;

  const start = (feed) => {
    const form = feed.querySelector("form"), news = feed.querySelector("[data-feed-news]"), clear = feed.querySelector("[data-feed-clear]");
    const items = () => feed.querySelector("[data-feed-items]");
    let asked = 0, waiting = null, isNewest = feed.dataset.newest === "1";

    const query = () => {
      const given = new URLSearchParams();
      for (const [name, value] of new FormData(form)) if (value !== "") given.append(name, value);
      return given;
    };
    const get = async (given) => {
      const address = new URL(feed.dataset.url, window.location.href);
      address.search = given;
      address.searchParams.set("part", "items");
      const answer = await fetch(address, { headers: { Accept: "text/html" }, credentials: "same-origin" });
      if (answer.status === 204) return null;
      if (!answer.ok || answer.redirected) throw new Error(String(answer.status));
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      return page.querySelector("[data-feed-items]");
    };
    const ids = (root) => [...root.querySelectorAll("[data-id]")].map((item) => item.dataset.id);

    // How long ago, for what is of today: in the language of the page.
    const words = new Intl.RelativeTimeFormat(document.documentElement.lang || undefined, { numeric: "auto", style: "short" });
    const tell = () => {
      for (const place of feed.querySelectorAll("[data-ago]")) {
        const seconds = (new Date(place.dataset.ago) - Date.now()) / 1000;
        const age = Math.abs(seconds);
        place.textContent = age >= 86400 ? "" : age < 60 ? words.format(0, "second") : age < 3600 ? words.format(Math.round(seconds / 60), "minute") : words.format(Math.round(seconds / 3600), "hour");
      }
    };

    const put = (fresh, known) => {
      const open = new Set([...feed.querySelectorAll("details[open]")].map((part) => part.closest("[data-id]")?.dataset.id).filter(Boolean));
      items().replaceWith(fresh);
      for (const item of fresh.querySelectorAll("[data-id]")) {
        if (open.has(item.dataset.id)) item.querySelector("details")?.setAttribute("open", "");
        if (known && !known.has(item.dataset.id)) item.classList.add("rg-fresh");
      }
      isNewest = true;
      waiting = null;
      news.hidden = true;
      tell();
    };

    const choose = async () => {
      const given = query(), turn = ++asked;
      clear.hidden = !String(given);
      window.history.replaceState(null, "", String(given) ? `?${given}` : window.location.pathname);
      feed.setAttribute("aria-busy", "true");
      try {
        const fresh = await get(given);
        if (turn === asked && fresh) put(fresh);
      } catch {
        // Without an answer the form is sent as if there were no script.
        if (turn === asked) form.submit();
      } finally {
        if (turn === asked) feed.removeAttribute("aria-busy");
      }
    };
    let typed = 0;
    form.addEventListener("change", (event) => {
      if (event.target.type !== "search") choose();
    });
    form.addEventListener("input", (event) => {
      if (event.target.type !== "search") return;
      clearTimeout(typed);
      typed = setTimeout(choose, TYPED);
    });
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      clearTimeout(typed);
      choose();
    });
    clear.addEventListener("click", (event) => {
      event.preventDefault();
      for (const field of form.elements) {
        if (field.type === "checkbox") field.checked = false;
        else if (field.type === "hidden") field.remove();
        else if ("value" in field && field.type !== "submit") field.value = "";
      }
      countSet();
      choose();
      form.querySelector("[type=search]").focus();
    });

    // The menu with more filters closes as menus do, and says how many of them are set.
    const menu = feed.querySelector("[data-feed-menu]"), set = feed.querySelector("[data-feed-more-count]");
    const countSet = () => {
      const count = [...menu.querySelectorAll("select, input")].filter((field) => field.value).length;
      set.textContent = count || "";
    };
    form.addEventListener("change", countSet);
    document.addEventListener("click", (event) => {
      if (menu.open && !menu.contains(event.target)) menu.open = false;
    });
    menu.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || !menu.open) return;
      menu.open = false;
      menu.querySelector("summary").focus();
    });

    // Older ones are put below; a day that goes on is one day.
    feed.addEventListener("click", async (event) => {
      const older = event.target.closest("[data-feed-older]");
      if (!older) return;
      event.preventDefault();
      if (older.getAttribute("aria-busy")) return;
      older.setAttribute("aria-busy", "true");
      const turn = asked;
      try {
        const page = await get(new URLSearchParams(older.dataset.feedOlder));
        if (turn !== asked || !page) return;
        const first = page.querySelector("[data-id]");
        const here = items(), last = [...here.querySelectorAll("[data-day]")].at(-1), next = page.querySelector("[data-day]");
        here.querySelector("[data-feed-more]").remove();
        if (last && next && last.dataset.day === next.dataset.day) {
          last.querySelector("ol").append(...next.querySelectorAll("li"));
          next.remove();
        }
        page.querySelector("[data-feed-newest]")?.remove();
        here.append(...page.children);
        tell();
        const target = first?.querySelector("a, summary");
        if (target) target.focus({ preventScroll: true });
        else if (first) {
          first.tabIndex = -1;
          first.focus({ preventScroll: true });
        }
      } catch {
        window.location.assign(older.href);
      }
    });

    // While one looks at it, what is new waits in a pill: nothing moves under the reader's eyes.
    const look = async () => {
      const given = query(), turn = asked;
      given.set("known", (waiting ?? items()).dataset.fingerprint ?? "");
      const fresh = await get(given);
      if (!fresh || turn !== asked || !isNewest) return;
      const shown = new Set(ids(items()));
      const count = ids(fresh).filter((id) => !shown.has(id)).length;
      waiting = fresh;
      news.textContent = count === 1 ? feed.dataset.one : feed.dataset.many.replace("{n}", count);
      news.hidden = count === 0;
    };
    news.addEventListener("click", () => {
      const known = new Set(ids(items())), fresh = waiting;
      if (!fresh) return;
      put(fresh, known);
      const first = fresh.querySelector(".rg-fresh");
      first?.scrollIntoView({ block: "nearest" });
      (first?.querySelector("a, summary") ?? form.querySelector("[type=search]")).focus({ preventScroll: true });
    });
    let wait = POLL;
    const poll = async () => {
      if (!document.hidden && isNewest) {
        try {
          await look();
          wait = POLL;
        } catch {
          wait = Math.min(wait * 2, SLOWEST);
        }
        tell();
      }
      setTimeout(poll, wait);
    };
    feed.classList.add("rg-scripted");
    tell();
    setTimeout(poll, POLL);
    document.addEventListener("visibilitychange", () => {
      if (!document.hidden && isNewest) look().then(tell, () => {});
    });
  };

  const begin = () => document.querySelectorAll("[data-feed]").forEach(start);
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", begin);
  else begin();
})();
