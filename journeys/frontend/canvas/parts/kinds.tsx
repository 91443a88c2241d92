// The kinds of activities: as a palette to drag from, and as a menu that a plus opens.

import { type KeyboardEvent, useEffect, useLayoutEffect, useRef, useState } from "react";
import { type Anchor, type Slot, useEditor } from "../editor";
import type { KindSpec } from "../model/catalog";
import { Icon } from "./basics";

/** The kinds that may come at a place, by their groups. */
function useGroups(slot: Slot | null, text = ""): { name: string; label: string; kinds: KindSpec[] }[] {
  const { catalog, drawing } = useEditor();
  const hasEntry = drawing.activities.some(({ kind }) => catalog.isEntry(kind));
  const wanted = text.trim().toLocaleLowerCase();
  const fits = (kind: KindSpec) => {
    if (catalog.isEntry(kind.kind)) return !hasEntry && (slot === null || slot.where === "free");
    return slot?.where !== "way" || catalog.leads(kind.kind);
  };
  const isNamed = (kind: KindSpec) => !wanted || kind.label.toLocaleLowerCase().includes(wanted) || (kind.description ?? "").toLocaleLowerCase().includes(wanted);
  return catalog.groups
    .map((group) => ({ ...group, kinds: catalog.kinds.filter((kind) => kind.group === group.name && fits(kind) && isNamed(kind)) }))
    .filter(({ kinds }) => kinds.length);
}

export function Palette({ onTake, onDrop }: { onTake: (kind: string) => void; onDrop: (kind: string, x: number, y: number) => void }) {
  const { t } = useEditor();
  const [text, setText] = useState("");
  const groups = useGroups(null, text);
  const [ghost, setGhost] = useState<{ kind: KindSpec; x: number; y: number } | null>(null);
  const start = useRef<{ x: number; y: number; isMoved: boolean } | null>(null);
  return (
    <div className="jc-palette">
      <label className="jc-search">
        <Icon name="search" />
        <input type="search" value={text} aria-label={t("palette_search")} placeholder={t("palette_search")} onChange={(event) => setText(event.target.value)} />
      </label>
      <p className="jc-quiet jc-small">{t("palette_hint")}</p>
      {groups.map((group) => (
        <section key={group.name} aria-label={group.label}>
          <h3>{group.label}</h3>
          <ul>
            {group.kinds.map((kind) => (
              <li key={kind.kind}>
                <button
                  type="button"
                  className="jc-kind"
                  data-kind={kind.kind}
                  data-group={kind.group}
                  title={kind.description}
                  onPointerDown={(event) => {
                    if (event.button !== 0) return;
                    event.currentTarget.setPointerCapture(event.pointerId);
                    start.current = { x: event.clientX, y: event.clientY, isMoved: false };
                  }}
                  onPointerMove={(event) => {
                    const from = start.current;
                    if (!from) return;
                    if (Math.hypot(event.clientX - from.x, event.clientY - from.y) > 6) from.isMoved = true;
                    if (from.isMoved) setGhost({ kind, x: event.clientX, y: event.clientY });
                  }}
                  onPointerUp={(event) => {
                    const isDrag = start.current?.isMoved;
                    setGhost(null);
                    if (isDrag) onDrop(kind.kind, event.clientX, event.clientY);
                  }}
                  onPointerCancel={() => {
                    start.current = null;
                    setGhost(null);
                  }}
                  onClick={() => {
                    // The click that ends a drag is none.
                    const isDrag = start.current?.isMoved;
                    start.current = null;
                    if (!isDrag) onTake(kind.kind);
                  }}
                >
                  <span className="jc-node-icon"><Icon name={kind.icon ?? "help"} /></span>
                  {kind.label}
                </button>
              </li>
            ))}
          </ul>
        </section>
      ))}
      {!groups.length && <p className="jc-quiet jc-small">{t("palette_none", { text })}</p>}
      {ghost && (
        <div className="jc-ghost" data-group={ghost.kind.group} style={{ left: ghost.x, top: ghost.y }}>
          <span className="jc-node-icon"><Icon name={ghost.kind.icon ?? "help"} /></span>
          {ghost.kind.label}
        </div>
      )}
    </div>
  );
}

export function KindMenu({ slot, anchor, onTake, onClose }: { slot: Slot; anchor: Anchor; onTake: (kind: string) => void; onClose: (isDone: boolean) => void }) {
  const { t, catalog, drawing } = useEditor();
  const box = useRef<HTMLDivElement>(null);
  const groups = useGroups(slot);
  const source = slot.where === "free" ? undefined : drawing.byId.get(slot.from);
  useLayoutEffect(() => {
    const part = box.current;
    if (!part) return;
    const at = anchor.getBoundingClientRect();
    const left = Math.min(at.left, window.innerWidth - part.offsetWidth - 8);
    const below = window.innerHeight - at.bottom - 8;
    const top = below >= part.offsetHeight ? at.bottom + 6 : Math.max(8, Math.min(at.top - part.offsetHeight - 6, window.innerHeight - part.offsetHeight - 8));
    part.style.left = `${Math.max(8, left)}px`;
    part.style.top = `${Math.max(8, top)}px`;
    part.querySelector<HTMLElement>("[role=menuitem]")?.focus({ preventScroll: true });
  }, [anchor]);
  useEffect(() => {
    const listen = (event: Event) => {
      if (event.target instanceof Node && !box.current?.contains(event.target)) onClose(false);
    };
    document.addEventListener("pointerdown", listen, true);
    return () => document.removeEventListener("pointerdown", listen, true);
  }, [onClose]);
  const onKeyDown = (event: KeyboardEvent) => {
    event.stopPropagation();
    const items = [...(box.current?.querySelectorAll<HTMLElement>("[role=menuitem]") ?? [])];
    const now = items.indexOf(document.activeElement as HTMLElement);
    const to: Record<string, number> = { ArrowDown: now + 1, ArrowUp: now - 1, Home: 0, End: items.length - 1 };
    if (event.key === "Escape" || event.key === "Tab") onClose(false);
    else if (event.key in to) items[(to[event.key]! + items.length) % items.length]?.focus();
    else if (event.key.length === 1 && event.key !== " ") {
      const letter = event.key.toLocaleLowerCase();
      const after = [...items.slice(now + 1), ...items.slice(0, now + 1)];
      after.find((item) => (item.dataset["label"] ?? "").toLocaleLowerCase().startsWith(letter))?.focus();
    } else return;
    event.preventDefault();
  };
  return (
    <div className="jc-menu" ref={box} role="menu" aria-label={t("menu_kinds")} onKeyDown={onKeyDown}>
      {source && <p className="jc-quiet jc-small" role="presentation">{t("menu_behind", { name: catalog.label(source), way: slot.where === "free" ? "" : catalog.outcomeLabel(slot.outcome) })}</p>}
      {groups.map((group) => (
        <div key={group.name} role="group" aria-label={group.label}>
          <div className="jc-menu-group" aria-hidden="true">{group.label}</div>
          {group.kinds.map((kind) => (
            <button key={kind.kind} type="button" role="menuitem" className="jc-kind" data-kind={kind.kind} data-label={kind.label} data-group={kind.group} onClick={() => onTake(kind.kind)}>
              <span className="jc-node-icon"><Icon name={kind.icon ?? "help"} /></span>
              <span>{kind.label}</span>
            </button>
          ))}
        </div>
      ))}
    </div>
  );
}
