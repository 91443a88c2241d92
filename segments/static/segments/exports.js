/* The form of an export: columns are chosen, named and ordered; what the file would have is shown. */
(() => {
  "use strict";

  const start = (form) => {
    const list = form.querySelector("[data-chosen]");
    const pattern = form.querySelector("[data-column-template]").content;
    const presets = JSON.parse(document.getElementById("export-presets").textContent);
    const said = form.querySelector("[data-announce]");
    const palette = [...form.querySelectorAll("[data-add]")];
    const columns = () => [...list.children];
    const labelOf = (item) => item.dataset.label;

    // What changes is told to who cannot see it, and to the preview.
    const announce = (item, words) => {
      const place = columns().indexOf(item);
      said.textContent = place < 0 ? `${labelOf(item)} ${words}` : `${labelOf(item)} ${words} ${place + 1}`;
    };
    const refreshColumns = () => {
      const found = columns();
      const names = new Set(found.map((item) => item.dataset.column));
      const isOfSegment = form.elements.segment.value !== "";
      found.forEach((item, place) => {
        item.querySelector("[data-up]").disabled = place === 0;
        item.querySelector("[data-down]").disabled = place === found.length - 1;
      });
      for (const button of palette) {
        const needsSegment = button.dataset.add === "entered_at" && !isOfSegment;
        button.disabled = names.has(button.dataset.add) || needsSegment;
      }
      form.querySelector("[data-column-count]").textContent = found.length;
      form.querySelector("[data-no-columns]").hidden = found.length > 0;
    };
    const changed = () => {
      refreshColumns();
      preview();
    };

    const make = ({ name, label, header }) => {
      const item = pattern.querySelector("li").cloneNode(true);
      item.dataset.column = name;
      item.dataset.label = label.charAt(0).toUpperCase() + label.slice(1);
      item.querySelector("[data-name]").textContent = labelOf(item);
      item.querySelector("[name=columns]").value = name;
      item.querySelector("[name=headers]").value = header;
      for (const part of item.querySelectorAll("[aria-label]")) {
        part.setAttribute("aria-label", `${part.getAttribute("aria-label").trim()} ${labelOf(item)}`);
      }
      return item;
    };
    const add = (column) => {
      const item = make(column);
      list.append(item);
      return item;
    };
    const move = (item, step) => {
      const found = columns();
      const place = found.indexOf(item) + step;
      if (place < 0 || place >= found.length) return;
      if (step < 0) found[place].before(item);
      else found[place].after(item);
      changed();
      announce(item, said.dataset.moved);
    };
    const remove = (item) => {
      const next = item.nextElementSibling || item.previousElementSibling;
      item.remove();
      changed();
      announce(item, said.dataset.removed);
      (next ? next.querySelector("[data-remove]") : form.querySelector("[data-column-search]")).focus();
    };

    form.addEventListener("click", (event) => {
      const button = event.target.closest("button");
      if (!button || button.disabled) return;
      const item = button.closest("[data-column]");
      if (button.dataset.add !== undefined) {
        const made = add({ name: button.dataset.add, label: button.dataset.label, header: button.dataset.add });
        changed();
        announce(made, said.dataset.added);
        // The button that was pressed can be pressed no more: go on with the next one.
        const rest = palette.filter((other) => !other.disabled && !other.closest("li").hidden);
        (rest.find((other) => palette.indexOf(other) > palette.indexOf(button)) || rest[0] || list).focus();
      } else if (button.dataset.preset !== undefined) {
        const isOfSegment = form.elements.segment.value !== "";
        const all = () =>
          palette
            .filter((other) => isOfSegment || other.dataset.add !== "entered_at")
            .map((other) => ({ name: other.dataset.add, label: other.dataset.label, header: other.dataset.add }));
        const chosen = button.dataset.preset === "all" ? all() : presets[button.dataset.preset];
        list.replaceChildren();
        chosen.forEach(add);
        changed();
      } else if (item && button.hasAttribute("data-remove")) {
        remove(item);
      } else if (item && (button.hasAttribute("data-up") || button.hasAttribute("data-down"))) {
        const isUp = button.hasAttribute("data-up");
        move(item, isUp ? -1 : 1);
        const other = item.querySelector(isUp ? "[data-down]" : "[data-up]");
        (button.disabled ? other : button).focus();
      }
    });

    // By keyboard: the handle has the focus, the arrows move the column.
    list.addEventListener("keydown", (event) => {
      const grip = event.target.closest("[data-grip]");
      const step = { ArrowUp: -1, ArrowDown: 1 }[event.key];
      if (!grip || !step) return;
      event.preventDefault();
      move(grip.closest("[data-column]"), step);
      grip.focus();
    });

    // By mouse, pen or finger: the column follows the pointer from neighbour to neighbour.
    list.addEventListener("pointerdown", (event) => {
      const grip = event.target.closest("[data-grip]");
      if (!grip || event.button) return;
      event.preventDefault();
      grip.focus();
      const item = grip.closest("[data-column]");
      const before = columns().indexOf(item);
      item.classList.add("rg-dragged");
      const follow = (moved) => {
        for (const other of columns()) {
          if (other === item) continue;
          const box = other.getBoundingClientRect();
          const middle = box.top + box.height / 2;
          const isAbove = item.compareDocumentPosition(other) & Node.DOCUMENT_POSITION_PRECEDING;
          if (isAbove && moved.clientY < middle) {
            other.before(item);
            break;
          }
          if (!isAbove && moved.clientY > middle) other.after(item);
        }
      };
      const end = () => {
        item.classList.remove("rg-dragged");
        window.removeEventListener("pointermove", follow);
        window.removeEventListener("pointerup", end);
        window.removeEventListener("pointercancel", end);
        if (columns().indexOf(item) === before) return;
        changed();
        announce(item, said.dataset.moved);
      };
      window.addEventListener("pointermove", follow);
      window.addEventListener("pointerup", end);
      window.addEventListener("pointercancel", end);
    });

    // The palette narrows down while one types; Enter takes the first.
    const search = form.querySelector("[data-column-search]");
    search.addEventListener("input", () => {
      const asked = search.value.trim().toLocaleLowerCase();
      for (const button of palette) {
        const text = `${button.dataset.label} ${button.dataset.add}`.toLocaleLowerCase();
        button.closest("li").hidden = !text.includes(asked);
      }
      for (const group of form.querySelectorAll("[data-column-group]")) {
        group.hidden = !group.querySelector("li:not([hidden])");
      }
      form.querySelector("[data-none-found]").hidden = Boolean(form.querySelector("[data-column-group]:not([hidden])"));
    });
    search.addEventListener("keydown", (event) => {
      if (event.key !== "Enter") return;
      event.preventDefault();
      palette.find((button) => !button.disabled && !button.closest("li").hidden)?.click();
      search.focus();
    });

    // What has no say for this format and time is not shown.
    const toggle = () => {
      const isCsv = form.elements.format.value === "csv";
      const mode = form.elements.mode.value;
      form.querySelector("[data-only-csv]").hidden = !isCsv;
      form.querySelector("[data-only-narrow]").hidden = form.elements.encoding.value.startsWith("utf-8");
      form.querySelector("[data-only-interval]").hidden = mode !== "interval";
      form.querySelector("[data-only-repeated]").hidden = mode === "once";
    };

    const box = form.querySelector("[data-export-preview]");
    const text = (tag, words, name) => {
      const part = document.createElement(tag);
      part.textContent = words;
      if (name) part.className = name;
      return part;
    };
    const show = (told) => {
      const problems = box.querySelector("[data-problems]");
      const isFine = told.problems.length === 0;
      problems.hidden = isFine;
      problems.replaceChildren(...told.problems.map((words) => text("p", words)));
      box.querySelector("[data-count]").textContent = isFine ? told.count : "–";
      box.querySelector("[data-count-label]").textContent = isFine ? box.dataset.textRows : "";
      const sentence = box.querySelector("[data-sentence]");
      sentence.hidden = !told.sentence;
      sentence.textContent = told.sentence || "";
      box.querySelector("[data-notes]").replaceChildren(...(told.notes || []).map((words) => text("p", words, "rg-note-box rg-warning")));
      const table = box.querySelector("[data-table]");
      table.replaceChildren();
      if (!isFine) return;
      if (told.rows === null) {
        table.append(text("p", box.dataset.textSlow, "rg-faint"));
        return;
      }
      const made = text("table", "", "rg-table rg-small");
      const head = made.createTHead().insertRow();
      for (const name of told.names) {
        const cell = text("th", name);
        cell.scope = "col";
        head.append(cell);
      }
      const body = made.createTBody();
      for (const row of told.rows) {
        const line = body.insertRow();
        for (const value of row) line.append(text("td", value));
      }
      table.append(made);
      if (told.rows.length === 0) table.append(text("p", box.dataset.textNobody, "rg-faint"));
    };

    let waiting = 0;
    let asking = null;
    const ask = async () => {
      asking?.abort();
      const mine = new AbortController();
      asking = mine;
      const data = new FormData(form);
      box.setAttribute("aria-busy", "true");
      try {
        const answer = await fetch(form.dataset.preview, { method: "POST", body: data, signal: mine.signal });
        if (!answer.ok) throw new Error(answer.statusText);
        show(await answer.json());
      } catch (error) {
        if (error.name === "AbortError") return;
        show({ problems: [box.dataset.textFailed] });
      }
      if (asking === mine) box.setAttribute("aria-busy", "false");
    };
    const preview = () => {
      clearTimeout(waiting);
      waiting = setTimeout(ask, 400);
    };
    form.addEventListener("input", (event) => {
      if (event.target === search) return;
      toggle();
      changed();
    });
    toggle();
    refreshColumns();
    ask();
  };

  const begin = () => {
    const form = document.querySelector("[data-export-form]");
    if (form) start(form);
  };
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", begin);
  else begin();
})();
