/* The form of a computed metric: fields that belong to a function. */
(() => {
  "use strict";

  const form = document.querySelector("[data-metric-form]");
  if (!form) return;
  const follow = () => {
    const chosen = form.elements.function.value;
    for (const part of form.querySelectorAll("[data-when]")) part.hidden = !part.dataset.when.split(" ").includes(chosen);
  };
  form.addEventListener("change", follow);
  follow();
})();
