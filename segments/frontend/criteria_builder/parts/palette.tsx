// The fields on the left: searchable, to drag or to take with Enter. One stop for the Tab key.

import { type KeyboardEvent, useEffect, useId, useMemo, useRef, useState } from "react";
import { useDrag } from "react-dnd";
import { type DraggedField, useEditor } from "../editor";
import { iconOf } from "../model/catalog";
import { Icon } from "./basics";
import { type Entry, entryGroups, freeEvent } from "./fields";

export function Palette({ onTake }: { onTake: (entry: Entry) => void }) {
  const editor = useEditor();
  const { t } = editor;
  const [search, setSearch] = useState("");
  const [closed, setClosed] = useState<ReadonlySet<string>>(new Set());
  const [isSheetOpen, setSheetOpen] = useState(false);
  const [current, setCurrent] = useState("");
  const list = useRef<HTMLDivElement>(null);
  const id = useId();
  const groups = useMemo(() => entryGroups(editor, search), [editor.catalog, search]);
  const free = search ? freeEvent(editor, search) : null;
  const items = () => [...(list.current?.querySelectorAll<HTMLElement>("[data-entry]") ?? [])];
  useEffect(() => setCurrent(""), [search]);
  const first = groups.find((group) => search || !closed.has(group.name))?.entries[0]?.id ?? free?.id ?? "";
  const stop = current || first;
  const onKeyDown = (event: KeyboardEvent) => {
    const all = items();
    const at = all.indexOf(document.activeElement as HTMLElement);
    if (at < 0) return;
    const next = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: all.length - 1 }[event.key];
    if (next === undefined) return;
    event.preventDefault();
    all[Math.max(0, Math.min(all.length - 1, next))]?.focus();
  };
  const take = (entry: Entry) => {
    setSheetOpen(false);
    onTake(entry);
  };
  const toggle = (name: string) => {
    const next = new Set(closed);
    if (!next.delete(name)) next.add(name);
    setClosed(next);
  };
  return (
    <aside className="cb-palette" aria-label={t("palette")} data-open={isSheetOpen || undefined}>
      <button type="button" className="cb-palette-toggle rg-button" aria-expanded={isSheetOpen} aria-controls={`${id}-body`} onClick={() => setSheetOpen(!isSheetOpen)}>
        <Icon name={isSheetOpen ? "expand_less" : "add"} />
        {t("palette_open")}
      </button>
      <div className="cb-palette-body" id={`${id}-body`}>
        <div className="cb-search">
          <Icon name="search" />
          <input
            type="search"
            aria-label={t("palette_search")}
            placeholder={t("palette_search")}
            value={search}
            autoComplete="off"
            spellCheck={false}
            onChange={(event) => setSearch(event.target.value)}
            onKeyDown={(event) => {
              if (event.key === "ArrowDown") {
                event.preventDefault();
                items()[0]?.focus();
              }
              if (event.key === "Enter") {
                event.preventDefault();
                const entry = groups[0]?.entries[0] ?? free;
                if (search && entry) take(entry);
              }
            }}
          />
        </div>
        <div className="cb-palette-list" ref={list} onKeyDown={onKeyDown}>
          {groups.map((group) => {
            const isOpen = Boolean(search) || !closed.has(group.name);
            return (
              <section key={group.name} className="cb-palette-group" data-kind={group.name}>
                <button type="button" className="cb-palette-title" aria-expanded={isOpen} onClick={() => toggle(group.name)}>
                  <Icon name={isOpen ? "expand_more" : "chevron_right"} />
                  {group.label}
                  <span className="cb-quiet">{group.entries.length + group.more}</span>
                </button>
                {isOpen && (
                  <ul aria-label={group.label}>
                    {group.entries.map((entry) => (
                      <PaletteItem key={entry.id} entry={entry} isStop={entry.id === stop} onFocus={() => setCurrent(entry.id)} onTake={take} />
                    ))}
                    {group.more > 0 && <li className="cb-quiet cb-palette-more">{t("palette_more", { count: group.more })}</li>}
                  </ul>
                )}
              </section>
            );
          })}
          {free && (
            <ul className="cb-palette-group" data-kind="event">
              <PaletteItem entry={free} isStop={free.id === stop} onFocus={() => setCurrent(free.id)} onTake={take} />
            </ul>
          )}
          {!groups.length && !free && <p className="cb-quiet cb-pad">{t("palette_none", { text: search })}</p>}
        </div>
        <p className="cb-palette-hint cb-quiet">{t("palette_hint")}</p>
      </div>
    </aside>
  );
}

function PaletteItem({ entry, isStop, onFocus, onTake }: {
  entry: Entry;
  isStop: boolean;
  onFocus: () => void;
  onTake: (entry: Entry) => void;
}) {
  const editor = useEditor();
  const [{ isDragging }, drag] = useDrag(
    () => ({
      type: "field",
      item: { island: editor.id, field: entry.field, choice: entry.choice, name: entry.label } satisfies DraggedField,
      collect: (monitor) => ({ isDragging: monitor.isDragging() }),
    }),
    [editor.id, entry.field, entry.choice, entry.label],
  );
  return (
    <li>
      <button
        type="button"
        ref={(part) => {
          drag(part);
        }}
        className="cb-palette-item"
        data-entry={entry.id}
        data-choice={entry.choice !== undefined || undefined}
        data-dragging={isDragging || undefined}
        tabIndex={isStop ? 0 : -1}
        onFocus={onFocus}
        onClick={() => onTake(entry)}
      >
        <span className="cb-tile"><Icon name={iconOf(entry.field)} /></span>
        <span className="cb-palette-label" title={entry.label}>{entry.label}</span>
        <Icon name="add" />
      </button>
    </li>
  );
}
