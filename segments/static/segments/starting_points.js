/* The page on which a new segment begins: search, a title of the template, how many it has now. */
(() => {
  "use strict";

  const begin = (form) => {
    const name = form.elements.name;
    const told = form.querySelector("[data-start-count]");
    const points = [...form.querySelectorAll("[data-point]")];
    const ticket = Math.random().toString(36).slice(2);
    let given = "";
    let asked = null;

    const preview = async (criteria) => {
      asked?.abort();
      told.textContent = "";
      if (!criteria) return;
      asked = new AbortController();
      const body = new FormData();
      body.set("criteria", criteria);
      body.set("ticket", ticket);
      try {
        const answer = await fetch(form.dataset.preview, {
          method: "POST", body, signal: asked.signal,
          headers: { "X-CSRFToken": form.dataset.csrf },
        });
        const found = answer.ok ? await answer.json() : {};
        if (found.count !== undefined) told.textContent = (found.exact ? form.dataset.textCount : form.dataset.textLeast).replace("%s", found.count);
      } catch { /* The count is a courtesy; the next choice asks again. */ }
    };
    const choose = () => {
      const chosen = points.find((point) => point.querySelector("input")?.checked);
      for (const point of points) {
        const list = point.querySelector("select");
        if (list) list.disabled = point !== chosen;
      }
      if (!name.value || name.value === given) name.value = given = chosen?.dataset.name ?? "";
      preview(chosen?.dataset.criteria);
    };
    form.addEventListener("change", (event) => { if (event.target.name === "start") choose(); });
    form.addEventListener("submit", () => {
      if (!name.value) name.disabled = true;
    });
    window.addEventListener("pageshow", () => {
      name.disabled = false;
      choose();
    });

    const search = form.querySelector("[data-search]");
    const templates = form.querySelectorAll("[data-template]");
    search.addEventListener("input", () => {
      const words = search.value.toLocaleLowerCase().split(/\s+/).filter(Boolean);
      let count = 0;
      for (const point of templates) {
        const text = point.textContent.toLocaleLowerCase();
        point.hidden = !words.every((word) => text.includes(word));
        count += !point.hidden;
      }
      form.querySelector("[data-none]").hidden = count > 0;
      form.querySelector("[data-found]").textContent = words.length ? `(${count})` : "";
    });
    search.addEventListener("keydown", (event) => {
      // Enter takes the first that was found, rather than sending the form.
      if (event.key !== "Enter") return;
      event.preventDefault();
      const first = [...templates].find((point) => !point.hidden && point.querySelector("input"));
      first?.querySelector("input").click();
      first?.querySelector("input").focus();
    });
  };
  const start = () => { for (const form of document.querySelectorAll("form[data-starting]")) begin(form); };
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", start);
  else start();
})();
