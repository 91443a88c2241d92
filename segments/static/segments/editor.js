/* The criteria editor: line numbers, a button that formats, faults at their lines, a live preview. */
(() => {
  "use strict";

  // Where each path of a document begins in its text ("rules[1].value" → offset); null for no JSON.
  const positions = (text) => {
    const found = new Map();
    let at = 0;
    const space = () => { while (/\s/.test(text[at] ?? "")) at += 1; };
    const literal = () => {
      if (text[at] !== '"') {
        while (at < text.length && !/[\s,\]}:]/.test(text[at])) at += 1;
        return "";
      }
      const start = at;
      at += 1;
      while (at < text.length && text[at] !== '"') at += text[at] === "\\" ? 2 : 1;
      at += 1;
      try { return JSON.parse(text.slice(start, at)); } catch { return ""; }
    };
    const value = (path) => {
      space();
      if (!found.has(path)) found.set(path, at);
      const closing = { "{": "}", "[": "]" }[text[at]];
      if (!closing) { literal(); return; }
      const isList = closing === "]";
      at += 1;
      for (let index = 0; ; index += 1) {
        space();
        if (at >= text.length) return;
        if (text[at] === closing) { at += 1; return; }
        if (text[at] === ",") { at += 1; index -= 1; continue; }
        const before = at;
        if (isList) value(`${path}[${index}]`);
        else {
          const key = literal();
          space();
          if (text[at] === ":") at += 1;
          const inner = path ? `${path}.${key}` : key;
          found.set(inner, before);
          value(inner);
        }
        if (at === before) at += 1;
      }
    };
    value("");
    return found;
  };
  // The place of a path, or of the nearest part around it that is there.
  const placeOf = (text, path) => {
    const found = positions(text);
    let part = path;
    while (part && !found.has(part)) part = part.replace(/(\.[^.[\]]*|\[\d+\]|^[^.[\]]+)$/, "");
    return found.get(part) ?? 0;
  };

  const begin = (root) => {
    const form = root.closest("form");
    const area = root.querySelector("textarea");
    const gutter = root.querySelector("[data-gutter]");
    const list = root.querySelector("[data-problems]");
    const box = root.querySelector("[data-preview-box]");
    const words = box.dataset;
    const whole = root.querySelector("[data-whole]").innerHTML;
    const ticket = Math.random().toString(36).slice(2);
    let problems = [...list.querySelectorAll("[data-path]")].map((part) => ({
      path: part.dataset.path, message: part.lastElementChild.textContent,
    }));
    let asked = null;
    let timer = 0;

    const lineOf = (offset) => area.value.slice(0, offset).split("\n").length;
    const number = () => {
      const faulty = new Set(problems.map((problem) => lineOf(placeOf(area.value, problem.path))));
      gutter.replaceChildren(...area.value.split("\n").map((_line, index) => {
        const part = document.createElement("div");
        part.textContent = index + 1;
        if (faulty.has(index + 1)) part.className = "rg-fault";
        return part;
      }));
      gutter.scrollTop = area.scrollTop;
    };
    const showProblems = () => {
      list.hidden = !problems.length;
      area.toggleAttribute("aria-invalid", problems.length > 0);
      list.replaceChildren(...problems.map((problem) => {
        const button = document.createElement("button");
        button.type = "button";
        button.dataset.path = problem.path;
        const code = document.createElement("code");
        code.textContent = problem.path || whole;
        const message = document.createElement("span");
        message.textContent = problem.message;
        button.append(code, message);
        return button;
      }));
      number();
    };
    const showPreview = (answer) => {
      const has = !answer.problems.length;
      box.querySelector("[data-count]").textContent = has ? (answer.exact ? answer.count : `${words.textLeast} ${answer.count}`) : "–";
      box.querySelector("[data-count-label]").textContent = has ? words.textFits : words.textFaulty;
      if (has) box.querySelector("[data-sentence]").textContent = answer.sentence;
      box.querySelector("[data-sample]").replaceChildren(...(answer.sample ?? []).map((contact) => {
        const item = document.createElement("li");
        const link = document.createElement("a");
        link.className = "rg-link";
        link.href = contact.url;
        link.textContent = contact.name;
        const mail = document.createElement("span");
        mail.textContent = contact.email === contact.name ? "" : contact.email;
        item.append(link, mail);
        return item;
      }));
    };
    const ask = async () => {
      asked?.abort();
      asked = new AbortController();
      const body = new FormData();
      body.set("criteria", area.value);
      body.set("segment", root.dataset.segment);
      body.set("ticket", ticket);
      if (form.elements.members_only?.checked) body.set("members_only", "1");
      box.setAttribute("aria-busy", "true");
      try {
        const answer = await fetch(root.dataset.preview, {
          method: "POST", body, signal: asked.signal,
          headers: { "X-CSRFToken": form.elements.csrfmiddlewaretoken.value },
        });
        if (answer.status === 409) return;
        if (!answer.ok) throw new Error(answer.status);
        const found = await answer.json();
        problems = found.problems;
        showProblems();
        showPreview(found);
      } catch (error) {
        if (error.name === "AbortError") return;
        box.querySelector("[data-count-label]").textContent = words.textFailed;
      }
      box.setAttribute("aria-busy", "false");
    };
    const soon = () => { clearTimeout(timer); timer = setTimeout(ask, 500); };
    area.addEventListener("input", () => { number(); soon(); });
    area.addEventListener("scroll", () => { gutter.scrollTop = area.scrollTop; });
    form.addEventListener("change", (event) => {
      if (event.target.name === "members_only") soon();
    });
    list.addEventListener("click", (event) => {
      const button = event.target.closest("[data-path]");
      if (!button) return;
      const offset = placeOf(area.value, button.dataset.path);
      const end = area.value.indexOf("\n", offset);
      area.focus();
      area.setSelectionRange(offset, end < 0 ? area.value.length : end);
      area.scrollTop = Math.max(0, (lineOf(offset) - 5) * parseFloat(getComputedStyle(area).lineHeight));
    });
    const write = (text) => {
      area.value = text;
      number();
      area.dispatchEvent(new Event("input", { bubbles: true }));
    };
    root.querySelector("[data-format]")?.addEventListener("click", () => {
      // Only the white space changes: numbers keep all their digits, which parsing would not.
      const token = /"(?:\\.|[^"\\])*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g;
      const numbersOf = (text) => (text.match(token) ?? []).filter((part) => part[0] !== '"');
      try {
        const pretty = JSON.stringify(JSON.parse(area.value), null, 2);
        const numbers = numbersOf(area.value);
        if (numbersOf(pretty).length !== numbers.length || /"\d+"\s*:/.test(area.value)) return;
        let next = 0;
        write(pretty.replace(token, (part) => (part[0] === '"' ? part : numbers[next++])));
      } catch { ask(); }
    });
    number();
    ask();
  };
  const start = () => { for (const form of document.querySelectorAll("[data-editor]")) begin(form); };
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", start);
  else start();
})();
