// What can be done to a tree. React Query Builder's tools move things about; the JSON follows.

import { add, findPath, move as moveTool, remove as removeTool, type RuleGroupType } from "@react-querybuilder/core";
import { copyOf, emptyGroup, flag, type Combinator, type Group, isGroup, type Node, type Path, settled, withFlag } from "./document";
import { isObject, type Json } from "./json";

const asQuery = (root: Group) => root as unknown as RuleGroupType;
const asGroup = (query: unknown) => settled(query as Group);

export function nodeAt(root: Group, path: Path): Node | undefined {
  return (findPath([...path], asQuery(root)) as unknown as Node | null) ?? undefined;
}

export function groupAt(root: Group, path: Path): Group | undefined {
  const found = nodeAt(root, path);
  return found && isGroup(found) ? found : undefined;
}

export function pathOf(root: Group, id: string): Path | undefined {
  if (root.id === id) return [];
  for (const [index, node] of root.rules.entries()) {
    if (node.id === id) return [index];
    const inner = isGroup(node) ? pathOf(node, id) : undefined;
    if (inner) return [index, ...inner];
  }
  return undefined;
}

/** Put another node in the place of one. */
export function replace(root: Group, path: Path, node: Node): Group {
  const [index, ...rest] = path;
  if (index === undefined) return isGroup(node) ? settled(node) : root;
  const rules = root.rules.map((child, i) => {
    if (i !== index) return child;
    return rest.length && isGroup(child) ? replace(child, rest, node) : node;
  });
  return settled({ ...root, rules });
}

/** Insert a node so that it stands at `path`. */
export function insert(root: Group, path: Path, node: Node): Group {
  const parent = path.slice(0, -1);
  const group = groupAt(root, parent);
  if (!group) return root;
  const added = add(asQuery(root), node as never, parent);
  const last = [...parent, group.rules.length];
  const wanted = Math.min(path.at(-1) ?? 0, group.rules.length);
  if (wanted === last.at(-1)) return asGroup(added);
  return asGroup(moveTool(added, last, [...parent, wanted]));
}

export function remove(root: Group, path: Path): Group {
  return asGroup(removeTool(asQuery(root), [...path]));
}

/** Move a node; `to` is a place in the tree as it is now. */
export function move(root: Group, from: Path, to: Path): Group {
  if (!from.length || isInside(to, from)) return root;
  return asGroup(moveTool(asQuery(root), [...from], [...to]));
}

export function isInside(path: Path, ancestor: Path): boolean {
  return path.length > ancestor.length && ancestor.every((index, i) => path[i] === index);
}

export function duplicate(root: Group, path: Path): Group {
  const node = nodeAt(root, path);
  if (!node || !path.length) return root;
  return insert(root, [...path.slice(0, -1), (path.at(-1) ?? 0) + 1], copyOf(node));
}

/** Put what a group holds in its place. */
export function ungroup(root: Group, path: Path): Group {
  const group = groupAt(root, path);
  const index = path.at(-1);
  const parent = groupAt(root, path.slice(0, -1));
  if (!group || index === undefined || !parent) return root;
  const rules = [...parent.rules.slice(0, index), ...group.rules, ...parent.rules.slice(index + 1)];
  return replace(root, path.slice(0, -1), { ...parent, rules });
}

/** Put a node into a new group of its own. */
export function wrap(root: Group, path: Path, combinator: Combinator): Group {
  const node = nodeAt(root, path);
  if (!node || !path.length) return root;
  return replace(root, path, emptyGroup(combinator, {}, [node]));
}

/**
 * Let the join between a child and the one after it be `combinator`. Where there are only these
 * two the whole group changes; else the two get a group, or join one that is there already.
 */
export function join(root: Group, parent: Path, first: number, second: number, combinator: Combinator, shown: number): Group {
  const group = groupAt(root, parent);
  const [one, two] = [group?.rules[first], group?.rules[second]];
  if (!group || !one || !two || group.combinator === combinator) return root;
  if (shown <= 2) return setCombinator(root, parent, combinator);
  const parts = (node: Node): Node[] =>
    isGroup(node) && node.combinator === combinator && isPlain(node) ? node.rules : [node];
  const host = [one, two].find((node): node is Group => isGroup(node) && node.combinator === combinator && isPlain(node));
  const rules = [...parts(one), ...parts(two)];
  const joined = host ? settled({ ...host, rules }) : emptyGroup(combinator, {}, rules);
  const kept = group.rules.flatMap((node, i) => (i === first ? [joined] : i === second ? [] : [node]));
  return replace(root, parent, { ...group, rules: kept });
}

// A group without a say of its own besides how it joins.
function isPlain(group: Group): boolean {
  return [...group.raw.keys()].every((key) => ["combinator", "rules", "not"].includes(key)) && !flag(group, "not");
}

export function setCombinator(root: Group, path: Path, combinator: Combinator): Group {
  const group = groupAt(root, path);
  return group ? replace(root, path, { ...group, combinator }) : root;
}

export function setFlag(root: Group, path: Path, key: "not" | "disabled", on: boolean): Group {
  const node = nodeAt(root, path);
  return node ? replace(root, path, withFlag(node, key, on)) : root;
}

// --- Limits -------------------------------------------------------------------------------------

/** How many rules count, in groups, conditions and steps; those taken out do not. */
export function countRules(raw: Json | undefined): number {
  if (!isObject(raw) || raw.get("disabled") === true) return 0;
  const rules = raw.get("rules");
  if (raw.has("rules") || raw.has("combinator")) {
    return Array.isArray(rules) ? rules.reduce((sum: number, rule) => sum + countRules(rule), 0) : 0;
  }
  const steps = raw.get("steps");
  const inSteps = Array.isArray(steps)
    ? steps.reduce((sum: number, step) => sum + 1 + (isObject(step) ? countRules(step.get("where")) : 0), 0)
    : 0;
  return 1 + countRules(raw.get("where")) + inSteps;
}

/** How many levels of groups a node adds below the group it stands in. */
export function heightOf(raw: Json | undefined): number {
  if (!isObject(raw)) return 0;
  const rules = raw.get("rules");
  if (raw.has("rules") || raw.has("combinator")) {
    const inner = Array.isArray(rules) ? rules.map(heightOf) : [];
    return 1 + Math.max(0, ...inner);
  }
  const steps = raw.get("steps");
  const wheres = [raw.get("where"), ...(Array.isArray(steps) ? steps.map((step) => (isObject(step) ? step.get("where") : undefined)) : [])];
  // The conditions on events start at the level of their rule.
  return Math.max(0, ...wheres.map((where) => (where === undefined ? 0 : heightOf(where) - 1)));
}

// --- Two zones ----------------------------------------------------------------------------------

export interface Zones {
  /** The group whose children the Include zone shows. */
  include: Path;
  /** Places of those of its children that it does not show. */
  hidden: ReadonlySet<number>;
  /** The negated groups of the Exclude zone. */
  exclude: readonly Path[];
}

/** The negated groups right in an `and` are the Exclude zone; nothing is moved for that. */
export function zonesOf(root: Group): Zones {
  if (root.combinator !== "and" || flag(root, "not")) return { include: [], hidden: new Set(), exclude: [] };
  const isExcluding = (node: Node) => isGroup(node) && flag(node, "not") && !flag(node, "disabled");
  const places = root.rules.flatMap((node, i) => (isExcluding(node) ? [i] : []));
  const others = root.rules.flatMap((node, i) => (isExcluding(node) ? [] : [i]));
  const exclude = places.map((i) => [i]);
  const only = others.length === 1 ? root.rules[others[0] ?? 0] : undefined;
  if (exclude.length && only && isGroup(only) && !flag(only, "not") && !flag(only, "disabled")) {
    return { include: [others[0] ?? 0], hidden: new Set(), exclude };
  }
  return { include: [], hidden: new Set(places), exclude };
}

/** Let the Include zone hold all or any of what it shows, whatever the Exclude zone holds. */
export function setIncludeCombinator(root: Group, combinator: Combinator): Group {
  const zones = zonesOf(root);
  if (zones.include.length || !zones.exclude.length) return setCombinator(root, zones.include, combinator);
  if (combinator === root.combinator) return root;
  const shown = root.rules.filter((_node, i) => !zones.hidden.has(i));
  const rest = root.rules.filter((_node, i) => zones.hidden.has(i));
  return settled({ ...root, rules: [emptyGroup(combinator, {}, shown), ...rest] });
}

/** Where something appended to the Include zone goes. */
export function includeEnd(root: Group): Path {
  const zones = zonesOf(root);
  const group = groupAt(root, zones.include);
  const places = (group?.rules ?? []).flatMap((_node, i) => (zones.hidden.has(i) ? [] : [i]));
  return [...zones.include, places.length ? (places.at(-1) ?? 0) + 1 : 0];
}

/** A tree with an empty exclusion to put something into, and the path of that. */
export function withExclusion(root: Group): { root: Group; path: Path } {
  const zones = zonesOf(root);
  const first = zones.exclude[0];
  if (first) return { root, path: first };
  const group = emptyGroup("or", { not: true });
  if (root.combinator === "and" && !flag(root, "not")) {
    return { root: settled({ ...root, rules: [...root.rules, group] }), path: [root.rules.length] };
  }
  const outer = emptyGroup("and", {}, [root, group]);
  return { root: outer, path: [1] };
}

/** Take away exclusions that hold nothing any more: an empty `and`, negated, holds for nobody. */
export function withoutEmptyExclusions(before: Group, after: Group): Group {
  const had = new Set(zonesOf(before).exclude.map((path) => groupAt(before, path)).flatMap((group) => (group?.rules.length ? [group.id] : [])));
  const isLeft = (node: Node) => !(isGroup(node) && !node.rules.length && flag(node, "not") && had.has(node.id));
  return after.rules.every(isLeft) ? after : settled({ ...after, rules: after.rules.filter(isLeft) });
}
