// What an activity is told, in a few words, for its place on the canvas.

import type { Catalog, FieldSpec } from "./catalog";
import type { Activity, Drawing } from "./document";
import { isObject, type Json, Num, textAt } from "./json";

export interface Words {
  nameOf: (source: string, key: string) => string;
  duration: (amount: string, unit: string) => string;
  every: (duration: string) => string;
  paths: (count: number) => string;
}

const NAMED = new Set(["segment", "template:email", "template:push", "campaign", "journey", "event", "connection", "tag", "category"]);
const LONGEST = 3;

export function summaryOf(drawing: Drawing, catalog: Catalog, activity: Activity, words: Words): string {
  const fields = catalog.get(activity.kind)?.fields ?? [];
  const found: string[] = [];
  for (const field of fields) {
    const text = said(field, activity.config.get(field.name), drawing, catalog, words);
    if (text && !found.includes(text)) found.push(text);
  }
  return found.slice(0, LONGEST).join(" · ");
}

function said(field: FieldSpec, value: Json | undefined, drawing: Drawing, catalog: Catalog, words: Words): string {
  if (value === undefined || value === null) return "";
  const text = typeof value === "string" ? value : value instanceof Num ? value.text : "";
  if (NAMED.has(field.type)) return text && words.nameOf(field.type, text);
  if (field.type === "choice") return field.choices?.find((choice) => choice.value === text)?.label ?? text;
  if (field.type === "message") return drawing.byId.has(text) ? catalog.label(drawing.byId.get(text)!) : text;
  if (field.type.startsWith("paths:")) return Array.isArray(value) ? words.paths(value.length) : "";
  if (field.type === "url") return text;
  if (!isObject(value)) return "";
  if (field.type === "duration") return durationOf(value, words);
  if (field.type === "schedule") return isObject(value.get("every")) ? words.every(durationOf(value.get("every")!, words)) : textAt(value, "at").replace("T", " ");
  if (field.type === "until") return textAt(value, "time") || (textAt(value, "attribute") && words.nameOf("date", textAt(value, "attribute")));
  if (field.type === "consent_change" || field.type === "attribute_change") return words.nameOf(field.type.split("_")[0]!, textAt(value, "key"));
  return "";
}

function durationOf(value: Json, words: Words): string {
  if (!isObject(value)) return "";
  const amount = value.get("amount");
  return amount instanceof Num ? words.duration(amount.text, textAt(value, "unit")) : "";
}
