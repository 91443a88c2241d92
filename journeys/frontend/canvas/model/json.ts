// JSON without loss, as the criteria builder reads and writes it, and small changes of objects.

import { isObject, type Json, type JsonObject, Num } from "../../../../segments/frontend/criteria_builder/model/json";

export { isObject, isSame, JsonFault, Num, parse, write } from "../../../../segments/frontend/criteria_builder/model/json";
export type { Json, JsonObject } from "../../../../segments/frontend/criteria_builder/model/json";

/** The object with one key said anew, at its place; undefined takes the key out. */
export function withKey(object: JsonObject, key: string, value: Json | undefined): JsonObject {
  const next: JsonObject = new Map(object);
  if (value === undefined) next.delete(key);
  else next.set(key, value);
  return next;
}

export function textAt(object: JsonObject, key: string): string {
  const value = object.get(key);
  return typeof value === "string" ? value : "";
}

export function numberAt(object: JsonObject, key: string): number | null {
  const value = object.get(key);
  const found = value instanceof Num ? Number(value.text) : Number.NaN;
  return Number.isFinite(found) ? found : null;
}

export function objectAt(object: JsonObject, key: string): JsonObject {
  const value = object.get(key);
  return isObject(value) ? value : new Map<string, Json>();
}

export function listAt(object: JsonObject, key: string): Json[] {
  const value = object.get(key);
  return Array.isArray(value) ? value : [];
}

export const num = (value: number): Num => new Num(String(value));
