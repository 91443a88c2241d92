// Where the focus goes, and where it was: what is found again in the page by what it is about.

import { type Group } from "../model/document";
import { groupAt, includeEnd, nodeAt, pathOf } from "../model/tree";
import type { Zone } from "./actions";

/** What somebody fills in first: a field not chosen yet, else the value, else what is asked. */
export function firstControl(node: HTMLElement): HTMLElement | undefined {
  const found = (selector: string) => [...node.querySelectorAll<HTMLElement>(`.cb-content ${selector}`)];
  return found(".cb-placeholder")[0] ?? found("input")[0] ?? found(".cb-face select")[0] ?? found("select").at(-1);
}

/** Give the focus to the control at a path, or to the nearest part around it. */
export function focusPath(frame: HTMLElement | null, path: string): void {
  let part = path;
  for (;;) {
    const found = frame?.querySelector<HTMLElement>(`[data-path="${CSS.escape(part)}"]`);
    if (found) {
      const control = found.querySelector<HTMLElement>("[aria-invalid=true], .cb-placeholder")
        ?? (part ? firstControl(found) : null);
      (control ?? found).focus();
      found.scrollIntoView({ block: "center", behavior: "smooth" });
      return;
    }
    if (!part) {
      frame?.querySelector<HTMLElement>("[data-zone]")?.focus();
      return;
    }
    part = part.replace(/(\.[^.[\]]*|\[\d+\]|^[^.[\]]+)$/, "");
  }
}

/** Remember where the focus is: the nodes around it, the innermost first, and the zone. */
export function markFocus(frame: HTMLElement | null, target: Element): void {
  if (!frame) return;
  const nodes: string[] = [];
  for (let part = target.closest<HTMLElement>("[data-node]"); part; part = part.parentElement?.closest<HTMLElement>("[data-node]") ?? null) {
    nodes.push(part.dataset["node"] ?? "");
  }
  frame.dataset["lastNodes"] = nodes.join(" ");
  frame.dataset["lastZone"] = target.closest<HTMLElement>("[data-zone]")?.dataset["zone"] ?? "";
}

/** Where a field goes that is taken with a key: behind what had the focus last, else to Include. */
export function placeOfFocus(frame: HTMLElement | null, root: Group): readonly number[] | Zone {
  const paths = (frame?.dataset["lastNodes"] ?? "").split(" ").map((id) => (id ? pathOf(root, id) : undefined));
  const path = paths.find((found) => found?.length);
  if (path && nodeAt(root, path)) {
    const group = groupAt(root, path);
    return group ? [...path, group.rules.length] : [...path.slice(0, -1), (path.at(-1) ?? 0) + 1];
  }
  return frame?.dataset["lastZone"] === "exclude" ? "exclude" : includeEnd(root);
}
