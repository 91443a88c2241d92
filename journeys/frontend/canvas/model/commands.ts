// What can be done to a drawing: each takes one and gives the next, or says why it may not be done.

import { type Catalog, NEXT } from "./catalog";
import { activityOf, type Activity, behind, type Drawing, drawingOf, isShowable, targets, type Way, wayOf } from "./document";
import { isObject, isSame, type Json, type JsonObject, listAt, num, objectAt, parse, textAt, withKey, write } from "./json";

export type Refusal = "self" | "cycle" | "entry" | "no_way" | "taken" | "limit" | "second_entry";
export type Result = { drawing: Drawing; id?: string } | { refused: Refusal };

export const isDone = (result: Result): result is { drawing: Drawing; id?: string } => "drawing" in result;

const HEIGHT = 140;
const WIDTH = 260;

// Lists are written anew with what is not shown in them at its place.
function withNodes(drawing: Drawing, change: (nodes: Json[]) => Json[]): Drawing {
  return drawingOf(withKey(drawing.raw, "nodes", change(listAt(drawing.raw, "nodes"))));
}

function withEdges(drawing: Drawing, change: (edges: Json[]) => Json[]): Drawing {
  return drawingOf(withKey(drawing.raw, "edges", change(listAt(drawing.raw, "edges"))));
}

export function edgeRaw(from: string, outcome: string, to: string): JsonObject {
  const raw: JsonObject = new Map<string, Json>([["from", from]]);
  if (outcome !== NEXT) raw.set("outcome", outcome);
  raw.set("to", to);
  return raw;
}

/** An id that no activity has: the kind, with a number where it is taken. */
export function freeId(taken: ReadonlySet<string>, wish: string): string {
  const base = (wish.replace(/[^A-Za-z0-9_-]+/g, "_").replace(/_\d+$/, "") || "activity").slice(0, 50);
  if (!taken.has(base)) return base;
  for (let number = 2; ; number += 1) if (!taken.has(`${base}_${number}`)) return `${base}_${number}`;
}

const idsOf = (drawing: Drawing): Set<string> => new Set(listAt(drawing.raw, "nodes").map((node) => (isObject(node) ? textAt(node, "id") : "")));

function refusal(drawing: Drawing, catalog: Catalog, kind: string): Refusal | null {
  if (drawing.activities.length >= catalog.nodeLimit) return "limit";
  if (catalog.isEntry(kind) && drawing.activities.some((activity) => catalog.isEntry(activity.kind))) return "second_entry";
  return null;
}

function added(drawing: Drawing, catalog: Catalog, kind: string, at: { x: number; y: number } | null): { drawing: Drawing; id: string } {
  const id = freeId(idsOf(drawing), kind);
  const raw: JsonObject = new Map<string, Json>([["id", id], ["kind", kind]]);
  const initial = catalog.get(kind)?.initial;
  raw.set("config", initial ? parse(initial) : new Map<string, Json>());
  if (at) {
    raw.set("x", num(Math.round(at.x)));
    raw.set("y", num(Math.round(at.y)));
  }
  return { drawing: withNodes(drawing, (nodes) => [...nodes, raw]), id };
}

// What reacts to a message reacts to the nearest one before it.
function filled(drawing: Drawing, catalog: Catalog, id: string): Drawing {
  const activity = drawing.byId.get(id)!;
  const fields = catalog.get(activity.kind)?.fields ?? [];
  const field = fields.find(({ type }) => type === "message");
  const message = field && nearestMessage(drawing, catalog, id);
  if (!field || !message || activity.config.has(field.name)) return drawing;
  let config = withKey(activity.config, field.name, message);
  const choice = fields.find(({ type, choices }) => type === "choice" && choices?.length);
  if (choice && !config.has(choice.name)) {
    // Beside another one it reacts to something else.
    const taken = new Set(drawing.ways.filter(({ to }) => to === id).flatMap(({ from, outcome }) => targets(drawing, from, outcome)).map((one) => textAt(one.config, choice.name)));
    config = withKey(config, choice.name, (choice.choices!.find(({ value }) => !taken.has(value)) ?? choice.choices![0]!).value);
  }
  return setConfig(drawing, id, config);
}

/** The message that a contact had last when it comes to an activity. */
export function nearestMessage(drawing: Drawing, catalog: Catalog, id: string): string | null {
  let front = [id];
  for (const seen = new Set(front); front.length; ) {
    const next = drawing.ways.filter(({ to, from }) => front.includes(to) && !seen.has(from)).map(({ from }) => from);
    for (const from of next) if (catalog.sends(drawing.byId.get(from)!.kind)) return from;
    for (const from of next) seen.add(from);
    front = next;
  }
  return null;
}

/** A new activity on its own. Without a place the layout finds one. */
export function add(drawing: Drawing, catalog: Catalog, kind: string, at: { x: number; y: number } | null = null): Result {
  const refused = refusal(drawing, catalog, kind);
  return refused ? { refused } : added(drawing, catalog, kind, at);
}

/** The first way out of an activity that a new one continues. */
export function firstOutcome(drawing: Drawing, catalog: Catalog, activity: Activity): string | null {
  const outcomes = catalog.outcomes(drawing, activity);
  return (outcomes.find(({ name }) => !targets(drawing, activity.id, name).length) ?? outcomes[0])?.name ?? null;
}

/** Whether a way may stand beside those that are there: all of them lead to activities that wait. */
export function mayStandBeside(drawing: Drawing, catalog: Catalog, from: string, outcome: string, kind: string): boolean {
  return outcome === NEXT && catalog.waits(kind) && targets(drawing, from, outcome).every((target) => catalog.waits(target.kind));
}

/**
 * A new activity behind one: as a new path, beside others where all wait, else between the activity
 * and what followed.
 */
export function addBehind(drawing: Drawing, catalog: Catalog, from: string, outcome: string, kind: string): Result {
  const source = drawing.byId.get(from);
  const refused = catalog.isEntry(kind) ? "entry" : refusal(drawing, catalog, kind);
  if (refused) return { refused };
  if (!source || !catalog.leads(source.kind)) return { refused: "no_way" };
  const there = targets(drawing, from, outcome);
  if (there.length && !mayStandBeside(drawing, catalog, from, outcome, kind)) {
    return between(drawing, catalog, kind, source, outcome, there);
  }
  const made = added(drawing, catalog, kind, placeBehind(drawing, source, there.length));
  const now = withEdges(made.drawing, (edges) => [...edges, edgeRaw(from, outcome, made.id)]);
  return { id: made.id, drawing: filled(now, catalog, made.id) };
}

/** A new activity on a way. In front of several that wait side by side it leads to all of them. */
export function insert(drawing: Drawing, catalog: Catalog, way: { from: string; outcome: string; to: string }, kind: string): Result {
  const source = drawing.byId.get(way.from);
  const target = drawing.byId.get(way.to);
  const refused = catalog.isEntry(kind) ? "entry" : refusal(drawing, catalog, kind);
  if (refused) return { refused };
  if (!source || !target) return { refused: "no_way" };
  const all = targets(drawing, way.from, way.outcome);
  return between(drawing, catalog, kind, source, way.outcome, all.length > 1 && !catalog.waits(kind) ? all : [target]);
}

function between(drawing: Drawing, catalog: Catalog, kind: string, source: Activity, outcome: string, there: Activity[]): Result {
  if (!catalog.leads(kind)) return { refused: "taken" };
  const first = there[0]!;
  const place = source.at && first.at ? { x: first.at.x, y: first.at.y } : null;
  const made = added(drawing, catalog, kind, place);
  const fresh = made.drawing.byId.get(made.id)!;
  const goesOn = catalog.outcomes(made.drawing, fresh)[0]?.name ?? NEXT;
  const ids = new Set(there.map(({ id }) => id));
  let isFirst = true;
  const next = withEdges(made.drawing, (edges) =>
    edges.flatMap((edge) => {
      const way = wayOf(edge);
      if (!way || way.from !== source.id || way.outcome !== outcome || !ids.has(way.to)) return [edge];
      // The old way keeps what else it says, and leads to the new activity.
      const onward = edgeRaw(made.id, goesOn, way.to);
      if (!isFirst) return [onward];
      isFirst = false;
      return [withKey(way.raw, "to", made.id), onward];
    }),
  );
  return { id: made.id, drawing: filled(place ? pushedDown(next, made.id) : next, catalog, made.id) };
}

function placeBehind(drawing: Drawing, source: Activity, count: number): { x: number; y: number } | null {
  if (!source.at) return null;
  const place = { x: source.at.x + count * WIDTH, y: source.at.y + HEIGHT };
  const isTaken = () => drawing.activities.some(({ at }) => at && Math.abs(at.x - place.x) < WIDTH - 20 && Math.abs(at.y - place.y) < HEIGHT - 50);
  while (isTaken()) place.x += WIDTH;
  return place;
}

// What follows makes room for what was put in front of it.
function pushedDown(drawing: Drawing, id: string): Drawing {
  const follow = behind(drawing, id);
  return move(drawing, new Map(drawing.activities.filter((one) => follow.has(one.id) && one.at).map((one) => [one.id, { x: one.at!.x, y: one.at!.y + HEIGHT }])));
}

/** Why a way may not be drawn; nothing where it may. */
export function connectionFault(drawing: Drawing, catalog: Catalog, from: string, to: string): Refusal | null {
  const source = drawing.byId.get(from);
  const target = drawing.byId.get(to);
  if (from === to) return "self";
  if (!source || !target || !catalog.leads(source.kind)) return "no_way";
  if (catalog.isEntry(target.kind)) return "entry";
  return behind(drawing, to).has(from) ? "cycle" : null;
}

/** A way from an activity to another; it replaces the one that this outcome has, unless both wait. */
export function connect(drawing: Drawing, catalog: Catalog, from: string, outcome: string, to: string): Result {
  const refused = connectionFault(drawing, catalog, from, to);
  if (refused) return { refused };
  const there = targets(drawing, from, outcome);
  if (there.some(({ id }) => id === to)) return { refused: "taken" };
  const isBeside = !there.length || mayStandBeside(drawing, catalog, from, outcome, drawing.byId.get(to)!.kind);
  return {
    drawing: withEdges(drawing, (edges) => {
      const kept = isBeside ? edges : edges.filter((edge) => !isWay(edge, (way) => way.from === from && way.outcome === outcome));
      return [...kept, edgeRaw(from, outcome, to)];
    }),
  };
}

const isWay = (edge: Json, test: (way: Way) => boolean): boolean => {
  const way = wayOf(edge);
  return way !== null && test(way);
};

export function disconnect(drawing: Drawing, way: { from: string; outcome: string; to: string }): Drawing {
  return withEdges(drawing, (edges) => edges.filter((edge) => !isWay(edge, (one) => one.from === way.from && one.outcome === way.outcome && one.to === way.to)));
}

/**
 * Without these activities. Where one is taken out of a path and nothing else branches off there,
 * what came before leads to what came behind.
 */
export function remove(drawing: Drawing, catalog: Catalog, ids: Iterable<string>): Drawing {
  let now = drawing;
  for (const id of ids) now = withoutOne(now, catalog, id);
  return now;
}

function withoutOne(drawing: Drawing, catalog: Catalog, id: string): Drawing {
  const coming = drawing.ways.filter((way) => way.to === id);
  const going = drawing.ways.filter((way) => way.from === id);
  const isOneWay = new Set(going.map(({ outcome }) => outcome)).size === 1;
  const rest = withNodes(drawing, (nodes) => nodes.filter((node) => activityOf(node)?.id !== id));
  let now = withEdges(rest, (edges) => edges.filter((edge) => !isWay(edge, (way) => way.from === id || way.to === id)));
  if (!isOneWay) return now;
  for (const { from, outcome, raw } of coming) {
    for (const { to } of going) {
      const there = targets(now, from, outcome);
      const fits = !there.length || mayStandBeside(now, catalog, from, outcome, now.byId.get(to)!.kind);
      if (!fits || there.some((one) => one.id === to) || connectionFault(now, catalog, from, to)) continue;
      const next = there.length ? edgeRaw(from, outcome, to) : withKey(raw, "to", to);
      now = withEdges(now, (edges) => [...edges, next]);
    }
  }
  return now;
}

function changed(drawing: Drawing, id: string, change: (raw: JsonObject) => JsonObject): Drawing {
  let isDone = false;
  return withNodes(drawing, (nodes) =>
    nodes.map((node) => {
      const activity = activityOf(node);
      if (isDone || activity?.id !== id) return node;
      isDone = true;
      return change(activity.raw);
    }),
  );
}

export function setLabel(drawing: Drawing, id: string, label: string): Drawing {
  return changed(drawing, id, (raw) => withKey(raw, "label", label || undefined));
}

/** The configuration anew. Where a path has another name, its way keeps leading where it led. */
export function setConfig(drawing: Drawing, id: string, config: JsonObject, renamed: readonly (readonly [string, string])[] = []): Drawing {
  const next = changed(drawing, id, (raw) => withKey(raw, "config", config));
  const names = new Map(renamed);
  if (!names.size) return next;
  return withEdges(next, (edges) =>
    edges.map((edge) => {
      const way = wayOf(edge);
      const name = way?.from === id ? names.get(way.outcome) : undefined;
      return way && name !== undefined ? withKey(way.raw, "outcome", name) : edge;
    }),
  );
}

/**
 * The configuration as somebody edits it: a way out that it no longer has goes, with what was drawn
 * from it.
 */
export function configure(drawing: Drawing, catalog: Catalog, id: string, config: JsonObject, renamed: readonly (readonly [string, string])[] = []): Drawing {
  const activity = drawing.byId.get(id);
  if (!activity) return drawing;
  const next = setConfig(drawing, id, config, renamed);
  const now = new Set(catalog.ownOutcomes(next.byId.get(id)!));
  const gone = new Set(catalog.ownOutcomes(activity).filter((name) => !now.has(name)));
  for (const [old] of renamed) gone.delete(old);
  if (!gone.size) return next;
  return withEdges(next, (edges) => edges.filter((edge) => !isWay(edge, (way) => way.from === id && gone.has(way.outcome))));
}

/** Another id, that no other has, at the activity and wherever it is named. */
export function rename(drawing: Drawing, id: string, name: string): Drawing {
  if (name === id || !/^[A-Za-z0-9_-]{1,63}$/.test(name) || idsOf(drawing).has(name)) return drawing;
  const named = changed(drawing, id, (raw) => withKey(raw, "id", name));
  const nodes = withNodes(named, (all) =>
    all.map((node) => {
      const activity = activityOf(node);
      return activity && textAt(activity.config, "to") === id ? withKey(activity.raw, "config", withKey(activity.config, "to", name)) : node;
    }),
  );
  return withEdges(nodes, (edges) =>
    edges.map((edge) => {
      const way = wayOf(edge);
      if (!way) return edge;
      const from = way.from === id ? withKey(way.raw, "from", name) : way.raw;
      return way.to === id ? withKey(from, "to", name) : from;
    }),
  );
}

export function move(drawing: Drawing, places: ReadonlyMap<string, { x: number; y: number }>): Drawing {
  const left = new Map(places);
  return withNodes(drawing, (nodes) =>
    nodes.map((node) => {
      const activity = activityOf(node);
      const place = activity && left.get(activity.id);
      if (!activity || !place) return node;
      left.delete(activity.id);
      return withKey(withKey(activity.raw, "x", num(Math.round(place.x))), "y", num(Math.round(place.y)));
    }),
  );
}

/** Some activities and the ways between them, as a text that can be pasted, also elsewhere. */
export function copied(drawing: Drawing, ids: ReadonlySet<string>): string {
  const nodes = drawing.activities.filter(({ id }) => ids.has(id)).map(({ raw }) => raw as Json);
  const edges = drawing.ways.filter(({ from, to }) => ids.has(from) && ids.has(to)).map(({ raw }) => raw as Json);
  return write(new Map<string, Json>([["nodes", nodes], ["edges", edges]]));
}

/** What was copied, with ids of its own; nothing where the text says no activities. */
export function paste(drawing: Drawing, catalog: Catalog, text: string, beside = { x: 40, y: 40 }): { drawing: Drawing; ids: string[] } | { refused: Refusal } | null {
  let raw: Json;
  try {
    raw = parse(text);
  } catch {
    return null;
  }
  if (!isShowable(raw)) return null;
  const part = drawingOf(raw);
  // A journey has one entry: another one stays where it was copied.
  const hasEntry = drawing.activities.some(({ kind }) => catalog.isEntry(kind));
  const coming = part.activities.filter(({ kind }) => !(hasEntry && catalog.isEntry(kind)));
  if (!coming.length) return part.activities.length ? { refused: "second_entry" } : null;
  if (drawing.activities.length + coming.length > catalog.nodeLimit) return { refused: "limit" };
  const taken = idsOf(drawing);
  const names = new Map<string, string>();
  for (const { id } of coming) {
    const name = freeId(taken, id);
    taken.add(name);
    names.set(id, name);
  }
  const nodes = coming.map((activity): Json => {
    let next = withKey(activity.raw, "id", names.get(activity.id)!);
    if (activity.at) next = withKey(withKey(next, "x", num(activity.at.x + beside.x)), "y", num(activity.at.y + beside.y));
    const message = textAt(activity.config, "to");
    if (names.has(message)) next = withKey(next, "config", withKey(objectAt(next, "config"), "to", names.get(message)!));
    return next;
  });
  const edges = part.ways.flatMap(({ raw: edge, from, to }): Json[] => (names.has(from) && names.has(to) ? [withKey(withKey(edge, "from", names.get(from)!), "to", names.get(to)!)] : []));
  return { drawing: withEdges(withNodes(drawing, (all) => [...all, ...nodes]), (all) => [...all, ...edges]), ids: [...names.values()] };
}

export const isSameDrawing = (one: Drawing, other: Drawing): boolean => isSame(one.raw, other.raw);
