// What is not complete yet, taken out: so that there is an estimate also while somebody builds.

import { isObject, type Json, type JsonObject } from "./json";
import { withKey } from "./document";

type Step = string | number;

/** A path as the server writes it ("rules[1].where") in its parts. */
export function stepsOfPath(path: string): Step[] {
  return [...path.matchAll(/([^.[\]]+)|\[(\d+)\]/g)].map(([, key, index]) => (index === undefined ? (key ?? "") : Number(index)));
}

// The innermost rule or group that a path leads into; nothing for the outermost one.
function nodeStepsOf(path: string): Step[] | null {
  const steps = stepsOfPath(path);
  for (let end = steps.length; end >= 2; end -= 1) {
    if (typeof steps[end - 1] === "number" && steps[end - 2] === "rules") return steps.slice(0, end);
  }
  return null;
}

/**
 * The document without the rules that paths lead into, as if they were not there; blocks that hold
 * nothing else go with them. Nothing where a path leads into none, or nobody would be left.
 */
export function withoutUnfinished(raw: JsonObject, paths: readonly string[]): JsonObject | null {
  let found: JsonObject = raw;
  for (const path of paths) {
    const steps = nodeStepsOf(path);
    const next = steps && disabledAt(found, steps);
    if (!isObject(next ?? undefined)) return null;
    found = next as JsonObject;
  }
  const left = found.get("rules");
  const isEmpty = Array.isArray(left) && left.every(isOff);
  return isEmpty && found.get("combinator") === "or" ? null : found;
}

function isOff(node: Json): boolean {
  return isObject(node) && node.get("disabled") === true;
}

// The same value with the node at the end of the steps disabled, and emptied groups on the way.
function disabledAt(value: Json, steps: readonly Step[], isRoot = true): Json | null {
  const [step, ...rest] = steps;
  if (step === undefined) return isObject(value) ? withKey(value, "disabled", true) : null;
  if (typeof step === "number") {
    if (!Array.isArray(value)) return null;
    const inner = disabledAt(value[step] ?? null, rest, false);
    return inner === null ? null : value.map((part, i) => (i === step ? inner : part));
  }
  if (!isObject(value)) return null;
  const inner = disabledAt(value.get(step) ?? null, rest, false);
  if (inner === null) return null;
  const changed = withKey(value, step, inner);
  const isEmptied = step === "rules" && Array.isArray(inner) && inner.every(isOff);
  return isEmptied && !isRoot ? withKey(changed, "disabled", true) : changed;
}
