// Where activities stand that nobody has put anywhere: from top to bottom, by dagre.

import { Graph, layout } from "@dagrejs/dagre";
import type { Drawing } from "./document";

export interface Place {
  x: number;
  y: number;
}

export const NODE_WIDTH = 232;
export const NODE_HEIGHT = 84;

/** The place of each activity, its upper left corner. */
export function arranged(drawing: Drawing, heights: ReadonlyMap<string, number> = new Map()): Map<string, Place> {
  const graph = new Graph();
  graph.setGraph({ rankdir: "TB", nodesep: 36, ranksep: 64, marginx: 16, marginy: 16 });
  graph.setDefaultEdgeLabel(() => ({}));
  for (const { id } of drawing.activities) graph.setNode(id, { width: NODE_WIDTH, height: heights.get(id) ?? NODE_HEIGHT });
  for (const { from, to } of drawing.ways) graph.setEdge(from, to);
  layout(graph);
  return new Map(
    drawing.activities.map(({ id }) => {
      const { x, y, height } = graph.node(id) as { x: number; y: number; height: number };
      return [id, { x: Math.round(x - NODE_WIDTH / 2), y: Math.round(y - height / 2) }];
    }),
  );
}

/** The places to show: where an activity was put, else where the layout puts it. */
export function placesOf(drawing: Drawing): Map<string, Place> {
  if (drawing.activities.every(({ at }) => at)) return new Map(drawing.activities.map(({ id, at }) => [id, at!]));
  const found = arranged(drawing);
  for (const { id, at } of drawing.activities) if (at) found.set(id, at);
  return found;
}
