import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Catalog, type CatalogData } from "../model/catalog";
import { type JsonObject, Num, parse, write } from "../model/json";
import { lineAt, placeOf, placesOf } from "../model/places";
import * as rules from "../model/rules";
import { withoutUnfinished } from "../model/unfinished";
import { read } from "../state";
import { TEXTS, translator } from "../texts";
import { documents } from "./documents";

const DATA: Partial<CatalogData> = {
  fields: [
    { field: "contact.city", label: "City", group: "contact", type: "text", operators: ["=", "in", "contains", "null"] },
    { field: "contact.country", label: "Country", group: "contact", type: "text", operators: ["=", "in", "contains", "null"] },
    { field: "contact.lead_score", label: "Lead score", group: "contact", type: "number", operators: ["=", ">=", "between", "in"] },
    { field: "contact.birth_date", label: "Birth date", group: "contact", type: "date", operators: [">", "inLast", "anniversaryInNext"] },
    { field: "tag", label: "Tag", group: "label", type: "keys", operators: ["in", "all"], choices: [{ key: "vip", label: "VIP" }] },
    { field: "event.purchase", label: "Purchase", group: "event", type: "event" },
    { field: "sequence", label: "Sequence", group: "event", type: "sequence" },
  ],
  operators: [
    { operator: "=", label: "is", takes: "one" },
    { operator: ">", label: "is greater than", takes: "one" },
    { operator: ">=", label: "is at least", takes: "one" },
    { operator: "contains", label: "contains", takes: "one" },
    { operator: "in", label: "is one of", takes: "list" },
    { operator: "all", label: "has all of", takes: "list" },
    { operator: "between", label: "is between", takes: "pair" },
    { operator: "inLast", label: "is in the last", takes: "duration" },
    { operator: "anniversaryInNext", label: "has its anniversary", takes: "duration" },
    { operator: "null", label: "is missing", takes: "none" },
  ],
  event: {
    functions: [
      { function: "count", label: "number", needs_property: false, type: "number", operators: ["=", ">=", "between"] },
      { function: "sum", label: "sum", needs_property: true, type: "number", operators: ["=", ">=", "between"] },
      { function: "last", label: "last time", needs_property: false, type: "datetime", operators: ["inLast", ">"] },
    ],
    occurred_at: { type: "datetime", operators: [">", "inLast"] },
    properties: { operators: ["=", "in", ">", ">=", "between", "contains", "inLast", "null"] },
  },
  units: { datetime: ["minute", "hour", "day", "week", "month", "year"], date: ["day", "week", "month", "year"], anniversary: ["day"] },
};
const catalog = new Catalog(DATA);
const object = (text: string): JsonObject => parse(text) as JsonObject;
const plain = (raw: JsonObject): unknown => JSON.parse(write(raw));

describe("a rule out of the palette", () => {
  test("has an operator of its type and no value yet, so that it means nobody by mistake", () => {
    expect(plain(rules.newRule("contact.city", catalog))).toEqual({ field: "contact.city", operator: "in", value: [] });
    expect(plain(rules.newRule("tag", catalog, "vip"))).toEqual({ field: "tag", operator: "in", value: ["vip"] });
    expect(plain(rules.newRule("event.purchase", catalog))).toEqual({ field: "event.purchase", operator: ">=", value: 1 });
    expect(plain(rules.newRule("", catalog))).toEqual({ field: "", operator: "=", value: "" });
    expect(plain(rules.newRule("sequence", catalog))).toEqual({ field: "sequence", steps: [{ event: "" }, { event: "" }] });
  });
  test("keeps its comparison when another field of the same type is chosen", () => {
    const raw = object('{"id": "x", "field": "contact.city", "operator": "contains", "value": "war"}');
    expect(plain(rules.withField(raw, "contact.country", catalog))).toEqual({ id: "x", field: "contact.country", operator: "contains", value: "war" });
    expect(plain(rules.withField(raw, "contact.lead_score", catalog))).toEqual({ id: "x", field: "contact.lead_score", operator: ">=", value: "" });
  });
});

describe("a value", () => {
  test("is put into the shape of another operator", () => {
    const raw = object('{"field": "contact.city", "operator": "=", "value": "Rome"}');
    const many = rules.withOperator(raw, "in", catalog, "text");
    expect(plain(many)).toMatchObject({ operator: "in", value: ["Rome"] });
    expect(plain(rules.withOperator(many, "=", catalog, "text"))).toMatchObject({ operator: "=", value: "Rome" });
    expect(rules.withOperator(raw, "null", catalog, "text").has("value")).toBe(false);
  });
  test("of a duration takes a unit that the operator has", () => {
    const raw = object('{"field": "contact.birth_date", "operator": "inLast", "value": {"amount": 2, "unit": "month", "note": 1.0}}');
    const next = rules.withOperator(raw, "anniversaryInNext", catalog, "date");
    expect(write(next.get("value") ?? null).replace(/\s/g, "")).toBe('{"amount":2,"unit":"day","note":1.0}');
  });
  test("that is typed as a number keeps its digits, and a comma is a point", () => {
    expect(rules.numberFrom("0,50")).toEqual(new Num("0.50"));
    expect(rules.numberFrom(" 1 000.10 ")).toEqual(new Num("1000.10"));
    expect(rules.numberFrom("007")).toEqual(new Num("7"));
    expect(rules.numberFrom("12x")).toBe("12x");
    fc.assert(fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (number) => {
      const read = rules.numberFrom(String(number));
      expect(read).toBeInstanceOf(Num);
      expect(Number((read as Num).text) === number).toBe(true);
    }));
  });
  test("that is pasted becomes as many as it has parts, each once", () => {
    expect(rules.splitList("a, b;c\r\nd\n\n b ;")).toEqual(["a", "b", "c", "d"]);
  });
});

describe("behavior", () => {
  const purchase = object('{"field": "event.purchase", "note": 1.0, "where": {"combinator": "and", "rules": []}, "operator": ">=", "value": 1}');
  test("is named by what it asks", () => {
    expect(rules.faceOf(purchase)).toBe("did");
    expect(rules.faceOf(object('{"field": "event.a", "measure": {"function": "count"}, "operator": "=", "value": 0}'))).toBe("did_not");
    expect(rules.faceOf(object('{"field": "event.a", "operator": ">=", "value": 1.0}'))).toBe("count");
    expect(rules.faceOf(object('{"field": "event.a", "measure": {"function": "sum"}}'))).toBe("sum");
  });
  test("with another face keeps its conditions and whatever else it says", () => {
    for (const face of rules.FACES) {
      const changed = rules.withFace(purchase, face, catalog);
      expect(changed.get("where")).toBe(purchase.get("where"));
      expect((changed.get("note") as Num).text).toBe("1.0");
      expect(rules.faceOf(changed)).toBe(face);
    }
  });
  test("as 'did' needs no measure that was not there", () => {
    expect(rules.withFace(rules.withFace(purchase, "did_not", catalog), "did", catalog)).toEqual(purchase);
  });
});

describe("what is no event and measured as events are", () => {
  const shop = new Catalog({
    ...DATA,
    fields: [
      ...(DATA.fields ?? []),
      { field: "order.items", label: "Items", group: "order", type: "event", properties: [{ name: "sku", type: "text" }] },
      { field: "order.amount", label: "Amount", group: "order", type: "number", operators: ["=", ">="] },
      { field: "time.of_day", label: "Time of day", group: "time", type: "time", operators: ["<", "between"] },
    ],
  });
  test("is known by the catalog, not by its name", () => {
    expect(shop.isListed("order.items")).toBe(true);
    expect(shop.isListed("event.purchase")).toBe(false);
    expect(shop.isMeasured("event.never seen")).toBe(true);
    expect(shop.isMeasured("order.amount")).toBe(false);
    expect(catalog.isMeasured("order.items")).toBe(false);
  });
  test("begins as one that is there, and has no first and no last time", () => {
    expect(plain(rules.newRule("order.items", shop))).toEqual({ field: "order.items", operator: ">=", value: 1 });
    expect(rules.LISTED_FACES).not.toContain("last");
    expect(rules.LISTED_FACES).toContain("sum");
  });
  test("keeps its conditions when an event takes its place, and loses them to a number", () => {
    const raw = object('{"field": "order.items", "where": {"combinator": "and", "rules": []}, "operator": ">=", "value": 1, "message": "Buy more"}');
    expect(plain(rules.withField(raw, "event.purchase", shop))).toMatchObject({ field: "event.purchase", where: { combinator: "and" }, message: "Buy more" });
    expect(plain(rules.withField(raw, "order.amount", shop))).toEqual({ field: "order.amount", operator: ">=", value: "", message: "Buy more" });
  });
  test("stands in groups of the palette of its own", () => {
    expect([...shop.grouped().keys()].slice(0, 2)).toEqual(["order", "time"]);
    expect(plain(rules.newRule("time.of_day", shop))).toEqual({ field: "time.of_day", operator: "between", value: ["", ""] });
  });
});

describe("a sequence", () => {
  const sequence = object('{"field": "sequence", "steps": [{"event": "a"}, {"event": "b", "within": {"amount": 1, "unit": "day"}}, {"event": "c", "not": true, "within": {"amount": 2, "unit": "day"}}]}');
  test("that loses its first step has no time before the new first one", () => {
    expect(plain(rules.withoutStep(sequence, 0))).toMatchObject({ steps: [{ event: "b" }, { event: "c", not: true }] });
    expect(rules.stepsOf(rules.withoutStep(sequence, 0))[0]).toEqual(object('{"event": "b"}'));
  });
  test("that gets one more step has none that did not happen before the last", () => {
    expect(plain(rules.withStepAdded(sequence))).toMatchObject({ steps: [{}, {}, { event: "c" }, { event: "" }] });
    expect((rules.stepsOf(rules.withStepAdded(sequence))[2] as JsonObject).has("not")).toBe(false);
  });
});

describe("a condition", () => {
  test("is of the kind that its value has", () => {
    const kind = (text: string, known?: string) => rules.kindOf(object(text), known);
    expect(kind('{"operator": "=", "value": 1}')).toBe("number");
    expect(kind('{"operator": "=", "value": "1"}', "number")).toBe("text");
    expect(kind('{"operator": ">", "value": "2024-01-01"}')).toBe("datetime");
    expect(kind('{"operator": "inLast"}')).toBe("datetime");
    expect(kind('{"operator": "=", "value": false}')).toBe("boolean");
    expect(kind('{"operator": "=", "value": ""}', "number")).toBe("number");
  });
  test("of another kind has an operator of that kind", () => {
    const raw = object('{"field": "properties.x", "operator": "contains", "value": "a"}');
    expect(plain(rules.withKind(raw, "number", catalog))).toMatchObject({ operator: "=", value: "" });
    expect(plain(rules.withKind(raw, "datetime", catalog))).toMatchObject({ operator: "inLast", value: { amount: 30 } });
  });
});

describe("a text", () => {
  test("of any document has a place for every path", () => {
    fc.assert(fc.property(documents, (text) => {
      const places = placesOf(text);
      const isPlaced = [...places].every(([path, offset]) => placeOf(text, path, places) === offset);
      expect(isPlaced && places.get("") === 0).toBe(true);
    }));
  });
  test("shows a fault at its line, or at what is around it", () => {
    const text = '{\n "rules": [\n  {"field": "tag",\n   "value": [1,\n 2]}]}';
    expect(lineAt(text, placeOf(text, "rules[0].value"))).toBe(4);
    expect(lineAt(text, placeOf(text, "rules[0].value[1]"))).toBe(5);
    expect(lineAt(text, placeOf(text, "rules[0].value[7].x"))).toBe(4);
  });
  test("that is no group of rules is kept, and said to be none", () => {
    expect(read("[1]")).toMatchObject({ text: "[1]", raw: null, fault: "shape" });
    expect(read("{").fault).toMatchObject({ code: "end", line: 1, column: 2 });
    expect(read("").raw).not.toBeNull();
  });
});

describe("what is not complete yet", () => {
  const without = (text: string, ...paths: string[]) => {
    const found = withoutUnfinished(object(text), paths);
    return found && plain(found);
  };
  test("is taken out with the blocks that hold nothing else", () => {
    expect(without('{"combinator": "and", "rules": [{"field": "a"}, {"combinator": "or", "rules": [{"field": ""}]}]}', "rules[1].rules[0].field")).toEqual({
      combinator: "and",
      rules: [{ field: "a" }, { combinator: "or", rules: [{ field: "", disabled: true }], disabled: true }],
    });
  });
  test("is one condition of an event, or the whole sequence", () => {
    const event = '{"combinator": "and", "rules": [{"field": "event.a", "where": {"combinator": "and", "rules": [{"field": "x"}, {"field": "y"}]}}]}';
    expect(without(event, "rules[0].where.rules[1].value")).toMatchObject({ rules: [{ where: { rules: [{ field: "x" }, { disabled: true }] } }] });
    const sequence = '{"combinator": "and", "rules": [{"field": "sequence", "steps": [{"event": ""}, {"event": "b"}]}]}';
    expect(without(sequence, "rules[0].steps[0].event")).toMatchObject({ rules: [{ field: "sequence", disabled: true }] });
  });
  test("leaves no estimate where nobody would be left, or the fault is the document's", () => {
    expect(without('{"combinator": "or", "rules": [{"field": ""}]}', "rules[0].field")).toBeNull();
    expect(without('{"combinator": "and", "rules": []}', "")).toBeNull();
  });
  test("changes nothing else, in any document", () => {
    fc.assert(fc.property(documents, fc.nat(), (text, seed) => {
      const raw = object(text);
      const paths = [...placesOf(text).keys()].filter((path) => /rules\[\d+\]$/.test(path));
      if (!paths.length) return;
      const path = paths[seed % paths.length] ?? "";
      const before = write(raw);
      withoutUnfinished(raw, [path]);
      expect(write(raw)).toBe(before);
    }));
  });
});

describe("words", () => {
  test("are the server's where it sent them", () => {
    const t = translator({ yes: "tak" });
    expect(t("yes")).toBe("tak");
    expect(t("rules_used", { count: 2, limit: 200 })).toBe("2 of 200 criteria");
    expect(t("no")).toBe(TEXTS.no);
  });
});
