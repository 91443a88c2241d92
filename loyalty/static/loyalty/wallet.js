// What needs a script on the wallet's page: copying a code, printing. Without one all else works.

const said = document.querySelector(".w-said");

for (const button of document.querySelectorAll("[data-copy]")) {
  if (!navigator.clipboard) continue;
  button.hidden = false;
  const label = button.textContent;
  button.addEventListener("click", async () => {
    const code = document.getElementById(button.dataset.copy).textContent;
    try {
      await navigator.clipboard.writeText(code);
    } catch {
      // Not allowed to: the code is there to be marked.
      getSelection().selectAllChildren(document.getElementById(button.dataset.copy));
      return;
    }
    button.textContent = button.dataset.done;
    said.textContent = button.dataset.done;
    setTimeout(() => {
      button.textContent = label;
      said.textContent = "";
    }, 2500);
  });
}

for (const button of document.querySelectorAll("[data-print]")) {
  button.hidden = false;
  button.addEventListener("click", () => print());
}
