/* Choosing segments of another system: search, how many are chosen, counts as they become known. */
"use strict";

(() => {
  const BATCH = 5;
  const AGAIN_MS = 3000;
  const ATTEMPTS = 5;

  const begin = (form) => {
    const rows = [...form.querySelectorAll("tr[data-name]")];
    for (const one of form.querySelectorAll("[data-needs-script]")) one.hidden = false;
    const none = form.querySelector("[data-none]");
    form.querySelector("[data-search]").addEventListener("input", (event) => {
      const wanted = event.target.value.trim().toLowerCase();
      for (const row of rows) row.hidden = !row.dataset.name.includes(wanted);
      none.hidden = rows.some((row) => !row.hidden);
    });
    // Enter in the search chooses nothing.
    form.querySelector("[data-search]").addEventListener("keydown", (event) => {
      if (event.key === "Enter") event.preventDefault();
    });
    const told = form.querySelector("[data-chosen]");
    const tell = () => {
      const count = form.querySelectorAll("input[name=segments]:checked").length;
      told.textContent = count ? ` (${count})` : "";
    };
    form.addEventListener("change", tell);
    tell();
    count(form);
  };

  const count = async (form) => {
    let unknown = [...form.querySelectorAll("[data-count-of]")].filter((cell) => cell.textContent.trim() === "–");
    for (let attempt = 0; attempt < ATTEMPTS && unknown.length; attempt += 1) {
      if (attempt) await new Promise((go) => setTimeout(go, AGAIN_MS));
      const left = [];
      for (let start = 0; start < unknown.length; start += BATCH) {
        const cells = unknown.slice(start, start + BATCH);
        const query = new URLSearchParams(cells.map((cell) => ["id", cell.dataset.countOf]));
        let counts;
        try {
          const answer = await fetch(`${form.dataset.counts}?${query}`, { headers: { Accept: "application/json" } });
          if (!answer.ok) return;
          ({ counts } = await answer.json());
        } catch {
          // The page is left, or the network is gone: the list is good without counts.
          return;
        }
        for (const cell of cells) {
          const found = counts[cell.dataset.countOf];
          if (found === null || found === undefined) left.push(cell);
          else cell.textContent = found;
        }
      }
      unknown = left;
    }
  };

  const start = () => { for (const form of document.querySelectorAll("form[data-import]")) begin(form); };
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", start);
  else start();
})();
