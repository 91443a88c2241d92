// Rules: what a new one starts with, what happens to its value when its operator changes, and the
// faces under which the measures of an event are shown.

import type { Catalog, Takes } from "./catalog";
import { withKey, withKeys } from "./document";
import { isNumberText, isObject, type Json, type JsonObject, Num } from "./json";

const NO_VALUE: Record<Takes, Json | undefined> = { one: "", list: [], pair: ["", ""], duration: undefined, none: undefined };
// What people write in parts rather than choose whole.
const WRITTEN = ["contact.email", "contact.phone", "contact.first_name", "contact.last_name"];

export function durationOf(amount: number, unit: string): JsonObject {
  return new Map<string, Json>([
    ["amount", new Num(String(amount))],
    ["unit", unit],
  ]);
}

/** The first value of an operator: as good as none, but for durations, which can say something. */
export function emptyValue(takes: Takes, units: string[]): Json | undefined {
  if (takes === "duration") return durationOf(30, units.includes("day") ? "day" : (units[0] ?? "day"));
  const found = NO_VALUE[takes];
  return Array.isArray(found) ? [...found] : found;
}

function firstOperator(field: string, type: string, operators: string[]): string {
  const wanted: Record<string, string[]> = {
    text: WRITTEN.includes(field) ? ["contains"] : ["in"],
    number: [">="],
    boolean: ["="],
    date: [">"],
    datetime: ["inLast"],
    consent: ["="],
    list: ["in"],
    keys: ["in"],
    time: ["between"],
  };
  return wanted[type]?.find((operator) => operators.includes(operator)) ?? operators[0] ?? "=";
}

/** A rule about a field, as it comes out of the palette. */
export function newRule(field: string, catalog: Catalog, key?: string): JsonObject {
  const raw: JsonObject = new Map<string, Json>([["field", field]]);
  if (field === "sequence") {
    const step = () => new Map<string, Json>([["event", ""]]);
    return raw.set("steps", [step(), step()]);
  }
  if (catalog.isMeasured(field)) {
    return raw.set("operator", ">=").set("value", new Num("1"));
  }
  const { type, operators } = operatorsOf(field, catalog);
  const operator = field ? firstOperator(field, type, operators) : "=";
  raw.set("operator", operator);
  const takes = catalog.takes(operator);
  const value = emptyValue(takes, catalog.units(type, operator));
  if (key !== undefined) return raw.set("value", [key]);
  if (type === "boolean" && takes === "one") return raw.set("value", true);
  if (type === "consent" && takes === "one") return raw.set("value", "granted");
  return value === undefined ? raw : raw.set("value", value);
}

/** A condition on events. */
export function newCondition(field: string, catalog: Catalog): JsonObject {
  const raw: JsonObject = new Map<string, Json>([["field", field]]);
  if (field === "occurred_at") {
    return raw.set("operator", "inLast").set("value", emptyValue("duration", catalog.units("datetime", "inLast")) ?? "");
  }
  return raw.set("operator", "=").set("value", "");
}

export function operatorsOf(field: string, catalog: Catalog): { type: string; operators: string[] } {
  if (field === "occurred_at") return { type: "datetime", operators: catalog.data.event.occurred_at.operators };
  if (field.startsWith("properties.")) return { type: "property", operators: catalog.data.event.properties.operators };
  const entry = catalog.field(field);
  return { type: entry?.type ?? "text", operators: entry?.operators ?? [] };
}

/** A rule with another field: what still makes sense of its operator and value stays. */
export function withField(raw: JsonObject, field: string, catalog: Catalog, key?: string): JsonObject {
  const before = raw.get("field");
  const isCondition = field === "occurred_at" || field.startsWith("properties.");
  if (typeof before === "string" && catalog.isMeasured(before) && catalog.isMeasured(field)) return withKey(raw, "field", field);
  const fresh = isCondition ? newCondition(field, catalog) : newRule(field, catalog, key);
  const old = { ...operatorsOf(typeof before === "string" ? before : "", catalog) };
  const next = operatorsOf(field, catalog);
  const operator = raw.get("operator");
  const isAlike = Boolean(before) && old.type === next.type && !fresh.has("steps") && !catalog.isMeasured(field) && key === undefined;
  const hasKeys = next.type === "keys" || next.type === "consent" || next.type === "list";
  if (isAlike && !hasKeys && typeof operator === "string" && next.operators.includes(operator)) return withKey(raw, "field", field);
  const kept = new Map(raw);
  for (const part of ["operator", "value", "measure", "where", "steps"]) kept.delete(part);
  for (const [part, value] of fresh) kept.set(part, value);
  return kept;
}

/** A rule with another operator: a value of the old shape is put into the new one where it fits. */
export function withOperator(raw: JsonObject, operator: string, catalog: Catalog, type: string): JsonObject {
  const before = raw.get("operator");
  const [from, to] = [catalog.takes(typeof before === "string" ? before : ""), catalog.takes(operator)];
  return withKeys(raw, { operator, value: reshaped(raw.get("value"), from, to, catalog.units(type, operator)) });
}

export function reshaped(value: Json | undefined, from: Takes, to: Takes, units: string[]): Json | undefined {
  if (to === "duration" && isObject(value)) {
    const unit = value.get("unit");
    return typeof unit === "string" && units.includes(unit) ? value : withKey(value, "unit", units.includes("day") ? "day" : (units[0] ?? "day"));
  }
  if (from === to) return value;
  const parts = isEmptyValue(value) || isObject(value) || value === undefined ? [] : Array.isArray(value) ? value : [value];
  if (to === "list" && from !== "duration") return parts.filter((part) => part !== "");
  if (to === "one" && from !== "duration") return parts[0] ?? "";
  if (to === "pair" && from !== "duration") return [parts[0] ?? "", parts[1] ?? ""];
  return emptyValue(to, units);
}

export function isEmptyValue(value: Json | undefined): boolean {
  return value === undefined || value === null || value === "" || (Array.isArray(value) && value.every((part) => part === ""));
}

/** Whether the control of a shape can show a value; else it is shown as it was written. */
export function fits(value: Json | undefined, takes: Takes, type: string): boolean {
  if (isEmptyValue(value) || takes === "none") return true;
  const scalar = (part: Json): boolean => {
    if (part === "") return true;
    if (type === "number") return part instanceof Num || typeof part === "string";
    if (type === "boolean") return typeof part === "boolean";
    return typeof part === "string";
  };
  switch (takes) {
    case "one":
      return value !== undefined && scalar(value);
    case "list":
      return Array.isArray(value) && value.every((part) => typeof part === "string" || part instanceof Num || typeof part === "boolean");
    case "pair":
      return Array.isArray(value) && value.length === 2 && value.every(scalar);
    case "duration":
      return isObject(value) && (value.get("amount") instanceof Num || typeof value.get("amount") === "string") && typeof value.get("unit") === "string";
  }
}

/** A typed number; a comma is a decimal point. What is no number stays text, so that it is seen. */
export function numberFrom(text: string): Json {
  const plain = text.trim().replace(/[\u00a0\u202f ]/g, "").replace(/^(-?\d*),(\d+)$/, "$1.$2").replace(/^\+/, "").replace(/^(-?)\./, "$10.").replace(/^(-?)0+(?=\d)/, "$1");
  return isNumberText(plain) ? new Num(plain) : text.trim();
}

/** The parts of a pasted list: separated by commas, semicolons or lines, each once. */
export function splitList(text: string): string[] {
  return [...new Set(text.split(/[,;\r\n\t]+/).map((part) => part.trim()).filter(Boolean))];
}

// --- Properties of events -----------------------------------------------------------------------

export type Kind = "text" | "number" | "datetime" | "boolean";

const BY_KIND: Record<Kind, string[]> = {
  text: ["=", "!=", "in", "notIn", "contains", "doesNotContain", "beginsWith", "doesNotBeginWith", "endsWith", "doesNotEndWith", "null", "notNull"],
  number: ["=", "!=", ">", ">=", "<", "<=", "between", "notBetween", "in", "notIn", "null", "notNull"],
  datetime: ["inLast", "notInLast", "inNext", "notInNext", ">", ">=", "<", "<=", "between", "notBetween", "null", "notNull"],
  boolean: ["=", "!=", "null", "notNull"],
};
const TIMED = ["inLast", "notInLast", "inNext", "notInNext"];
const MATCHING = ["contains", "doesNotContain", "beginsWith", "doesNotBeginWith", "endsWith", "doesNotEndWith"];
const ORDERING = ["<", "<=", ">", ">=", "between", "notBetween"];

/** The kind of value a condition compares with, read from the condition; else what is known. */
export function kindOf(raw: JsonObject, known: string | undefined): Kind {
  const operator = raw.get("operator");
  const value = raw.get("value");
  const first = Array.isArray(value) ? value.find((part) => part !== "") : value;
  if (typeof operator === "string" && TIMED.includes(operator)) return "datetime";
  if (typeof operator === "string" && MATCHING.includes(operator)) return "text";
  if (first instanceof Num) return "number";
  if (typeof first === "boolean") return "boolean";
  if (typeof first === "string" && first !== "") {
    return typeof operator === "string" && ORDERING.includes(operator) ? (/^\d{4}-/.test(first) ? "datetime" : "number") : "text";
  }
  const fromServer: Record<string, Kind> = { number: "number", boolean: "boolean", date: "datetime", datetime: "datetime", text: "text" };
  return fromServer[known ?? ""] ?? "text";
}

export function operatorsOfKind(kind: Kind, catalog: Catalog, current: string): string[] {
  const allowed = catalog.data.event.properties.operators;
  const found = BY_KIND[kind].filter((operator) => allowed.includes(operator));
  return !current || found.includes(current) ? found : [current, ...found];
}

/** A condition on another kind of value. */
export function withKind(raw: JsonObject, kind: Kind, catalog: Catalog): JsonObject {
  const operator = raw.get("operator");
  const fitting = operatorsOfKind(kind, catalog, "");
  const next = typeof operator === "string" && fitting.includes(operator) ? operator : (fitting[0] ?? "=");
  const value = kind === "boolean" ? true : emptyValue(catalog.takes(next), catalog.units("datetime", next));
  return withKeys(raw, { operator: next, value });
}

// --- Behavior -----------------------------------------------------------------------------------

export type Face = "did" | "did_not" | "count" | "sum" | "average" | "minimum" | "maximum" | "distinct" | "first" | "last";
export const FACES: readonly Face[] = ["did", "did_not", "count", "sum", "average", "minimum", "maximum", "distinct", "first", "last"];
/** The faces of what is measured and is no event: nothing of it has a time. */
export const LISTED_FACES: readonly Face[] = FACES.filter((face) => face !== "first" && face !== "last");

export interface Measure {
  function: string;
  property: string;
}

export function measureOf(raw: JsonObject): Measure {
  const found = raw.get("measure");
  const text = (key: string): string => {
    const part = isObject(found) ? found.get(key) : undefined;
    return typeof part === "string" ? part : "";
  };
  return { function: text("function") || "count", property: text("property") };
}

/** The name under which a measure is shown: "did" is a count of at least one, "did not" of none. */
export function faceOf(raw: JsonObject): string {
  const { function: name } = measureOf(raw);
  if (name !== "count") return name;
  const value = raw.get("value");
  const number = value instanceof Num ? value.text : "";
  if (raw.get("operator") === ">=" && number === "1") return "did";
  if (raw.get("operator") === "=" && number === "0") return "did_not";
  return "count";
}

/** The rule with another face. What it is compared with is kept where it still makes sense. */
export function withFace(raw: JsonObject, face: Face, catalog: Catalog): JsonObject {
  const measure = raw.get("measure");
  const setMeasure = (name: string): JsonObject => {
    if (name === "count" && measure === undefined) return raw;
    const base: JsonObject = isObject(measure) ? measure : new Map();
    const needs = catalog.eventFunction(name)?.needs_property ?? false;
    const changed = withKeys(base, { function: name, ...(needs ? { property: base.get("property") ?? "" } : { property: undefined }) });
    return withKey(raw, "measure", changed);
  };
  if (face === "did") return withKeys(setMeasure("count"), { operator: ">=", value: new Num("1") });
  if (face === "did_not") return withKeys(setMeasure("count"), { operator: "=", value: new Num("0") });
  const before = catalog.eventFunction(measureOf(raw).function)?.type;
  const next = catalog.eventFunction(face)?.type ?? "number";
  const changed = setMeasure(face);
  if (face === "count") return withKeys(changed, { operator: ">=", value: new Num("2") });
  if (before === next && !["did", "did_not"].includes(faceOf(raw))) return changed;
  if (next === "datetime") return withKeys(changed, { operator: "inLast", value: durationOf(30, "day") });
  return withKeys(changed, { operator: ">=", value: "" });
}

/** A measure over another property. */
export function withProperty(raw: JsonObject, property: string): JsonObject {
  const measure = raw.get("measure");
  return withKey(raw, "measure", withKey(isObject(measure) ? measure : new Map(), "property", property));
}

// --- Sequences ----------------------------------------------------------------------------------

/** The steps of a sequence that controls can show; others are kept as they are. */
export function stepsOf(raw: JsonObject): Json[] {
  const found = raw.get("steps");
  return Array.isArray(found) ? found : [];
}

export function withStep(raw: JsonObject, index: number, step: Json): JsonObject {
  return withKey(raw, "steps", stepsOf(raw).map((old, i) => (i === index ? step : old)));
}

/** One more step at the end: what was the last can no longer be one that did not happen. */
export function withStepAdded(raw: JsonObject): JsonObject {
  const steps = stepsOf(raw).map((step) => (isObject(step) && step.get("not") === true ? withKey(step, "not", undefined) : step));
  return withKey(raw, "steps", [...steps, new Map<string, Json>([["event", ""], ["within", durationOf(7, "day")]])]);
}

export function withoutStep(raw: JsonObject, index: number): JsonObject {
  const steps = stepsOf(raw).filter((_step, i) => i !== index);
  const first = steps[0];
  // The first step has none before it to be within a time of.
  if (isObject(first) && first.has("within")) steps[0] = withKey(first, "within", undefined);
  return withKey(raw, "steps", steps);
}
