// Who goes a path of a condition: by criteria, by the clock, by the calendar, or so many and no more.

import { useId } from "react";
import { useEditor } from "../editor";
import { isObject, type Json, type JsonObject, listAt, num, textAt, withKey } from "../model/json";
import type { TextKey } from "../texts";
import { Criteria } from "./criteria";
import { NumberInput } from "./fields";

const FORMS = ["criteria", "time", "date", "cap"] as const;
const DAYS = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"] as const;
type Form = (typeof FORMS)[number];

const object = (...entries: [string, Json][]): JsonObject => new Map<string, Json>(entries);

/** What a path is told that has just been given this form. */
function initial(form: Form): JsonObject {
  if (form === "time") return object(["from", "09:00"], ["to", "17:00"], ["days", DAYS.slice(0, 5)], ["zone", "contact"]);
  if (form === "date") return object(["from", today()], ["to", today()]);
  if (form === "cap") return object(["limit", num(1000)], ["per", "journey"]);
  return object(["combinator", "and"], ["rules", []]);
}

const two = (value: number) => String(value).padStart(2, "0");

function today(): string {
  const now = new Date();
  return `${now.getFullYear()}-${two(now.getMonth() + 1)}-${two(now.getDate())}`;
}

interface PathProps {
  path: JsonObject;
  onChange: (path: JsonObject, key?: string) => void;
}

export function PathForm({ path, onChange }: PathProps) {
  const { t, readOnly } = useEditor();
  const name = textAt(path, "name");
  const form = FORMS.find((one) => path.has(one)) ?? "criteria";
  const choose = (next: string) => {
    const bare = FORMS.reduce((rest, one) => withKey(rest, one, undefined), path);
    const chosen = FORMS.find((one) => one === next) ?? "criteria";
    onChange(withKey(bare, chosen, initial(chosen)));
  };
  const value = path.get(form);
  const told = isObject(value) ? value : object();
  const put = (next: JsonObject) => onChange(withKey(path, form, next), form);
  const props = { name, told, put };
  return (
    <>
      <select className="jc-form" aria-label={t("path_form", { name })} value={form} disabled={readOnly} onChange={({ target }) => choose(target.value)}>
        {FORMS.map((one) => <option key={one} value={one}>{t(`form_${one}`)}</option>)}
      </select>
      {form === "criteria" && <Criteria name={name} document={value} onChange={put} />}
      {form === "time" && <Window {...props} />}
      {form === "date" && <Dates {...props} />}
      {form === "cap" && <Cap {...props} />}
    </>
  );
}

interface FormProps {
  name: string;
  told: JsonObject;
  put: (told: JsonObject) => void;
}

function Window({ name, told, put }: FormProps) {
  const { t, readOnly } = useEditor();
  const days = listAt(told, "days");
  // In the order of the week, and no list where no day is chosen: then it is every day.
  const toggle = (day: string, isOn: boolean) => {
    const next = DAYS.filter((one) => (one === day ? isOn : days.includes(one)));
    put(withKey(told, "days", next.length ? next : undefined));
  };
  return (
    <>
      <Ends name={name} told={told} put={put} type="time" from="time_from" to="time_to" />
      <span className="jc-days" role="group" aria-label={t("time_days", { name })}>
        {DAYS.map((day) => (
          <label key={day}>
            <input type="checkbox" className="jc-hidden" checked={days.includes(day)} disabled={readOnly} onChange={({ target }) => toggle(day, target.checked)} />
            <span>{t(`day_${day}`)}</span>
          </label>
        ))}
      </span>
      <Clock name={name} told={told} put={put} />
      {!days.length && <span className="jc-help">{t("time_every_day")}</span>}
    </>
  );
}

function Dates(props: FormProps) {
  const { t } = useEditor();
  return (
    <>
      <Ends {...props} type="date" from="date_from" to="date_to" />
      <Clock {...props} />
      <span className="jc-help">{t("date_help")}</span>
    </>
  );
}

function Ends({ name, told, put, type, from, to }: FormProps & { type: "time" | "date"; from: TextKey; to: TextKey }) {
  const { t, readOnly } = useEditor();
  const end = (key: string, text: TextKey) => (
    <input type={type} aria-label={t(text, { name })} disabled={readOnly} value={textAt(told, key)} onChange={({ target }) => put(withKey(told, key, target.value || undefined))} />
  );
  return (
    <span className="jc-pair">
      {end("from", from)}
      <span className="jc-fixed" aria-hidden="true">–</span>
      {end("to", to)}
    </span>
  );
}

/** Whose clocks: those of the contact, of the journey, or of a place that is named. */
function Clock({ name, told, put }: FormProps) {
  const { t, readOnly } = useEditor();
  const list = useId();
  const zone = textAt(told, "zone") || "journey";
  const isNamed = zone !== "contact" && zone !== "journey";
  const zones = "supportedValuesOf" in Intl ? Intl.supportedValuesOf("timeZone") : [];
  const here = () => Intl.DateTimeFormat().resolvedOptions().timeZone;
  const say = (next: string) => put(withKey(told, "zone", next));
  return (
    <span className="jc-pair jc-clock">
      <select aria-label={t("path_zone", { name })} value={isNamed ? "named" : zone} disabled={readOnly} onChange={({ target }) => say(target.value === "named" ? here() : target.value)}>
        <option value="contact">{t("clock_contact")}</option>
        <option value="journey">{t("clock_journey")}</option>
        <option value="named">{t("clock_named")}</option>
      </select>
      {isNamed && (
        <>
          <input type="text" list={list} autoComplete="off" aria-label={t("path_zone_name", { name })} disabled={readOnly} value={zone} onChange={({ target }) => say(target.value)} />
          <datalist id={list}>{zones.map((one) => <option key={one} value={one} />)}</datalist>
        </>
      )}
    </span>
  );
}

function Cap({ name, told, put }: FormProps) {
  const { t, readOnly } = useEditor();
  return (
    <>
      <span className="jc-pair">
        <NumberInput label={t("cap_limit", { name })} value={told.get("limit")} least={1} onChange={(limit) => put(withKey(told, "limit", limit))} />
        <select aria-label={t("cap_per", { name })} value={textAt(told, "per") || "journey"} disabled={readOnly} onChange={({ target }) => put(withKey(told, "per", target.value))}>
          <option value="journey">{t("cap_per_journey")}</option>
          <option value="day">{t("cap_per_day")}</option>
        </select>
      </span>
      <span className="jc-help">{t("cap_help")}</span>
    </>
  );
}
