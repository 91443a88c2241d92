// What people do to a tree, with its limits, and what is said about it.

import { type Change, useEditor, useScope } from "../editor";
import { copyOf, emptyGroup, flag, type Group, isGroup, type Node, type Path, ruleOf } from "../model/document";
import { newCondition, newRule } from "../model/rules";
import * as tree from "../model/tree";
import type { Entry } from "./fields";

export type Zone = "include" | "exclude";
export type Direction = "up" | "down" | "in" | "out";

export interface Actions {
  nameOf: (node: Node) => string;
  addField: (entry: Pick<Entry, "field" | "choice">, to: Path | Zone) => void;
  addBlock: (to: Path) => void;
  place: (id: string, to: Path | Zone) => void;
  step: (path: Path, direction: Direction) => void;
  canStep: (path: Path, direction: Direction) => boolean;
  duplicate: (path: Path) => void;
  remove: (path: Path) => void;
  toggle: (path: Path, key: "not" | "disabled") => void;
  wrap: (path: Path) => void;
  ungroup: (path: Path) => void;
  zoneOf: (path: Path) => Zone | null;
}

export function useActions(): Actions {
  const editor = useEditor();
  const scope = useScope();
  const { t, catalog, say } = editor;
  const { root } = scope;
  const zones = scope.hasZones ? tree.zonesOf(root) : null;

  const finish = (after: Group, more?: Change) => scope.change(scope.hasZones ? tree.withoutEmptyExclusions(root, after) : after, more);
  const nameOf = (node: Node): string => {
    if (isGroup(node)) return t("block");
    if (!node.field || node.field === "properties.") return t("unnamed");
    return node.field === "occurred_at" ? t("occurred_at") : catalog.label(node.field);
  };
  const zoneName = (zone: Zone) => t(zone);
  // A tree with room for something in a zone, and the path at its end.
  const endOf = (zone: Zone): { root: Group; path: Path } => {
    if (zone === "include") return { root, path: tree.includeEnd(root) };
    const made = tree.withExclusion(root);
    return { root: made.root, path: [...made.path, tree.groupAt(made.root, made.path)?.rules.length ?? 0] };
  };
  const target = (to: Path | Zone) => (typeof to === "string" ? endOf(to) : { root, path: to });
  const zoneOf = (path: Path): Zone | null => {
    if (!zones) return null;
    return zones.exclude.some((at) => tree.isInside(path, at) || at.join() === path.join()) ? "exclude" : "include";
  };
  const placeName = (to: Path | Zone) => {
    const zone = typeof to === "string" ? to : zoneOf(to);
    return zone ? zoneName(zone) : t("block");
  };
  const add = (node: Node, to: Path | Zone, focus: string) => {
    const at = target(to);
    scope.change(tree.insert(at.root, at.path, node), { say: t("said_added", { name: nameOf(node), place: placeName(to) }) });
    editor.focusLater(focus, "control");
  };
  const isZoneGroup = (path: Path) => Boolean(zones && [zones.include, ...zones.exclude].some((at) => at.join() === path.join()));
  // Places of a group's children that are shown together.
  const shownIn = (parent: Path): number[] => {
    const all = (tree.groupAt(root, parent)?.rules ?? []).map((_rule, i) => i);
    return zones && !parent.length ? all.filter((i) => !zones.hidden.has(i)) : all;
  };
  // Where one step leads; nothing where there is no way.
  const stepTarget = (path: Path, direction: Direction): Path | null => {
    const parent = path.slice(0, -1);
    const group = tree.groupAt(root, parent);
    const index = path.at(-1);
    if (!group || index === undefined) return null;
    const shown = shownIn(parent);
    const before = shown.filter((i) => i < index).at(-1);
    const after = shown.find((i) => i > index);
    const out = parent.length && !isZoneGroup(parent) ? parent : null;
    const below = out && [...out.slice(0, -1), (out.at(-1) ?? 0) + 1];
    const into = [before, after].find((i) => i !== undefined && isGroup(group.rules[i] as Node));
    switch (direction) {
      case "up":
        return before !== undefined ? [...parent, before] : out;
      case "down":
        return after !== undefined ? [...parent, after + 1] : below;
      case "out":
        return below;
      case "in":
        return into === undefined ? null : [...parent, into, into === before ? (group.rules[into] as Group).rules.length : 0];
    }
  };

  const actions: Actions = {
    nameOf,
    zoneOf,
    addField: ({ field, choice }, to) => {
      const node = ruleOf(scope.kind === "where" ? newCondition(field, catalog) : newRule(field, catalog, choice));
      add(node, to, node.id);
    },
    addBlock: (to) => {
      const inner = ruleOf(scope.kind === "where" ? newCondition("properties.", catalog) : newRule("", catalog));
      const parent = tree.groupAt(root, to.slice(0, -1));
      add(emptyGroup(parent?.combinator === "or" ? "and" : "or", {}, [inner]), to, inner.id);
    },
    place: (id, to) => {
      const at = target(to);
      const from = tree.pathOf(at.root, id);
      const node = from && tree.nodeAt(at.root, from);
      if (!from || !node || tree.isInside(at.path, from)) return;
      const after = tree.move(at.root, from, at.path);
      if (after === root) return;
      const found = tree.pathOf(after, id) ?? [];
      const parent = found.slice(0, -1);
      const hidden = scope.hasZones && !parent.length ? tree.zonesOf(after).hidden : new Set<number>();
      const beside = (tree.groupAt(after, parent)?.rules ?? []).map((_rule, i) => i).filter((i) => !hidden.has(i));
      const words = { name: nameOf(node), place: beside.indexOf(found.at(-1) ?? 0) + 1, count: beside.length };
      const isOtherZone = zoneOf(from) !== (typeof to === "string" ? to : zoneOf(to));
      finish(after, { say: isOtherZone ? t("said_moved_zone", { name: nameOf(node), place: placeName(to) }) : t("said_moved", words) });
      editor.focusLater(id);
    },
    step: (path, direction) => {
      const node = tree.nodeAt(root, path);
      const to = stepTarget(path, direction);
      if (node && to) actions.place(node.id, to);
      else say(t("said_cannot_move"));
    },
    canStep: (path, direction) => stepTarget(path, direction) !== null,
    duplicate: (path) => {
      const node = tree.nodeAt(root, path);
      const to = [...path.slice(0, -1), (path.at(-1) ?? 0) + 1];
      if (!node) return;
      const copy = copyOf(node);
      finish(tree.insert(root, to, copy), { say: t("said_duplicated", { name: nameOf(node) }) });
      editor.focusLater(copy.id);
    },
    remove: (path) => {
      const node = tree.nodeAt(root, path);
      const parent = tree.groupAt(root, path.slice(0, -1));
      if (!node || !parent) return;
      const index = path.at(-1) ?? 0;
      const next = parent.rules[index + 1] ?? parent.rules[index - 1] ?? parent;
      finish(tree.remove(root, path), { say: t("said_removed", { name: nameOf(node) }), offerUndo: true });
      editor.focusLater(next.id);
    },
    toggle: (path, key) => {
      const node = tree.nodeAt(root, path);
      if (!node) return;
      scope.change(tree.setFlag(root, path, key, !flag(node, key)));
      editor.focusLater(node.id);
    },
    wrap: (path) => {
      const node = tree.nodeAt(root, path);
      const parent = tree.groupAt(root, path.slice(0, -1));
      if (!node || !parent) return;
      scope.change(tree.wrap(root, path, parent.combinator === "and" ? "or" : "and"));
      editor.focusLater(node.id);
    },
    ungroup: (path) => {
      const group = tree.groupAt(root, path);
      if (!group) return;
      finish(tree.ungroup(root, path));
      const next = group.rules[0];
      if (next) editor.focusLater(next.id);
    },
  };
  return actions;
}
