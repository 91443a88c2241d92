/* The preview of a template: follows what is written, for an example or a contact. */
(() => {
  "use strict";

  const form = document.querySelector("[data-template-form]");
  const preview = form?.querySelector("[data-preview]");
  if (!preview) return;
  const part = (name) => preview.querySelector(`[data-${name}]`);
  const WIDTHS = { desktop: 720, phone: 360 };

  const tell = (box, lines) => {
    box.hidden = !lines.length;
    box.replaceChildren(...lines.map((line) => Object.assign(document.createElement("p"), { textContent: line })));
  };

  /* A mail is as wide as the window it is read in, and here as small as there is room for. */
  const frame = preview.querySelector(".rg-frame");
  const stage = part("stage");
  let seen = {};
  if (stage && window.innerWidth < 700) preview.querySelector("[name=view][value=phone]").checked = true;
  const fit = () => {
    if (!stage || stage.dataset.view === "text") return;
    const view = stage.dataset.view;
    const border = view === "phone" ? 16 : 2;
    const room = stage.clientWidth - border;
    if (room <= 0) return;
    const scale = Math.min(1, room / WIDTHS[view]);
    const width = view === "phone" ? WIDTHS.phone : Math.max(WIDTHS.desktop, room);
    const height = 620;
    const html = part("html");
    html.style.width = `${width}px`;
    html.style.height = `${height / scale}px`;
    html.style.transform = scale < 1 ? `scale(${scale})` : "";
    frame.style.width = `${width * scale + border}px`;
    frame.style.height = `${height + border}px`;
  };
  const paint = () => {
    const isDark = part("dark").checked;
    preview.querySelector("[data-screen]")?.classList.toggle("rg-dark", isDark);
    if (!frame) return;
    // A mail that knows of the dark says so in its styles; readers turn others over themselves.
    const written = seen.html || "";
    const knows = /prefers-color-scheme/.test(written);
    frame.classList.toggle("rg-dark", isDark && knows);
    frame.classList.toggle("rg-inverted", isDark && !knows);
    // What is asked of the reader's device is answered here, whatever this one prefers.
    const answered = written.replace(/\(\s*prefers-color-scheme\s*:\s*(dark|light)\s*\)/gi, (_asked, scheme) => ((scheme.toLowerCase() === "dark") === isDark ? "(min-width: 0)" : "(max-width: 0)"));
    // Links lead nowhere: the frame may not open anything.
    const content = answered && `<base target="_blank">${answered}`;
    const html = part("html");
    if (html.srcdoc !== content) html.srcdoc = content;
  };
  const arrange = () => {
    if (!stage) return;
    const hasHtml = Boolean(seen.html);
    const view = preview.querySelector("[name=view]:checked").value;
    stage.dataset.view = hasHtml ? view : "text";
    part("html").hidden = !hasHtml;
    part("text").hidden = stage.dataset.view !== "text";
    fit();
    paint();
  };
  preview.querySelector("[data-views]")?.addEventListener("change", arrange);
  part("dark").addEventListener("change", paint);
  new ResizeObserver(fit).observe(preview);

  const showIcon = (address) => {
    const icon = part("icon");
    if (!icon) return;
    icon.hidden = !address;
    part("no-icon").hidden = Boolean(address);
    if (address && icon.src !== address) icon.src = address;
  };
  const host = (address) => {
    try { return new URL(address).host; } catch { return ""; }
  };
  const show = (told) => {
    tell(part("faults"), told.faults || []);
    if (told.faults) return;
    seen = told;
    tell(part("remarks"), told.remarks);
    part("subject").textContent = told.subject;
    part("text").textContent = told.text;
    if (part("snippet")) part("snippet").textContent = told.snippet;
    if (part("link")) part("link").textContent = host(told.link);
    showIcon(told.icon);
    part("language").hidden = !told.language;
    part("language-code").textContent = told.language;
    arrange();
  };

  let asked = 0;
  const look = async () => {
    const mine = (asked += 1);
    const body = new FormData();
    const chosen = form.querySelector("[name=format]:checked")?.value;
    for (const field of form.querySelectorAll("[data-gaps], [data-part], [name=channel], [name=language]")) {
      const isLeftOut = ["mjml", "html"].includes(field.name) && chosen && field.name !== chosen;
      if (!body.has(field.name)) body.append(field.name, isLeftOut ? "" : field.value);
    }
    body.append("contact", part("contact")?.value || "");
    try {
      const answer = await fetch(form.dataset.previewUrl, {
        method: "POST",
        body,
        headers: { "X-CSRFToken": form.querySelector("[name=csrfmiddlewaretoken]").value },
      });
      if (!answer.ok) throw new Error(String(answer.status));
      const told = await answer.json();
      if (mine === asked) show(told);
    } catch {
      if (mine === asked) tell(part("faults"), [form.dataset.textFailed]);
    }
  };
  let timer;
  const later = () => {
    clearTimeout(timer);
    timer = setTimeout(look, 350);
  };
  form.addEventListener("input", (event) => { if (!event.target.closest("[data-preview]")) later(); });
  form.querySelector("[data-formats]")?.addEventListener("change", look);
  // What only looks at the message is no change of it.
  preview.addEventListener("input", (event) => event.stopPropagation());
  preview.addEventListener("change", (event) => event.stopPropagation());

  /* Finding a contact */
  const text = part("find-text");
  if (text) {
    const list = part("found");
    const options = () => [...list.querySelectorAll("[data-id]")];
    const close = () => {
      list.hidden = true;
      text.setAttribute("aria-expanded", "false");
      text.removeAttribute("aria-activedescendant");
    };
    const pick = (option) => {
      part("contact").value = option.dataset.id;
      text.value = option.textContent;
      close();
      look();
    };
    const mark = (option) => {
      for (const one of options()) one.setAttribute("aria-selected", String(one === option));
      text.setAttribute("aria-activedescendant", option.id);
      option.scrollIntoView({ block: "nearest" });
    };
    let sought = 0;
    const find = async () => {
      const mine = (sought += 1);
      const term = text.value.trim();
      if (!term) {
        close();
        part("contact").value = "";
        return look();
      }
      const answer = await fetch(`${form.dataset.contactsUrl}?q=${encodeURIComponent(term)}`);
      if (!answer.ok || mine !== sought) return undefined;
      const { contacts } = await answer.json();
      if (mine !== sought) return undefined;
      list.replaceChildren(...contacts.map((one) => {
        const option = document.createElement("li");
        option.id = `found-${one.id}`;
        option.dataset.id = one.id;
        option.setAttribute("role", "option");
        option.setAttribute("aria-selected", "false");
        option.textContent = [one.name, one.email, `#${one.id}`].filter(Boolean).join(" · ");
        return option;
      }));
      if (!contacts.length) {
        const nobody = Object.assign(document.createElement("li"), { textContent: form.dataset.textNobody });
        nobody.setAttribute("role", "option");
        nobody.setAttribute("aria-disabled", "true");
        list.append(nobody);
      }
      list.hidden = false;
      text.setAttribute("aria-expanded", "true");
      return undefined;
    };
    let waiting;
    text.addEventListener("input", () => {
      clearTimeout(waiting);
      waiting = setTimeout(find, 250);
    });
    text.addEventListener("keydown", (event) => {
      const all = options();
      const at = all.findIndex((one) => one.getAttribute("aria-selected") === "true");
      if (event.key === "ArrowDown" && all.length) mark(all[(at + 1) % all.length]);
      else if (event.key === "ArrowUp" && all.length) mark(all[(at - 1 + all.length) % all.length]);
      else if (event.key === "Enter") { if (!list.hidden && all.length) pick(all[Math.max(at, 0)]); }
      else if (event.key === "Escape" && !list.hidden) close();
      else return;
      event.preventDefault();
    });
    list.addEventListener("mousedown", (event) => {
      const option = event.target.closest("[data-id]");
      if (!option) return;
      event.preventDefault();
      pick(option);
    });
    text.addEventListener("blur", close);
  }
  look();
})();
