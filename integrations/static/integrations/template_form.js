/* The form of a template: gaps are put where one writes, and the preview follows. */
(() => {
  "use strict";

  const form = document.querySelector("[data-template-form]");
  if (!form) return;
  const fields = [...form.querySelectorAll("[data-gaps]")];
  const part = (name) => form.querySelector(`[data-${name}]`);
  let last = fields.find((field) => field.name === "html") || fields[0];
  for (const field of fields) field.addEventListener("focus", () => { last = field; });

  form.addEventListener("click", (event) => {
    const button = event.target.closest("[data-gap]");
    if (!button || !last) return;
    const gap = `{{ ${button.dataset.gap.replace(/\.\*$/, ".")} }}`;
    last.setRangeText(gap, last.selectionStart, last.selectionEnd, "end");
    last.dispatchEvent(new Event("input", { bubbles: true }));
    last.focus();
  });

  const tell = (box, lines) => {
    box.hidden = !lines.length;
    box.replaceChildren(...lines.map((line) => Object.assign(document.createElement("p"), { textContent: line })));
  };
  const show = (seen) => {
    tell(part("faults"), seen.faults || []);
    if (seen.faults) return;
    tell(part("remarks"), seen.remarks);
    part("subject").textContent = seen.subject;
    part("text").textContent = seen.text;
    const frame = part("html");
    frame.hidden = !seen.html;
    if (frame.srcdoc !== seen.html) frame.srcdoc = seen.html;
    part("text-box").open = !seen.html || part("text-box").open && part("text-box").dataset.kept !== undefined;
    part("text-box").dataset.kept = "";
  };

  let asked = 0;
  const look = async () => {
    const mine = ++asked;
    const body = new FormData();
    for (const field of fields) body.append(field.name, field.value);
    body.append("contact", part("contact")?.value || "");
    try {
      const answer = await fetch(form.dataset.previewUrl, {
        method: "POST",
        body,
        headers: { "X-CSRFToken": form.querySelector("[name=csrfmiddlewaretoken]").value },
      });
      if (!answer.ok) throw new Error(String(answer.status));
      const seen = await answer.json();
      if (mine === asked) show(seen);
    } catch {
      if (mine === asked) tell(part("faults"), [form.dataset.textFailed]);
    }
  };
  let timer;
  form.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(look, 350);
  });
  look();
})();
