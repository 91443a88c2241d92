/* A form that somebody has changed is not left without asking. */
(() => {
  "use strict";

  for (const form of document.querySelectorAll("[data-unsaved-guard]")) {
    const written = () => new URLSearchParams([...new FormData(form)].filter(([, value]) => typeof value === "string")).toString();
    const hint = form.querySelector("[data-unsaved]");
    const initial = written();
    let isSent = false;
    // What the server refused is as it was sent, and not saved.
    const isChanged = () => form.dataset.refused !== undefined || written() !== initial;
    const note = () => { if (hint) hint.hidden = !isChanged(); };
    form.addEventListener("input", note);
    form.addEventListener("change", note);
    form.addEventListener("submit", () => { isSent = true; });
    window.addEventListener("pageshow", () => { isSent = false; note(); });
    window.addEventListener("beforeunload", (event) => {
      if (!isSent && isChanged()) event.preventDefault();
    });
  }
})();
