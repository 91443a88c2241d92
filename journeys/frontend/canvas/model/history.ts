// What was, is, and may be again: undo and redo over the texts of a document.

import { type Reading, readText } from "./document";
import { isSame, type JsonObject, write } from "./json";

export interface History {
  readonly first: Reading;
  readonly past: readonly Reading[];
  readonly now: Reading;
  readonly future: readonly Reading[];
  readonly key: string;
  readonly at: number;
}

const KEPT = 200;
const TOGETHER_MS = 1500;

export function begin(text: string): History {
  const first = readText(text);
  return { first, past: [], now: first, future: [], key: "", at: 0 };
}

/** Another document. Changes with one key, one soon after the other, are undone together. */
export function put(history: History, reading: Reading, at: number, key = ""): History {
  if (reading.text === history.now.text) return history;
  const isTogether = key !== "" && key === history.key && at - history.at < TOGETHER_MS;
  const past = isTogether ? history.past : [...history.past, history.now].slice(-KEPT);
  return { ...history, past, now: reading, future: [], key, at };
}

export function putRaw(history: History, raw: JsonObject, at: number, key = ""): History {
  const { now, past, first } = history;
  if (now.raw && isSame(now.raw, raw)) return history;
  // Whoever changes something and changes it back has the text that was there before.
  const same = [...past, first].reverse().find((reading) => reading.raw && isSame(reading.raw, raw));
  return put(history, same ?? { text: write(raw), raw, fault: null }, at, key);
}

export function putText(history: History, text: string, at: number, key = ""): History {
  return put(history, readText(text), at, key);
}

export function undo(history: History): History {
  const before = history.past.at(-1);
  if (!before) return history;
  return { ...history, past: history.past.slice(0, -1), now: before, future: [history.now, ...history.future], key: "", at: 0 };
}

export function redo(history: History): History {
  const [next, ...rest] = history.future;
  if (!next) return history;
  return { ...history, past: [...history.past, history.now], now: next, future: rest, key: "", at: 0 };
}
