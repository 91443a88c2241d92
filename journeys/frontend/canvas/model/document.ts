// The drawing as activities and ways. Each keeps the JSON it came from, so what nobody touches is
// written as it was, also what we do not know: it is kept, and not shown.

import { isObject, isSame, type Json, type JsonObject, JsonFault, listAt, numberAt, objectAt, parse, textAt } from "./json";

export interface Activity {
  readonly raw: JsonObject;
  readonly id: string;
  readonly kind: string;
  readonly label: string;
  readonly config: JsonObject;
  /** Where it was put; nothing where the layout decides. */
  readonly at: { x: number; y: number } | null;
}

export interface Way {
  readonly raw: JsonObject;
  readonly from: string;
  readonly outcome: string;
  readonly to: string;
}

export interface Drawing {
  readonly raw: JsonObject;
  readonly activities: readonly Activity[];
  readonly ways: readonly Way[];
  readonly byId: ReadonlyMap<string, Activity>;
}

const read = new WeakMap<JsonObject, Drawing>();

export const wayKey = ({ from, outcome, to }: { from: string; outcome: string; to: string }): string => JSON.stringify([from, outcome, to]);

export function emptyDrawing(): JsonObject {
  return new Map<string, Json>([["nodes", []], ["edges", []]]);
}

/** Whether a document can be shown: an object, whose nodes and edges are lists where it has some. */
export function isShowable(raw: Json): raw is JsonObject {
  return isObject(raw) && ["nodes", "edges"].every((key) => !raw.has(key) || Array.isArray(raw.get(key)));
}

export function activityOf(raw: Json): Activity | null {
  if (!isObject(raw)) return null;
  const id = textAt(raw, "id");
  if (!id) return null;
  const x = numberAt(raw, "x");
  const y = numberAt(raw, "y");
  return {
    raw, id,
    kind: textAt(raw, "kind"),
    label: textAt(raw, "label"),
    config: objectAt(raw, "config"),
    at: x === null || y === null ? null : { x, y },
  };
}

export function wayOf(raw: Json): Way | null {
  if (!isObject(raw)) return null;
  const from = textAt(raw, "from");
  const to = textAt(raw, "to");
  if (!from || !to) return null;
  return { raw, from, to, outcome: textAt(raw, "outcome") || "next" };
}

/** What a document says; the same document gives the same drawing. */
export function drawingOf(raw: JsonObject): Drawing {
  const before = read.get(raw);
  if (before) return before;
  const byId = new Map<string, Activity>();
  for (const one of listAt(raw, "nodes")) {
    const activity = activityOf(one);
    // Of two with one id the first is shown; the server says what is wrong with the other.
    if (activity && !byId.has(activity.id)) byId.set(activity.id, activity);
  }
  const seen = new Set<string>();
  const ways: Way[] = [];
  for (const one of listAt(raw, "edges")) {
    const way = wayOf(one);
    if (!way || !byId.has(way.from) || !byId.has(way.to) || seen.has(wayKey(way))) continue;
    seen.add(wayKey(way));
    ways.push(way);
  }
  const drawing = { raw, activities: [...byId.values()], ways, byId };
  read.set(raw, drawing);
  return drawing;
}

export interface Reading {
  text: string;
  /** The document that the text says; nothing where it says none. */
  raw: JsonObject | null;
  fault: JsonFault | "shape" | null;
}

/** What a text says; no text is an empty drawing. */
export function readText(text: string): Reading {
  try {
    const raw = text.trim() ? parse(text) : emptyDrawing();
    return isShowable(raw) ? { text, raw, fault: null } : { text, raw: null, fault: "shape" };
  } catch (fault) {
    if (fault instanceof JsonFault) return { text, raw: null, fault };
    throw fault;
  }
}

/** Whether two drawings mean the same: where an activity was put, and what it is called, is not asked. */
export function meansSame(one: Drawing, other: Drawing): boolean {
  return (
    one.activities.length === other.activities.length &&
    one.ways.length === other.ways.length &&
    one.activities.every(({ id, kind, config }, place) => {
      const there = other.activities[place]!;
      return there.id === id && there.kind === kind && isSame(there.config, config);
    }) &&
    one.ways.every((way, place) => wayKey(way) === wayKey(other.ways[place]!))
  );
}

export function targets(drawing: Drawing, from: string, outcome: string): Activity[] {
  return drawing.ways.filter((way) => way.from === from && way.outcome === outcome).map((way) => drawing.byId.get(way.to)!);
}

/** The ids of all that lie before an activity, on any way. */
export function before(drawing: Drawing, id: string): Set<string> {
  return walk(drawing, id, (way) => [way.to, way.from]);
}

/** The ids of all to which a way leads from an activity. */
export function behind(drawing: Drawing, id: string): Set<string> {
  return walk(drawing, id, (way) => [way.from, way.to]);
}

function walk(drawing: Drawing, id: string, ends: (way: Way) => [string, string]): Set<string> {
  const found = new Set<string>();
  const open = [id];
  while (open.length) {
    const now = open.pop();
    for (const way of drawing.ways) {
      const [here, there] = ends(way);
      if (here === now && !found.has(there)) {
        found.add(there);
        open.push(there);
      }
    }
  }
  return found;
}

/** The activities, each after those that lead to it, in the order in which one reads them. */
export function inOrder(drawing: Drawing): Activity[] {
  const waiting = new Map(drawing.activities.map(({ id }) => [id, 0]));
  for (const way of drawing.ways) waiting.set(way.to, (waiting.get(way.to) ?? 0) + 1);
  const ready = drawing.activities.filter(({ id }) => waiting.get(id) === 0).map(({ id }) => id);
  const found: Activity[] = [];
  while (ready.length) {
    const id = ready.shift()!;
    found.push(drawing.byId.get(id)!);
    for (const way of drawing.ways.filter(({ from }) => from === id)) {
      const left = waiting.get(way.to)! - 1;
      waiting.set(way.to, left);
      if (left === 0) ready.push(way.to);
    }
  }
  // On a cycle nothing comes first.
  const placed = new Set(found);
  return [...found, ...drawing.activities.filter((activity) => !placed.has(activity))];
}
