// What the parts of one island share.

import { createContext, useContext } from "react";
import type { Catalog } from "./model/catalog";
import type { Result } from "./model/commands";
import type { Drawing } from "./model/document";
import type { Counts, Fault, Server } from "./server";
import type { Translate } from "./texts";

export interface Change {
  /** Changes with one key, one soon after the other, are undone together. */
  key?: string;
  say?: string;
  /** Select and show what was made. */
  open?: boolean;
}

/** Where a new activity comes: behind an activity, on a way, or somewhere. */
export type Slot =
  | { where: "behind"; from: string; outcome: string }
  | { where: "way"; from: string; outcome: string; to: string }
  | { where: "free"; at?: { x: number; y: number } };

/** What a menu opens at. */
export interface Anchor {
  getBoundingClientRect: () => { left: number; top: number; bottom: number };
  focus?: () => void;
}

export interface Builder {
  config: JsonValue;
  saved: { key: string; name: string; criteria: string }[];
}
export type JsonValue = Record<string, unknown>;

export interface Editor {
  id: string;
  t: Translate;
  catalog: Catalog;
  server: Server;
  drawing: Drawing;
  readOnly: boolean;
  faults: readonly Fault[];
  counts: Counts;
  hasCounts: boolean;
  builder: Builder | null;
  /** The label of a key that an activity names. */
  nameOf: (source: string, key: string) => string;
  learn: (source: string, key: string, label: string) => void;
  selected: ReadonlySet<string>;
  /** Select, and show the panel unless only looked at. */
  select: (ids: Iterable<string>, isOnlyLooked?: boolean) => void;
  apply: (result: Result, change?: Change) => boolean;
  setDrawing: (drawing: Drawing, change?: Change) => void;
  /** Open the list of kinds at a place of the window. */
  choose: (slot: Slot, anchor: Anchor) => void;
  summary: (id: string) => string;
  number: (value: number) => string;
}

export const EditorContext = createContext<Editor | null>(null);

export function useEditor(): Editor {
  const found = useContext(EditorContext);
  if (!found) throw new Error("outside of an island");
  return found;
}
