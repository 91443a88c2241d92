import fc from "fast-check";
import { describe, expect, test } from "vitest";
import * as commands from "../model/commands";
import { before, behind, type Drawing, drawingOf, inOrder, readText, targets } from "../model/document";
import { begin, putRaw, redo, undo } from "../model/history";
import { isSame, parse, write } from "../model/json";
import { arrange, corners, middle, NODE_HEIGHT, NODE_WIDTH, roundPath, shown, spread } from "../model/layout";
import { anyDocument, catalog, USE_CASE } from "./drawings";

const drawing = (text: string): Drawing => drawingOf(readText(text).raw!);
const done = (result: commands.Result): { drawing: Drawing; id: string } => {
  if (!commands.isDone(result)) throw new Error(result.refused);
  return { drawing: result.drawing, id: result.id ?? "" };
};
const refused = (result: commands.Result) => ("refused" in result ? result.refused : "done");
const ways = (of: Drawing) => of.ways.map(({ from, outcome, to }) => (outcome === "next" ? `${from} → ${to}` : `${from} ${outcome} → ${to}`));
const isAcyclic = (of: Drawing) => of.activities.every(({ id }) => !behind(of, id).has(id));

describe("a document", () => {
  test("is the same after it was read and written, whatever stands in it", () => {
    fc.assert(
      fc.property(anyDocument, (text) => {
        const { raw } = readText(text);
        expect(isSame(parse(write(drawingOf(raw!).raw)), parse(text))).toBe(true);
      }),
      { numRuns: 300 },
    );
  });

  test("keeps all that nobody touched, after each command", () => {
    fc.assert(
      fc.property(anyDocument, fc.nat(), (text, pick) => {
        const was = drawing(text);
        const one = was.activities[pick % Math.max(1, was.activities.length)];
        const labelled = one ? commands.setLabel(was, one.id, "another") : was;
        const moved = one ? commands.move(was, new Map([[one.id, { x: 5, y: 7 }]])) : was;
        for (const next of [labelled, moved]) {
          const [nodes, others] = [was, next].map(({ raw }) => (raw.get("nodes") as unknown[]).filter((node) => node !== one?.raw));
          expect(others!.filter((node) => nodes!.includes(node))).toEqual(nodes);
          expect(next.raw.get("edges")).toBe(was.raw.get("edges"));
          expect([...next.raw.keys()]).toEqual([...was.raw.keys()]);
        }
      }),
    );
  });

  test("that is no drawing is not shown, and its fault has a place", () => {
    expect(readText('{"nodes": 1}').fault).toBe("shape");
    expect(readText("[]").fault).toBe("shape");
    expect(readText('{"nodes": [}').fault).toMatchObject({ line: 1, column: 12 });
    expect(drawing("").activities).toEqual([]);
  });

  test("is read in the order in which contacts go through it", () => {
    expect(inOrder(drawing(USE_CASE)).map(({ id }) => id)).toEqual(["start", "first", "push_opened", "email_opened", "follow_up", "bought", "thanks"]);
    expect(before(drawing(USE_CASE), "follow_up")).toEqual(new Set(["email_opened", "first", "start"]));
  });
});

describe("plus", () => {
  test("on a message makes parallel paths of activities that wait", () => {
    let now = done(commands.add(drawing(""), catalog, "read_segment")).drawing;
    now = done(commands.addBehind(now, catalog, "read_segment", "next", "message")).drawing;
    now = done(commands.addBehind(now, catalog, "message", "next", "reaction")).drawing;
    now = done(commands.addBehind(now, catalog, "message", "next", "reaction")).drawing;
    expect(ways(now)).toEqual(["read_segment → message", "message → reaction", "message → reaction_2"]);
  });

  test("puts what acts in front of all that wait there", () => {
    const { drawing: now, id } = done(commands.addBehind(drawing(USE_CASE), catalog, "first", "next", "update"));
    expect(targets(now, "first", "next").map((one) => one.id)).toEqual([id]);
    expect(targets(now, id, "next").map((one) => one.id)).toEqual(["push_opened", "email_opened"]);
  });

  test("on a way puts an activity between, and a condition leads on by its first path", () => {
    const was = drawing(USE_CASE);
    const wait = done(commands.insert(was, catalog, { from: "bought", outcome: "next", to: "thanks" }, "wait"));
    expect(ways(wait.drawing).slice(-2)).toEqual(["bought → wait", "wait → thanks"]);
    const condition = done(commands.insert(was, catalog, { from: "bought", outcome: "next", to: "thanks" }, "condition"));
    expect(ways(condition.drawing).slice(-2)).toEqual(["bought → condition", "condition path_1 → thanks"]);
    expect(refused(commands.insert(was, catalog, { from: "bought", outcome: "next", to: "thanks" }, "end"))).toBe("taken");
    expect(refused(commands.insert(was, catalog, { from: "bought", outcome: "next", to: "thanks" }, "event_entry"))).toBe("entry");
  });

  test("knows the limit, and that a journey begins once", () => {
    let now = drawing("");
    for (let count = 0; count < 50; count += 1) now = done(commands.add(now, catalog, "update")).drawing;
    expect(refused(commands.add(now, catalog, "update"))).toBe("limit");
    expect(refused(commands.add(drawing(USE_CASE), catalog, "event_entry"))).toBe("second_entry");
    expect(new Set(now.activities.map(({ id }) => id)).size).toBe(50);
  });
});

describe("what is told to an activity", () => {
  test("takes the way of a timeout along when that is taken back", () => {
    const was = drawing(USE_CASE);
    const config = new Map(was.byId.get("email_opened")!.config);
    config.delete("timeout_path");
    const now = commands.configure(was, catalog, "email_opened", config);
    expect(ways(now)).not.toContain("email_opened timeout → follow_up");
    expect(ways(now)).toContain("email_opened → bought");
  });

  test("is the nearest message for a reaction, and another reaction beside the first", () => {
    let now = drawing('{"nodes": [{"id": "a", "kind": "message"}, {"id": "b", "kind": "message"}], "edges": [{"from": "a", "to": "b"}]}');
    const one = done(commands.addBehind(now, catalog, "b", "next", "reaction"));
    const other = done(commands.addBehind(one.drawing, catalog, "b", "next", "reaction"));
    now = other.drawing;
    const told = [one.id, other.id].map((id) => [now.byId.get(id)!.config.get("to"), now.byId.get(id)!.config.get("reaction")]);
    expect(told).toEqual([["b", "email_opened"], ["b", "push_opened"]]);
  });

  test("follows an id that is changed, and no id is given twice", () => {
    const now = commands.rename(drawing(USE_CASE), "first", "hello");
    expect(ways(now).slice(0, 3)).toEqual(["start → hello", "hello → push_opened", "hello → email_opened"]);
    expect(now.byId.get("push_opened")!.config.get("to")).toBe("hello");
    expect(commands.rename(now, "hello", "thanks")).toBe(now);
    expect(commands.rename(now, "hello", "no good")).toBe(now);
  });
});

describe("a way", () => {
  test("joins three paths in one activity", () => {
    const was = drawing(USE_CASE);
    let now = was.ways.filter(({ to }) => to === "bought").reduce(commands.disconnect, was);
    expect(ways(now)).toHaveLength(5);
    for (const from of ["push_opened", "email_opened", "follow_up"]) now = done(commands.connect(now, catalog, from, "next", "bought")).drawing;
    expect(new Set(ways(now))).toEqual(new Set(ways(was)));
  });

  test("makes no cycle, leads to no entry and is not drawn twice", () => {
    const was = drawing(USE_CASE);
    expect(refused(commands.connect(was, catalog, "thanks", "next", "first"))).toBe("cycle");
    expect(refused(commands.connect(was, catalog, "thanks", "next", "thanks"))).toBe("self");
    expect(refused(commands.connect(was, catalog, "thanks", "next", "start"))).toBe("entry");
    expect(refused(commands.connect(was, catalog, "bought", "next", "thanks"))).toBe("taken");
  });

  test("replaces the one that leads to what acts, and stands beside those that wait", () => {
    const was = drawing(USE_CASE);
    const replaced = done(commands.connect(was, catalog, "start", "next", "follow_up")).drawing;
    expect(targets(replaced, "start", "next").map(({ id }) => id)).toEqual(["follow_up"]);
    const beside = done(commands.connect(was, catalog, "first", "next", "bought")).drawing;
    expect(targets(beside, "first", "next").map(({ id }) => id)).toEqual(["push_opened", "email_opened", "bought"]);
  });

  test("never closes a circle, whatever is done", () => {
    const step = fc.record({ from: fc.nat(), to: fc.nat(), kind: fc.constantFrom("message", "reaction", "wait", "condition", "end"), what: fc.constantFrom("connect", "behind", "insert", "remove") });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 12 }), (steps) => {
        let now = drawing(USE_CASE);
        for (const { from, to, kind, what } of steps) {
          const [one, other] = [from, to].map((number) => now.activities[number % Math.max(1, now.activities.length)]);
          const way = now.ways[from % Math.max(1, now.ways.length)];
          if (!one || !other) break;
          let result: commands.Result = { drawing: now };
          if (what === "connect") result = commands.connect(now, catalog, one.id, "next", other.id);
          else if (what === "behind") result = commands.addBehind(now, catalog, one.id, commands.firstOutcome(now, catalog, one) ?? "next", kind);
          else if (what === "insert" && way) result = commands.insert(now, catalog, way, kind);
          else if (what === "remove") result = { drawing: commands.remove(now, catalog, [one.id]) };
          if (commands.isDone(result)) now = result.drawing;
          expect(isAcyclic(now)).toBe(true);
          expect(new Set(now.activities.map(({ id }) => id)).size).toBe(now.activities.length);
        }
      }),
    );
  });
});

describe("an activity", () => {
  test("that is taken out of a path leaves the path whole", () => {
    const now = commands.remove(drawing(USE_CASE), catalog, ["follow_up"]);
    expect(ways(now)).toContain("email_opened timeout → bought");
    expect(now.byId.has("follow_up")).toBe(false);
  });

  test("at which paths branch takes its ways along", () => {
    const now = commands.remove(drawing(USE_CASE), catalog, ["email_opened"]);
    expect(ways(now)).toEqual(["start → first", "first → push_opened", "push_opened → bought", "follow_up → bought", "bought → thanks"]);
  });

  test("shows a way of the timeout when a path of it is asked for", () => {
    const was = drawing(USE_CASE);
    const names = (id: string) => catalog.outcomes(was, was.byId.get(id)!).map(({ name }) => name);
    expect(names("push_opened")).toEqual(["next"]);
    expect(names("email_opened")).toEqual(["next", "timeout"]);
    expect(names("first")).toEqual(["next", "error"]);
  });

  test("whose path has another name still leads where it led", () => {
    const made = done(commands.insert(drawing(USE_CASE), catalog, { from: "start", outcome: "next", to: "first" }, "condition"));
    const config = parse('{"paths": [{"name": "vip", "criteria": {}}], "else": true}') as Map<string, never>;
    const now = commands.setConfig(made.drawing, made.id, config, [["path_1", "vip"]]);
    expect(ways(now)).toContain("condition vip → first");
    expect(catalog.outcomes(now, now.byId.get(made.id)!).map(({ name }) => name)).toEqual(["vip", "else"]);
  });

  test("is copied with its ways, and reacts to the copied message", () => {
    const was = drawing(USE_CASE);
    const text = commands.copied(was, new Set(["first", "push_opened", "start"]));
    const result = commands.paste(was, catalog, text);
    if (!result || !("ids" in result)) throw new Error("not pasted");
    // Its entry is not pasted: the journey has one.
    expect(result.ids).toEqual(["first_2", "push_opened_2"]);
    expect(ways(result.drawing)).toContain("first_2 → push_opened_2");
    expect(result.drawing.byId.get("push_opened_2")!.config.get("to")).toBe("first_2");
    expect(commands.paste(was, catalog, "nothing of ours")).toBeNull();
    expect(commands.paste(was, catalog, commands.copied(was, new Set(["start"])))).toEqual({ refused: "second_entry" });
  });
});

describe("the history", () => {
  test("goes back to the very text, and forth again", () => {
    let history = begin(USE_CASE);
    const first = drawingOf(history.now.raw!);
    history = putRaw(history, commands.setLabel(first, "first", "Hello").raw, 0);
    history = putRaw(history, commands.remove(drawingOf(history.now.raw!), catalog, ["thanks"]).raw, 1);
    const last = history.now.text;
    history = undo(undo(history));
    expect(history.now.text).toBe(USE_CASE);
    expect(undo(history)).toBe(history);
    expect(redo(redo(history)).now.text).toBe(last);
  });

  test("has the text from before where a change is taken back by hand", () => {
    let history = begin(USE_CASE);
    history = putRaw(history, commands.setLabel(drawingOf(history.now.raw!), "first", "Hello").raw, 0);
    history = putRaw(history, commands.setLabel(drawingOf(history.now.raw!), "first", "").raw, 9000);
    expect(history.now.text).toBe(USE_CASE);
  });

  test("takes what is typed in one go as one change", () => {
    let history = begin(USE_CASE);
    for (const [at, label] of [[0, "H"], [100, "He"], [200, "Hel"]] as const) {
      history = putRaw(history, commands.setLabel(drawingOf(history.now.raw!), "first", label).raw, at, "label:first");
    }
    expect(undo(history).now.text).toBe(USE_CASE);
  });
});

describe("the layout", () => {
  test("lays what follows below what comes before, and nothing over anything", () => {
    const of = drawing(USE_CASE);
    const { places } = arrange(of);
    for (const { from, to } of of.ways) expect(places.get(to)!.y).toBeGreaterThan(places.get(from)!.y + NODE_HEIGHT);
    const all = [...places.values()];
    for (const [index, one] of all.entries())
      for (const other of all.slice(index + 1))
        expect(Math.abs(one.x - other.x) >= NODE_WIDTH || Math.abs(one.y - other.y) >= NODE_HEIGHT).toBe(true);
  });

  test("leaves what was put somewhere there, and lays out the rest", () => {
    const of = commands.move(drawing(USE_CASE), new Map([["first", { x: 1000, y: 40 }]]));
    expect(shown(of).places.get("first")).toEqual({ x: 1000, y: 40 });
    expect(shown(of).places.size).toBe(7);
    expect(arrange(drawing('{"nodes": [{"id": "a", "kind": "x"}], "edges": [{"from": "a", "to": "a"}]}')).places.size).toBe(1);
  });

  test("puts what waits side by side into one row", () => {
    const { places } = arrange(drawing(USE_CASE));
    expect(places.get("push_opened")!.y).toBe(places.get("email_opened")!.y);
  });

  test("leads a long way past the activities beside it", () => {
    const of = drawing(USE_CASE);
    const { places, routes } = arrange(of);
    const end = (id: string, y: number) => ({ x: places.get(id)!.x + NODE_WIDTH / 2, y: places.get(id)!.y + y });
    for (const way of of.ways) {
      const route = routes.get(JSON.stringify([way.from, way.outcome, way.to]))!;
      const points = corners(end(way.from, NODE_HEIGHT), end(way.to, 0), route);
      for (const [index, point] of points.entries()) {
        const next = points[index + 1] ?? point;
        for (const [id, { x, y }] of places) {
          const isOver = Math.max(point.x, next.x) > x && Math.min(point.x, next.x) < x + NODE_WIDTH && Math.max(point.y, next.y) > y && Math.min(point.y, next.y) < y + NODE_HEIGHT;
          expect(isOver, `${way.from} → ${way.to} over ${id}`).toBe(false);
        }
      }
    }
  });

  test("draws ways with round corners, and knows their middle", () => {
    const points = [{ x: 0, y: 0 }, { x: 0, y: 50 }, { x: 100, y: 50 }, { x: 100, y: 100 }];
    expect(middle(points)).toEqual({ x: 50, y: 50 });
    expect(roundPath(points)).toBe("M 0 0 L 0 38 Q 0 50 12 50 L 88 50 Q 100 50 100 62 L 100 100");
    // Moved by hand there is no route any more.
    expect(shown(commands.move(drawing(USE_CASE), new Map([["first", { x: 1000, y: 40 }]]))).routes.size).toBe(0);
  });

  test("that grew by its counts pushes down what is below it, and rows stay rows", () => {
    const put = new Map([["a", { x: 0, y: 0 }], ["b", { x: -140, y: 130 }], ["c", { x: 140, y: 136 }], ["d", { x: 0, y: 400 }], ["far", { x: 900, y: 20 }]]);
    const now = spread(put, new Map([["a", 120], ["b", 84], ["c", 84], ["d", 84], ["far", 84]]));
    const down = now.get("b")!.y - 130;
    expect(now.get("b")!.y - now.get("a")!.y).toBeGreaterThanOrEqual(120 + 56);
    expect(now.get("c")!.y).toBe(136 + down);
    expect(now.get("d")!.y).toBe(400 + down);
    expect(now.get("far")).toEqual({ x: 900, y: 20 });
    expect(spread(put, new Map([["a", 60]]))).toEqual(put);
  });

  test("keeps its order from top to bottom wherever activities were put, however high they are", () => {
    const place = fc.record({ x: fc.integer({ min: -900, max: 900 }), y: fc.integer({ min: 0, max: 2000 }) });
    fc.assert(
      fc.property(fc.array(place, { maxLength: 12 }), fc.array(fc.integer({ min: 60, max: 240 }), { minLength: 12, maxLength: 12 }), (all, tall) => {
        const put = new Map(all.map((at, index) => [`n${index}`, at]));
        const now = spread(put, new Map(tall.map((height, index) => [`n${index}`, height])));
        const order = [...put].sort(([, a], [, b]) => a.y - b.y).map(([id]) => now.get(id)!.y);
        expect(order.every((y, index) => index === 0 || y >= order[index - 1]!)).toBe(true);
        expect([...put].every(([id, at]) => now.get(id)!.x === at.x && now.get(id)!.y >= at.y)).toBe(true);
      }),
    );
  });
});
