/* The form of a template: what is written in, gaps put where one writes, lines numbered. */
(() => {
  "use strict";

  const form = document.querySelector("[data-template-form]");
  if (!form) return;
  const fields = [...form.querySelectorAll("[data-gaps]")];
  let last = fields.find((field) => field.name === "mjml" && field.offsetParent) || fields.find((field) => field.tagName === "TEXTAREA") || fields[0];
  // Before anybody wrote there: at the end of the first words.
  const words = last?.value.search(/<\/mj-text>|<\/p>|<\/body>/) ?? -1;
  last?.setSelectionRange(words < 0 ? last.value.length : words, words < 0 ? last.value.length : words);
  for (const field of fields) field.addEventListener("focus", () => { last = field; });

  /* Gaps */
  const menu = form.querySelector("[data-gap-menu]");
  menu?.addEventListener("click", (event) => {
    const button = event.target.closest("[data-gap]");
    if (!button || !last) return;
    menu.hidePopover();
    last.focus();
    const gap = `{{ ${button.dataset.gap.replace(/\.\*$/, ".")} }}`;
    last.setRangeText(gap, last.selectionStart, last.selectionEnd, "end");
    last.dispatchEvent(new Event("input", { bubbles: true }));
  });
  const search = form.querySelector("[data-gap-search]");
  search?.addEventListener("input", (event) => {
    event.stopPropagation();
    const wanted = search.value.trim().toLowerCase();
    for (const group of menu.querySelectorAll("[data-gap-group]")) {
      let shown = 0;
      for (const item of group.querySelectorAll("li")) {
        item.hidden = !item.textContent.toLowerCase().includes(wanted);
        shown += !item.hidden;
      }
      group.hidden = !shown;
    }
  });
  search?.addEventListener("keydown", (event) => {
    if (event.key !== "Enter") return;
    event.preventDefault();
    menu.querySelector("[data-gap-group]:not([hidden]) li:not([hidden]) [data-gap]")?.click();
  });
  menu?.addEventListener("toggle", (event) => { if (event.newState === "open") search.focus(); });

  /* MJML, HTML or text */
  const formats = form.querySelector("[data-formats]");
  const choose = () => {
    const chosen = formats.querySelector(":checked")?.value;
    for (const part of form.querySelectorAll("[data-format]")) {
      part.hidden = part.dataset.format !== chosen && part.dataset.format !== "text";
    }
    for (const code of form.querySelectorAll("[data-code]")) code.dispatchEvent(new Event("rg-resize"));
  };
  if (formats) {
    formats.addEventListener("change", choose);
    choose();
  }

  /* Numbers of lines; those with a fault are marked. */
  for (const code of form.querySelectorAll("[data-code]")) {
    const editor = Object.assign(document.createElement("div"), { className: "rg-editor" });
    const numbers = Object.assign(document.createElement("pre"), { className: "rg-numbers" });
    numbers.setAttribute("aria-hidden", "true");
    const errors = code.closest("[data-format]")?.querySelector(".errors, .errorlist, [class*=red]")?.textContent || "";
    const faulty = new Set([...errors.matchAll(new RegExp(`${form.dataset.textLine} (\\d+)`, "g"))].map((found) => Number(found[1])));
    code.replaceWith(editor);
    editor.append(numbers, code);
    let count = 0;
    const number = () => {
      const lines = code.value.split("\n").length;
      if (lines !== count) {
        count = lines;
        numbers.replaceChildren(...Array.from({ length: lines }, (_each, line) => {
          const mark = document.createElement(faulty.has(line + 1) ? "b" : "span");
          mark.textContent = `${line + 1}`;
          return mark;
        }).flatMap((mark) => [mark, "\n"]));
      }
      numbers.style.height = `${code.offsetHeight}px`;
      numbers.scrollTop = code.scrollTop;
    };
    code.addEventListener("input", number);
    code.addEventListener("scroll", () => { numbers.scrollTop = code.scrollTop; });
    code.addEventListener("rg-resize", number);
    new ResizeObserver(number).observe(code);
    // A new line begins where the one before began.
    code.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || event.ctrlKey || event.metaKey || event.isComposing) return;
      const before = code.value.slice(0, code.selectionStart);
      const indent = /(?:^|\n)([ \t]*)[^\n]*$/.exec(before)[1];
      if (!indent) return;
      event.preventDefault();
      code.setRangeText(`\n${indent}`, code.selectionStart, code.selectionEnd, "end");
      code.dispatchEvent(new Event("input", { bubbles: true }));
    });
    number();
  }
})();
