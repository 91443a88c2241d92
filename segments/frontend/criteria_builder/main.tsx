// Mounts an island on every element that asks for one. Its document lives in a field of the form.

import { createRoot } from "react-dom/client";
import { App, type Config } from "./app";
import "./style.css";

let mounted = 0;
// How each island is taken away again.
const mountedOn = new WeakMap<HTMLElement, () => void>();

function configOf(element: HTMLElement): Config {
  const text = document.getElementById(element.dataset["config"] ?? "")?.textContent;
  if (!text) return {};
  try {
    return JSON.parse(text) as Config;
  } catch {
    return {};
  }
}

function fieldOf(element: HTMLElement): HTMLTextAreaElement | null {
  const form = element.closest("form");
  const { name } = element.dataset;
  const beside = element.previousElementSibling;
  if (!name && beside instanceof HTMLTextAreaElement) return beside;
  const found = form?.elements.namedItem(name ?? "criteria");
  if (found instanceof HTMLTextAreaElement) return found;
  return element.parentElement?.querySelector("textarea") ?? null;
}

export function mount(element: HTMLElement): void {
  if (element.dataset["mounted"]) return;
  const field = fieldOf(element);
  mounted += 1;
  element.dataset["mounted"] = String(mounted);
  let load: ((text: string) => void) | null = null;
  let isOurs = false;
  const write = (text: string) => {
    if (!field) return;
    isOurs = true;
    field.value = text;
    field.dispatchEvent(new Event("input", { bubbles: true }));
    isOurs = false;
  };
  // Whoever else writes to the field, such as a browser that restores a form, is followed.
  const follow = () => {
    if (!isOurs) load?.(field?.value ?? "");
  };
  const replace = (event: Event) => {
    const text = (event as CustomEvent<unknown>).detail;
    if (typeof text === "string") load?.(text);
  };
  field?.addEventListener("input", follow);
  element.addEventListener("criteria:replace", replace);
  const props = {
    id: `island-${mounted}`,
    config: configOf(element),
    initial: field?.value ?? "",
    form: element.closest("form"),
    onText: write,
    onReady: (ready: (text: string) => void) => {
      load = ready;
    },
  };
  const root = createRoot(element);
  root.render(<App {...props} />);
  mountedOn.set(element, () => {
    root.unmount();
    field?.removeEventListener("input", follow);
    element.removeEventListener("criteria:replace", replace);
    delete element.dataset["mounted"];
  });
}

/** Take the island away again, with all that it listens to; it may be mounted anew. */
export function unmount(element: HTMLElement): void {
  mountedOn.get(element)?.();
  mountedOn.delete(element);
}

function start(): void {
  for (const element of document.querySelectorAll<HTMLElement>("[data-criteria-builder]")) mount(element);
}

if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", start);
else start();
