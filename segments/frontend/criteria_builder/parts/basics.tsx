// Small parts: icons, buttons, menus, and what floats above the page.

import { type ButtonHTMLAttributes, type KeyboardEvent, type ReactNode, type RefObject, useEffect, useId, useLayoutEffect, useRef, useState } from "react";

export function Icon({ name }: { name: string }) {
  return (
    <span className="material-symbols-outlined cb-icon" aria-hidden="true">
      {name}
    </span>
  );
}

interface IconButtonProps extends ButtonHTMLAttributes<HTMLButtonElement> {
  icon: string;
  label: string;
}

export function IconButton({ icon, label, className = "", ...more }: IconButtonProps) {
  return (
    <button type="button" className={`cb-icon-button ${className}`} aria-label={label} title={label} {...more}>
      <Icon name={icon} />
    </button>
  );
}

/** A choice in a line of words, as wide as what is chosen. */
export function Select({ label, value, options, onChange, className = "", invalid = false }: {
  label: string;
  value: string;
  options: readonly (readonly [string, string])[];
  onChange: (value: string) => void;
  className?: string;
  invalid?: boolean;
}) {
  const shown = options.some(([key]) => key === value) ? options : [[value, value || "–"] as const, ...options];
  return (
    <span className={`cb-select ${className}`} data-invalid={invalid || undefined}>
      <span className="cb-select-size" aria-hidden="true">
        {shown.find(([key]) => key === value)?.[1]}
      </span>
      <select aria-label={label} value={value} aria-invalid={invalid || undefined} onChange={(event) => onChange(event.target.value)}>
        {shown.map(([key, text]) => (
          <option key={key} value={key}>
            {text}
          </option>
        ))}
      </select>
      <Icon name="expand_more" />
    </span>
  );
}

/** Call `close` when somebody clicks or tabs out of an element. */
export function useOutside(ref: RefObject<HTMLElement | null>, isOpen: boolean, close: () => void): void {
  const latest = useRef(close);
  latest.current = close;
  useEffect(() => {
    if (!isOpen) return undefined;
    const listen = (event: Event) => {
      if (event.target instanceof Node && !ref.current?.contains(event.target)) latest.current();
    };
    document.addEventListener("pointerdown", listen);
    document.addEventListener("focusin", listen);
    return () => {
      document.removeEventListener("pointerdown", listen);
      document.removeEventListener("focusin", listen);
    };
  }, [ref, isOpen]);
}

/** Keep what floats inside the window: shift it left, or put it above what it belongs to. */
export function usePlacement(ref: RefObject<HTMLElement | null>, isOpen: boolean, size: unknown = null): void {
  useLayoutEffect(() => {
    const part = ref.current;
    if (!isOpen || !part) return;
    part.style.translate = "";
    part.classList.remove("cb-above");
    const box = part.getBoundingClientRect();
    const beyond = Math.max(0, box.right - (document.documentElement.clientWidth - 8));
    const left = Math.min(beyond, Math.max(0, box.left - 8));
    if (left) part.style.translate = `${-left}px 0`;
    // Not under the bar that stays at the top.
    const ceiling = Math.max(8, part.closest(".cb")?.querySelector(".cb-bar")?.getBoundingClientRect().bottom ?? 0);
    const anchor = part.parentElement?.getBoundingClientRect().top ?? box.top;
    if (box.bottom > window.innerHeight - 8 && anchor - box.height > ceiling + 8) part.classList.add("cb-above");
    else if (box.bottom > window.innerHeight) part.scrollIntoView({ block: "nearest" });
  }, [ref, isOpen, size]);
}

export interface MenuItem {
  key: string;
  icon: string;
  label: string;
  hint?: string;
  disabled?: boolean;
  danger?: boolean;
  run: () => void;
}

export function Menu({ label, items }: { label: string; items: (MenuItem | "line")[] }) {
  const [isOpen, setOpen] = useState(false);
  const box = useRef<HTMLSpanElement>(null);
  const list = useRef<HTMLDivElement>(null);
  const button = useRef<HTMLButtonElement>(null);
  const id = useId();
  useOutside(box, isOpen, () => setOpen(false));
  usePlacement(list, isOpen);
  const entries = () => [...(list.current?.querySelectorAll<HTMLButtonElement>("button:not([disabled])") ?? [])];
  useEffect(() => {
    if (isOpen) entries()[0]?.focus();
  }, [isOpen]);
  const close = () => {
    setOpen(false);
    button.current?.focus();
  };
  const onKeyDown = (event: KeyboardEvent) => {
    const all = entries();
    const at = all.indexOf(document.activeElement as HTMLButtonElement);
    const next: Record<string, number> = { ArrowDown: (at + 1) % all.length, ArrowUp: (at - 1 + all.length) % all.length, Home: 0, End: all.length - 1 };
    if (event.key in next) all[next[event.key] ?? 0]?.focus();
    else if (event.key === "Escape") close();
    else if (event.key === "Tab") setOpen(false);
    else return;
    if (event.key !== "Tab") event.preventDefault();
    event.stopPropagation();
  };
  return (
    <span className="cb-menu" ref={box}>
      <button
        type="button"
        ref={button}
        className="cb-icon-button"
        aria-label={label}
        title={label}
        aria-haspopup="menu"
        aria-expanded={isOpen}
        aria-controls={isOpen ? id : undefined}
        onClick={() => setOpen(!isOpen)}
      >
        <Icon name="more_vert" />
      </button>
      {isOpen && (
        <div className="cb-float cb-menu-list" role="menu" aria-label={label} id={id} ref={list} onKeyDown={onKeyDown}>
          {items.map((item, index) =>
            item === "line" ? (
              <hr key={`line-${index}`} />
            ) : (
              <button
                key={item.key}
                type="button"
                role="menuitem"
                tabIndex={-1}
                disabled={item.disabled}
                className={item.danger ? "cb-danger" : ""}
                onClick={() => {
                  close();
                  item.run();
                }}
              >
                <Icon name={item.icon} />
                <span>{item.label}</span>
                {item.hint && <kbd>{item.hint}</kbd>}
              </button>
            ),
          )}
        </div>
      )}
    </span>
  );
}

export function Hint({ tone, children }: { tone: "bad" | "warning"; children: ReactNode }) {
  return (
    <p className={`cb-hint cb-${tone}`}>
      <Icon name={tone === "bad" ? "error" : "edit"} />
      <span>{children}</span>
    </p>
  );
}
