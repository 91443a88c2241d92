// An activity on the canvas: what it is and does, its faults, who stands there, and its ways out.

import { Handle, type NodeProps, Position } from "@xyflow/react";
import { memo } from "react";
import { useEditor } from "../editor";
import { NEXT } from "../model/catalog";
import { targets } from "../model/document";
import { Icon } from "./basics";

export const ActivityNode = memo(function ActivityNode({ id }: NodeProps) {
  const editor = useEditor();
  const { t, catalog, drawing, faults, counts, readOnly } = editor;
  const activity = drawing.byId.get(id);
  if (!activity) return null;
  const spec = catalog.get(activity.kind);
  const own = faults.filter(({ node }) => node === id);
  const errors = own.filter(({ severity }) => severity === "error").length;
  const warnings = own.length - errors;
  // Where nothing is drawn any more, ways that nobody drew only stand in the way.
  const outcomes = catalog.outcomes(drawing, activity).filter(({ name }) => !readOnly || targets(drawing, id, name).length);
  const isPlain = outcomes.length === 1 && outcomes[0]!.name === NEXT;
  const label = catalog.label(activity);
  const summary = editor.summary(id);
  const count = counts[id];
  const passed = Object.values(count?.passed ?? {}).reduce((sum, one) => sum + one, 0);
  return (
    <div className="jc-node" data-activity={id} data-group={spec?.group} data-selected={editor.selected.has(id) || undefined} data-faulty={errors > 0 || undefined}>
      {!catalog.isEntry(activity.kind) && <Handle type="target" position={Position.Top} className="jc-handle" isConnectable={!readOnly} />}
      <div className="jc-node-head">
        <span className="jc-node-icon"><Icon name={spec?.icon ?? "help"} /></span>
        <span className="jc-node-text">
          <strong>{label}</strong>
          <span>{summary || (spec ? (activity.label ? spec.label : "") : t("unknown_kind", { kind: activity.kind }))}</span>
        </span>
        {errors > 0 && <span className="jc-badge jc-bad" title={own[0]!.message}><Icon name="error" />{errors}</span>}
        {errors === 0 && warnings > 0 && <span className="jc-badge jc-warn" title={own[0]!.message}><Icon name="warning" />{warnings}</span>}
      </div>
      {editor.hasCounts && (
        <div className="jc-counts">
          <Count name={t("count_waiting")} icon="hourglass_empty" value={(count?.waiting ?? 0) + (count?.ready ?? 0)} url={count?.url} />
          <Count name={t("count_passed")} icon="check" value={passed} />
          {Boolean(count?.messages) && <Count name={t("count_messages")} icon="mail" value={count!.messages!} />}
          {Boolean(count?.codes) && <Count name={t("count_codes")} icon="card_giftcard" value={count!.codes!} />}
          {Boolean(count?.failed) && <Count name={t("count_failed")} icon="error" value={count!.failed!} url={count?.url && `${count.url}&state=failed`} isBad />}
        </div>
      )}
      {outcomes.length > 0 && (
        <div className="jc-outs" data-plain={isPlain || undefined}>
          {outcomes.map(({ name, label: way }) => (
            <div key={name} className="jc-out" data-outcome={name}>
              {!isPlain && <span className="jc-out-name" title={way}>{way}</span>}
              <Handle type="source" id={name} position={Position.Bottom} className="jc-handle" isConnectable={!readOnly} />
              {!readOnly && (
                <button
                  type="button"
                  tabIndex={-1}
                  className="jc-plus nodrag nopan"
                  data-open={!targets(drawing, id, name).length || undefined}
                  aria-label={t("add_behind", { name: label, way })}
                  title={t("add_behind", { name: label, way })}
                  onClick={(event) => {
                    event.stopPropagation();
                    editor.choose({ where: "behind", from: id, outcome: name }, event.currentTarget);
                  }}
                >
                  <Icon name="add" />
                </button>
              )}
            </div>
          ))}
        </div>
      )}
    </div>
  );
});

function Count({ name, icon, value, url, isBad = false }: { name: string; icon: string; value: number; url?: string | undefined; isBad?: boolean }) {
  const { number } = useEditor();
  const inside = (
    <>
      <Icon name={icon} />
      <span className="jc-hidden">{name}: </span>
      {number(value)}
    </>
  );
  const words = { className: "jc-count nodrag nopan", title: name, "data-bad": isBad || undefined };
  return url ? <a {...words} href={url} tabIndex={-1}>{inside}</a> : <span {...words}>{inside}</span>;
}
