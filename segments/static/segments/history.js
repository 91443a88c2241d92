/* Charts of the history: a point leads to who entered and who left there, by mouse and by keyboard. */
"use strict";

(() => {
  const begin = (box) => {
    const canvas = box.querySelector("canvas");
    const links = JSON.parse(box.dataset.links);
    const texts = JSON.parse(box.dataset.texts);
    if (!canvas || !links.length) return;
    const said = document.createElement("p");
    said.className = "rg-faint rg-small";
    said.setAttribute("aria-live", "polite");
    canvas.parentElement.after(said);
    canvas.tabIndex = 0;
    canvas.style.cursor = "pointer";
    let place = links.length;

    const show = () => {
      const chart = window.Chart?.getChart(canvas);
      said.textContent = texts[place] ?? "";
      if (!chart) return;
      const active = chart.data.datasets.map((_set, datasetIndex) => ({ datasetIndex, index: place }));
      chart.setActiveElements(active);
      chart.tooltip?.setActiveElements(active, { x: 0, y: 0 });
      chart.update("none");
    };
    canvas.addEventListener("click", (event) => {
      const chart = window.Chart?.getChart(canvas);
      const [point] = chart ? chart.getElementsAtEventForMode(event, "index", { intersect: false }, true) : [];
      if (point) window.location.assign(links[point.index]);
    });
    canvas.addEventListener("keydown", (event) => {
      const last = links.length - 1;
      const to = { ArrowLeft: place - 1, ArrowRight: place + 1, Home: 0, End: last }[event.key];
      if (to !== undefined) {
        event.preventDefault();
        place = Math.min(last, Math.max(0, to));
        show();
      } else if (event.key === "Enter" && links[place]) {
        window.location.assign(links[place]);
      }
    });
  };

  const start = () => { for (const box of document.querySelectorAll("[data-course]")) begin(box); };
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", start);
  else start();
})();
