// Drawings of every shape, with kinds and keys that nobody knows and odd numbers, as texts.
import fc from "fast-check";
import { Catalog } from "../model/catalog";

/** A catalog as the server would send it, smaller. */
const TIMEOUT = [{ name: "timeout", type: "duration", label: "Timeout" }, { name: "timeout_path", type: "boolean", label: "Path", only_with: "timeout" }];

export const catalog = new Catalog({
  groups: [],
  outcomes: { next: "next", timeout: "on timeout", error: "on an error", else: "all others" },
  node_limit: 50,
  kinds: [
    { kind: "read_segment", group: "entry", label: "Read segment", outcomes: ["next"] },
    { kind: "event_entry", group: "entry", label: "Event", outcomes: ["next"] },
    { kind: "message", group: "action", label: "Message", outcomes: ["next", "error"], fields: [{ name: "email", type: "template:email", label: "E-mail" }] },
    { kind: "update", group: "action", label: "Update", outcomes: ["next"] },
    {
      kind: "reaction", group: "event", label: "Reaction", waits: true, outcomes: ["next"], outcomes_if: { timeout: "timeout_path" },
      fields: [{ name: "to", type: "message", label: "To" }, { name: "reaction", type: "choice", label: "What", choices: [{ value: "email_opened", label: "opened" }, { value: "push_opened", label: "opened" }] }, ...TIMEOUT],
    },
    { kind: "event", group: "event", label: "Event", waits: true, outcomes: ["next"], outcomes_if: { timeout: "timeout_path" }, fields: TIMEOUT },
    { kind: "wait", group: "orchestration", label: "Wait", waits: true, outcomes: ["next"], initial: '{"duration": {"amount": 1, "unit": "day"}}' },
    {
      kind: "condition", group: "orchestration", label: "Condition", outcomes: [], outcomes_if: { else: "else" }, paths: "paths",
      initial: '{"paths": [{"name": "path_1", "criteria": {"combinator": "and", "rules": []}}], "else": true}',
    },
    { kind: "end", group: "end", label: "End", outcomes: [] },
  ],
});

const quoted = fc.string({ maxLength: 6 }).map((text) => JSON.stringify(text));
const number = fc.oneof(fc.integer().map(String), fc.constantFrom("0.10", "1.0", "-0", "1e400", "12345678901234567890.5", "1E+2"));
const json: fc.Arbitrary<string> = fc.letrec<{ any: string }>((tie) => ({
  any: fc.oneof(
    { depthSize: "small" },
    quoted,
    number,
    fc.constantFrom("true", "false", "null"),
    fc.array(tie("any"), { maxLength: 2 }).map((all) => `[${all.join(",")}]`),
    fc.tuple(quoted, tie("any")).map(([key, inner]) => `{${key}: ${inner}}`),
  ),
})).any;
const ids = ["a", "b", "c", "d", "e", "f"];
const id = fc.constantFrom(...ids);
const kind = fc.constantFrom("read_segment", "message", "reaction", "event", "wait", "condition", "end", "teleport", "");
const extra = fc.constantFrom("note", "selected", "color", "__proto__", "7").chain((key) => json.map((inner) => `"${key}": ${inner}`));
const extras = fc.uniqueArray(extra, { maxLength: 2, selector: (part) => part.split(":")[0] });
const place = fc.option(fc.tuple(number, number).map(([x, y]) => [`"x": ${x}`, `"y": ${y}`]), { nil: [] as string[] });

const object = (...parts: fc.Arbitrary<string[]>[]) =>
  fc.tuple(...parts, extras).map((all) => all.flat()).chain((all) => fc.shuffledSubarray(all, { minLength: all.length }).map((keys) => `{${keys.join(", ")}}`));
const node = object(
  fc.tuple(id, kind).map(([name, sort]) => [`"id": "${name}"`, `"kind": "${sort}"`]),
  fc.option(json.map((config) => [`"config": {"x": ${config}}`]), { nil: [] as string[] }),
  place,
);
const edge = object(
  fc.tuple(id, id).map(([from, to]) => [`"from": "${from}"`, `"to": "${to}"`]),
  fc.constantFrom([] as string[], ['"outcome": "timeout"'], ['"outcome": "next"'], ['"outcome": null']),
);

/** Any document that can be shown. */
export const anyDocument = object(
  fc.array(fc.oneof({ weight: 6, arbitrary: node }, { weight: 1, arbitrary: json }), { maxLength: 7 }).map((all) => [`"nodes": [${all.join(", ")}]`]),
  fc.array(fc.oneof({ weight: 6, arbitrary: edge }, { weight: 1, arbitrary: json }), { maxLength: 9 }).map((all) => [`"edges": [${all.join(", ")}]`]),
);

/** The use case of the French document, up to the point where its three paths join. */
export const USE_CASE = `{"nodes": [
  {"id": "start", "kind": "read_segment", "config": {"segment": "atlanta"}},
  {"id": "first", "kind": "message", "config": {"email": "first", "push": "first"}},
  {"id": "push_opened", "kind": "reaction", "config": {"to": "first", "reaction": "push_opened"}},
  {"id": "email_opened", "kind": "reaction", "config": {"to": "first", "reaction": "email_opened", "timeout": {"amount": 1, "unit": "day"}, "timeout_path": true}},
  {"id": "follow_up", "kind": "message", "config": {"email": "follow-up"}},
  {"id": "bought", "kind": "event", "config": {"event": "purchase"}},
  {"id": "thanks", "kind": "message", "config": {"push": "thank-you"}}],
 "edges": [{"from": "start", "to": "first"}, {"from": "first", "to": "push_opened"}, {"from": "first", "to": "email_opened"},
  {"from": "email_opened", "outcome": "timeout", "to": "follow_up"},
  {"from": "push_opened", "to": "bought"}, {"from": "email_opened", "to": "bought"}, {"from": "follow_up", "to": "bought"},
  {"from": "bought", "to": "thanks"}]}`;
