// JSON without loss: numbers keep their digits, objects the order of their keys, faults a place.

/** A number as it was written. */
export class Num {
  constructor(readonly text: string) {}
}

export type JsonObject = Map<string, Json>;
export type Json = string | boolean | null | Num | Json[] | JsonObject;

const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
const WHOLE_NUMBER = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/;
const SPACE = /[ \t\n\r]*/y;
const STRING = /"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/y;
// Deeper than any criteria, and far from the end of the stack.
const DEEPEST = 500;

export type FaultCode = "end" | "value" | "key" | "colon" | "comma" | "string" | "after" | "deep";

/** Where a text stops being JSON. Lines and columns count from 1. */
export class JsonFault extends Error {
  readonly line: number;
  readonly column: number;

  constructor(
    readonly code: FaultCode,
    text: string,
    readonly offset: number,
  ) {
    super(code);
    const before = text.slice(0, offset).split("\n");
    this.line = before.length;
    this.column = (before.at(-1) ?? "").length + 1;
  }
}

export function isObject(value: unknown): value is JsonObject {
  return value instanceof Map;
}

export function isNumberText(text: string): boolean {
  return WHOLE_NUMBER.test(text);
}

/** The value of a text; throws JsonFault. Of a key that stands twice the last one counts. */
export function parse(text: string): Json {
  let at = 0;

  const fault = (code: FaultCode, offset = at): JsonFault =>
    new JsonFault(offset >= text.length ? "end" : code, text, Math.min(offset, text.length));
  const skip = () => {
    SPACE.lastIndex = at;
    SPACE.exec(text);
    at = SPACE.lastIndex;
  };
  const read = (pattern: RegExp): string | null => {
    pattern.lastIndex = at;
    const found = pattern.exec(text);
    if (!found) return null;
    at = pattern.lastIndex;
    return found[0];
  };
  const string = (): string => {
    const found = read(STRING);
    if (found === null) throw fault("string");
    return JSON.parse(found) as string;
  };
  const value = (depth: number): Json => {
    skip();
    if (depth > DEEPEST) throw fault("deep");
    const first = text[at];
    if (first === '"') return string();
    if (first === "{") return object(depth);
    if (first === "[") return array(depth);
    for (const [word, meaning] of WORDS) {
      if (text.startsWith(word, at)) {
        at += word.length;
        return meaning;
      }
    }
    const number = read(NUMBER);
    if (number === null) throw fault("value");
    return new Num(number);
  };
  const array = (depth: number): Json[] => {
    const found: Json[] = [];
    at += 1;
    skip();
    if (text[at] === "]") {
      at += 1;
      return found;
    }
    for (;;) {
      found.push(value(depth + 1));
      skip();
      if (text[at] === "]") break;
      if (text[at] !== ",") throw fault("comma");
      at += 1;
    }
    at += 1;
    return found;
  };
  const object = (depth: number): JsonObject => {
    const found: JsonObject = new Map();
    at += 1;
    skip();
    if (text[at] === "}") {
      at += 1;
      return found;
    }
    for (;;) {
      skip();
      if (text[at] !== '"') throw fault("key");
      const key = string();
      skip();
      if (text[at] !== ":") throw fault("colon");
      at += 1;
      found.set(key, value(depth + 1));
      skip();
      if (text[at] === "}") break;
      if (text[at] !== ",") throw fault("comma");
      at += 1;
    }
    at += 1;
    return found;
  };

  const found = value(0);
  skip();
  if (at < text.length) throw fault("after");
  return found;
}

const WORDS: readonly (readonly [string, Json])[] = [
  ["true", true],
  ["false", false],
  ["null", null],
];

/** The text of a value, laid out as the server lays it out: two spaces for each level. */
export function write(value: Json, level = 0): string {
  if (value instanceof Num) return value.text;
  if (typeof value === "string") return JSON.stringify(value);
  if (value === null || typeof value === "boolean") return String(value);
  const inner = "  ".repeat(level + 1);
  const outer = "  ".repeat(level);
  if (Array.isArray(value)) {
    if (!value.length) return "[]";
    return `[\n${value.map((part) => inner + write(part, level + 1)).join(",\n")}\n${outer}]`;
  }
  if (!value.size) return "{}";
  const lines = [...value].map(([key, part]) => `${inner}${JSON.stringify(key)}: ${write(part, level + 1)}`);
  return `{\n${lines.join(",\n")}\n${outer}}`;
}

/** Whether two values are the same document: the order of keys does not matter, digits do. */
export function isSame(one: Json | undefined, other: Json | undefined): boolean {
  if (one === other) return true;
  if (one instanceof Num) return other instanceof Num && one.text === other.text;
  if (Array.isArray(one)) {
    return Array.isArray(other) && one.length === other.length && one.every((part, i) => isSame(part, other[i]));
  }
  if (isObject(one)) {
    return isObject(other) && one.size === other.size && [...one].every(([key, part]) => other.has(key) && isSame(part, other.get(key)));
  }
  return false;
}
