// The activities as a list, in the order in which contacts go through them: for the keyboard, and
// for whoever reads rather than looks.

import { type KeyboardEvent, useRef } from "react";
import { useEditor } from "../editor";
import { firstOutcome } from "../model/commands";
import { inOrder, targets } from "../model/document";
import { Icon } from "./basics";

export function Outline({ onOpen, onRemove }: { onOpen: (id: string) => void; onRemove: (ids: string[]) => void }) {
  const editor = useEditor();
  const { t, catalog, drawing, faults, readOnly } = editor;
  const list = useRef<HTMLUListElement>(null);
  const all = inOrder(drawing);
  const told = (id: string) => {
    const count = editor.counts[id];
    const passed = Object.values(count?.passed ?? {}).reduce((sum, one) => sum + one, 0);
    const figures: [number, string][] = [
      [(count?.waiting ?? 0) + (count?.ready ?? 0), t("count_waiting")],
      [passed, t("count_passed")],
      [count?.messages ?? 0, t("count_messages")],
      [count?.codes ?? 0, t("count_codes")],
      [count?.failed ?? 0, t("count_failed")],
    ];
    return figures.filter(([value], place) => value || place < 2).map(([value, name]) => `${name} ${editor.number(value)}`).join(", ");
  };
  const chosen = all.find(({ id }) => editor.selected.has(id)) ?? all[0];
  const focusAt = (index: number) => {
    const items = [...(list.current?.querySelectorAll<HTMLElement>("[data-item]") ?? [])];
    items[Math.max(0, Math.min(index, items.length - 1))]?.focus();
  };
  const onKeyDown = (event: KeyboardEvent<HTMLButtonElement>, id: string, index: number) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const to: Record<string, number> = { ArrowDown: index + 1, ArrowUp: index - 1, Home: 0, End: all.length - 1 };
    if (event.key in to) focusAt(to[event.key]!);
    else if (event.key === "Enter") onOpen(id);
    else if (!readOnly && (event.key === "Delete" || event.key === "Backspace")) {
      onRemove([id]);
      requestAnimationFrame(() => focusAt(index));
    } else if (!readOnly && event.key === "+") {
      const activity = drawing.byId.get(id)!;
      const outcome = firstOutcome(drawing, catalog, activity);
      if (outcome !== null) editor.choose({ where: "behind", from: id, outcome }, event.currentTarget);
    } else return;
    event.preventDefault();
    event.stopPropagation();
  };
  if (!all.length) return <p className="jc-quiet jc-small jc-pad">{t("outline_empty")}</p>;
  return (
    <>
      {!readOnly && <p className="jc-quiet jc-small jc-pad">{t("outline_hint")}</p>}
      <ul className="jc-outline" ref={list} aria-label={t("outline")}>
        {all.map((activity, index) => {
          const spec = catalog.get(activity.kind);
          const count = faults.filter(({ node, severity }) => node === activity.id && severity === "error").length;
          const ways = catalog.outcomes(drawing, activity).flatMap(({ name, label }) => targets(drawing, activity.id, name).map((target) => (name === "next" ? catalog.label(target) : `${label}: ${catalog.label(target)}`)));
          return (
            <li key={activity.id}>
              <button
                type="button"
                data-item={activity.id}
                data-group={spec?.group}
                aria-pressed={editor.selected.has(activity.id)}
                tabIndex={activity.id === chosen?.id ? 0 : -1}
                onFocus={() => {
                  if (!(editor.selected.size === 1 && editor.selected.has(activity.id))) editor.select([activity.id], true);
                }}
                onClick={() => onOpen(activity.id)}
                onKeyDown={(event) => onKeyDown(event, activity.id, index)}
              >
                <span className="jc-node-icon"><Icon name={spec?.icon ?? "help"} /></span>
                <span className="jc-node-text">
                  <strong>{catalog.label(activity)}</strong>
                  {ways.length > 0 && <span>{t("leads_to", { names: ways.join(", ") })}</span>}
                  {editor.hasCounts && <span className="jc-told">{told(activity.id)}</span>}
                </span>
                {count > 0 && <span className="jc-badge jc-bad"><Icon name="error" />{count}</span>}
              </button>
            </li>
          );
        })}
      </ul>
    </>
  );
}
