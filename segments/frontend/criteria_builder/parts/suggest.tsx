// Text with suggestions, and lists of values as chips: both a combobox with a list box.

import { type ClipboardEvent, type KeyboardEvent, useEffect, useId, useRef, useState } from "react";
import { useEditor } from "../editor";
import { PASTE_LIMIT } from "../model/catalog";
import { splitList } from "../model/rules";
import type { Suggestion } from "../server";
import { Icon, useOutside, usePlacement } from "./basics";

export type Ask = (text: string) => Promise<Suggestion[]> | Suggestion[];

/** Suggestions for a text, asked for a moment after the last key. */
export function useSuggestions(ask: Ask, text: string, isOpen: boolean): Suggestion[] {
  const [found, setFound] = useState<Suggestion[]>([]);
  const latest = useRef(ask);
  latest.current = ask;
  useEffect(() => {
    if (!isOpen) return undefined;
    let isCurrent = true;
    const timer = setTimeout(async () => {
      const answer = await latest.current(text);
      if (isCurrent) setFound(answer);
    }, text ? 150 : 0);
    return () => {
      isCurrent = false;
      clearTimeout(timer);
    };
  }, [text, isOpen]);
  return isOpen ? found : [];
}

/** Keys that walk through a list box; returns whether a key was used. */
export function walk(event: KeyboardEvent, size: number, active: number, setActive: (index: number) => void): boolean {
  if (!size) return false;
  if (event.key === "ArrowDown" && !event.altKey) setActive(active >= size - 1 ? 0 : active + 1);
  else if (event.key === "ArrowUp" && !event.altKey) setActive(active <= 0 ? size - 1 : active - 1);
  else return false;
  event.preventDefault();
  return true;
}

export function Options({ id, label, options, active, onPick }: {
  id: string;
  label: string;
  options: Suggestion[];
  active: number;
  onPick: (option: Suggestion) => void;
}) {
  const list = useRef<HTMLUListElement>(null);
  usePlacement(list, options.length > 0, options.length);
  useEffect(() => {
    list.current?.children[active]?.scrollIntoView({ block: "nearest" });
  }, [active]);
  if (!options.length) return null;
  return (
    <ul className="cb-float cb-options" role="listbox" id={id} aria-label={label} ref={list}>
      {options.map((option, index) => (
        <li
          key={option.value}
          id={`${id}-${index}`}
          role="option"
          aria-selected={index === active}
          onPointerDown={(event) => {
            event.preventDefault();
            onPick(option);
          }}
        >
          <span>{option.label}</span>
          {option.count !== undefined && <span className="cb-quiet">{option.count}</span>}
        </li>
      ))}
    </ul>
  );
}

export function TextWithSuggestions({ label, value, ask, onChange, onPick, placeholder, invalid, className = "" }: {
  label: string;
  value: string;
  ask: Ask;
  onChange: (value: string) => void;
  onPick?: (option: Suggestion) => void;
  placeholder?: string;
  invalid?: boolean;
  className?: string;
}) {
  const [isOpen, setOpen] = useState(false);
  const [active, setActive] = useState(-1);
  const box = useRef<HTMLSpanElement>(null);
  const id = useId();
  const options = useSuggestions(ask, value, isOpen).filter((option) => option.value !== value);
  useOutside(box, isOpen, () => setOpen(false));
  const pick = (option: Suggestion) => {
    if (onPick) onPick(option);
    else onChange(option.value);
    setOpen(false);
    setActive(-1);
  };
  return (
    <span className={`cb-suggest ${className}`} ref={box}>
      <span className="cb-grow" data-text={value || placeholder}>
        <input
          type="text"
          className="cb-input"
          role="combobox"
          autoComplete="off"
          spellCheck={false}
          aria-label={label}
          aria-expanded={options.length > 0}
          aria-controls={id}
          aria-autocomplete="list"
          aria-activedescendant={active >= 0 && options[active] ? `${id}-${active}` : undefined}
          aria-invalid={invalid || undefined}
          size={1}
          value={value}
          placeholder={placeholder}
          onFocus={() => setOpen(true)}
          onChange={(event) => {
            setOpen(true);
            setActive(-1);
            onChange(event.target.value);
          }}
          onKeyDown={(event) => {
            if (walk(event, options.length, active, setActive)) return;
            const option = options[active];
            if (event.key === "Enter") {
              event.preventDefault();
              if (option) pick(option);
              else setOpen(false);
            } else if (event.key === "Escape" && options.length) {
              event.stopPropagation();
              setOpen(false);
            }
          }}
        />
      </span>
      <Options id={id} label={label} options={options} active={active} onPick={pick} />
    </span>
  );
}

export interface Chip {
  key: string;
  label: string;
}

/** Several values. Enter, a comma or a semicolon ends one; a pasted list becomes as many chips. */
export function Chips({ label, chips, ask, onAdd, onRemove, invalid, placeholder, isOpenEnded = true }: {
  label: string;
  chips: Chip[];
  ask: Ask;
  /** Takes values; says what was wrong with some of them. */
  onAdd: (texts: string[]) => string;
  onRemove: (index: number) => void;
  invalid?: boolean;
  placeholder: string;
  /** Whether other values than those suggested may be typed. */
  isOpenEnded?: boolean;
}) {
  const { t, say } = useEditor();
  const [text, setText] = useState("");
  const [isOpen, setOpen] = useState(false);
  const [active, setActive] = useState(-1);
  const [note, setNote] = useState("");
  const box = useRef<HTMLDivElement>(null);
  const input = useRef<HTMLInputElement>(null);
  const id = useId();
  const taken = new Set(chips.map((chip) => chip.key));
  const options = useSuggestions(ask, text, isOpen).filter((option) => !taken.has(option.value));
  const add = (texts: string[]): string => {
    const fresh = texts.filter((part) => !taken.has(part));
    const fault = fresh.length ? onAdd(fresh) : "";
    setText("");
    setActive(-1);
    setNote(fault);
    if (fault) say(fault);
    return fault;
  };
  const close = () => {
    setOpen(false);
    if (isOpenEnded && text.trim()) add([text.trim()]);
    else setText("");
  };
  useOutside(box, isOpen, close);
  const onPaste = (event: ClipboardEvent) => {
    const parts = splitList(event.clipboardData.getData("text"));
    if (parts.length < 2) return;
    event.preventDefault();
    const kept = parts.slice(0, PASTE_LIMIT);
    const fault = add(kept);
    const told = kept.length < parts.length ? t("list_limit", { limit: PASTE_LIMIT, dropped: parts.length - kept.length }) : fault;
    setNote(told);
    say(told || t("list_pasted", { count: kept.length }));
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (walk(event, options.length, active, setActive)) return;
    const option = options[active];
    const typed = text.trim();
    if (event.key === "Enter" || ((event.key === "," || event.key === ";") && typed)) {
      event.preventDefault();
      const exact = options.find((one) => one.label.toLowerCase() === typed.toLowerCase() || one.value === typed);
      if (option) add([option.value]);
      else if (typed && isOpenEnded) add([typed]);
      else if (typed && (exact ?? options[0])) add([(exact ?? options[0])?.value ?? typed]);
    } else if (event.key === "Backspace" && !text && chips.length) {
      onRemove(chips.length - 1);
    } else if (event.key === "Escape" && options.length) {
      event.stopPropagation();
      setOpen(false);
    }
  };
  return (
    <div className="cb-chips-box">
      <div className="cb-chips" ref={box} data-invalid={invalid || undefined} data-empty={!chips.length || undefined} onPointerDown={(event) => {
        if (event.target === event.currentTarget) {
          event.preventDefault();
          input.current?.focus();
        }
      }}>
        {chips.map((chip, index) => (
          <span className="cb-chip" key={`${chip.key}-${index}`}>
            <span>{chip.label}</span>
            <button type="button" aria-label={t("list_remove", { value: chip.label })} onClick={() => {
              onRemove(index);
              input.current?.focus();
            }}>
              <Icon name="close" />
            </button>
          </span>
        ))}
        <span className="cb-grow" data-text={text || (chips.length ? t("list_more") : placeholder)}>
          <input
            ref={input}
            type="text"
            role="combobox"
            autoComplete="off"
            spellCheck={false}
            size={1}
            aria-label={label}
            aria-expanded={options.length > 0}
            aria-controls={id}
            aria-autocomplete="list"
            aria-activedescendant={active >= 0 && options[active] ? `${id}-${active}` : undefined}
            aria-invalid={invalid || undefined}
            value={text}
            placeholder={chips.length ? t("list_more") : placeholder}
            onFocus={() => setOpen(true)}
            onChange={(event) => {
              setOpen(true);
              setActive(-1);
              setNote("");
              setText(event.target.value);
            }}
            onKeyDown={onKeyDown}
            onPaste={onPaste}
          />
        </span>
        <Options id={id} label={label} options={options} active={active} onPick={(option) => add([option.value])} />
      </div>
      {note && <p className="cb-hint cb-warning">{note}</p>}
    </div>
  );
}
