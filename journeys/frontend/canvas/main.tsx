// Mounts an island on every element that asks for one. Its document lives in a field of the form.

import { createRoot } from "react-dom/client";
import { App, type Config } from "./app";
import { Settings, type SettingsConfig } from "./settings";
import "./style.css";

let mounted = 0;

type AnyConfig = Config & SettingsConfig & { builder_of?: string };

function configOf(id: string): AnyConfig {
  const text = document.getElementById(id)?.textContent;
  if (!text) return {};
  try {
    const found = JSON.parse(text) as AnyConfig;
    // The builder is large: the second island of a page takes that of the first.
    const builder = found.builder_of ? configOf(found.builder_of).builder : undefined;
    return builder ? { ...found, builder } : found;
  } catch {
    return {};
  }
}

export function mount(element: HTMLElement): void {
  if (element.dataset["mounted"]) return;
  const beside = element.previousElementSibling;
  const field = beside instanceof HTMLTextAreaElement ? beside : null;
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
  field?.addEventListener("input", () => {
    if (!isOurs) load?.(field.value);
  });
  element.addEventListener("drawing:replace", (event) => {
    const text = (event as CustomEvent<unknown>).detail;
    if (typeof text === "string") load?.(text);
  });
  const props = {
    id: `canvas-${mounted}`,
    config: configOf(element.dataset["config"] ?? ""),
    initial: field?.value ?? "",
    form: element.closest("form"),
    onText: write,
    onReady: (ready: (text: string) => void) => {
      load = ready;
    },
  };
  createRoot(element).render(element.dataset["journeySettings"] === undefined ? <App {...props} /> : <Settings {...props} />);
}

function start(): void {
  for (const element of document.querySelectorAll<HTMLElement>("[data-journey-canvas], [data-journey-settings]")) mount(element);
}

if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", start);
else start();
