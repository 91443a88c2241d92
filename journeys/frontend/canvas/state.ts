// The drawing of one island, what can be undone, what the server says of it.

import { useCallback, useEffect, useRef, useState } from "react";
import type { JsonObject } from "./model/json";
import { begin, type History, putRaw, putText, redo, undo } from "./model/history";
import type { Counts, Fault, Server } from "./server";

export interface DocumentState {
  history: History;
  setRaw: (raw: JsonObject, key?: string) => void;
  setText: (text: string, key?: string) => void;
  undo: () => void;
  redo: () => void;
}

/** The document; `onText` is called with each new text, at once. */
export function useDocument(initial: string, onText: (text: string) => void): DocumentState {
  const [history, setHistory] = useState<History>(() => begin(initial));
  const latest = useRef(history);
  const apply = useCallback(
    (next: History) => {
      const isNew = next.now.text !== latest.current.now.text;
      latest.current = next;
      setHistory(next);
      if (isNew) onText(next.now.text);
    },
    [onText],
  );
  return {
    history,
    setRaw: useCallback((raw, key) => apply(putRaw(latest.current, raw, Date.now(), key)), [apply]),
    setText: useCallback((text, key) => apply(putText(latest.current, text, Date.now(), key)), [apply]),
    undo: useCallback(() => apply(undo(latest.current)), [apply]),
    redo: useCallback(() => apply(redo(latest.current)), [apply]),
  };
}

const CHECK_MS = 700;

export interface FaultState {
  faults: readonly Fault[];
  isFresh: boolean;
  /** Ask at once; nothing where the server could not be asked. */
  check: () => Promise<readonly Fault[] | null>;
}

/** The faults of both documents, asked for when nobody has typed for a moment. */
export function useFaults(server: Server, text: string, settings: string, first: readonly Fault[]): FaultState {
  const now = `${text}\u0000${settings}`;
  const [answer, setAnswer] = useState<{ of: string; faults: readonly Fault[] }>({ of: now, faults: first });
  useEffect(() => {
    if (!server.urls.faults || answer.of === now) return undefined;
    const stop = new AbortController();
    const timer = setTimeout(() => {
      server.faults(text, settings, stop.signal).then(
        (faults) => faults && setAnswer({ of: now, faults }),
        // The server says all faults when it is asked to save; until then there is only no mark.
        () => undefined,
      );
    }, CHECK_MS);
    return () => {
      clearTimeout(timer);
      stop.abort();
    };
  }, [server, text, settings, now, answer.of]);
  const check = useCallback(
    () =>
      server.faults(text, settings, new AbortController().signal).then(
        (faults) => {
          if (faults) setAnswer({ of: now, faults });
          return faults;
        },
        () => null,
      ),
    [server, text, settings, now],
  );
  return { faults: answer.faults, isFresh: answer.of === now, check };
}

const POLL_SECONDS = 10;

/** Who stands where, asked for again and again while the page is looked at. */
export function useCounts(server: Server, first: Counts, everySeconds = POLL_SECONDS): Counts {
  const [counts, setCounts] = useState(first);
  useEffect(() => {
    if (!server.urls.counts) return undefined;
    const stop = new AbortController();
    const ask = () => {
      if (document.visibilityState === "visible") server.counts(stop.signal).then(setCounts, () => undefined);
    };
    ask();
    const timer = setInterval(ask, everySeconds * 1000);
    return () => {
      clearInterval(timer);
      stop.abort();
    };
  }, [server, everySeconds]);
  return counts;
}
