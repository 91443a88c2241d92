/* What is published is the draft as it is saved: with changes that are not, the dialog says so. */
(() => {
  "use strict";

  const form = document.getElementById("journey_form");
  document.querySelector("[data-validate]")?.addEventListener("click", () => form?.dispatchEvent(new CustomEvent("journey:validate")));
  const hint = form?.querySelector("[data-unsaved]");
  if (!hint) return;
  const shown = document.querySelector("[data-unsaved-shown]");
  const dialog = document.getElementById("dialog-publish");
  const note = document.createElement("p");
  note.className = "rg-note-box rg-warning";
  note.textContent = form.dataset.textUnsaved;
  dialog?.querySelector("h2").after(note);
  const follow = () => {
    if (shown) shown.hidden = hint.hidden;
    note.hidden = hint.hidden;
    if (dialog) dialog.querySelector("[type=submit]").disabled = !hint.hidden;
  };
  new MutationObserver(follow).observe(hint, { attributes: true, attributeFilter: ["hidden"] });
  follow();
})();
