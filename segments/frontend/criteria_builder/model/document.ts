// A criteria document as the tree that the builder shows. Each node keeps the JSON it came from,
// so what nobody touches is written back as it was, keys that nobody knows included.

import { isObject, isSame, type Json, type JsonObject } from "./json";

export type Combinator = "and" | "or";

/** A group, in the shape that React Query Builder's tools take. */
export interface Group {
  id: string;
  combinator: Combinator;
  rules: Node[];
  raw: JsonObject;
}

/** A rule; or what is neither rule nor group, which is kept and cannot be edited. */
export interface Rule {
  id: string;
  field: string;
  operator: string;
  value: Json | undefined;
  raw: Json;
}

export type Node = Group | Rule;
export type Path = readonly number[];

let lastId = 0;

function newId(): string {
  lastId += 1;
  return `node-${lastId}`;
}

export function isGroup(node: Node): node is Group {
  return "rules" in node;
}

/** Whether the server would take this for a group. */
export function looksLikeGroup(raw: Json | undefined): boolean {
  return isObject(raw) && (raw.has("rules") || raw.has("combinator"));
}

/** Whether a document can be shown as a tree: the outermost node is a group with a list. */
export function isShowable(raw: Json | undefined): raw is JsonObject {
  if (!isObject(raw) || raw.has("field")) return false;
  return (raw.get("rules") === undefined || Array.isArray(raw.get("rules"))) && isCombinator(raw.get("combinator"));
}

function isCombinator(raw: Json | undefined): boolean {
  return raw === undefined || raw === "and" || raw === "or";
}

const known = new WeakMap<JsonObject, Group>();

/** The tree of a group. The same JSON gives the same tree, with the same ids. */
export function groupOf(raw: JsonObject): Group {
  const found = known.get(raw);
  if (found) return found;
  const rules = raw.get("rules");
  const group: Group = {
    id: newId(),
    combinator: raw.get("combinator") === "or" ? "or" : "and",
    rules: Array.isArray(rules) ? rules.map(nodeOf) : [],
    raw,
  };
  known.set(raw, group);
  return group;
}

export function nodeOf(raw: Json): Node {
  if (isShowable(raw) && looksLikeGroup(raw)) return groupOf(raw);
  return ruleOf(raw, newId());
}

export function ruleOf(raw: Json, id: string = newId()): Rule {
  const text = (key: string): string => {
    const found = isObject(raw) ? raw.get(key) : undefined;
    return typeof found === "string" ? found : "";
  };
  return { id, field: text("field"), operator: text("operator"), value: isObject(raw) ? raw.get("value") : undefined, raw };
}

/** Whether a rule can be edited with controls. */
export function isEditable(rule: Rule): rule is Rule & { raw: JsonObject } {
  if (!isObject(rule.raw) || looksLikeGroup(rule.raw)) return false;
  const field = rule.raw.get("field");
  return field === undefined || typeof field === "string";
}

/** A copy of an object with a key set, in its place, or taken away. */
export function withKey(raw: JsonObject, key: string, value: Json | undefined): JsonObject {
  const copy: JsonObject = new Map(raw);
  if (value === undefined) copy.delete(key);
  else copy.set(key, value);
  return copy;
}

export function withKeys(raw: JsonObject, changes: Record<string, Json | undefined>): JsonObject {
  return Object.entries(changes).reduce((copy, [key, value]) => withKey(copy, key, value), raw);
}

/** A group whose JSON says what its tree says; the group itself where nothing changed. */
export function settled(group: Group): Group {
  const rules = group.rules.map((node) => (isGroup(node) ? settled(node) : node));
  const before = group.raw.get("rules");
  const old = Array.isArray(before) ? before : [];
  const same = old.length === rules.length && rules.every((node, i) => node.raw === old[i]);
  const hasCombinator = (group.raw.get("combinator") ?? "and") === group.combinator;
  if (same && hasCombinator) return known.get(group.raw) === group ? group : remember({ ...group, rules });
  let raw = same ? group.raw : withKey(group.raw, "rules", rules.map((node) => node.raw));
  if (!hasCombinator) raw = withKey(raw, "combinator", group.combinator);
  return remember({ ...group, rules, raw });
}

function remember(group: Group): Group {
  known.set(group.raw, group);
  return group;
}

export function emptyGroup(combinator: Combinator, more: Record<string, Json> = {}, rules: Node[] = []): Group {
  const raw: JsonObject = new Map<string, Json>([["combinator", combinator], ...Object.entries(more), ["rules", []]]);
  return settled({ id: newId(), combinator, rules, raw });
}

/** The same content with new ids, for a second copy in the same document. */
export function copyOf(node: Node): Node {
  return nodeOf(cloned(node.raw));
}

function cloned(raw: Json): Json {
  if (Array.isArray(raw)) return raw.map(cloned);
  if (isObject(raw)) return new Map([...raw].map(([key, part]) => [key, cloned(part)] as const));
  return raw;
}

export function flag(node: Node, key: "not" | "disabled"): boolean {
  return isObject(node.raw) && node.raw.get(key) === true;
}

/** A node with a flag set; a flag that is off is not written unless it was there. */
export function withFlag<T extends Node>(node: T, key: "not" | "disabled", on: boolean): T {
  if (!isObject(node.raw) || flag(node, key) === on) return node;
  const raw = on || node.raw.get(key) === false ? withKey(node.raw, key, on) : withKey(node.raw, key, undefined);
  return isGroup(node) ? (remember({ ...node, raw }) as T) : { ...node, raw };
}

export function isSameNode(one: Node, other: Node): boolean {
  return isSame(one.raw, other.raw);
}
