/* The closed list says what is chosen in it; Escape and a click elsewhere close it. */
(() => {
  "use strict";
  for (const drop of document.querySelectorAll("[data-drop]")) {
    const text = drop.querySelector("[data-drop-text]");
    const say = () => {
      const chosen = [...drop.querySelectorAll("input:checked")].map((box) => box.closest("label").textContent.trim());
      text.textContent = chosen.length ? chosen.join(", ") : text.dataset.none;
    };
    drop.addEventListener("change", say);
    drop.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || !drop.open) return;
      drop.open = false;
      drop.querySelector("summary").focus();
    });
    document.addEventListener("click", (event) => {
      if (drop.open && !drop.contains(event.target)) drop.open = false;
    });
    say();
  }
})();
