/* The page "Set up": one snippet at a time, and a sign that turns when the first event arrives. */
(() => {
  "use strict";

  const arrangeTabs = (box) => {
    const tabs = [...box.querySelectorAll('[role="tab"]')];
    const choose = (chosen) => {
      for (const tab of tabs) {
        const isChosen = tab === chosen;
        tab.setAttribute("aria-selected", isChosen);
        tab.tabIndex = isChosen ? 0 : -1;
        document.getElementById(tab.getAttribute("aria-controls")).hidden = !isChosen;
      }
    };
    for (const tab of tabs) tab.addEventListener("click", () => choose(tab));
    box.querySelector('[role="tablist"]').addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (!step) return;
      event.preventDefault();
      const next = tabs[(tabs.indexOf(document.activeElement) + step + tabs.length) % tabs.length];
      choose(next);
      next.focus();
    });
  };

  const waitForFirst = async (box) => {
    let wait = 1000;
    for (;;) {
      await new Promise((done) => setTimeout(done, wait));
      if (document.hidden) continue;
      try {
        const answer = await fetch(box.dataset.firstEvent, { headers: { Accept: "application/json" } });
        if (!answer.ok) return;
        const found = await answer.json();
        wait = 1000;
        if (found.text) {
          box.querySelector("[data-text]").textContent = found.text;
          box.querySelector("[data-badge]").innerHTML = found.badge;
        }
        if (!found.has_arrived) continue;
        const title = box.querySelector("[data-title]");
        title.textContent = title.dataset.arrived;
        box.querySelector(".rg-pulse .material-symbols-outlined").textContent = "check";
        box.querySelector("[data-next]").classList.add("rg-primary");
        box.classList.add("rg-arrived");
        return;
      } catch {
        wait = Math.min(wait * 2, 15000);
      }
    }
  };

  for (const box of document.querySelectorAll("[data-snippets]")) arrangeTabs(box);
  for (const box of document.querySelectorAll("[data-first-event]")) waitForFirst(box);
})();
