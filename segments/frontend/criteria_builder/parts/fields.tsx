// Choosing a field: the entries by group, a search over them, and the picker that a rule opens.

import { type KeyboardEvent, useEffect, useId, useMemo, useRef, useState } from "react";
import { type Editor, useEditor } from "../editor";
import { type FieldEntry, type GroupName, iconOf } from "../model/catalog";
import type { TextKey } from "../texts";
import { Icon, useOutside, usePlacement } from "./basics";

/** Something to drag or to choose: a field, or a field with one of its keys. */
export interface Entry {
  id: string;
  field: string;
  label: string;
  choice?: string;
}

export interface EntryGroup {
  name: GroupName;
  label: string;
  entries: Entry[];
  /** How many more a search would find. */
  more: number;
}

// So many tags, categories and segments are shown before one has to search.
const SHOWN_CHOICES = 6;
const SHOWN_FIELDS = 40;

export function entryGroups(editor: Editor, search: string, isFull = false): EntryGroup[] {
  const wanted = search.trim().toLowerCase();
  const fits = (entry: FieldEntry | { label: string; key: string }) => {
    const key = "field" in entry ? entry.field : entry.key;
    return !wanted || entry.label.toLowerCase().includes(wanted) || key.toLowerCase().includes(wanted);
  };
  const groups: EntryGroup[] = [];
  for (const [name, fields] of editor.catalog.grouped()) {
    const label = editor.t(`group_${name}` as TextKey);
    const isNamed = wanted !== "" && label.toLowerCase().includes(wanted);
    const isKeyed = name === "tag" || name === "category" || name === "segment";
    const found: Entry[] = fields.filter((entry) => isNamed || fits(entry)).map((entry) => ({ id: entry.field, field: entry.field, label: entry.label }));
    const choices: Entry[] = isKeyed
      ? (fields[0]?.choices ?? []).filter(fits).map((choice) => ({ id: `${name}:${choice.key}`, field: name, label: choice.label, choice: choice.key }))
      : [];
    const limit = isFull ? 1000 : isKeyed ? SHOWN_CHOICES : SHOWN_FIELDS;
    const all = isKeyed ? [...found, ...choices.slice(0, wanted ? 30 : limit)] : found.slice(0, wanted ? 100 : limit);
    const more = found.length + choices.length - all.length;
    if (all.length) groups.push({ name, label, entries: all, more });
  }
  return groups;
}

/** The name of a field that nobody told about: an event may have any. */
export function freeEvent(editor: Editor, text: string): Entry | null {
  const name = text.trim().replace(/^event\./, "");
  if (!name || editor.catalog.field(`event.${name}`)) return null;
  return { id: `free:${name}`, field: `event.${name}`, label: editor.t("palette_event", { name }) };
}

export function FieldPicker({ label, current, onPick, onlyEvents = false, isUnset, children }: {
  label: string;
  current: string;
  onPick: (entry: Entry) => void;
  onlyEvents?: boolean;
  isUnset: boolean;
  children: React.ReactNode;
}) {
  const [isOpen, setOpen] = useState(false);
  const box = useRef<HTMLSpanElement>(null);
  const button = useRef<HTMLButtonElement>(null);
  useOutside(box, isOpen, () => setOpen(false));
  const pick = (entry: Entry) => {
    setOpen(false);
    button.current?.focus();
    onPick(entry);
  };
  return (
    <span className="cb-picker" ref={box}>
      <button
        type="button"
        ref={button}
        className={isUnset ? "cb-placeholder" : "cb-field"}
        aria-label={label}
        aria-haspopup="dialog"
        aria-expanded={isOpen}
        onClick={() => setOpen(!isOpen)}
      >
        {children}
      </button>
      {isOpen && (
        <PickerList current={current} onlyEvents={onlyEvents} onPick={pick} onClose={() => {
          setOpen(false);
          button.current?.focus();
        }} />
      )}
    </span>
  );
}

function PickerList({ current, onlyEvents, onPick, onClose }: {
  current: string;
  onlyEvents: boolean;
  onPick: (entry: Entry) => void;
  onClose: () => void;
}) {
  const editor = useEditor();
  const { t } = editor;
  const [search, setSearch] = useState("");
  const [active, setActive] = useState(0);
  const part = useRef<HTMLDivElement>(null);
  const input = useRef<HTMLInputElement>(null);
  const list = useRef<HTMLDivElement>(null);
  const id = useId();
  const groups = useMemo(() => {
    const found = entryGroups(editor, search);
    if (!onlyEvents) return found;
    return found
      .filter((group) => group.name === "event")
      .map((group) => ({ ...group, entries: group.entries.filter((entry) => entry.field !== "sequence") }));
  }, [editor, search, onlyEvents]);
  const free = freeEvent(editor, search);
  const flat = [...groups.flatMap((group) => group.entries), ...(free ? [free] : [])];
  usePlacement(part, true);
  useEffect(() => input.current?.focus({ preventScroll: true }), []);
  useEffect(() => {
    list.current?.querySelector('[aria-selected="true"]')?.scrollIntoView({ block: "nearest" });
  }, [active]);
  const onKeyDown = (event: KeyboardEvent) => {
    const at = { ArrowDown: active + 1, ArrowUp: active - 1, Home: 0, End: flat.length - 1 }[event.key];
    if (at !== undefined) {
      event.preventDefault();
      setActive((at + flat.length) % Math.max(1, flat.length));
    } else if (event.key === "Enter") {
      event.preventDefault();
      const entry = flat[active];
      if (entry) onPick(entry);
    } else if (event.key === "Escape") {
      event.preventDefault();
      event.stopPropagation();
      onClose();
    }
  };
  let index = -1;
  const row = (entry: Entry) => {
    index += 1;
    const at = index;
    return (
      <div
        key={entry.id}
        id={`${id}-${at}`}
        role="option"
        aria-selected={at === active}
        data-current={entry.field === current && !entry.choice ? "" : undefined}
        className="cb-option"
        onPointerDown={(event) => event.preventDefault()}
        onClick={() => onPick(entry)}
      >
        <Icon name={iconOf(entry.field)} />
        <span>{entry.label}</span>
      </div>
    );
  };
  return (
    <div className="cb-float cb-picker-list" ref={part}>
      <div className="cb-search">
        <Icon name="search" />
        <input
          ref={input}
          type="text"
          role="combobox"
          aria-expanded="true"
          aria-controls={`${id}-list`}
          aria-activedescendant={flat[active] ? `${id}-${active}` : undefined}
          aria-label={t("palette_search")}
          placeholder={t("palette_search")}
          autoComplete="off"
          spellCheck={false}
          value={search}
          onChange={(event) => {
            setSearch(event.target.value);
            setActive(0);
          }}
          onKeyDown={onKeyDown}
        />
      </div>
      <div className="cb-picker-options" role="listbox" id={`${id}-list`} aria-label={t("palette")} ref={list}>
        {groups.map((group) => (
          <div key={group.name} role="group" aria-label={group.label}>
            <div className="cb-option-group" aria-hidden="true">{group.label}</div>
            {group.entries.map(row)}
          </div>
        ))}
        {free && row(free)}
        {!flat.length && <p className="cb-quiet cb-pad">{t("palette_none", { text: search })}</p>}
      </div>
    </div>
  );
}
