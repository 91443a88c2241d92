// The inputs of the panel, one for each type of field that the catalog names.

import { type ReactNode, useId } from "react";
import { useEditor } from "../editor";
import type { FieldSpec } from "../model/catalog";
import { type Activity, before } from "../model/document";
import { isObject, type Json, type JsonObject, listAt, Num, num, objectAt, textAt, withKey } from "../model/json";
import { Criteria, isUnset } from "./criteria";
import { CriteriaPaths, PercentPaths } from "./paths";
import { Picker } from "./picker";
import { Caps, Happening, Instant, QuietHours, ReEntry, Zone as ZoneField } from "./rules";

export interface FieldProps {
  activity: Activity;
  spec: FieldSpec;
  /** Whether a fault was found here. */
  invalid: boolean;
  set: (value: Json | undefined, key?: string) => void;
  setConfig: (config: JsonObject, renamed?: [string, string][], key?: string) => void;
}

export const UNITS = ["second", "minute", "hour", "day", "week"] as const;

const object = (...entries: [string, Json][]): JsonObject => new Map<string, Json>(entries);
const ONE_DAY = () => object(["amount", num(1)], ["unit", "day"]);

export function Row({ label, help, children, isGroup = false }: { label: string; help?: string | undefined; children: ReactNode; isGroup?: boolean }) {
  return isGroup ? (
    <fieldset className="jc-row">
      <legend>{label}</legend>
      {children}
      {help && <span className="jc-help">{help}</span>}
    </fieldset>
  ) : (
    <label className="jc-row">
      <span className="jc-label">{label}</span>
      {children}
      {help && <span className="jc-help">{help}</span>}
    </label>
  );
}

export function Check({ label, help, checked, onChange }: { label: string; help?: string | undefined; checked: boolean; onChange: (on: boolean) => void }) {
  const { readOnly } = useEditor();
  const id = useId();
  return (
    <div className="jc-check">
      <input type="checkbox" id={id} checked={checked} disabled={readOnly} onChange={(event) => onChange(event.target.checked)} />
      <label htmlFor={id}>{label}</label>
      {help && <span className="jc-help">{help}</span>}
    </div>
  );
}

/** A number as it was written: what is no number yet is kept as text, and the server says so. */
export function NumberInput({ label, value, onChange, invalid = false, least, most }: {
  label?: string; value: Json | undefined; onChange: (value: Json | undefined) => void; invalid?: boolean; least?: number | undefined; most?: number | undefined;
}) {
  const { readOnly } = useEditor();
  const text = value instanceof Num ? value.text : typeof value === "string" ? value : "";
  return (
    <input
      type="number" step="any" inputMode="decimal" aria-label={label} aria-invalid={invalid || undefined} disabled={readOnly}
      value={text} min={least} max={most}
      onChange={({ target }) => onChange(target.value === "" ? undefined : Number.isFinite(Number(target.value)) ? new Num(target.value.replace(/^\+/, "")) : target.value)}
    />
  );
}

export function Duration({ label, value, onChange, invalid = false }: { label: string; value: Json | undefined; onChange: (value: JsonObject) => void; invalid?: boolean }) {
  const { t, readOnly } = useEditor();
  const now = isObject(value) ? value : object();
  return (
    <span className="jc-pair" role="group" aria-label={label}>
      <NumberInput label={t("duration_amount", { name: label })} value={now.get("amount")} invalid={invalid} least={1} onChange={(amount) => onChange(withKey(now, "amount", amount))} />
      <select aria-label={t("duration_unit", { name: label })} disabled={readOnly} value={textAt(now, "unit")} onChange={({ target }) => onChange(withKey(now, "unit", target.value))}>
        {!UNITS.some((unit) => unit === textAt(now, "unit")) && <option value={textAt(now, "unit")}>{textAt(now, "unit") || "–"}</option>}
        {UNITS.map((unit) => <option key={unit} value={unit}>{t(`unit_${unit}`)}</option>)}
      </select>
    </span>
  );
}

export function Field(props: FieldProps) {
  const { spec, activity, set, invalid } = props;
  const { t, readOnly, catalog } = useEditor();
  const value = activity.config.get(spec.name);
  const text = typeof value === "string" ? value : value instanceof Num ? value.text : "";
  const typed = (next: string) => set(next || undefined, `${activity.id}.${spec.name}`);
  const row = (children: ReactNode, isGroup = false) => <Row label={spec.label} help={spec.help} isGroup={isGroup}>{children}</Row>;
  const isOneOf = catalog.get(activity.kind)?.one_of?.includes(spec.name);
  switch (spec.type) {
    case "boolean":
      return <Check label={spec.label} help={spec.help} checked={value === true} onChange={(on) => set(on || (spec.name === "else" ? false : undefined))} />;
    case "number":
      return row(<NumberInput value={value} invalid={invalid} least={spec.least} most={spec.most} onChange={(next) => set(next, `${activity.id}.${spec.name}`)} />);
    case "choice":
      return row(
        <select value={text || String(spec.default ?? "")} disabled={readOnly} aria-invalid={invalid || undefined} onChange={({ target }) => set(target.value || undefined)}>
          {!spec.choices?.some((choice) => choice.value === (text || spec.default)) && <option value={text}>{text || t("choose")}</option>}
          {spec.choices?.map((choice) => <option key={choice.value} value={choice.value}>{choice.label}</option>)}
        </select>,
      );
    case "message":
      return <MessageField {...props} />;
    case "duration":
      return isOneOf || spec.required ? row(<Duration label={spec.label} value={value} invalid={invalid} onChange={(next) => set(next, `${activity.id}.${spec.name}`)} />, true) : <OptionalDuration {...props} />;
    case "schedule":
      return row(<Schedule {...props} />, true);
    case "until":
      return row(<Until {...props} />, true);
    case "same":
      return row(<Same {...props} />, true);
    case "vendor_fields":
      return row(<VendorFields {...props} />, true);
    case "where":
      return row(<Criteria name={spec.label} document={value} event={textAt(activity.config, "event")} onChange={(next) => set(isUnset(next) ? undefined : next, `${activity.id}.${spec.name}`)} />, true);
    case "criteria":
      return row(<Criteria name={spec.label} document={value} onChange={(next) => set(next, `${activity.id}.${spec.name}`)} />, true);
    case "paths:criteria":
      return <CriteriaPaths {...props} />;
    case "paths:percent":
      return <PercentPaths {...props} />;
    case "liquid":
      return row(<textarea rows={7} spellCheck={false} className="jc-mono" value={text} disabled={readOnly} aria-invalid={invalid || undefined} onChange={({ target }) => typed(target.value)} />);
    case "re_entry":
      return <ReEntry {...props} />;
    case "happening":
      return <Happening {...props} />;
    case "caps":
      return <Caps {...props} />;
    case "quiet_hours":
      return <QuietHours {...props} />;
    case "instant":
      return <Instant {...props} />;
    case "time_zone":
      return <ZoneField {...props} />;
    case "consent_change":
    case "attribute_change":
      return row(<KeyedChange {...props} />, true);
    case "connection": case "vendor":
      return row(<Picker label={spec.label} source={spec.type} value={text} invalid={invalid} onChange={(next) => set(/^\d+$/.test(next) ? new Num(next) : next || undefined)} />, true);
    case "segment": case "template:email": case "template:push": case "campaign": case "journey": case "consent": case "tag": case "category":
      return row(<Picker label={spec.label} source={spec.type} value={text} invalid={invalid} onChange={(next) => set(next || undefined)} />, true);
    case "event":
      return row(<Picker label={spec.label} source="event" isFree value={text} invalid={invalid} onChange={(next) => set(next || undefined)} />, true);
    default:
      return row(<input type={spec.type === "url" ? "url" : "text"} value={text} disabled={readOnly} aria-invalid={invalid || undefined} onChange={({ target }) => typed(target.value)} />);
  }
}

// A duration that need not be: a tick, and how long.
function OptionalDuration({ spec, activity, setConfig, set, invalid }: FieldProps) {
  const { catalog } = useEditor();
  const value = activity.config.get(spec.name);
  const isOn = value !== undefined && value !== null;
  const off = () => {
    let next = withKey(activity.config, spec.name, undefined);
    for (const other of catalog.get(activity.kind)?.fields ?? []) if (other.only_with === spec.name) next = withKey(next, other.name, undefined);
    setConfig(next);
  };
  return (
    <>
      <Check label={spec.label} help={spec.help} checked={isOn} onChange={(on) => (on ? set(ONE_DAY()) : off())} />
      {isOn && <div className="jc-inset"><Duration label={spec.label} value={value} invalid={invalid} onChange={(next) => set(next, `${activity.id}.${spec.name}`)} /></div>}
    </>
  );
}

function MessageField({ spec, activity, set, invalid }: FieldProps) {
  const { t, catalog, drawing, readOnly } = useEditor();
  const value = textAt(activity.config, spec.name);
  const earlier = before(drawing, activity.id);
  const messages = drawing.activities.filter(({ id, kind }) => catalog.sends(kind) && (earlier.has(id) || id === value));
  return (
    <Row label={spec.label} help={messages.length ? spec.help : t("no_message_before")}>
      <select value={value} disabled={readOnly} aria-invalid={invalid || undefined} onChange={({ target }) => set(target.value || undefined)}>
        {!messages.some(({ id }) => id === value) && <option value={value}>{value || t("choose")}</option>}
        {messages.map((message) => <option key={message.id} value={message.id}>{catalog.label(message)}{messages.some((other) => other !== message && catalog.label(other) === catalog.label(message)) ? ` (${message.id})` : ""}</option>)}
      </select>
    </Row>
  );
}

function Schedule({ spec, activity, set }: FieldProps) {
  const { t, readOnly } = useEditor();
  const value = activity.config.get(spec.name);
  const now = isObject(value) ? value : null;
  const way = now === null ? "once" : now.has("every") ? "every" : "at";
  const key = `${activity.id}.${spec.name}`;
  const at = now ? textAt(now, "at") : "";
  const change = (chosen: string) => set(chosen === "once" ? undefined : chosen === "at" ? object(["at", at]) : object(["every", ONE_DAY()]));
  return (
    <>
      <select aria-label={spec.label} value={way} disabled={readOnly} onChange={({ target }) => change(target.value)}>
        <option value="once">{t("schedule_once")}</option>
        <option value="at">{t("schedule_at")}</option>
        <option value="every">{t("schedule_every")}</option>
      </select>
      {way === "every" && now && <Duration label={t("schedule_every")} value={now.get("every")} onChange={(every) => set(withKey(now, "every", every), key)} />}
      {now && (
        <span className="jc-pair">
          <span>{way === "every" ? t("schedule_from") : t("schedule_on")}</span>
          <input type="datetime-local" aria-label={way === "every" ? t("schedule_from") : t("schedule_on")} disabled={readOnly} value={at.slice(0, 16)} onChange={({ target }) => set(withKey(now, "at", target.value || (way === "every" ? undefined : "")), key)} />
        </span>
      )}
      {now && /(?:Z|[+-]\d\d:?\d\d)$/.test(at) && <code className="jc-help">{at}</code>}
    </>
  );
}

function Zone({ value, onChange, label }: { value: string; onChange: (zone: string) => void; label: string }) {
  const { t, readOnly } = useEditor();
  return (
    <select aria-label={label} value={value} disabled={readOnly} onChange={({ target }) => onChange(target.value)}>
      {value !== "contact" && value !== "journey" && <option value={value}>{value || "–"}</option>}
      <option value="contact">{t("zone_contact")}</option>
      <option value="journey">{t("zone_journey")}</option>
    </select>
  );
}

function Until({ spec, activity, set, invalid }: FieldProps) {
  const { t, readOnly } = useEditor();
  const now = objectAt(activity.config, spec.name);
  const key = `${activity.id}.${spec.name}`;
  const isAttribute = now.has("attribute");
  return (
    <>
      <select aria-label={spec.label} value={isAttribute ? "attribute" : "time"} disabled={readOnly} onChange={({ target }) => set(target.value === "attribute" ? object(["attribute", ""]) : object(["time", "09:00"], ["zone", "contact"]))}>
        <option value="time">{t("until_time")}</option>
        <option value="attribute">{t("until_attribute")}</option>
      </select>
      {isAttribute ? (
        <>
          <Picker label={t("until_attribute")} source="date" value={textAt(now, "attribute")} invalid={invalid} isOptional={false} onChange={(attribute) => set(withKey(now, "attribute", attribute))} />
          <Zone label={t("zone")} value={textAt(now, "zone") || "journey"} onChange={(zone) => set(withKey(now, "zone", zone))} />
        </>
      ) : (
        <span className="jc-pair">
          <input type="time" aria-label={t("until_time")} aria-invalid={invalid || undefined} disabled={readOnly} value={textAt(now, "time")} onChange={({ target }) => set(withKey(now, "time", target.value), key)} />
          <Zone label={t("zone")} value={textAt(now, "zone") || "journey"} onChange={(zone) => set(withKey(now, "zone", zone))} />
        </span>
      )}
    </>
  );
}

// What another system is told of the contact: its fields, and texts with gaps.
function VendorFields({ spec, activity, set, invalid }: FieldProps) {
  const { t, readOnly } = useEditor();
  const rows = [...objectAt(activity.config, spec.name)];
  const key = `${activity.id}.${spec.name}`;
  const put = (next: [string, Json][]) => set(next.length ? object(...next) : undefined, key);
  return (
    <>
      {rows.map(([name, text], index) => (
        <span className="jc-pair" key={index}>
          <input type="text" aria-label={t("vendor_field", { number: index + 1 })} placeholder="FIRSTNAME" aria-invalid={invalid || undefined} disabled={readOnly} value={name} onChange={({ target }) => put(rows.map((row, at) => (at === index ? [target.value, row[1]] : row)))} />
          <span aria-hidden="true">=</span>
          <input type="text" aria-label={t("vendor_value", { number: index + 1 })} className="jc-mono" placeholder="{{ contact.first_name }}" disabled={readOnly} value={typeof text === "string" ? text : ""} onChange={({ target }) => put(rows.map((row, at) => (at === index ? [row[0], target.value] : row)))} />
          {!readOnly && <button type="button" className="jc-button" aria-label={t("vendor_remove", { number: index + 1 })} onClick={() => put(rows.filter((_row, at) => at !== index))}>×</button>}
        </span>
      ))}
      {!readOnly && <button type="button" className="jc-button" disabled={rows.some(([name]) => !name)} onClick={() => put([...rows, ["", ""]])}>{t("vendor_add")}</button>}
    </>
  );
}

// Which property of the awaited event must be the same as one of the event by which he entered.
function Same({ spec, activity, set }: FieldProps) {
  const { t, readOnly } = useEditor();
  const now = objectAt(activity.config, spec.name);
  const rows = [...now];
  const key = `${activity.id}.${spec.name}`;
  const put = (next: [string, Json][]) => set(next.length ? object(...next) : undefined, key);
  const bare = (path: string, prefix: string) => (path.startsWith(prefix) ? path.slice(prefix.length) : path);
  return (
    <>
      {rows.map(([name, other], index) => (
        <span className="jc-pair" key={index}>
          <input type="text" aria-label={t("same_here", { number: index + 1 })} placeholder="order_id" disabled={readOnly} value={bare(name, "properties.")} onChange={({ target }) => put(rows.map((row, at) => (at === index ? [`properties.${target.value}`, row[1]] : row)))} />
          <span aria-hidden="true">=</span>
          <input type="text" aria-label={t("same_entry", { number: index + 1 })} placeholder="order_id" disabled={readOnly} value={bare(typeof other === "string" ? other : "", "entry.properties.")} onChange={({ target }) => put(rows.map((row, at) => (at === index ? [row[0], `entry.properties.${target.value}`] : row)))} />
          {!readOnly && <button type="button" className="jc-button" aria-label={t("same_remove", { number: index + 1 })} onClick={() => put(rows.filter((_row, at) => at !== index))}>×</button>}
        </span>
      ))}
      {!readOnly && <button type="button" className="jc-button" disabled={now.has("properties.")} onClick={() => put([...rows, ["properties.", "entry.properties."]])}>{t("same_add")}</button>}
    </>
  );
}

function KeyedChange({ spec, activity, set, invalid }: FieldProps) {
  const { t, readOnly } = useEditor();
  const value = activity.config.get(spec.name);
  const now = isObject(value) ? value : object();
  const isConsent = spec.type === "consent_change";
  const chosen = textAt(now, "key");
  const pick = (next: string) => set(next ? withKey(isConsent && !now.has("state") ? withKey(now, "state", "granted") : now, "key", next) : undefined);
  const entered = now.get("value");
  const isNull = now.has("value") && entered === null;
  return (
    <>
      <Picker label={spec.label} source={isConsent ? "consent" : "attribute"} value={chosen} invalid={invalid} onChange={pick} />
      {chosen && isConsent && (
        <select aria-label={t("consent_state")} value={textAt(now, "state")} disabled={readOnly} onChange={({ target }) => set(withKey(now, "state", target.value))}>
          {!["granted", "withdrawn"].includes(textAt(now, "state")) && <option value={textAt(now, "state")}>{textAt(now, "state") || "–"}</option>}
          <option value="granted">{t("state_granted")}</option>
          <option value="withdrawn">{t("state_withdrawn")}</option>
        </select>
      )}
      {chosen && !isConsent && (
        <>
          {!isNull && <input type="text" aria-label={t("attribute_value")} placeholder={t("attribute_value")} disabled={readOnly} value={plain(entered)} onChange={({ target }) => set(withKey(now, "value", read(target.value)), `${activity.id}.${spec.name}`)} />}
          <Check label={t("attribute_take_away")} checked={isNull} onChange={(on) => set(withKey(now, "value", on ? null : ""))} />
        </>
      )}
    </>
  );
}

function plain(value: Json | undefined): string {
  if (value instanceof Num) return value.text;
  if (typeof value === "boolean") return String(value);
  if (Array.isArray(value)) return listAt(object(["all", value]), "all").map((one) => plain(one)).join(", ");
  return typeof value === "string" ? value : "";
}

// What looks like a number or yes and no is one; the server knows the attribute's type.
function read(text: string): Json {
  if (/^-?(?:0|[1-9]\d*)(?:\.\d+)?$/.test(text)) return new Num(text);
  return text === "true" || text === "false" ? text === "true" : text;
}
