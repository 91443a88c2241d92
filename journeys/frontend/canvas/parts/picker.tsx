// A choice among what there is in the workspace, found by typing.

import { type KeyboardEvent, useEffect, useId, useRef, useState } from "react";
import { useEditor } from "../editor";
import type { Choice } from "../server";
import { Icon, IconButton } from "./basics";

const TYPED_MS = 180;

export function Picker({ label, source, value, onChange, isFree = false, isOptional = true, invalid = false }: {
  label: string;
  source: string;
  value: string;
  onChange: (value: string) => void;
  /** Whether a name that nobody knows yet may be written, too. */
  isFree?: boolean;
  isOptional?: boolean;
  invalid?: boolean;
}) {
  const editor = useEditor();
  const { t, server, readOnly } = editor;
  const id = useId();
  const [text, setText] = useState<string | null>(null);
  const [found, setFound] = useState<Choice[] | null>(null);
  const [active, setActive] = useState(0);
  const [hasFailed, setFailed] = useState(false);
  const box = useRef<HTMLDivElement>(null);
  const isOpen = text !== null;
  const shown = value ? editor.nameOf(source, value) : "";
  const offered: Choice[] = found ?? [];
  const isNew = isFree && Boolean(text?.trim()) && !offered.some((one) => one.value === text!.trim());
  const all = isNew ? [...offered, { value: text!.trim(), label: t("picker_use", { text: text!.trim() }) }] : offered;

  useEffect(() => {
    if (text === null) return undefined;
    let isOver = false;
    const timer = setTimeout(() => {
      server.choices(source, text).then(
        (choices) => {
          if (isOver) return;
          setFound(choices);
          setFailed(false);
          setActive(0);
        },
        () => !isOver && setFailed(true),
      );
    }, found ? TYPED_MS : 0);
    return () => {
      isOver = true;
      clearTimeout(timer);
    };
    // What was found is not a reason to ask again.
  }, [text, source, server]);

  const close = () => {
    setText(null);
    setFound(null);
  };
  const take = (choice: Choice) => {
    editor.learn(source, choice.value, choice.value === choice.label || isNew ? choice.value : choice.label);
    onChange(choice.value);
    close();
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (!isOpen) {
      if (event.key === "ArrowDown" || event.key === "Enter") {
        event.preventDefault();
        setText("");
      }
      return;
    }
    if (event.key === "ArrowDown") setActive((now) => Math.min(now + 1, all.length - 1));
    else if (event.key === "ArrowUp") setActive((now) => Math.max(now - 1, 0));
    else if (event.key === "Enter") {
      const choice = all[active];
      if (choice) take(choice);
    } else if (event.key === "Escape") close();
    else return;
    event.preventDefault();
    event.stopPropagation();
  };
  return (
    <div className="jc-picker" ref={box} data-invalid={invalid || undefined} onBlur={(event) => !box.current?.contains(event.relatedTarget) && close()}>
      <input
        role="combobox"
        aria-label={label}
        aria-expanded={isOpen}
        aria-controls={`${id}-list`}
        aria-autocomplete="list"
        aria-invalid={invalid || undefined}
        aria-activedescendant={isOpen && all.length ? `${id}-${active}` : undefined}
        autoComplete="off"
        disabled={readOnly}
        value={text ?? shown}
        placeholder={t("picker_placeholder")}
        onChange={(event) => setText(event.target.value)}
        onClick={() => text === null && setText("")}
        onKeyDown={onKeyDown}
      />
      {value && isOptional && !readOnly ? (
        <IconButton icon="close" label={t("picker_clear", { name: label })} onClick={() => { onChange(""); close(); }} />
      ) : (
        <Icon name="expand_more" />
      )}
      {isOpen && (
        <ul role="listbox" id={`${id}-list`} aria-label={label}>
          {all.map((choice, index) => (
            <li
              key={choice.value}
              id={`${id}-${index}`}
              role="option"
              aria-selected={index === active}
              ref={index === active ? (item) => item?.scrollIntoView({ block: "nearest" }) : undefined}
              onPointerDown={(event) => {
                event.preventDefault();
                take(choice);
              }}
            >
              <span>{choice.label}</span>
              {choice.note && <span className="jc-quiet">{choice.note}</span>}
            </li>
          ))}
          {!all.length && <li role="option" aria-selected={false} aria-disabled="true" className="jc-quiet">{hasFailed ? t("picker_failed") : found ? t("picker_none") : t("picker_waiting")}</li>}
        </ul>
      )}
    </div>
  );
}
