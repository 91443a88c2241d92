// Random valid documents, of every kind of rule, with keys that nobody knows and odd numbers.
import fc from "fast-check";

// Written as text at once, because plain numbers of JavaScript would not keep their digits.
const quoted = fc.string({ maxLength: 8 }).map((text) => JSON.stringify(text));
const word = fc.constantFrom("Kraków", "a;b", "", "null", "__proto__", "1", "e\u0301").map((text) => JSON.stringify(text));
const text = fc.oneof(quoted, word);
const number = fc.oneof(
  fc.integer().map(String),
  fc.constantFrom("0.10", "1.0", "-0", "1e400", "12345678901234567890.123456789012345678901", "1E+2", "0.30"),
);
const boolean = fc.constantFrom("true", "false");
const duration = fc
  .tuple(fc.integer({ min: 1, max: 10000 }), fc.constantFrom("minute", "hour", "day", "week", "month", "year"))
  .map(([amount, unit]) => `{"amount": ${amount}, "unit": "${unit}"}`);
const date = fc.constantFrom('"1980-12-31"', '"2024-02-29T10:00"', '"2024-01-01 12:00:00.5+02:00"', '"2024-01-01T00:00:00Z"');
const list = (element: fc.Arbitrary<string>) => fc.array(element, { minLength: 1, maxLength: 4 }).map((all) => `[${all.join(", ")}]`);
const value = fc.oneof(text, number, boolean, duration, date, list(text), list(number), list(fc.oneof(text, number, boolean)));

const operators = ["=", "!=", "<", "<=", ">", ">=", "in", "notIn", "all", "between", "notBetween", "contains", "doesNotContain", "beginsWith", "endsWith", "inLast", "notInLast", "inNext", "anniversaryInNext", "null", "notNull"];
const operator = fc.constantFrom(...operators).map((name) => `"operator": "${name}"`);
const fields = ["contact.city", "contact.birth_date", "contact.lead_score", "attribute.size", "tag", "category", "consent.email", "segment", "metric.lifetime_value", "loyalty.is_member"];

const json: fc.Arbitrary<string> = fc.letrec<{ any: string }>((tie) => ({
  any: fc.oneof(
    { depthSize: "small" },
    value,
    fc.constant("null"),
    fc.array(tie("any"), { maxLength: 2 }).map((all) => `[${all.join(",")}]`),
    fc.tuple(quoted, tie("any")).map(([key, inner]) => `{${key}: ${inner}}`),
  ),
})).any;
const extra = fc.constantFrom("id", "path", "valueSource", "7", "note", "__proto__").chain((key) => json.map((inner) => `"${key}": ${inner}`));
const extras = fc.uniqueArray(extra, { maxLength: 2, selector: (part) => part.split(":")[0] });
const none: string[] = [];
const disabled = fc.constantFrom(none, none, none, ['"disabled": false'], ['"disabled": true']);

// The keys of an object in any order.
const object = (...parts: fc.Arbitrary<string[]>[]) =>
  fc.tuple(...parts, extras).map((all) => all.flat()).chain((all) => fc.shuffledSubarray(all, { minLength: all.length }).map((keys) => `{${keys.join(", ")}}`));

const node = fc.letrec<{ rule: string; where: string; group: string; whereGroup: string }>((tie) => {
  const group = (rule: fc.Arbitrary<string>, inner: fc.Arbitrary<string>) =>
    object(
      fc.constantFrom(['"combinator": "and"'], ['"combinator": "or"']),
      fc.array(fc.oneof({ maxDepth: 3 }, rule, inner), { maxLength: 4 }).map((all) => [`"rules": [${all.join(", ")}]`]),
      fc.constantFrom(none, none, ['"not": false'], ['"not": true']),
      disabled,
    );
  const condition = object(
    fc.constantFrom("occurred_at", "properties.amount", "properties.deep.x").map((field) => [`"field": "${field}"`]),
    fc.tuple(operator, value).map(([one, two]) => [one, `"value": ${two}`]),
    disabled,
  );
  const where = fc.oneof(fc.constant(none), tie("whereGroup").map((found) => [`"where": ${found}`]));
  const step = object(fc.constantFrom(['"event": "purchase"'], ['"event": "nie widziane"']), where, fc.oneof(fc.constant(none), duration.map((within) => [`"within": ${within}`])));
  const plain = object(
    fc.constantFrom(...fields).map((field) => [`"field": "${field}"`]),
    fc.tuple(operator, value).map(([one, two]) => [one, `"value": ${two}`]),
    disabled,
  );
  const event = object(
    fc.constantFrom("purchase", "never seen").map((name) => [`"field": "event.${name}"`]),
    fc.constantFrom(none, ['"measure": {"function": "count"}'], ['"measure": {"function": "sum", "property": "amount"}'], ['"measure": {"property": "x", "note": 1.0, "function": "distinct"}']),
    fc.tuple(operator, number).map(([one, two]) => [one, `"value": ${two}`]),
    where,
    disabled,
  );
  const sequence = object(fc.constant(['"field": "sequence"']), fc.array(step, { minLength: 2, maxLength: 5 }).map((steps) => [`"steps": [${steps.join(", ")}]`]), disabled);
  return {
    rule: fc.oneof(plain, event, sequence),
    where: condition,
    whereGroup: group(condition, tie("whereGroup")),
    group: group(tie("rule"), tie("group")),
  };
});

/** The text of a random document. */
export const documents: fc.Arbitrary<string> = node.group;
