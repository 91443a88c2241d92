// Shows how codes will look while their pattern is being written.
(() => {
  const form = document.getElementById("campaign_form");
  if (!form || !form.dataset.exampleUrl) return;
  const names = ["pattern", "charset", "own_charset", "check_digit"];
  const at = (name) => form.querySelector(`[data-${name}]`);
  let timer = 0;
  let number = 0;

  const own = form.elements.namedItem("own_charset");
  const charset = form.elements.namedItem("charset");
  const row = own && (own.closest(".field-row") || own.closest("div"));

  const show = async () => {
    const mine = ++number;
    if (row) row.hidden = charset.value !== "own";
    const answer = await fetch(form.dataset.exampleUrl, { method: "POST", body: new FormData(form) });
    if (!answer.ok || mine !== number) return;
    const found = await answer.json();
    at("examples").replaceChildren(
      ...found.examples.map((code) => Object.assign(document.createElement("code"), { textContent: code })),
    );
    at("combinations").textContent = found.text || "";
    at("problem").textContent = found.problem || "";
  };

  form.addEventListener("input", (event) => {
    if (!names.includes(event.target.name)) return;
    clearTimeout(timer);
    timer = setTimeout(show, 250);
  });
  form.addEventListener("change", (event) => {
    if (names.includes(event.target.name)) show();
  });
  show();
})();
