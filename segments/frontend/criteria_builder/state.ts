// The document of one island: its text, its tree, and what can be undone.

import { useCallback, useMemo, useRef, useState } from "react";
import { type Group, groupOf, isShowable } from "./model/document";
import { isSame, type Json, JsonFault, type JsonObject, parse, write } from "./model/json";

export interface Version {
  text: string;
  /** The group that the text says; nothing where it says none. */
  raw: JsonObject | null;
  fault: JsonFault | "shape" | null;
}

/** What a text says. Nothing in it is empty criteria: everyone. */
export function read(text: string): Version {
  try {
    const raw: Json = text.trim() ? parse(text) : new Map<string, Json>([["combinator", "and"], ["rules", []]]);
    return isShowable(raw) ? { text, raw, fault: null } : { text, raw: null, fault: "shape" };
  } catch (fault) {
    if (fault instanceof JsonFault) return { text, raw: null, fault };
    throw fault;
  }
}

const TOGETHER_MS = 1500;
const KEPT = 200;

interface History {
  past: Version[];
  now: Version;
  future: Version[];
  key: string;
  at: number;
}

export interface DocumentState {
  version: Version;
  root: Group | null;
  canUndo: boolean;
  canRedo: boolean;
  setRoot: (root: Group, key?: string) => void;
  setText: (text: string, key?: string) => void;
  undo: () => void;
  redo: () => void;
}

/** The document; `onText` is called with each new text, at once. */
export function useDocument(initial: string, onText: (text: string) => void): DocumentState {
  const first = useMemo(() => read(initial), [initial]);
  const [history, setHistory] = useState<History>({ past: [], now: first, future: [], key: "", at: 0 });
  const latest = useRef(history);
  const apply = useCallback((next: History) => {
    const isNew = next.now.text !== latest.current.now.text;
    latest.current = next;
    setHistory(next);
    if (isNew) onText(next.now.text);
  }, [onText]);
  const put = useCallback((version: Version, key = "") => {
    const { past, now, key: before, at } = latest.current;
    if (version.text === now.text) return;
    const isTogether = key !== "" && key === before && Date.now() - at < TOGETHER_MS;
    const kept = isTogether ? past : [...past, now].slice(-KEPT);
    apply({ past: kept, now: version, future: [], key, at: Date.now() });
  }, [apply]);
  const setRoot = useCallback((root: Group, key?: string) => {
    const { past, now } = latest.current;
    if (now.raw && isSame(root.raw, now.raw) && [...root.raw.keys()].join() === [...now.raw.keys()].join()) return;
    // Whoever changes something and changes it back has the text that was there before.
    const same = [...past, now].reverse().find((version) => version.raw === root.raw) ?? (first.raw && isSame(first.raw, root.raw) ? first : null);
    put({ text: same ? same.text : write(root.raw), raw: root.raw, fault: null }, key);
  }, [put, first]);
  const undo = useCallback(() => {
    const { past, now, future } = latest.current;
    const before = past.at(-1);
    if (before) apply({ past: past.slice(0, -1), now: before, future: [now, ...future], key: "", at: 0 });
  }, [apply]);
  const redo = useCallback(() => {
    const { past, now, future } = latest.current;
    const [next, ...rest] = future;
    if (next) apply({ past: [...past, now], now: next, future: rest, key: "", at: 0 });
  }, [apply]);
  const setText = useCallback((text: string, key?: string) => put(read(text), key), [put]);
  const { now } = history;
  return {
    version: now,
    root: now.raw ? groupOf(now.raw) : null,
    canUndo: history.past.length > 0,
    canRedo: history.future.length > 0,
    setRoot, setText, undo, redo,
  };
}
