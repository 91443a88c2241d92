// Inputs of the journey's settings: entering again, leaving and goals, caps, quiet hours, times.

import { useId } from "react";
import { useEditor } from "../editor";
import { isObject, type Json, type JsonObject, num, objectAt, textAt, withKey } from "../model/json";
import { Criteria, isUnset } from "./criteria";
import { Check, Duration, type FieldProps, NumberInput, Row } from "./fields";
import { Picker } from "./picker";

const object = (...entries: [string, Json][]): JsonObject => new Map<string, Json>(entries);

export function ReEntry({ spec, activity, set, invalid }: FieldProps) {
  const { t, readOnly } = useEditor();
  const value = activity.config.get(spec.name);
  const after = isObject(value) ? value.get("after") : undefined;
  const chosen = isObject(value) ? "after" : typeof value === "string" ? value : String(spec.default ?? "always");
  return (
    <Row label={spec.label} help={spec.help} isGroup>
      <select aria-label={spec.label} value={chosen} disabled={readOnly} aria-invalid={invalid || undefined} onChange={({ target }) => set(target.value === "after" ? object(["after", object(["amount", num(30)], ["unit", "day"])]) : target.value)}>
        {spec.choices?.map((choice) => <option key={choice.value} value={choice.value}>{choice.label}</option>)}
      </select>
      {isObject(value) && <Duration label={t("re_entry_after")} value={after} invalid={invalid} onChange={(next) => set(withKey(value, "after", next), spec.name)} />}
    </Row>
  );
}

/** Something that happens with a contact: criteria that hold, or an event that comes. */
export function Happening({ spec, activity, set, invalid }: FieldProps) {
  const { t, readOnly } = useEditor();
  const value = activity.config.get(spec.name);
  const now = isObject(value) ? value : null;
  const way = now === null ? "" : now.has("event") ? "event" : "criteria";
  const change = (chosen: string) => set(chosen === "" ? undefined : chosen === "event" ? object(["event", ""]) : object(["criteria", object(["combinator", "and"], ["rules", []])]));
  return (
    <Row label={spec.label} help={spec.help} isGroup>
      <select aria-label={spec.label} value={way} disabled={readOnly} onChange={({ target }) => change(target.value)}>
        <option value="">{t("happening_none")}</option>
        <option value="criteria">{t("happening_criteria")}</option>
        <option value="event">{t("happening_event")}</option>
      </select>
      {way === "criteria" && now && <Criteria name={spec.label} document={now.get("criteria")} onChange={(criteria) => set(withKey(now, "criteria", criteria), spec.name)} />}
      {way === "event" && now && (
        <>
          <Picker label={`${spec.label}: ${t("happening_event")}`} source="event" isFree isOptional={false} value={textAt(now, "event")} invalid={invalid} onChange={(event) => set(withKey(now, "event", event))} />
          <Criteria name={spec.label} document={now.get("where")} event={textAt(now, "event")} onChange={(where) => set(withKey(now, "where", isUnset(where) ? undefined : where), spec.name)} />
        </>
      )}
    </Row>
  );
}

export function Caps({ spec, activity, set, invalid }: FieldProps) {
  const { t } = useEditor();
  const value = activity.config.get(spec.name);
  const now = isObject(value) ? value : null;
  return (
    <>
      <Check label={spec.label} help={spec.help} checked={now !== null} onChange={(on) => set(on ? object(["messages", num(2)], ["per", object(["amount", num(1)], ["unit", "week"])]) : undefined)} />
      {now && (
        <div className="jc-inset jc-pair">
          <NumberInput label={t("caps_messages")} value={now.get("messages")} invalid={invalid} least={1} onChange={(messages) => set(withKey(now, "messages", messages), spec.name)} />
          <span className="jc-fixed">{t("caps_per")}</span>
          <Duration label={t("caps_per")} value={now.get("per")} invalid={invalid} onChange={(per) => set(withKey(now, "per", per), spec.name)} />
        </div>
      )}
    </>
  );
}

export function QuietHours({ spec, activity, set, invalid }: FieldProps) {
  const { t, readOnly } = useEditor();
  const now = activity.config.has(spec.name) ? objectAt(activity.config, spec.name) : null;
  const clock = (name: "from" | "to", label: string) =>
    now && <input type="time" aria-label={label} aria-invalid={invalid || undefined} disabled={readOnly} value={textAt(now, name)} onChange={({ target }) => set(withKey(now, name, target.value), spec.name)} />;
  return (
    <>
      <Check label={spec.label} help={spec.help ?? t("quiet_help")} checked={now !== null} onChange={(on) => set(on ? object(["from", "21:00"], ["to", "08:00"], ["zone", "contact"]) : undefined)} />
      {now && (
        <div className="jc-inset jc-pair">
          {clock("from", t("quiet_from"))}
          <span className="jc-fixed">–</span>
          {clock("to", t("quiet_to"))}
          <select aria-label={t("zone")} value={textAt(now, "zone") || "journey"} disabled={readOnly} onChange={({ target }) => set(withKey(now, "zone", target.value))}>
            <option value="contact">{t("zone_contact")}</option>
            <option value="journey">{t("zone_journey")}</option>
          </select>
        </div>
      )}
    </>
  );
}

/** A time on the wall of the journey's zone; one with an offset is shown as it was written. */
export function Instant({ spec, activity, set, invalid }: FieldProps) {
  const { readOnly } = useEditor();
  const text = textAt(activity.config, spec.name);
  const isOffset = /(?:Z|[+-]\d\d:?\d\d)$/.test(text);
  return (
    <Row label={spec.label} help={isOffset ? text : spec.help}>
      <input type="datetime-local" disabled={readOnly} aria-invalid={invalid || undefined} value={text.slice(0, 16)} onChange={({ target }) => set(target.value || undefined, spec.name)} />
    </Row>
  );
}

export function Zone({ spec, activity, set, invalid }: FieldProps) {
  const { readOnly } = useEditor();
  const list = useId();
  const zones = "supportedValuesOf" in Intl ? Intl.supportedValuesOf("timeZone") : [];
  return (
    <Row label={spec.label} help={spec.help}>
      <input type="text" list={list} placeholder="Europe/Paris" autoComplete="off" disabled={readOnly} aria-invalid={invalid || undefined} value={textAt(activity.config, spec.name)} onChange={({ target }) => set(target.value || undefined, spec.name)} />
      <datalist id={list}>{zones.map((zone) => <option key={zone} value={zone} />)}</datalist>
    </Row>
  );
}
