// The stage: React Flow over the drawing. The drawing is the document; what moves is written when it rests.

import {
  applyNodeChanges, Background, BackgroundVariant, type Connection, ConnectionLineType, type Edge, MarkerType, MiniMap, type Node, type NodeChange,
  Panel as Corner, ReactFlow, useReactFlow,
} from "@xyflow/react";
import { type RefObject, useCallback, useEffect, useImperativeHandle, useMemo, useRef, useState } from "react";
import { useEditor } from "./editor";
import * as commands from "./model/commands";
import { drawingOf, wayKey } from "./model/document";
import { NODE_HEIGHT, NODE_WIDTH, type Place, shown } from "./model/layout";
import { IconButton } from "./parts/basics";
import { WayEdge } from "./parts/edge";
import { ActivityNode } from "./parts/node";

const NODES = { activity: ActivityNode };
const EDGES = { way: WayEdge };
// Who does not want to see things move does not.
const MOVING_MS = window.matchMedia("(prefers-reduced-motion: reduce)").matches ? 0 : 200;
const FIT = { padding: 0.12, maxZoom: 1, duration: 0 };
// Where all of it at once would be smaller than this, one begins to read at the top.
const READABLE = 0.45;
const READING = { zoom: 0.7, top: 32 };

export interface Stage {
  fit: () => void;
  reveal: (id: string) => void;
  /** Where a point of the window lies in the drawing, as the corner of an activity around it. */
  placeAt: (x: number, y: number) => Place;
  heights: () => Map<string, number>;
}

export function Flow({ stage, way, onWay, isLarge, isPanel }: { stage: RefObject<Stage | null>; way: string | null; onWay: (key: string | null) => void; isLarge: boolean; isPanel: boolean }) {
  const editor = useEditor();
  const { drawing, catalog, selected, readOnly, t } = editor;
  const flow = useReactFlow();
  const box = useRef<HTMLDivElement>(null);
  const [nodes, setNodes] = useState<Node[]>([]);
  // How high an activity is is known when it was drawn: then the rows are set anew.
  const heights = useRef<ReadonlyMap<string, number>>(new Map());
  const [measured, setMeasured] = useState(0);
  const { places, routes } = useMemo(() => shown(drawing, heights.current, readOnly), [drawing, measured, readOnly]);
  useEffect(() => {
    const now = new Map(nodes.map((node) => [node.id, Math.round(node.measured?.height ?? NODE_HEIGHT)]));
    if (!nodes.every((node) => node.measured) || [...now].every(([id, height]) => heights.current.get(id) === height)) return;
    heights.current = now;
    setMeasured((before) => before + 1);
  }, [nodes]);
  const isEmpty = !drawing.activities.length;

  useEffect(() => {
    setNodes((before) => {
      const known = new Map(before.map((node) => [node.id, node]));
      return drawing.activities.map((activity): Node => {
        const old = known.get(activity.id);
        return {
          id: activity.id, type: "activity", data: {}, position: places.get(activity.id)!, selected: selected.has(activity.id),
          width: NODE_WIDTH, ariaLabel: catalog.label(activity), ...(old?.measured ? { measured: old.measured } : {}),
        };
      });
    });
  }, [drawing, places, selected, catalog]);

  const edges = useMemo(
    () => drawing.ways.map((one): Edge => ({
      id: wayKey(one), source: one.from, target: one.to, sourceHandle: one.outcome, type: "way", data: { way: one, route: routes.get(wayKey(one)) ?? [] },
      selected: way === wayKey(one), markerEnd: { type: MarkerType.ArrowClosed, width: 16, height: 16 },
      className: `jc-edge-${one.outcome === "next" ? "next" : one.outcome === "timeout" || one.outcome === "error" ? one.outcome : "path"}`,
    })),
    [drawing, way, routes],
  );

  const begin = useCallback((isFirst: boolean) => {
    requestAnimationFrame(() => {
      const all = flow.getNodes();
      const { offsetWidth: width = 0, offsetHeight: height = 0 } = box.current ?? {};
      const { width: wide, height: high } = flow.getNodesBounds(all);
      const [first] = [...all].sort((one, other) => one.position.y - other.position.y);
      if (!first || Math.min(width / wide, height / high) >= READABLE) void flow.fitView(FIT);
      else if (isFirst) {
        const { zoom, top } = READING;
        void flow.setViewport({ zoom, x: width / 2 - (first.position.x + NODE_WIDTH / 2) * zoom, y: top - first.position.y * zoom });
      }
    });
  }, [flow]);
  // All is shown at first, and when something comes into an empty drawing; of a long one its beginning.
  const wasEmpty = useRef(true);
  useEffect(() => {
    if (wasEmpty.current && nodes.length) begin(true);
    wasEmpty.current = !nodes.length;
  }, [begin, nodes.length]);
  useEffect(() => begin(true), [begin, isLarge]);
  // Who reads a long one further down stays there when an activity grows.
  const isBegun = useRef(false);
  useEffect(() => {
    if (!measured) return;
    begin(!isBegun.current);
    isBegun.current = true;
  }, [begin, measured]);
  // What the panel covers is moved beside it, and back.
  useEffect(() => {
    const panel = box.current?.parentElement?.querySelector<HTMLElement>("[data-panel]");
    const width = box.current?.offsetWidth ?? 0;
    if (!isPanel || !panel || panel.offsetWidth > width * 0.7) return undefined;
    const by = panel.offsetWidth / 2;
    const shift = (x: number) => {
      const now = flow.getViewport();
      void flow.setViewport({ ...now, x: now.x + x }, { duration: MOVING_MS });
    };
    shift(-by);
    return () => shift(by);
  }, [flow, isPanel]);

  useImperativeHandle(stage, () => ({
    fit: () => void flow.fitView({ ...FIT, duration: MOVING_MS }),
    // When the panel has come and moved the rest.
    reveal: (id) => void setTimeout(() => {
      const node = flow.getInternalNode(id);
      const frame = box.current?.getBoundingClientRect();
      if (!node || !frame) return;
      const { x, y } = flow.flowToScreenPosition(node.internals.positionAbsolute);
      const zoom = flow.getZoom();
      const panel = box.current?.parentElement?.querySelector("[data-panel]")?.getBoundingClientRect();
      const right = panel && panel.left > frame.left + 200 ? panel.left : frame.right;
      const isSeen = x > frame.left && y > frame.top && x + NODE_WIDTH * zoom < right && y + NODE_HEIGHT * zoom < frame.bottom;
      if (isSeen) return;
      const shift = (frame.right - right) / 2 / zoom;
      void flow.setCenter(node.internals.positionAbsolute.x + NODE_WIDTH / 2 + shift, node.internals.positionAbsolute.y + NODE_HEIGHT / 2, { zoom, duration: MOVING_MS });
    }, MOVING_MS * 1.1),
    placeAt: (x, y) => {
      const at = flow.screenToFlowPosition({ x, y });
      return { x: Math.round(at.x - NODE_WIDTH / 2), y: Math.round(at.y - NODE_HEIGHT / 2) };
    },
    heights: () => new Map(flow.getNodes().map((node) => [node.id, node.measured?.height ?? NODE_HEIGHT])),
  }), [flow]);

  const onNodesChange = useCallback(
    (changes: NodeChange[]) => {
      setNodes((before) => applyNodeChanges(changes.filter(({ type }) => type !== "select" && type !== "remove"), before));
      const chosen = changes.filter((change) => change.type === "select");
      if (chosen.length) {
        const next = new Set(selected);
        for (const { id, selected: isOn } of chosen) isOn ? next.add(id) : next.delete(id);
        // Many at once by a frame or a key are only looked at; a click says itself that it opens.
        editor.select(next, true);
      }
      const rested = changes.flatMap((change) => (change.type === "position" && change.dragging === false && change.position ? [[change.id, change.position] as const] : []));
      if (rested.length && !readOnly) {
        const moved = new Map([...places, ...rested]);
        const now = drawing.activities.every(({ at }) => at) ? new Map(rested) : moved;
        const next = commands.move(drawing, now);
        const isMoved = rested.some(([id, at]) => Math.round(at.x) !== places.get(id)?.x || Math.round(at.y) !== places.get(id)?.y);
        if (isMoved) editor.setDrawing(next, { key: `move ${rested.map(([id]) => id).join()}` });
      }
    },
    [drawing, editor, places, readOnly, selected],
  );
  const connect = (connection: Connection, old?: Edge) => {
    const outcome = connection.sourceHandle ?? "next";
    const without = old ? commands.disconnect(drawing, { from: old.source, outcome: old.sourceHandle ?? "next", to: old.target }) : drawing;
    const names = [connection.source, connection.target].map((id) => catalog.label(drawing.byId.get(id)!));
    editor.apply(commands.connect(without, catalog, connection.source, outcome, connection.target), { say: t("said_connected", { from: names[0]!, to: names[1]! }) });
  };
  return (
    <div className="jc-stage" ref={box} tabIndex={-1} data-empty={isEmpty || undefined}>
      <ReactFlow
        nodes={nodes}
        edges={edges}
        nodeTypes={NODES}
        edgeTypes={EDGES}
        onNodesChange={onNodesChange}
        onNodeClick={(event, node) => {
          if (!event.shiftKey && !event.ctrlKey && !event.metaKey) editor.select([node.id]);
          onWay(null);
        }}
        onEdgeClick={(_event, edge) => {
          editor.select([], true);
          onWay(edge.id);
        }}
        onPaneClick={() => {
          editor.select([], true);
          onWay(null);
        }}
        onConnect={(connection) => connect(connection)}
        onReconnect={(old, connection) => connect(connection, old)}
        onConnectEnd={(event, state) => {
          if (state.toNode || !state.fromNode || !state.fromHandle || state.fromHandle.type !== "source" || readOnly) return;
          const at = "changedTouches" in event ? event.changedTouches[0]! : event;
          // A click on the end of a way is no wish for another activity.
          if (at.target instanceof Element && at.target.closest(".react-flow__handle")) return;
          const point = { left: at.clientX, top: at.clientY, bottom: at.clientY };
          editor.choose({ where: "behind", from: state.fromNode.id, outcome: state.fromHandle.id ?? "next" }, { getBoundingClientRect: () => point });
        }}
        isValidConnection={(connection) => commands.connectionFault(drawing, catalog, connection.source, connection.target) === null}
        nodesDraggable={!readOnly}
        nodesConnectable={!readOnly}
        edgesReconnectable={!readOnly}
        edgesFocusable={false}
        connectOnClick={false}
        connectionLineType={ConnectionLineType.SmoothStep}
        connectionRadius={32}
        deleteKeyCode={null}
        multiSelectionKeyCode={["Shift", "Control", "Meta"]}
        minZoom={0.1}
        maxZoom={1.6}
        zoomOnScroll={isLarge}
        preventScrolling={isLarge}
        zoomOnDoubleClick={false}
        attributionPosition="top-right"
        fitView
        fitViewOptions={FIT}
        ariaLabelConfig={{
          "node.a11yDescription.default": readOnly ? t("node_hint_read_only") : t("node_hint"),
          "node.a11yDescription.keyboardDisabled": readOnly ? t("node_hint_read_only") : t("node_hint"),
          "node.a11yDescription.ariaLiveMessage": ({ x, y }) => t("node_moved", { x: Math.round(x), y: Math.round(y) }),
          "edge.a11yDescription.default": t("edge_hint"),
          "minimap.ariaLabel": t("minimap"),
          "handle.ariaLabel": t("handle"),
        }}
      >
        <Background variant={BackgroundVariant.Dots} gap={18} size={1.4} />
        {!isEmpty && <MiniMap pannable zoomable ariaLabel={t("minimap")} nodeClassName={({ id }) => `jc-mini-${catalog.get(drawing.byId.get(id)?.kind ?? "")?.group ?? "none"}`} />}
        <Corner position="bottom-left" className="jc-zoom">
          <IconButton icon="add" label={t("zoom_in")} onClick={() => void flow.zoomIn({ duration: MOVING_MS })} />
          <IconButton icon="remove" label={t("zoom_out")} onClick={() => void flow.zoomOut({ duration: MOVING_MS })} />
          <IconButton icon="fit_screen" label={t("fit")} onClick={() => void flow.fitView({ ...FIT, duration: MOVING_MS })} />
        </Corner>
      </ReactFlow>
    </div>
  );
}

/** Each activity written down where it is shown, so that one can be put anywhere beside the others. */
export function frozen(drawing: ReturnType<typeof drawingOf>): ReturnType<typeof drawingOf> {
  return drawing.activities.every(({ at }) => at) ? drawing : commands.move(drawing, shown(drawing).places);
}
