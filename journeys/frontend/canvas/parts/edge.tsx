// A way: who went it, and the plus that puts an activity on it.

import { BaseEdge, EdgeLabelRenderer, type EdgeProps, getSmoothStepPath } from "@xyflow/react";
import { memo } from "react";
import { useEditor } from "../editor";
import type { Way } from "../model/document";
import { corners, middle, type Place, roundPath } from "../model/layout";
import { Icon } from "./basics";

export const WayEdge = memo(function WayEdge(props: EdgeProps) {
  const editor = useEditor();
  const { t, catalog, drawing } = editor;
  const { way, route } = props.data as unknown as { way: Way; route: Place[] };
  const along = route.length > 2 ? corners({ x: props.sourceX, y: props.sourceY }, { x: props.targetX, y: props.targetY }, route) : null;
  const [stepPath, stepX, stepY] = getSmoothStepPath({ ...props, borderRadius: 14 });
  const path = along ? roundPath(along) : stepPath;
  // Where ways part it stands beyond the plus of the other ways out.
  const parts = drawing.ways.filter(({ from }) => from === way.from).length > 1;
  const { x, y } = along ? middle(along, parts ? 0.72 : 0.5) : { x: stepX, y: stepY };
  const from = drawing.byId.get(way.from);
  const to = drawing.byId.get(way.to);
  const count = editor.hasCounts ? (editor.counts[way.from]?.passed?.[way.outcome] ?? 0) : null;
  if (!from || !to) return null;
  const label = t("insert_between", { from: catalog.label(from), to: catalog.label(to) });
  return (
    <>
      <BaseEdge path={path} interactionWidth={24} {...(props.markerEnd ? { markerEnd: props.markerEnd } : {})} />
      <EdgeLabelRenderer>
        <div className="jc-way nodrag nopan" data-way={props.id} data-selected={props.selected || undefined} style={{ transform: `translate(-50%, -50%) translate(${x}px, ${y}px)` }}>
          {count !== null && <span className="jc-way-count">{editor.number(count)}</span>}
          {!editor.readOnly && (
            <button type="button" tabIndex={-1} className="jc-plus" aria-label={label} title={label} onClick={(event) => editor.choose({ where: "way", from: way.from, outcome: way.outcome, to: way.to }, event.currentTarget)}>
              <Icon name="add" />
            </button>
          )}
        </div>
      </EdgeLabelRenderer>
    </>
  );
});
