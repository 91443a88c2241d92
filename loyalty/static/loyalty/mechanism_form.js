/* Counts who may have a mechanism, while it is being written. */
(() => {
  "use strict";

  const begin = () => {
    const form = document.querySelector("[data-audience-url]");
    const place = form?.querySelector("[data-audience]");
    // Who may only look has nothing to count for.
    if (!place || form.querySelector("fieldset[disabled]")) return;
    let waiting = 0;
    let asked = 0;

    const count = async () => {
      asked += 1;
      const mine = asked;
      place.setAttribute("aria-busy", "true");
      try {
        const answer = await fetch(form.dataset.audienceUrl, { method: "POST", body: new FormData(form) });
        if (!answer.ok) throw new Error(String(answer.status));
        const found = await answer.text();
        if (mine === asked) place.innerHTML = found;
      } catch {
        // What was counted last stays; the next change asks again.
      }
      if (mine === asked) place.removeAttribute("aria-busy");
    };
    const later = () => {
      clearTimeout(waiting);
      waiting = setTimeout(count, 400);
    };

    form.addEventListener("input", later);
    form.addEventListener("change", later);
    // Fields with a search of their own tell of a change by jQuery only.
    window.django?.jQuery?.(form).on("change", later);
    count();
  };

  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", begin);
  else begin();
})();
