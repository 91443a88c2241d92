/* Dialogs, live progress and the keyboard: what every page of the admin shares. */
(() => {
  "use strict";

  // A button names the dialog it opens; the browser keeps the focus inside and closes on Escape.
  document.addEventListener("click", (event) => {
    const opener = event.target.closest("[data-opens]");
    if (opener) {
      event.preventDefault();
      const dialog = document.getElementById(opener.dataset.opens);
      for (const [name, value] of Object.entries(opener.dataset)) {
        const field = name.startsWith("set") && dialog.querySelector(`[data-field="${name.slice(3).toLowerCase()}"]`);
        if (field) "value" in field ? (field.value = value) : (field.textContent = value);
      }
      dialog.showModal();
      return;
    }
    const closer = event.target.closest("[data-closes]");
    if (closer) closer.closest("dialog").close();
  });

  // A menu opens at its button, where there is room; arrow keys walk through it.
  const openerOf = (menu) => document.querySelector(`[popovertarget="${menu.id}"]`);
  let openedAt = 0;
  document.addEventListener("beforetoggle", (event) => {
    if (event.newState === "open" && event.target.matches("[data-menu]")) openedAt = openerOf(event.target).getBoundingClientRect().top;
  }, true);
  document.addEventListener("toggle", (event) => {
    const menu = event.target;
    if (event.newState !== "open" || !menu.matches("[data-menu]")) return;
    const at = openerOf(menu).getBoundingClientRect();
    const left = Math.min(at.right - menu.offsetWidth, window.innerWidth - menu.offsetWidth - 8);
    const below = window.innerHeight - at.bottom - 8;
    const top = below >= menu.offsetHeight ? at.bottom + 4 : Math.max(8, Math.min(at.top - menu.offsetHeight - 4, window.innerHeight - menu.offsetHeight - 8));
    menu.style.left = `${Math.max(8, left)}px`;
    menu.style.top = `${top}px`;
    menu.querySelector("a, button")?.focus({ preventScroll: true });
  }, true);
  document.addEventListener("keydown", (event) => {
    const menu = event.target.closest?.("[data-menu]");
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!menu || !step) return;
    event.preventDefault();
    const all = [...menu.querySelectorAll("a, button")];
    all[(all.indexOf(document.activeElement) + step + all.length) % all.length].focus();
  });
  // What is fixed to the window does not follow its row. Rows that come to rest after a tap have hardly moved.
  const nearEnough = 24;
  window.addEventListener("scroll", () => {
    const menu = document.querySelector("[data-menu]:popover-open");
    if (menu && Math.abs(openerOf(menu).getBoundingClientRect().top - openedAt) > nearEnough) menu.hidePopover();
  }, { passive: true });

  // An address may name the dialog to begin with: /…/change/#dialog-archive
  const openNamed = () => {
    const named = /^#dialog-[\w-]+$/.test(window.location.hash) && document.querySelector(window.location.hash);
    if (named && !named.open && named.showModal) named.showModal();
  };
  window.addEventListener("hashchange", openNamed);

  // A form that acts is sent once, however often its button is pressed.
  document.addEventListener("submit", (event) => {
    if (!event.target.matches("form[data-once]")) return;
    if (event.target.dataset.sent) event.preventDefault();
    event.target.dataset.sent = "1";
  });
  window.addEventListener("pageshow", () => {
    for (const form of document.querySelectorAll("form[data-sent]")) delete form.dataset.sent;
  });

  // A job tells how far it is until it is over; then the page may want to show what came of it.
  const show = (box, job) => {
    const bar = box.querySelector(".rg-progress");
    const known = job.total > 0;
    const share = job.is_finished && job.state === "succeeded" ? 100 : known ? Math.min(100, (100 * job.done) / job.total) : 0;
    bar.classList.toggle("rg-unknown", !known && !job.is_finished);
    bar.classList.toggle("rg-done", job.state === "succeeded");
    bar.classList.toggle("rg-failed", job.state === "failed");
    bar.firstElementChild.style.width = known || job.is_finished ? `${share}%` : "";
    if (known) bar.setAttribute("aria-valuenow", Math.round(share));
    box.querySelector("[data-job-text]").textContent = job.text;
    const badge = box.querySelector("[data-job-badge]");
    if (badge) badge.innerHTML = job.badge;
  };
  const watch = async (box) => {
    let wait = 700;
    for (;;) {
      await new Promise((done) => setTimeout(done, wait));
      try {
        const answer = await fetch(box.dataset.job, { headers: { Accept: "application/json" } });
        if (!answer.ok) return;
        const job = await answer.json();
        show(box, job);
        if (job.is_finished) {
          // A page on which somebody is writing says no, and shows the outcome in its own way.
          const isWanted = box.dataset.reload !== undefined && box.dispatchEvent(new Event("job:reload", { bubbles: true, cancelable: true }));
          if (isWanted) window.location.reload();
          return;
        }
        wait = 1000;
      } catch {
        wait = Math.min(wait * 2, 15000);
      }
    }
  };
  const start = () => {
    openNamed();
    for (const box of document.querySelectorAll("[data-job]")) watch(box);

    // The theme would write the name of a chosen file into a field that ours do not have.
    for (const input of document.querySelectorAll("input[type=file].rg-input")) input.hasChangeListener = true;

    // What the theme makes clickable is made reachable by keyboard.
    const clickable = "[x-on\\:click]:not(a[href]):not(button):not(input):not(summary):not([tabindex])";
    for (const part of document.querySelectorAll(clickable)) {
      if (part.id === "changelist-filter-close" || part.closest("template")) continue;
      part.tabIndex = 0;
      part.setAttribute("role", "button");
      if (!part.getAttribute("aria-label") && part.classList.contains("material-symbols-outlined")) {
        part.setAttribute("aria-label", part.title || part.textContent.trim().replaceAll("_", " "));
      }
      part.addEventListener("keydown", (event) => {
        if (event.target !== part || (event.key !== "Enter" && event.key !== " ")) return;
        event.preventDefault();
        part.click();
      });
    }
    // The theme's search button shows a picture only: it is called what its field asks for.
    const search = document.getElementById("searchbar-submit");
    search?.setAttribute("aria-label", search.form.querySelector("input").placeholder);
    // A picture is drawn by a word; who has the page read aloud should not hear it.
    for (const icon of document.querySelectorAll(".material-symbols-outlined:not([role])")) {
      icon.setAttribute("aria-hidden", "true");
    }
    for (const tab of document.querySelectorAll(".rg-tabs [aria-current]")) {
      tab.parentElement.scrollLeft = tab.offsetLeft - tab.parentElement.offsetLeft - 24;
    }
    for (const button of document.querySelectorAll("[data-copy]")) {
      button.addEventListener("click", async () => {
        await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).textContent.trim());
        button.textContent = button.dataset.copied;
      });
    }
  };
  // The theme hides the page until it is ready, and what is hidden cannot be given the focus.
  document.addEventListener("alpine:initialized", () => {
    requestAnimationFrame(() => {
      if (document.activeElement === document.body) document.querySelector("[autofocus], #login-form #id_username")?.focus();
    });
  });
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", start);
  else start();
})();
