/* The page that looks at a file: what is chosen is tried at once, and what does not apply is hidden. */
"use strict";

(() => {
  const KEY = "regulars.from_file.focus";

  const begin = (form) => {
    const check = form.querySelector("[data-check]");
    for (const name of ["column", "identity", "has_header"]) {
      form.elements[name]?.addEventListener("change", (event) => {
        sessionStorage.setItem(KEY, event.target.id);
        form.requestSubmit(check);
      });
    }
    // The page is a new one then: whoever works by keyboard stays where he was.
    const focused = sessionStorage.getItem(KEY);
    sessionStorage.removeItem(KEY);
    if (focused) document.getElementById(focused)?.focus();
    const mode = form.elements.refresh_mode;
    const interval = form.querySelector("[data-interval]");
    if (!mode || !interval) return;
    const show = () => { interval.hidden = mode.value !== "interval"; };
    mode.addEventListener("change", show);
    show();
  };

  const start = () => { for (const form of document.querySelectorAll("form[data-check-again]")) begin(form); };
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", start);
  else start();
})();
