/* Forms with criteria: nothing is lost or left out without asking; counts and criteria on the way. */
(() => {
  "use strict";

  const begin = (form) => {
    const written = () => new URLSearchParams([...new FormData(form)].filter(([, value]) => typeof value === "string")).toString();
    const hint = document.querySelector("[data-unsaved]");
    const leaving = document.getElementById("dialog-leave");
    let initial = written();
    let isLeaving = false;
    const isChanged = () => form.dataset.isChanged !== undefined || written() !== initial;

    const note = () => { if (hint) hint.hidden = !isChanged(); };
    const arrange = () => {
      const interval = form.querySelector("[data-interval]");
      if (interval) interval.hidden = form.elements.refresh_mode.value !== "interval";
    };
    form.addEventListener("input", note);
    form.addEventListener("change", () => { arrange(); note(); });
    form.addEventListener("submit", () => { isLeaving = true; });
    window.addEventListener("pageshow", () => { isLeaving = false; note(); });
    window.addEventListener("beforeunload", (event) => {
      if (!isLeaving && isChanged()) event.preventDefault();
    });

    // Links of this page ask in its own words; the browser's words are for everything else.
    document.addEventListener("click", (event) => {
      const link = event.target.closest("a[href]");
      const isElsewhere = !link || link.target || link.hasAttribute("download") || link.origin !== location.origin;
      const isAnchor = link && link.hash && link.pathname === location.pathname && link.search === location.search;
      if (event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey || isElsewhere || isAnchor || !isChanged()) return;
      event.preventDefault();
      leaving.returnValue = "";
      leaving.showModal();
      leaving.addEventListener("close", () => {
        if (leaving.returnValue !== "leave") return;
        isLeaving = true;
        location.assign(link.href);
      }, { once: true });
    });
    document.addEventListener("keydown", (event) => {
      if ((event.ctrlKey || event.metaKey) && !event.altKey && event.key.toLowerCase() === "s") {
        event.preventDefault();
        if (!document.querySelector("dialog[open]")) form.requestSubmit(document.querySelector("[data-save]"));
      }
    });

    const generate = document.querySelector("[data-generate]");
    generate?.addEventListener("click", (event) => {
      if (!isChanged() || generate.dataset.isAgreed) return;
      event.preventDefault();
      const dialog = document.getElementById("dialog-generate");
      dialog.returnValue = "";
      dialog.showModal();
      dialog.addEventListener("close", () => {
        if (dialog.returnValue !== "save") return;
        generate.dataset.isAgreed = "1";
        form.requestSubmit(generate);
      }, { once: true });
    });

    const told = document.querySelector("[data-count-told]");
    const recount = document.querySelector("[data-refresh-count]");
    recount?.addEventListener("click", async () => {
      recount.setAttribute("aria-busy", "true");
      try {
        const answer = await fetch(form.dataset.countUrl, { headers: { Accept: "application/json" } });
        if (!answer.ok) throw new Error(answer.status);
        const found = await answer.json();
        const strong = document.createElement("strong");
        strong.textContent = found.text;
        told.replaceChildren(strong, ` ${found.note}`);
        const shown = document.querySelector("[data-member-count]");
        if (shown) shown.textContent = found.count;
      } catch {
        location.reload();
      }
      recount.removeAttribute("aria-busy");
    });

    document.addEventListener("job:reload", (event) => {
      if (!isChanged()) return;
      event.preventDefault();
      recount?.click();
    });

    const keep = document.querySelector("[data-keep-criteria]");
    keep?.addEventListener("submit", async (event) => {
      event.preventDefault();
      const refusal = keep.querySelector("[data-refusal]");
      const body = new FormData(keep);
      body.set("criteria", form.elements.criteria.value);
      refusal.hidden = true;
      try {
        const answer = await fetch(keep.action, { method: "POST", body, headers: { Accept: "application/json" } });
        const found = await answer.json();
        if (answer.ok) {
          keep.closest("dialog").close();
          const link = document.createElement("a");
          link.href = found.url;
          link.target = "_blank";
          link.className = "rg-link";
          link.textContent = found.name;
          told.replaceChildren(`${found.text} `, link);
          keep.reset();
          return;
        }
        refusal.textContent = found.message;
      } catch (error) {
        refusal.textContent = String(error.message ?? error);
      }
      refusal.hidden = false;
    });

    // Numbers of a document may have more digits than a number of a script: its text is not parsed.
    const insert = document.querySelector("[data-insert-criteria]");
    if (insert) {
      const choice = insert.querySelector("[data-choice]");
      const config = JSON.parse(document.getElementById(insert.dataset.insertCriteria).textContent);
      const documents = [];
      for (const [label, offered] of [[choice.dataset.textSaved, config.saved], [choice.dataset.textTemplates, config.templates]]) {
        if (!offered.length) continue;
        const group = document.createElement("optgroup");
        group.label = label;
        for (const one of offered) {
          group.append(new Option(one.name ?? one.title, documents.length));
          documents.push(one.criteria);
        }
        choice.append(group);
      }
      insert.addEventListener("submit", (event) => {
        const found = documents[choice.value];
        if (found === undefined) return;
        const area = form.elements.criteria;
        const isAdded = event.submitter?.value === "add" && area.value.trim();
        area.value = isAdded ? `{"combinator": "and", "rules": [${area.value}, ${found}]}` : found;
        area.dispatchEvent(new Event("input", { bubbles: true }));
      });
    }

    for (const part of document.querySelectorAll("[data-needs-script]")) part.hidden = false;
    // What the browser remembered of an earlier visit is no change of this one.
    requestAnimationFrame(() => { initial = written(); note(); });
    arrange();
  };
  const start = () => { for (const form of document.querySelectorAll("form[data-guarded]")) begin(form); };
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", start);
  else start();
})();
