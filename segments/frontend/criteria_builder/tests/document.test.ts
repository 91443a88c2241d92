import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { copyOf, emptyGroup, flag, groupOf, type Group, isGroup, isSameNode, isShowable, type Node, type Path, ruleOf, settled } from "../model/document";
import { isSame, JsonFault, type JsonObject, Num, parse, write } from "../model/json";
import * as tree from "../model/tree";
import { documents } from "./documents";

const load = (text: string): Group => {
  const raw = parse(text);
  if (!isShowable(raw)) throw new Error("not showable");
  return groupOf(raw);
};
const loaded = documents.map(load);
const pathsOf = (group: Group, base: Path = []): Path[] =>
  group.rules.flatMap((node, i) => [[...base, i], ...(isGroup(node) ? pathsOf(node, [...base, i]) : [])]);
const groupPathsOf = (group: Group): Path[] => [[], ...pathsOf(group).filter((path) => tree.groupAt(group, path))];
const leavesOf = (node: Node): Node[] => (isGroup(node) ? node.rules.flatMap(leavesOf) : [node]);
const pick = <T>(all: readonly T[], seed: number): T => all[seed % all.length] as T;
const seed = fc.nat({ max: 9999 });
// What a tree writes is what its nodes say, all the way down.
const isTrue = (group: Group): boolean => {
  const rules = group.raw.get("rules");
  if (!Array.isArray(rules)) return !group.rules.length;
  const same = rules.length === group.rules.length && group.rules.every((node, i) => node.raw === rules[i]);
  return same && (group.raw.get("combinator") ?? "and") === group.combinator && group.rules.every((node) => !isGroup(node) || isTrue(node));
};
const rule = () => ruleOf(parse('{"field": "contact.city", "operator": "=", "value": "x"}'));

describe("JSON", () => {
  test("what is written reads as the same value, all digits kept", () => {
    fc.assert(fc.property(documents, (text) => isSame(parse(write(parse(text))), parse(text))));
  });
  test("what is written means the same to others", () => {
    fc.assert(
      fc.property(documents, (text) => {
        expect(JSON.parse(write(parse(text)))).toEqual(JSON.parse(text));
      }),
    );
  });
  test("a text is refused exactly where the platform refuses it", () => {
    const spoiled = fc.tuple(documents, seed, fc.constantFrom("", ",", "}", "x", '"', "\u0001")).map(([text, at, what]) => {
      const place = at % text.length;
      return text.slice(0, place) + what + text.slice(place + 1);
    });
    const accepts = (read: () => unknown) => {
      try {
        read();
        return true;
      } catch {
        return false;
      }
    };
    fc.assert(fc.property(spoiled, (text) => accepts(() => parse(text)) === accepts(() => JSON.parse(text))), { numRuns: 500 });
  });
  test("a fault says its line and column", () => {
    try {
      parse('{\n  "rules": [\n    1,]\n}');
      expect.unreachable();
    } catch (fault) {
      expect(fault).toBeInstanceOf(JsonFault);
      expect(fault).toMatchObject({ code: "value", line: 3, column: 7 });
    }
  });
  test("a number keeps its digits", () => {
    expect(write(parse("[12345678901234567890.10, 1e400]"))).toBe("[\n  12345678901234567890.10,\n  1e400\n]");
  });
});

describe("a document that nobody touches", () => {
  test("is saved as the same JSON", () => {
    fc.assert(fc.property(documents, (text) => isSame(load(text).raw, parse(text))));
  });
  test("is the very same after it was settled", () => {
    fc.assert(fc.property(loaded, (root) => settled(root) === root && settled(root).raw === root.raw));
  });
  test("what is neither rule nor group is kept", () => {
    const root = load('{"combinator": "and", "rules": [1, null, "x", {"rules": 7}, {"combinator": "xor", "rules": []}]}');
    expect(write(settled(root).raw)).toBe(write(root.raw));
  });
});

describe("an edit", () => {
  test("of one flag changes that node only", () => {
    fc.assert(
      fc.property(loaded, seed, (root, n) => {
        const paths = pathsOf(root);
        if (!paths.length) return;
        const path = pick(paths, n);
        const on = !flag(tree.nodeAt(root, path) as Node, "disabled");
        const after = tree.setFlag(root, path, "disabled", on);
        expect(isTrue(after)).toBe(true);
        const node = tree.nodeAt(after, path) as Node;
        expect(flag(node, "disabled")).toBe(on);
        for (const other of paths) {
          if (tree.isInside(path, other) || other.join() === path.join()) continue;
          expect(tree.nodeAt(after, other)).toBe(tree.nodeAt(root, other));
        }
      }),
    );
  });
  test("that inserts and then removes a rule leaves the document as it was", () => {
    fc.assert(
      fc.property(loaded, seed, seed, (root, n, m) => {
        const parent = pick(groupPathsOf(root), n);
        const at = m % ((tree.groupAt(root, parent)?.rules.length ?? 0) + 1);
        const added = tree.insert(root, [...parent, at], rule());
        expect(isTrue(added)).toBe(true);
        expect(tree.nodeAt(added, [...parent, at])).toMatchObject({ field: "contact.city" });
        const back = tree.remove(added, [...parent, at]);
        expect(isSame(back.raw, root.raw)).toBe(true);
      }),
    );
  });
  test("that moves a node loses nothing and puts it where it was asked to", () => {
    fc.assert(
      fc.property(loaded, seed, seed, seed, (root, n, m, k) => {
        const paths = pathsOf(root);
        if (!paths.length) return;
        const from = pick(paths, n);
        const parent = pick(groupPathsOf(root).filter((path) => path.join() !== from.join() && !tree.isInside(path, from)), m);
        const node = tree.nodeAt(root, from) as Node;
        const to = [...parent, k % ((tree.groupAt(root, parent)?.rules.length ?? 0) + 1)];
        const after = tree.move(root, from, to);
        expect(isTrue(after)).toBe(true);
        const found = tree.pathOf(after, node.id);
        expect(found).toBeDefined();
        expect(tree.nodeAt(after, found as Path)?.raw).toBe(node.raw);
        const ids = (group: Group) => leavesOf(group).map((leaf) => leaf.id).sort();
        expect(ids(after)).toEqual(ids(root));
      }),
    );
  });
  test("that duplicates a node gives the copy ids of its own", () => {
    fc.assert(
      fc.property(loaded, seed, (root, n) => {
        const paths = pathsOf(root);
        if (!paths.length) return;
        const path = pick(paths, n);
        const after = tree.duplicate(root, path);
        const ids = [...pathsOf(after)].map((at) => tree.nodeAt(after, at)?.id);
        expect(new Set(ids).size).toBe(ids.length);
        const copy = tree.nodeAt(after, [...path.slice(0, -1), (path.at(-1) ?? 0) + 1]) as Node;
        expect(isSameNode(copy, tree.nodeAt(root, path) as Node)).toBe(true);
      }),
    );
  });
  test("that wraps and then ungroups leaves the document as it was", () => {
    fc.assert(
      fc.property(loaded, seed, (root, n) => {
        const paths = pathsOf(root);
        if (!paths.length) return;
        const path = pick(paths, n);
        expect(isSame(tree.ungroup(tree.wrap(root, path, "or"), path).raw, root.raw)).toBe(true);
      }),
    );
  });
  test("of one join keeps every rule", () => {
    fc.assert(
      fc.property(loaded, seed, seed, (root, n, m) => {
        const parents = groupPathsOf(root).filter((path) => (tree.groupAt(root, path)?.rules.length ?? 0) > 1);
        if (!parents.length) return;
        const parent = pick(parents, n);
        const group = tree.groupAt(root, parent) as Group;
        const first = m % (group.rules.length - 1);
        const after = tree.join(root, parent, first, first + 1, group.combinator === "and" ? "or" : "and", group.rules.length);
        expect(isTrue(after)).toBe(true);
        const raws = (of: Group) => leavesOf(of).map((leaf) => write(leaf.raw));
        expect(raws(after)).toEqual(raws(root));
      }),
    );
  });
  test("of one key keeps the order of the keys and the digits of the others", () => {
    const root = load('{"id": 1.50, "rules": [{"value": 0.10, "id": "a", "operator": ">", "field": "contact.lead_score"}], "combinator": "and"}');
    const leaf = root.rules[0] as { raw: JsonObject; id: string };
    const changed = new Map(leaf.raw).set("operator", ">=");
    const after = tree.replace(root, [0], ruleOf(changed, leaf.id));
    expect(write(after.raw).replace(/\s/g, "")).toBe('{"id":1.50,"rules":[{"value":0.10,"id":"a","operator":">=","field":"contact.lead_score"}],"combinator":"and"}');
  });
});

describe("the two zones", () => {
  test("show every child of the root exactly once", () => {
    fc.assert(
      fc.property(loaded, (root) => {
        const zones = tree.zonesOf(root);
        const shown = zones.include.length ? [zones.include[0]] : root.rules.map((_node, i) => i).filter((i) => !zones.hidden.has(i));
        const all = [...shown, ...zones.exclude.map((path) => path[0])].sort((a, b) => Number(a) - Number(b));
        expect(all).toEqual(root.rules.map((_node, i) => i));
      }),
    );
  });
  test("an exclusion is made where there is none, and goes when it is empty", () => {
    fc.assert(
      fc.property(loaded, (root) => {
        const made = tree.withExclusion(root);
        const end = tree.groupAt(made.root, made.path)?.rules.length ?? 0;
        const filled = tree.insert(made.root, [...made.path, end], rule());
        expect(isTrue(filled)).toBe(true);
        expect(tree.zonesOf(filled).exclude.length).toBeGreaterThan(0);
        const emptied = tree.withoutEmptyExclusions(filled, tree.remove(filled, [...made.path, end]));
        const before = tree.zonesOf(root).exclude.length;
        const wasWrapped = root.combinator === "or" || flag(root, "not");
        if (before) return;
        expect(isSame(wasWrapped ? (emptied.rules[0] as Group).raw : emptied.raw, root.raw)).toBe(true);
      }),
    );
  });
  test("what is included is joined anew without touching what is excluded", () => {
    fc.assert(
      fc.property(loaded, fc.constantFrom("and" as const, "or" as const), (root, combinator) => {
        const excluded = (of: Group) => tree.zonesOf(of).exclude.map((path) => write((tree.nodeAt(of, path) as Node).raw));
        const after = tree.setIncludeCombinator(root, combinator);
        if (root.combinator !== "and" || flag(root, "not")) return;
        if (!tree.zonesOf(root).exclude.length) return;
        expect(excluded(after)).toEqual(excluded(root));
        expect(tree.groupAt(after, tree.zonesOf(after).include)?.combinator).toBe(combinator);
      }),
    );
  });
});

describe("the limits", () => {
  test("count rules in conditions and steps and none that are disabled", () => {
    const root = load(
      '{"combinator": "and", "rules": [{"field": "sequence", "steps": [{"event": "a"}, {"event": "b", "where": {"combinator": "and", "rules": [{"field": "occurred_at"}]}}]}, {"field": "tag", "disabled": true}, {"combinator": "or", "disabled": true, "rules": [{"field": "tag"}]}]}',
    );
    expect(tree.countRules(root.raw)).toBe(4);
  });
  test("a condition starts at the level of its rule", () => {
    const deep = parse('{"field": "event.a", "where": {"combinator": "and", "rules": [{"combinator": "or", "rules": []}]}}');
    expect(tree.heightOf(deep)).toBe(1);
    expect(tree.heightOf(emptyGroup("and").raw)).toBe(1);
    expect(copyOf(ruleOf(new Num("1"))).raw).toEqual(new Num("1"));
  });
});
