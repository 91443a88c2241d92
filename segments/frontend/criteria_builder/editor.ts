// What the parts of one island share: texts, catalog, server, faults, counts, and how to say things.

import { createContext, useContext } from "react";
import type { Catalog } from "./model/catalog";
import type { Group, Node, Path } from "./model/document";
import type { ClauseCount, Problem, Server } from "./server";
import type { Translate } from "./texts";

export interface Editor {
  /** Tells islands of one page apart. */
  id: string;
  t: Translate;
  catalog: Catalog;
  server: Server;
  readOnly: boolean;
  /** Whether rules and groups say what whom they refuse is told. */
  hasMessages: boolean;
  problems: readonly Problem[];
  counts: Readonly<Record<string, ClauseCount>>;
  /** Rules that count, of the whole document. */
  ruleCount: number;
  say: (text: string) => void;
  /** Give the focus, after the next drawing, to a node: itself or its first control. */
  focusLater: (id: string, where?: "node" | "control") => void;
}

export const EditorContext = createContext<Editor | null>(null);

export function useEditor(): Editor {
  const found = useContext(EditorContext);
  if (!found) throw new Error("outside of an island");
  return found;
}

export interface Change {
  /** Changes with one key, one soon after the other, are undone together. */
  key?: string;
  say?: string;
  /** Whether a way back is to be offered at once. */
  offerUndo?: boolean;
}

/** One tree of groups: the document, or the conditions of one event. */
export interface Scope {
  id: string;
  root: Group;
  /** Where the tree stands in the document, as the server writes paths. */
  base: string;
  /** The level of its outermost group. */
  level: number;
  kind: "segment" | "where";
  event: string;
  change: (root: Group, more?: Change) => void;
  /** Whether the outermost group is shown in two zones. */
  hasZones: boolean;
}

export const ScopeContext = createContext<Scope | null>(null);

export function useScope(): Scope {
  const found = useContext(ScopeContext);
  if (!found) throw new Error("outside of a tree");
  return found;
}

/** The path of a node as the server writes it. */
export function pathText(base: string, path: Path): string {
  return path.reduce<string>((text, index) => `${text ? `${text}.` : ""}rules[${index}]`, base);
}

export function isWithin(path: string, outer: string): boolean {
  if (!outer) return true;
  return path === outer || (path.startsWith(outer) && /^[.[]/.test(path.slice(outer.length)));
}

/** The faults of one node itself, not of nodes that stand in it. */
export function ownProblems(problems: readonly Problem[], path: string): Problem[] {
  return problems.filter(({ path: at }) => isWithin(at, path) && !/(^|\.)(rules|steps)\[\d+\]/.test(at.slice(path.length)) && !/^\.where(\.|$)/.test(at.slice(path.length)));
}

export const isUnset = (problem: Problem) => problem.code === "missing_value";

export interface Dragged {
  island: string;
  scope: string;
  path: Path;
  node: Node;
  name: string;
}

export interface DraggedField {
  island: string;
  field: string;
  choice?: string;
  name: string;
}
