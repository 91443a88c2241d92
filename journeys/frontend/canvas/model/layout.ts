// Where activities stand that nobody has put anywhere: from top to bottom, by dagre.

import { Graph, layout } from "@dagrejs/dagre";
import { wayKey, type Drawing } from "./document";

export interface Place {
  x: number;
  y: number;
}

export interface Arrangement {
  /** The place of each activity, its upper left corner. */
  places: Map<string, Place>;
  /** The points of each way, by its key: bends lie between the rows, at every second point. */
  routes: Map<string, Place[]>;
}

export const NODE_WIDTH = 232;
export const NODE_HEIGHT = 84;

export function arrange(drawing: Drawing, heights: ReadonlyMap<string, number> = new Map()): Arrangement {
  const graph = new Graph({ multigraph: true });
  graph.setGraph({ rankdir: "TB", nodesep: 40, ranksep: 60, marginx: 16, marginy: 16 });
  const count = (test: (way: Drawing["ways"][number]) => boolean) => drawing.ways.filter(test).length;
  for (const { id } of drawing.activities) graph.setNode(id, { width: NODE_WIDTH, height: heights.get(id) ?? NODE_HEIGHT });
  for (const way of drawing.ways) {
    // What stands side by side stands right below what it follows; where paths join they may be long.
    const isBranch = count(({ from }) => from === way.from) > 1;
    const isJoin = count(({ to }) => to === way.to) > 1;
    graph.setEdge(way.from, way.to, { weight: isBranch ? 6 : isJoin ? 1 : 3 }, wayKey(way));
  }
  layout(graph);
  const places = new Map(
    drawing.activities.map(({ id }): [string, Place] => {
      const { x, y, height } = graph.node(id) as { x: number; y: number; height: number };
      return [id, { x: Math.round(x - NODE_WIDTH / 2), y: Math.round(y - height / 2) }];
    }),
  );
  const routes = new Map(
    drawing.ways.map((way): [string, Place[]] => {
      const edge = graph.edge(way.from, way.to, wayKey(way)) as { points?: Place[] } | undefined;
      return [wayKey(way), (edge?.points ?? []).map(({ x, y }) => ({ x, y }))];
    }),
  );
  return { places, routes };
}

/** What to show: where an activity was put, else where the layout puts it. Routes hold for the layout alone.
 *
 * Where nobody moves things any more (`isFixed`) what grew by its counts pushes down what is below it.
 */
export function shown(drawing: Drawing, heights?: ReadonlyMap<string, number>, isFixed = false): Arrangement {
  const found = arrange(drawing, heights);
  let isArranged = true;
  for (const { id, at } of drawing.activities) {
    const place = found.places.get(id)!;
    if (!at || (at.x === place.x && at.y === place.y)) continue;
    found.places.set(id, at);
    isArranged = false;
  }
  if (isArranged) return found;
  return { places: isFixed ? spread(found.places, heights) : found.places, routes: new Map() };
}

// Room for the plus, the figure on the way and its arrow.
const GAP = 56;
// What stands so nearly at the same height is one row.
const ROW = 24;

/** Places at which activities of these heights do not crowd: rows stay rows, and move down together. */
export function spread(places: ReadonlyMap<string, Place>, heights: ReadonlyMap<string, number> = new Map()): Map<string, Place> {
  const inOrder = [...places].sort(([, a], [, b]) => a.y - b.y);
  const found = new Map<string, Place>();
  let shift = 0;
  for (let index = 0; index < inOrder.length; ) {
    const top = inOrder[index]![1].y;
    const end = inOrder.findIndex(([, { y }], at) => at >= index && y - top > ROW);
    const row = inOrder.slice(index, end < 0 ? undefined : end);
    for (const [, at] of row) {
      for (const [above, to] of found) {
        const before = places.get(above)!;
        const isOver = Math.abs(before.x - at.x) < NODE_WIDTH && at.y - before.y > ROW;
        // What was put onto another stays there.
        if (isOver && at.y - before.y >= NODE_HEIGHT) shift = Math.max(shift, to.y + (heights.get(above) ?? NODE_HEIGHT) + GAP - at.y);
      }
    }
    for (const [id, at] of row) found.set(id, { x: at.x, y: at.y + shift });
    index += row.length;
  }
  return found;
}

/** The corners of a way between two ends, along its route: across between the rows, down beside what stands in them. */
export function corners(start: Place, end: Place, route: readonly Place[]): Place[] {
  const found = [start];
  let { x } = start;
  for (let index = 1; index < route.length - 1; index += 2) {
    const across = route[index]!.y;
    const next = index + 1 < route.length - 1 ? route[index + 1]!.x : end.x;
    if (Math.abs(next - x) >= 1) found.push({ x, y: across }, { x: next, y: across });
    x = next;
  }
  found.push(end);
  return found;
}

/** A path through corners, round at each of them. */
export function roundPath(points: readonly Place[], radius = 12): string {
  const [start, ...rest] = points;
  if (!start) return "";
  let path = `M ${start.x} ${start.y}`;
  for (const [index, point] of rest.entries()) {
    const next = rest[index + 1];
    if (!next) {
      path += ` L ${point.x} ${point.y}`;
      break;
    }
    const before = points[index]!;
    const size = Math.min(radius, Math.hypot(point.x - before.x, point.y - before.y) / 2, Math.hypot(next.x - point.x, next.y - point.y) / 2);
    const toward = (to: Place): Place => {
      const length = Math.hypot(to.x - point.x, to.y - point.y) || 1;
      return { x: point.x + ((to.x - point.x) / length) * size, y: point.y + ((to.y - point.y) / length) * size };
    };
    const [into, out] = [toward(before), toward(next)];
    path += ` L ${into.x} ${into.y} Q ${point.x} ${point.y} ${out.x} ${out.y}`;
  }
  return path;
}

/** Half way along the corners, or at another share of the way. */
export function middle(points: readonly Place[], share = 0.5): Place {
  const lengths = points.slice(1).map((point, index) => Math.hypot(point.x - points[index]!.x, point.y - points[index]!.y));
  let left = lengths.reduce((sum, one) => sum + one, 0) * share;
  for (const [index, length] of lengths.entries()) {
    if (left > length) {
      left -= length;
      continue;
    }
    const [from, to] = [points[index]!, points[index + 1]!];
    const part = length ? left / length : 0;
    return { x: from.x + (to.x - from.x) * part, y: from.y + (to.y - from.y) * part };
  }
  return points[0] ?? { x: 0, y: 0 };
}
