// The controls of values, by what the operator takes and by the type.

import { useState } from "react";
import { useEditor } from "../editor";
import type { Choice, Takes } from "../model/catalog";
import { withKey } from "../model/document";
import { isObject, type Json, Num, write } from "../model/json";
import { emptyValue, fits, isEmptyValue, numberFrom } from "../model/rules";
import type { TextKey, Translate } from "../texts";
import { IconButton, Select } from "./basics";
import { type Ask, Chips, TextWithSuggestions } from "./suggest";

export interface ValueProps {
  name: string;
  field: string;
  event: string;
  type: string;
  takes: Takes;
  operator: string;
  value: Json | undefined;
  choices?: Choice[];
  invalid: boolean;
  onChange: (value: Json | undefined) => void;
}

export function textOf(value: Json | undefined): string {
  if (value === undefined) return "";
  if (value instanceof Num) return value.text;
  return typeof value === "string" ? value : write(value).replace(/\s+/g, " ");
}

export function ValueControl(props: ValueProps) {
  const { t, catalog } = useEditor();
  const { name, takes, type, value, onChange, operator, invalid } = props;
  if (takes === "none") return null;
  if (!fits(value, takes, type)) {
    return (
      <span className="cb-raw">
        <code title={t("value_raw", { value: textOf(value) })}>{textOf(value)}</code>
        <button type="button" className="cb-link" onClick={() => onChange(emptyValue(takes, catalog.units(type, operator)) ?? "")}>
          {t("value_replace")}
        </button>
      </span>
    );
  }
  if (takes === "list") return <ListControl {...props} />;
  if (takes === "duration") {
    return <DurationControl name={name} value={value} units={catalog.units(type, operator)} invalid={invalid} onChange={onChange} />;
  }
  if (takes === "pair") {
    const pair = Array.isArray(value) ? value : ["", ""];
    const [low = "", high = ""] = pair;
    return (
      <>
        <OneControl {...props} name={t("value_from", { field: name })} value={low} onChange={(found) => onChange([found ?? "", high])} />
        <span className="cb-word">{t("between_and")}</span>
        <OneControl {...props} name={t("value_to", { field: name })} value={high} onChange={(found) => onChange([low, found ?? ""])} />
      </>
    );
  }
  return <OneControl {...props} name={t("value_of", { field: name })} />;
}

function useAsk({ field, event, choices }: ValueProps): Ask {
  const { server } = useEditor();
  if (choices?.length) {
    return (text) => {
      const wanted = text.trim().toLowerCase();
      const found = choices.filter((choice) => choice.label.toLowerCase().includes(wanted) || choice.key.toLowerCase().includes(wanted));
      return found.slice(0, 50).map((choice) => ({ value: choice.key, label: choice.label }));
    };
  }
  return (text) => server.suggestions(field, text.trim(), event);
}

function OneControl(props: ValueProps) {
  const { t } = useEditor();
  const { name, type, value, choices, invalid, onChange } = props;
  const ask = useAsk(props);
  const text = textOf(value);
  if (type === "boolean") {
    const shown = value === true ? "true" : value === false ? "false" : "";
    const options: [string, string][] = [["true", t("yes")], ["false", t("no")]];
    return <Select label={name} value={shown} invalid={invalid} options={shown ? options : [["", "…"], ...options]} onChange={(found) => onChange(found ? found === "true" : "")} />;
  }
  if (type === "number") return <NumberControl name={name} value={value} invalid={invalid} onChange={onChange} />;
  if (type === "date" || type === "datetime") return <DateControl name={name} type={type} value={text} invalid={invalid} onChange={onChange} />;
  if (type === "time") return <input type="time" className="cb-input cb-time" aria-label={name} aria-invalid={invalid || undefined} value={text} onChange={(event) => onChange(event.target.value)} />;
  if (type === "consent") {
    const options = (choices ?? []).map((choice) => [choice.key, choiceLabel(t, type, choice)] as const);
    return <Select label={name} value={text} invalid={invalid} options={text ? options : [["", t("value_placeholder")], ...options]} onChange={onChange} />;
  }
  return <TextWithSuggestions label={name} value={text} ask={ask} invalid={invalid} placeholder={t("value_placeholder")} onChange={onChange} />;
}

function choiceLabel(t: Translate, type: string, choice: Choice): string {
  const states: Record<string, string> = { granted: t("state_granted"), withdrawn: t("state_withdrawn"), unknown: t("state_unknown") };
  return (type === "consent" && states[choice.key]) || choice.label;
}

function NumberControl({ name, value, invalid, onChange, className = "" }: {
  name: string;
  value: Json | undefined;
  invalid?: boolean;
  onChange: (value: Json) => void;
  className?: string;
}) {
  const { t } = useEditor();
  const [draft, setDraft] = useState<string | null>(null);
  const shown = draft ?? textOf(value);
  const isNoNumber = shown.trim() !== "" && !(numberFrom(shown) instanceof Num);
  return (
    <span className={`cb-grow cb-number ${className}`} data-text={shown || t("number_placeholder")}>
      <input
        type="text"
        inputMode="decimal"
        className="cb-input"
        autoComplete="off"
        size={1}
        aria-label={name}
        aria-invalid={invalid || isNoNumber || undefined}
        title={isNoNumber ? t("not_a_number", { value: shown }) : undefined}
        placeholder={t("number_placeholder")}
        value={shown}
        onChange={(event) => {
          setDraft(event.target.value);
          onChange(numberFrom(event.target.value));
        }}
        onBlur={() => setDraft(null)}
      />
    </span>
  );
}

export function DurationControl({ name, value, units, invalid, onChange }: {
  name: string;
  value: Json | undefined;
  units: string[];
  invalid?: boolean;
  onChange: (value: Json) => void;
}) {
  const { t } = useEditor();
  const duration = isObject(value) ? value : (emptyValue("duration", units) as Map<string, Json>);
  const unit = textOf(duration.get("unit"));
  return (
    <>
      <NumberControl name={t("amount_of", { field: name })} value={duration.get("amount")} invalid={invalid} onChange={(amount) => onChange(withKey(duration, "amount", amount))} />
      <Select label={t("unit_of", { field: name })} value={unit} options={units.map((key) => [key, unitText(key, t)] as const)} onChange={(found) => onChange(withKey(duration, "unit", found))} />
    </>
  );
}

/** A unit of time in words. */
export function unitText(unit: string, t: Translate): string {
  const labels: Record<string, TextKey> = {
    minute: "unit_minute", hour: "unit_hour", day: "unit_day", week: "unit_week", month: "unit_month", year: "unit_year",
  };
  const key = labels[unit];
  return key ? t(key) : unit;
}

const DAY = /^\d{4}-\d\d-\d\d$/;
const MINUTE = /^(\d{4}-\d\d-\d\d)T(\d\d:\d\d)$/;

// What no picker can show without loss, such as seconds or an offset, stays text.
function DateControl({ name, type, value, invalid, onChange }: {
  name: string;
  type: string;
  value: string;
  invalid?: boolean;
  onChange: (value: string) => void;
}) {
  const { t } = useEditor();
  const timed = MINUTE.exec(value);
  const isPlain = value === "" || DAY.test(value);
  if (!isPlain && !(timed && type === "datetime")) {
    return (
      <span className="cb-grow" data-text={value}>
        <input type="text" className="cb-input" size={1} aria-label={name} aria-invalid={invalid || undefined} value={value} onChange={(event) => onChange(event.target.value)} />
      </span>
    );
  }
  const [day, time] = timed ? [timed[1] ?? "", timed[2] ?? ""] : [value, null];
  return (
    <>
      <input type="date" className="cb-input cb-date" aria-label={name} aria-invalid={invalid || undefined} value={day} max="9999-12-31"
        onChange={(event) => onChange(time && event.target.value ? `${event.target.value}T${time}` : event.target.value)} />
      {time !== null && (
        <input type="time" className="cb-input cb-time" aria-label={t("time_of", { field: name })} value={time}
          onChange={(event) => onChange(event.target.value ? `${day}T${event.target.value}` : day)} />
      )}
      {type === "datetime" && time === null && day && (
        <IconButton icon="schedule" label={t("add_time")} onClick={() => onChange(`${day}T00:00`)} />
      )}
    </>
  );
}

function ListControl(props: ValueProps) {
  const { t } = useEditor();
  const { name, type, value, choices, invalid, onChange } = props;
  const ask = useAsk(props);
  const parts = Array.isArray(value) ? value : isEmptyValue(value) ? [] : [value ?? ""];
  const labels = new Map((choices ?? []).map((choice) => [choice.key, choiceLabel(t, type, choice)]));
  const chips = parts.map((part) => ({ key: textOf(part), label: labels.get(textOf(part)) ?? textOf(part) }));
  const byLabel = new Map((choices ?? []).map((choice) => [choice.label.toLowerCase(), choice.key]));
  const add = (texts: string[]): string => {
    const read = (text: string): Json => {
      if (type === "number") return numberFrom(text);
      if (labels.has(text)) return text;
      return byLabel.get(text.toLowerCase()) ?? text;
    };
    const found = texts.map(read);
    const odd = type === "number" ? found.filter((part) => !(part instanceof Num)) : [];
    if (odd.length < found.length) onChange([...parts, ...found.filter((part) => !odd.includes(part))]);
    return odd.length ? t("not_a_number", { value: textOf(odd[0]) }) : "";
  };
  return (
    <Chips
      label={t("value_of", { field: name })}
      chips={chips}
      ask={ask}
      invalid={invalid}
      placeholder={t("list_placeholder")}
      onAdd={add}
      onRemove={(index) => onChange(parts.filter((_part, i) => i !== index))}
    />
  );
}
